"""What studies share: report."""
