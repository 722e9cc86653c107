"""Perturbation: gradients of a chip from how it responds to small probes."""
