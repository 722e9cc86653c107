"""Chips that act: their outputs are a policy, and their learners see only returns."""

from .actions import Actions
from .actions import Greedy
from .actions import Sampled
from .actions import Squashed
from .normalizer import Senses
from .normalizer import unseen
from .random_search import EpisodePerturbation
from .random_search import ranked
from .random_search import standardised
from .reinforce import StepPerturbation
from .rollout import Arena
from .rollout import Moment
from .rollout import Tally
from .rollout import played
from .rollout import tallied
from .training import Practice
from .training import Rehearsal
from .training import Round
from .training import practised

__all__ = [
    "Actions",
    "Arena",
    "EpisodePerturbation",
    "Greedy",
    "Moment",
    "Practice",
    "Rehearsal",
    "Round",
    "Sampled",
    "Senses",
    "Squashed",
    "StepPerturbation",
    "Tally",
    "played",
    "practised",
    "ranked",
    "standardised",
    "tallied",
    "unseen",
]
