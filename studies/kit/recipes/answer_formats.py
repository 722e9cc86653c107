"""The ways of answering in classes that studies offer, by the words of their command lines."""

from collections.abc import Callable
from typing import Final
from typing import Literal

from distill import Answers
from distill import Label
from distill import Quantised
from distill import Raw
from distill import Samples
from distill import Soft

Way = Literal[
    "label",
    "sample",
    "samples-4",
    "samples-16",
    "rounded-1",
    "rounded-2",
    "rounded-4",
    "rounded-8",
    "soft",
    "raw",
]
SAMPLED: Final = 1.0  # temperature at which classes are drawn; on held-out digits
SPANS: Final = {1: 8.0, 2: 16.0, 4: 32.0, 8: 32.0}  # V, by bits of an output; on held-out digits

WAYS: Final[dict[str, Callable[[float], Answers]]] = {  # by temperature
    "label": lambda temperature: Label(),
    "sample": lambda temperature: Samples(1, SAMPLED),
    "samples-4": lambda temperature: Samples(4, SAMPLED),
    "samples-16": lambda temperature: Samples(16, SAMPLED),
    "rounded-1": lambda temperature: Quantised(1, SPANS[1], temperature),
    "rounded-2": lambda temperature: Quantised(2, SPANS[2], temperature),
    "rounded-4": lambda temperature: Quantised(4, SPANS[4], temperature),
    "rounded-8": lambda temperature: Quantised(8, SPANS[8], temperature),
    "soft": lambda temperature: Soft(temperature),
    "raw": lambda temperature: Raw(),
}
