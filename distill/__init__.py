"""Handing knowledge on, from chip to chip, by what a teacher answers."""

from .handover import distill as distill
from .handover import lessons as lessons
from .softening import Answer as Answer
from .softening import Matching as Matching
from .softening import soften as soften
