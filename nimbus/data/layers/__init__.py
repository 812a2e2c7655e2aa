"""Layers around a data engine: each is a `DataStore` over another one."""
