"""A hyper-parameter of an update: its value, and the unconstrained number by which it is tuned."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Knobs

Number = float | Tensor  # a tensor (*fleet,) has one number for each chip

_FRACTION_SCALE = 50.0


class Domain(NamedTuple):
    """The numbers that a hyper-parameter may be, and their map to and from unconstrained ones."""

    low: float
    high: float
    includes_low: bool  # for a hyper-parameter that is not tuned
    value: Callable[[Tensor], Tensor]
    unconstrained: Callable[[Tensor], Tensor]  # the inverse of `value`
    derivative: Callable[[Tensor], Tensor]  # d value / d unconstrained, as a function of the value
    bound: float  # of the unconstrained number, either side


_POSITIVE = Domain(
    low=0.0,
    high=math.inf,
    includes_low=False,
    value=torch.exp,
    unconstrained=torch.log,
    derivative=lambda value: value,
    bound=46.0,  # 1e-20 to 1e20: beyond, squares overflow float32
)
_FRACTION = Domain(
    low=0.0,
    high=1.0,
    includes_low=True,
    value=lambda number: torch.sigmoid(number / _FRACTION_SCALE),
    unconstrained=lambda value: _FRACTION_SCALE * torch.logit(value),
    derivative=lambda value: value * (1 - value) / _FRACTION_SCALE,
    bound=16 * _FRACTION_SCALE,  # 1e-7 from 0 and from 1
)


@dataclass(frozen=True)
class Hyperparameter:
    """A number of an update rule that another update may tune, such as a learning rate or a decay.

    Positive numbers are tuned by their logarithms, so that they stay positive and a move means the same at
    any size (Chandra et al., https://arxiv.org/abs/1909.13371, move the rate itself, which may become
    negative). Fractions are tuned by fifty times their logits (the source: by half of them), so that they
    move a hundred times more slowly, as held-out training data of the study `towers` would have it: early
    sensitivities praise decays near 1, and a late return from there is slow.
    """

    value: Number
    domain: Domain
    scales_drive: bool = False  # the drive is proportional to it

    @classmethod
    def learning_rate(cls, value: Number) -> "Hyperparameter":
        """A positive number that the drive is proportional to: its sensitivity needs no derivative."""
        return cls(value, _POSITIVE, scales_drive=True)

    @classmethod
    def positive(cls, value: Number) -> "Hyperparameter":
        """A positive number of any other role, such as a weight decay."""
        return cls(value, _POSITIVE)

    @classmethod
    def fraction(cls, value: Number) -> "Hyperparameter":
        """A number from 0 to 1, such as the decay of a running mean."""
        return cls(value, _FRACTION)

    def check(self, name: str, tuned: bool) -> None:
        """The value is refused where it is outside its domain.

        Raises:
            ValueError: outside, or on the edge of it and yet to be tuned.
        """
        low, high, includes_low, *_ = self.domain
        value = torch.as_tensor(self.value, dtype=torch.float64)
        edge = includes_low and not tuned
        if not bool(((low < value) | ((low == value) & edge)).logical_and(value < high).all()):
            sign, word = "<=" if edge else "<", name.split()[-1]
            raise ValueError(f"{name} is {self.value}, wanted {low:g} {sign} {word} < {high:g}")

    def beside(self, knobs: Knobs) -> Number:  # a float, or (*fleet, 1, 1, 1)
        """The value as it enters the rule with a gradient like these knobs."""
        return (
            self.value[..., None, None, None].to(knobs[0]) if isinstance(self.value, Tensor) else self.value
        )
