"""Studies: perturbation."""
