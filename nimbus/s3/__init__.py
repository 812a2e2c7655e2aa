"""Floor 8: the S3 protocol over the store; start reading at operations/table.py."""
