"""Reinforcement learning on chips: their outputs are a policy, and their learners see only returns."""

from .actions import ActionSelector
from .actions import Argmax
from .actions import SoftmaxSampling
from .actions import TanhSquashed
from .normalizer import ObservationNormalizer
from .random_search import AugmentedRandomSearch
from .random_search import centered_ranks
from .random_search import standardized
from .reinforce import NodePerturbationReinforce
from .rollout import EpisodeStats
from .rollout import Transition
from .rollout import VectorEnv
from .rollout import episode_stats
from .rollout import rollout
from .training import PolicyLearner
from .training import Progress
from .training import Round
from .training import train_policy

__all__ = [
    "ActionSelector",
    "Argmax",
    "AugmentedRandomSearch",
    "EpisodeStats",
    "NodePerturbationReinforce",
    "ObservationNormalizer",
    "PolicyLearner",
    "Progress",
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
