"""Handing knowledge on, from chip to chip, by what a teacher answers."""

from .answers import Answers as Answers
from .answers import Label as Label
from .answers import Quantised as Quantised
from .answers import Raw as Raw
from .answers import Samples as Samples
from .answers import Soft as Soft
from .captions import Caption as Caption
from .captions import Captioned as Captioned
from .captions import CaptionMatching as CaptionMatching
from .captions import Captions as Captions
from .captions import PlainCaptions as PlainCaptions
from .captions import Softened as Softened
from .classes import merged as merged
from .classes import uncaptioned as uncaptioned
from .handover import Traffic as Traffic
from .handover import distill as distill
from .handover import lessons as lessons
from .handover import written as written
from .softening import Answer as Answer
from .softening import Matching as Matching
from .softening import soften as soften
from .subclasses import Subclassed as Subclassed
from .teachers import steadied as steadied
from .teachers import together as together
