"""Studies: rl."""
