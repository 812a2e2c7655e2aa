"""The S3 operations: table.py names each one, the other files do them."""
