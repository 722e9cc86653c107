"""Learners that the field compares with: one published method a file, with its recipe."""

from .agad import AGAD, agad
from .chopped_tiki_taka import ChoppedTikiTaka, chopped_tiki_taka
from .direct_feedback_alignment import DirectFeedbackAlignment, direct_feedback_alignment
from .evolution_strategy import AskTellOptimizer, EvolutionStrategy
from .feedback_alignment import FeedbackAlignment, feedback_alignment
from .finite_differences import FiniteDifferences, finite_differences
from .mixed_precision import mixed_precision
from .multiplexed_gradient_descent import multiplexed_gradient_descent
from .openai_es import RankedPairs, openai_es
from .pepg import PEPG, pepg
from .pepita import PEPITA, pepita
from .physics_aware_training import PhysicsAwareTraining, physics_aware_training
from .second_array import second_layer, symmetric_points
from .separable_cma_es import separable_cma_es
from .spsa import spsa
from .tiki_taka import TikiTaka, tiki_taka

__all__ = [
    "AGAD",
    "PEPG",
    "PEPITA",
    "AskTellOptimizer",
    "ChoppedTikiTaka",
    "DirectFeedbackAlignment",
    "EvolutionStrategy",
    "FeedbackAlignment",
    "FiniteDifferences",
    "PhysicsAwareTraining",
    "RankedPairs",
    "TikiTaka",
    "agad",
    "chopped_tiki_taka",
    "direct_feedback_alignment",
    "feedback_alignment",
    "finite_differences",
    "mixed_precision",
    "multiplexed_gradient_descent",
    "openai_es",
    "pepg",
    "pepita",
    "physics_aware_training",
    "second_layer",
    "separable_cma_es",
    "spsa",
    "symmetric_points",
    "tiki_taka",
]
