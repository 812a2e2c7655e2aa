"""Floor 5: ordered metadata engines behind one contract; start reading at api.py."""
