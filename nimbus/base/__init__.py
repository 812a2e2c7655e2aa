"""Floor 1: what every room stands on (errors, limits, clock, ids, configuration)."""
