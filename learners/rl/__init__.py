"""Reinforcement learning on chips: their outputs are a policy, and their learners see only returns."""

from .actions import ActionSelector, Argmax, SoftmaxSampling, TanhSquashed
from .normalizer import ObservationNormalizer
from .random_search import AugmentedRandomSearch, centered_ranks, standardized
from .reinforce import NodePerturbationReinforce
from .restarts import Restarts, RestartState
from .rollout import EpisodeStats, Transition, VectorEnv, episode_stats, rollout
from .training import PolicyLearner, Progress, Round, train_policy

__all__ = [
    "ActionSelector",
    "Argmax",
    "AugmentedRandomSearch",
    "EpisodeStats",
    "NodePerturbationReinforce",
    "ObservationNormalizer",
    "PolicyLearner",
    "Progress",
    "RestartState",
    "Restarts",
    "Round",
    "SoftmaxSampling",
    "TanhSquashed",
    "Transition",
    "VectorEnv",
    "centered_ranks",
    "episode_stats",
    "rollout",
    "standardized",
    "train_policy",
]
