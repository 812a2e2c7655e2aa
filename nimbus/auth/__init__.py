"""Floor 7: who asks. One verifier for every signature form; start reading at api.py."""
