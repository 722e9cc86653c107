"""What studies share: metrics."""
