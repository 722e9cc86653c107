"""Difference schemes: how directions are measured, and what losses then say of the change along each."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Scheme(Protocol):
    """How K directions become the perturbations that are measured, and their losses K finite differences.

    Subclass it; what it says by its properties is all that laws, tuning and estimators know of it.
    """

    @property
    def min_directions(self) -> int:
        """The smallest number of directions that the scheme works with."""
        return 1

    @property
    def cancels_curvature(self) -> bool:
        """Whether second derivatives of the loss leave no trace in a difference, as in symmetric pairs."""
        return False

    @property
    def compares_directions(self) -> bool:
        """Whether a direction's loss is compared with those of other directions, not with a baseline."""
        return False

    @abstractmethod
    def perturbations(self, directions: Tensor) -> Tensor:
        """Turn directions (K, ...) into what is measured (probes, ...), not yet scaled by the probe size."""
        ...

    @abstractmethod
    def directions(self, perturbations: Tensor) -> Tensor:
        """Turn perturbations (probes, ...) back into the directions (K, ...) that they came from."""
        ...

    @abstractmethod
    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        """The finite difference of the loss along each direction.

        Args:
            losses: (probes, ...), one loss for each perturbation, measured at the given probe size.
            baseline_loss: (...), the loss without a probe.
            size: sd of the probe at each coordinate.

        Returns:
            (K, ...), per unit of the direction.
        """
        ...

    @abstractmethod
    def reading_noise(self, count: int) -> float:
        """The factor c by which readings of variance m^2 add c m^2 / size^2 to each coordinate's variance."""
        ...

    def reads(self, count: int) -> int:
        """How many vectors are driven through the chip for each example and `count` directions."""
        return len(self.perturbations(torch.zeros(count)))


@dataclass(frozen=True)
class OneSided(Scheme):
    """L(+v) against L without a probe.

    baselines: how many baseline readings are averaged into one baseline for all K directions. None takes
    the baseline reading that a learner makes anyway; a number sends that many zero probes along.

    Raises:
        ValueError: `baselines` is below 1.
    """

    baselines: int | None = None

    def __post_init__(self) -> None:
        if self.baselines is not None and self.baselines < 1:
            raise ValueError(f"OneSided: baselines is {self.baselines}, wanted at least 1 or None")

    def perturbations(self, directions: Tensor) -> Tensor:
        if self.baselines is None:
            return directions
        zero = directions.new_zeros(()).expand(self.baselines, *directions.shape[1:])
        return torch.cat((zero, directions))

    def directions(self, perturbations: Tensor) -> Tensor:
        return perturbations[self.baselines or 0 :]

    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        if self.baselines is None:
            return (losses - baseline_loss) / size
        return (losses[self.baselines :] - losses[: self.baselines].mean(0)) / size

    def reading_noise(self, count: int) -> float:
        return (1 + 1 / (self.baselines or 1)) / count


@dataclass(frozen=True)
class PairedBaseline(Scheme):
    """L(+v) against a baseline reading of its own, side by side; for hardware whose offset wanders."""

    def perturbations(self, directions: Tensor) -> Tensor:
        return torch.stack((directions, torch.zeros_like(directions)), 1).flatten(0, 1)

    def directions(self, perturbations: Tensor) -> Tensor:
        return perturbations[::2]

    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        del baseline_loss  # every direction has its own
        return (losses[::2] - losses[1::2]) / size

    def reading_noise(self, count: int) -> float:
        return 2 / count


@dataclass(frozen=True)
class Antithetic(Scheme):
    """L(+v) against L(-v), side by side; cancels curvature, twice the reads."""

    @property
    def cancels_curvature(self) -> bool:
        return True

    def perturbations(self, directions: Tensor) -> Tensor:
        return torch.stack((directions, -directions), 1).flatten(0, 1)

    def directions(self, perturbations: Tensor) -> Tensor:
        return perturbations[::2]

    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        del baseline_loss  # the pair is its own baseline
        return (losses[::2] - losses[1::2]) / (2 * size)

    def reading_noise(self, count: int) -> float:
        return 0.5 / count


@dataclass(frozen=True)
class LeaveOneOut(Scheme):
    """L(+v) against the mean of the other probes' losses; no baseline reading enters. Wants K >= 2.

    ghat = sum (L_k - Lbar) v_k / ((K - 1) size); unbiased where directions are independent, or
    orthogonal with signs of their own.
    """

    @property
    def min_directions(self) -> int:
        return 2

    @property
    def compares_directions(self) -> bool:
        return True

    def perturbations(self, directions: Tensor) -> Tensor:
        return directions

    def directions(self, perturbations: Tensor) -> Tensor:
        return perturbations

    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        del baseline_loss
        count = len(losses)
        return (losses - losses.mean(0)) * (count / ((count - 1) * size))

    def reading_noise(self, count: int) -> float:
        return 1 / (count - 1)


one_sided = OneSided()
paired_baseline = PairedBaseline()
antithetic = Antithetic()
leave_one_out = LeaveOneOut()
