"""Floor 5: byte engines behind one contract; start reading at api.py."""
