"""Learners that the field compares with: one published method a file, with its recipe."""

from .direct_feedback_alignment import DirectFeedbackAlignment, direct_feedback_alignment
from .evolution_strategy import AskTellOptimizer, EvolutionStrategy
from .feedback_alignment import FeedbackAlignment, feedback_alignment
from .finite_differences import FiniteDifferences, finite_differences
from .openai_es import RankedPairs, openai_es
from .pepita import PEPITA, pepita
from .separable_cma_es import separable_cma_es
from .spsa import spsa

__all__ = [
    "PEPITA",
    "AskTellOptimizer",
    "DirectFeedbackAlignment",
    "EvolutionStrategy",
    "FeedbackAlignment",
    "FiniteDifferences",
    "RankedPairs",
    "direct_feedback_alignment",
    "feedback_alignment",
    "finite_differences",
    "openai_es",
    "pepita",
    "separable_cma_es",
    "spsa",
]
