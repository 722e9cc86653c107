"""Studies: local learning."""
