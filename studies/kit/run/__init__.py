"""What studies share: run."""
