"""Floor 8: what the operator's tools ask of a running server: metrics and health."""
