"""Gradient estimators: probes and losses in, an estimated gradient out."""
