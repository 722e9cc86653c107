"""Tests of your own learners and their parts: each law of a `check_...` is a test in your suite."""

from .estimator_laws import EstimatorLaws
from .learner_laws import LearnerLaws
from .loss_laws import LossLaws
from .update_laws import UpdateLaws

__all__ = ["EstimatorLaws", "LearnerLaws", "LossLaws", "UpdateLaws"]
