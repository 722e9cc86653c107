"""How a chip's outputs become what an environment takes: a number of a list, or a force within limits."""

from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import torch
from torch import Generator, Tensor


class ActionSelector(Protocol):
    """An action selector turns the outputs of a policy into actions."""

    def select(self, out: Tensor, generator: Generator) -> Tensor:
        """Select an action for every observation.

        Args:
            out: (..., outputs), of the policy's chips.
            generator: for actions that are drawn.

        Returns:
            What the environment's action space holds: (...), int64, or (..., outputs).
        """
        ...


@dataclass(frozen=True)
class Argmax:
    """The strongest output names the action; what exploration there is comes from the chip's noise."""

    def select(self, out: Tensor, generator: Generator) -> Tensor:
        del generator  # nothing is drawn
        return out.argmax(-1)


@dataclass(frozen=True)
class SoftmaxSampling:
    """Actions drawn with probabilities softmax(outputs / temperature).

    Raises:
        ValueError: `temperature` is not finite and above 0.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"SoftmaxSampling: temperature is {self.temperature}, wanted a finite number above 0"
            )

    def select(self, out: Tensor, generator: Generator) -> Tensor:
        even = torch.rand(out.shape, generator=generator, dtype=out.dtype, device=generator.device).to(
            out.device
        )
        tiny = torch.finfo(out.dtype).tiny
        return (out / self.temperature - (-even.clamp(min=tiny).log()).log()).argmax(-1)  # Gumbel's trick


@dataclass(frozen=True)
class TanhSquashed:
    """Outputs are means of a force: from `low` to `high` as tanh(gain * output) goes from -1 to 1.

    Raises:
        ValueError: limits or gain are not finite, or `low` is not below `high`.
    """

    low: float
    high: float
    gain: float = 1.0  # 1/V

    def __post_init__(self) -> None:
        if not (self.low < self.high and all(map(isfinite, (self.low, self.high, self.gain)))):
            raise ValueError(f"TanhSquashed: wants finite low < high and a finite gain, got {self}")

    def select(self, out: Tensor, generator: Generator) -> Tensor:
        del generator  # nothing is drawn
        share = (1 + (self.gain * out).tanh()) / 2
        return (self.low + (self.high - self.low) * share).clamp(self.low, self.high)


@dataclass(frozen=True)
class BesideCritic:
    """Selects by all outputs but the last, which is a critic's."""

    actions: ActionSelector

    def select(self, out: Tensor, generator: Generator) -> Tensor:
        return self.actions.select(out[..., :-1], generator)
