"""Chips that act: their outputs are a policy, and their learners see only returns."""

from .actions import Actions as Actions
from .actions import Greedy as Greedy
from .actions import Sampled as Sampled
from .actions import Squashed as Squashed
from .episodes import EpisodePerturbation as EpisodePerturbation
from .episodes import ranked as ranked
from .episodes import standardised as standardised
from .playing import Arena as Arena
from .playing import Moment as Moment
from .playing import Tally as Tally
from .playing import played as played
from .playing import tallied as tallied
from .rounds import Practice as Practice
from .rounds import Rehearsal as Rehearsal
from .rounds import Round as Round
from .rounds import practised as practised
from .senses import Senses as Senses
from .senses import unseen as unseen
from .steps import StepPerturbation as StepPerturbation
