"""Floor 2: counters that cost next to nothing where they count, and the text in which Prometheus reads them."""
