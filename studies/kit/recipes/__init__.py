"""What studies share: recipes."""
