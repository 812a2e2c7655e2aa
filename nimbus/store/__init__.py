"""Floor 6: buckets, objects, uploads, listings; the only room that joins meta and data."""
