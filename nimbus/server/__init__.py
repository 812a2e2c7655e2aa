"""Floor 9: the composition root and the listener; the only room that knows which engine is which."""
