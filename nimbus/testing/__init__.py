"""Floor 10: contract suites for authors of metadata and data engines."""
