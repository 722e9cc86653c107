"""Reinforcement learning on chips: their outputs are a policy, and their learners see only returns."""

from .actions import ActionSelector, Argmax, BesideCritic, SoftmaxSampling, TanhSquashed
from .advantages import generalized_advantages
from .normalizer import ObservationNormalizer
from .proximal import ProximalPolicyOptimization
from .random_search import AugmentedRandomSearch, centered_ranks, standardized
from .reinforce import NodePerturbationReinforce
from .restarts import Restarts, RestartState
from .rollout import EpisodeStats, Transition, VectorEnv, episode_stats, rollout
from .surrogate import ClippedSurrogate, Played
from .training import PolicyLearner, Progress, Round, train_policy

__all__ = [
    "ActionSelector",
    "Argmax",
    "AugmentedRandomSearch",
    "BesideCritic",
    "ClippedSurrogate",
    "EpisodeStats",
    "NodePerturbationReinforce",
    "ObservationNormalizer",
    "Played",
    "PolicyLearner",
    "Progress",
    "ProximalPolicyOptimization",
    "RestartState",
    "Restarts",
    "Round",
    "SoftmaxSampling",
    "TanhSquashed",
    "Transition",
    "VectorEnv",
    "centered_ranks",
    "episode_stats",
    "generalized_advantages",
    "rollout",
    "standardized",
    "train_policy",
]
