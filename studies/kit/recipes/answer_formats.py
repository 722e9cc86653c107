"""Answer formats on the command line, as in `--answers "distill:SoftLabels(temperature=10)"`."""

import re
from typing import Annotated

from distill import AnswerFormat

from ..run.arguments import by_reference
from ..run.references import reference

AnyAnswerFormat = Annotated[
    AnswerFormat, by_reference("answer format", has="bits", homes=("distill", "distill.formats"))
]


def name_of(answers: AnswerFormat) -> str:
    """A format as rows name it: its class, and the arguments that are not the defaults."""
    return re.sub(r"[\w.]+:", "", reference(answers))
