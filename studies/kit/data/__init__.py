"""What studies share: data."""
