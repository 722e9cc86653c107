"""Tests of your own estimators: every law of `check_estimator` is a test of its own in your suite."""

from .estimator_laws import EstimatorLaws

__all__ = ["EstimatorLaws"]
