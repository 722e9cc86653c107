"""Probe size and number of probes from the wires alone, by the laws.

Users of zeroth-order methods fail mostly on settings made by hand. Here the noise of the losses is measured
by repetition, curvature (or, for pairs, the third derivative) by measuring further out, and signal and
variances by estimates that were probed independently; `learners.laws` does the rest.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.port import Probe
from analog.port import Reading
from analog.tree import tree_map

from ..estimators.base import Estimator
from ..estimators.base import Evidence
from ..estimators.base import NodePerturbation
from ..estimators.base import WeightPerturbation
from ..estimators.distributions import Blocks
from ..estimators.schemes import Antithetic
from ..estimators.schemes import LeaveOneOut
from ..estimators.schemes import one_sided
from ..learner import Batch
from ..learner import evidence
from ..losses import Loss
from . import laws

E = TypeVar("E", NodePerturbation, WeightPerturbation)

_READS = 16  # repetitions that the noise is measured from
_LOOKS = 12  # most rounds of measuring how the loss bends and moving the size to where the law wants it
_STEP = 30.0  # a round moves the size by at most this factor
_FURTHER = 3.0  # where nothing stands out of the noise
_CLOSE = 1.2  # a round that moves it less is the last
_PROBES = 8  # directions of each measurement of curvature and of each trial estimate
_TRIALS = 4  # estimates on each half of the batch


@dataclass(frozen=True)
class Tuning:
    """What was measured at the wires, and what follows from it; `str` says why in a few lines."""

    noise: float  # m, sd of one loss reading as the estimator uses it
    bend: float  # mean square of the second (pairs: third) derivative of the loss along a probe
    signal: float  # |g|^2, at the probed knobs
    minibatch: float  # variance of the gradient from the choice of this many examples
    perturbation: float  # variance of an estimate from one probe
    size: float
    probes: int
    readings: int  # vectors driven through the chip to find out

    def __str__(self) -> str:
        return (
            f"a loss reading has noise {self.noise:.3g} and the loss bends (mean square {self.bend:.3g}): "
            f"by law the best size is {self.size:.3g}. One probe has a variance of {self.perturbation:.3g}, "
            f"the signal {self.signal:.3g} and the batch's own variance {self.minibatch:.3g}: most descent "
            f"per reading with {self.probes} probes. Found with {self.readings} readings."
        )


def tuned(
    estimator: E,
    port: Port,
    batch: Batch,
    loss: Loss,
    generator: Generator,
    *,
    most: int = 64,
    last: int | None = None,
) -> tuple[E, Tuning]:
    """The estimator with the probe size and the number of probes that the laws call best for this chip now.

    Nothing is pulsed. Curvature and signal change as a chip learns, so it may pay to tune again.

    Args:
        estimator: its law, scheme and mask are kept, its size is where the search begins.
        batch: as large as those to be learned from; 64 examples or more tell signal from noise.
        most: upper limit of the number of probes.
        last: the last layer to be probed, where a learner spares the read-out; None probes all.

    Raises:
        ValueError: fewer than 4 examples, or a loss that probes do not change.
    """
    if batch.x.shape[-2] < 4:
        raise ValueError(f"tuned: wants at least 4 examples, got {batch.x.shape[-2]}")
    bench = _Bench(port, batch, loss, generator, len(port.spec.layers) - 1 if last is None else last)
    averaged = isinstance(estimator, WeightPerturbation)
    noise = bench.noise(averaged)
    size, bend = estimator.size, 0.0
    for _ in range(_LOOKS):
        bend, hidden = bench.bend(dataclasses.replace(estimator, size=size), noise, averaged)
        before, wanted = size, _best_size(estimator, noise, bend)
        if hidden:  # noise covers how the loss bends: look further out
            wanted = max(wanted, size * _FURTHER)
        size = min(max(wanted, size / _STEP), size * _STEP)
        if max(size / before, before / size) < _CLOSE:
            break
    if not bench.moved:
        raise ValueError("tuned: no probe changes the loss, so there is nothing to tune by")
    turn = _turn(estimator)
    trial = dataclasses.replace(estimator, size=size, probes=turn * math.ceil(_PROBES / turn))
    signal, minibatch, perturbation = bench.variances(trial)
    cost = 2.0 if isinstance(estimator.scheme, Antithetic) else 1.0
    wanted = laws.best_probes(perturbation, signal + minibatch, cost) if signal + minibatch > 0 else most
    least = 2 if isinstance(estimator.scheme, LeaveOneOut) else 1
    probes = turn * max(1, round(min(max(wanted, least), most) / turn))
    report = Tuning(noise, bend, signal, minibatch, perturbation, size, probes, bench.readings)
    return dataclasses.replace(estimator, size=size, probes=probes), report


def _turn(estimator: NodePerturbation | WeightPerturbation) -> int:
    """Probes come in multiples of this."""
    return estimator.law.blocks if isinstance(estimator.law, Blocks) else 1


def _best_size(estimator: NodePerturbation | WeightPerturbation, noise: float, bend: float) -> float:
    if isinstance(estimator.scheme, Antithetic):
        return laws.size_from_twist(noise, bend)
    return laws.size_from_curvature(estimator.scheme, max(2, estimator.probes), noise, bend)


@dataclass
class _Bench:
    """A chip under test, and what was spent on it."""

    port: Port
    batch: Batch
    loss: Loss
    generator: Generator
    last: int
    readings: int = 0
    moved: bool = False  # whether any probe changed any loss

    def losses(self, x: Tensor, target: object, probe: Probe = Probe()) -> tuple[Reading, Tensor]:
        spared = len(self.port.spec.layers) - 1 - self.last
        reading = self.port.measure(x, probe.padded(after=spared))
        self.readings += self.port.spec.vectors(reading.out)
        return reading, self.loss(reading.out, target)

    def _told(self, reading: Reading, batch: Batch) -> Tensor:
        return self.loss.value(reading.out, batch.target)

    def noise(self, averaged: bool) -> float:
        """Root mean variance of a loss, of an example or (averaged) of a batch; at least its rounding.

        Outputs grow as a chip learns, and their rounding with them: hence a hundred times today's.
        """
        seen = [self.losses(*self.batch) for _ in range(_READS)]
        reads = torch.stack([losses for _, losses in seen])
        reads = reads.mean(-1, keepdim=True) if averaged else reads
        scale = float(reads.abs().mean()) + float(seen[0][0].out.abs().mean())
        rounding = 100 * torch.finfo(reads.dtype).eps * scale + torch.finfo(reads.dtype).tiny
        return max(float(reads.var(0).mean()) ** 0.5, rounding)

    def bend(
        self, estimator: NodePerturbation | WeightPerturbation, noise: float, averaged: bool
    ) -> tuple[float, bool]:
        """Mean square of the second or third derivative along probes of this size, noise taken off.

        And whether it is hidden in the noise; it is then the most that noise can hide.
        """
        turn = _turn(estimator)
        single = dataclasses.replace(estimator, probes=turn * math.ceil(_PROBES / turn), scheme=one_sided)
        x, target = self.batch
        baseline, low = self.losses(x, target)
        probe = single.ask(self.port.spec.span(last=self.last), x, baseline, self.generator)

        def at(factor: float) -> Tensor:
            moved = tree_map(lambda entry: entry * factor, probe)
            losses = self.losses(x, target, moved)[1]
            return losses.mean(-1, keepdim=True) if averaged else losses

        low = low.mean(-1, keepdim=True) if averaged else low
        if isinstance(estimator.scheme, Antithetic):  # L(2) - 2 L(1) + 2 L(-1) - L(-2) = 2 s^3 T
            raw, squares, scale = at(2) - 2 * at(1) + 2 * at(-1) - at(-2), 10.0, 2 * estimator.size**3
        else:
            raw, squares, scale = at(1) + at(-1) - 2 * low, 6.0, estimator.size**2
        if isinstance(estimator.scheme, LeaveOneOut):
            raw = (raw - raw.mean(0)) * (len(raw) / (len(raw) - 1)) ** 0.5
            squares = 2.0
        power = float(raw.square().mean())
        error = squares * noise**2 * (2 / raw.numel()) ** 0.5  # of a mean square that is noise alone
        stands_out = power - squares * noise**2
        self.moved |= power > 0
        return max(stands_out, 2 * error) / scale**2, stands_out < 2 * error

    def variances(self, trial: NodePerturbation | WeightPerturbation) -> tuple[float, float, float]:
        """|g|^2, the batch's variance and that of one probe, from products of independent estimates."""
        told = torch.stack([self._halves(trial) for _ in range(_TRIALS)])  # (trials, 2, knobs)
        squares = float(told.square().sum(-1).mean())
        totals = told.sum(0)
        same = (float(totals.square().sum()) / 2 - squares * _TRIALS) / (_TRIALS * (_TRIALS - 1))
        means = totals / _TRIALS
        signal = float(means[0] @ means[1])
        return max(signal, 0.0), max(same - signal, 0.0) / 2, max(squares - same, 0.0) * trial.probes / 2

    def _halves(self, trial: Estimator) -> Tensor:  # (2, knobs of all layers and chips)
        """One estimate from each half of the batch, in one measurement."""
        port, spec = self.port, self.port.spec.span(last=self.last)
        baseline = port.measure(self.batch.x)
        told = self._told(baseline, self.batch)
        seen = evidence(trial, port, self.batch, self._told, baseline, told, (0, self.last), self.generator)
        self.readings += port.spec.vectors(baseline.out) * (1 + len(seen.losses))
        half = self.batch.x.shape[-2] // 2
        estimates = (trial.tell(spec, _part(seen, cut)) for cut in (slice(0, half), slice(half, 2 * half)))
        return torch.stack([torch.cat([k.flatten() for k in knobs]) for knobs in estimates])


def _part(seen: Evidence, cut: slice) -> Evidence:
    """The evidence of some of the examples."""
    baseline, probed = (tree_map(lambda tap: tap[..., cut, :], r) for r in (seen.baseline, seen.probed))
    probe = seen.probe._replace(nodes=tree_map(lambda entry: entry[..., cut, :], seen.probe.nodes))
    x, low, losses = seen.x[..., cut, :], seen.baseline_loss[..., cut, :], seen.losses[..., cut, :]
    return Evidence(x, baseline, low, probe, probed, losses)
