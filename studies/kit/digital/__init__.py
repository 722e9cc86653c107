"""What studies share: digital."""
