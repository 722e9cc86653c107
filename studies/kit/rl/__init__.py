"""What studies share: rl."""
