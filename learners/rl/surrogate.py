"""The clipped surrogate loss of proximal policy optimization, as a loss of outputs like any other.

Schulman et al., "Proximal policy optimization algorithms" (2017, https://arxiv.org/abs/1707.06347), equation
7, for a Gaussian policy around the outputs, whose last one is the critic. What a round showed is the target
of its batches, so that whatever descends a loss descends this one.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from ..losses import Loss

LARGEST_LOG_RATIO: Final = 10.0  # beyond which a ratio of densities is held; it is clipped long before


class Played(NamedTuple):
    """The target of a surrogate loss: each step of a round as it was played, and what came of it."""

    perturbed: Tensor  # (..., batch, outputs - 1), V, the outputs that were acted by
    added: Tensor  # (..., batch, outputs - 1), V, what was added to them by lot
    size: Tensor  # (..., batch), V, sd of that
    advantage: Tensor  # (..., batch)
    value: Tensor  # (..., batch), V, what the critic is to show


class ClippedSurrogate(Loss):
    """Clipped surrogate loss of a Gaussian policy, and the weighted squared error of its critic.

    Args:
        clip: how far a step may change the density of what was done before nothing more is gained by it.
        value_weight: of the critic's squared error.

    Raises:
        ValueError: `clip` is not within 0 and 1, or `value_weight` is below 0.
    """

    def __init__(self, clip: float = 0.2, value_weight: float = 0.5) -> None:
        if not (0 < clip < 1 and 0 <= value_weight < float("inf")):
            raise ValueError(
                f"ClippedSurrogate: wanted 0 < clip < 1 and a weight of 0 or more, got {clip}, {value_weight}"
            )
        self.clip, self.value_weight = clip, value_weight

    def value(self, out: Tensor, target: Played) -> Tensor:
        ratio, gain = self._ratio(out, target), target.advantage
        kept = torch.minimum(ratio * gain, ratio.clamp(1 - self.clip, 1 + self.clip) * gain)
        return (self.value_weight * (out[..., -1] - target.value).square() - kept).unsqueeze(-1)

    def gradient(self, out: Tensor, target: Played) -> Tensor:
        """d loss / d out, (..., batch, features): the score of what was done where it still counts."""
        ratio, gain = self._ratio(out, target), target.advantage
        counts = torch.where(gain > 0, ratio <= 1 + self.clip, ratio >= 1 - self.clip)
        push = (-gain * ratio * counts / target.size.square()).unsqueeze(-1)
        critic = 2 * self.value_weight * (out[..., -1] - target.value)
        return torch.cat((push * (target.perturbed - out[..., :-1]), critic.unsqueeze(-1)), -1)

    def _ratio(self, out: Tensor, target: Played) -> Tensor:
        """By what factor the density of what was done has grown, (..., batch)."""
        gap = target.added.square() - (target.perturbed - out[..., :-1]).square()
        log = gap.sum(-1) / (2 * target.size.square())
        return log.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
