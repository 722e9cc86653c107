"""Studies: hardware."""
