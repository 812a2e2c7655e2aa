"""Floor 1: native leaves. Bytes in, bytes out; nothing here imports from the package."""
