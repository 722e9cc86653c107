"""Handing knowledge on, from chip to chip, by what a teacher answers."""

from .answers import Answers as Answers
from .answers import Label as Label
from .answers import Quantised as Quantised
from .answers import Raw as Raw
from .answers import Samples as Samples
from .answers import Soft as Soft
from .community import Sharing as Sharing
from .community import community as community
from .community import taken as taken
from .community import turns as turns
from .handover import Traffic as Traffic
from .handover import distill as distill
from .handover import lessons as lessons
from .handover import written as written
from .mail import Mail as Mail
from .softening import Answer as Answer
from .softening import Matching as Matching
from .softening import soften as soften
from .teachers import steadied as steadied
from .teachers import together as together
