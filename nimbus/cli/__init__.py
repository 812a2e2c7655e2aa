"""Floor 10: the nimbus command."""
