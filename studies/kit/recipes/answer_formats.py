"""The ways of answering in classes that studies offer, by the words of their command lines."""

from collections.abc import Callable
from typing import Final
from typing import Literal

from distill import AnswerFormat
from distill import HardLabels
from distill import Logits
from distill import QuantizedLogits
from distill import SampledLabels
from distill import SoftLabels

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

WAYS: Final[dict[str, Callable[[float], AnswerFormat]]] = {  # by temperature
    "label": lambda temperature: HardLabels(),
    "sample": lambda temperature: SampledLabels(1, SAMPLED),
    "samples-4": lambda temperature: SampledLabels(4, SAMPLED),
    "samples-16": lambda temperature: SampledLabels(16, SAMPLED),
    "rounded-1": lambda temperature: QuantizedLogits(1, SPANS[1], temperature),
    "rounded-2": lambda temperature: QuantizedLogits(2, SPANS[2], temperature),
    "rounded-4": lambda temperature: QuantizedLogits(4, SPANS[4], temperature),
    "rounded-8": lambda temperature: QuantizedLogits(8, SPANS[8], temperature),
    "soft": lambda temperature: SoftLabels(temperature),
    "raw": lambda temperature: Logits(),
}
