"""Optimizers: hyper-parameters tuned by other optimizers, and what 33 years of training methods added."""
