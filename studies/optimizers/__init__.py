"""Studies: optimizers."""
