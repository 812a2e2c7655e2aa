"""What a start may trust, hold and drop: the pairing of data and metadata, the sweep, the quarantine."""
