"""Giving space back: what was overwritten or deleted is freed when nobody reads it any more."""
