"""Handing knowledge on, from chip to chip, by what a teacher answers."""

from .answers import Answers as Answers
from .answers import Label as Label
from .answers import Quantised as Quantised
from .answers import Raw as Raw
from .answers import Samples as Samples
from .answers import Soft as Soft
from .handover import Traffic as Traffic
from .handover import distill as distill
from .handover import lessons as lessons
from .handover import written as written
from .prior import prior_shift as prior_shift
from .prior import shifted as shifted
from .softening import Answer as Answer
from .softening import Matching as Matching
from .softening import soften as soften
from .stimuli import chosen as chosen
from .stimuli import dispute as dispute
from .stimuli import doubt as doubt
from .stimuli import kept as kept
from .stimuli import mixtures as mixtures
from .stimuli import noise as noise
from .stimuli import resampled as resampled
from .stimuli import some as some
from .stimuli import without as without
from .teachers import steadied as steadied
from .teachers import together as together
