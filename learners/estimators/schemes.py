"""Difference schemes: how directions are measured, and what losses then say about the slope along each."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Scheme(Protocol):
    """From K directions to the probes that are sent, and from their losses to K slopes."""

    def send(self, directions: Tensor) -> Tensor:
        """(K, ...) -> (probes, ...): what is measured, not yet scaled by the probe size."""
        ...

    def directions(self, sent: Tensor) -> Tensor:
        """The inverse: (probes, ...) -> (K, ...)."""
        ...

    def slopes(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        """(probes, ...) losses at probes of the given size, (...) without one -> (K, ...) slopes."""
        ...

    def reading_noise(self, count: int) -> float:
        """c, where readings of variance m^2 add c m^2 / size^2 to each coordinate's variance."""
        ...


@dataclass(frozen=True)
class OneSided:
    """L(+v) against L without a probe.

    baselines: how many baseline readings are averaged into one baseline for all K directions. None takes
    the baseline reading that a learner makes anyway; a number sends that many silent probes along.
    """

    baselines: int | None = None

    def __post_init__(self) -> None:
        if self.baselines is not None and self.baselines < 1:
            raise ValueError(f"OneSided: baselines is {self.baselines}, wanted at least 1 or None")

    def send(self, directions: Tensor) -> Tensor:
        if self.baselines is None:
            return directions
        silent = directions.new_zeros(()).expand(self.baselines, *directions.shape[1:])
        return torch.cat((silent, directions))

    def directions(self, sent: Tensor) -> Tensor:
        return sent[self.baselines or 0 :]

    def slopes(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        if self.baselines is None:
            return (losses - baseline_loss) / size
        return (losses[self.baselines :] - losses[: self.baselines].mean(0)) / size

    def reading_noise(self, count: int) -> float:
        return (1 + 1 / (self.baselines or 1)) / count


@dataclass(frozen=True)
class OwnBaseline:
    """L(+v) against a baseline reading of its own, side by side; for hardware whose offset wanders."""

    def send(self, directions: Tensor) -> Tensor:
        return torch.stack((directions, torch.zeros_like(directions)), 1).flatten(0, 1)

    def directions(self, sent: Tensor) -> Tensor:
        return sent[::2]

    def slopes(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        del baseline_loss  # every direction has its own
        return (losses[::2] - losses[1::2]) / size

    def reading_noise(self, count: int) -> float:
        return 2 / count


@dataclass(frozen=True)
class Antithetic:
    """L(+v) against L(-v), side by side; cancels curvature, twice the readings."""

    def send(self, directions: Tensor) -> Tensor:
        return torch.stack((directions, -directions), 1).flatten(0, 1)

    def directions(self, sent: Tensor) -> Tensor:
        return sent[::2]

    def slopes(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        del baseline_loss  # the pair is its own baseline
        return (losses[::2] - losses[1::2]) / (2 * size)

    def reading_noise(self, count: int) -> float:
        return 0.5 / count


@dataclass(frozen=True)
class LeaveOneOut:
    """L(+v) against the mean of the other probes' losses; no baseline reading enters. Wants K >= 2.

    ghat = sum (L_k - Lbar) v_k / ((K - 1) size); unbiased where directions are independent, or
    orthogonal with signs of their own.
    """

    def send(self, directions: Tensor) -> Tensor:
        return directions

    def directions(self, sent: Tensor) -> Tensor:
        return sent

    def slopes(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        del baseline_loss
        count = len(losses)
        return (losses - losses.mean(0)) * (count / ((count - 1) * size))

    def reading_noise(self, count: int) -> float:
        return 1 / (count - 1)


one_sided = OneSided()
own_baseline = OwnBaseline()
antithetic = Antithetic()
leave_one_out = LeaveOneOut()
