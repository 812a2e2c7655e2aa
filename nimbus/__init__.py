"""NimbusStore: a high-performance, S3-compatible object store for AI training."""

__version__ = "0.1.0"
