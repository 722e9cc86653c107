"""Probe size and number of probes from the wires alone, by closed forms.

Users of zeroth-order methods fail mostly on settings made by hand. Here the noise of the losses is measured
by repetition, curvature (or, for pairs, the third derivative) by measuring further out, and signal and
variances by estimates that were probed independently; `best_settings` does the rest.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Generator, Tensor

from analog.port import Port, Probe, Reading
from analog.spec import Spec
from analog.tree import tree_map

from ..estimators.base import ProbeResult, ProbingEstimator
from ..estimators.estimate import judge_baseline, probe_span
from ..estimators.gradient import knob_gradients
from ..estimators.schemes import one_sided
from ..learner import Batch
from ..losses import Loss
from . import best_settings

E = TypeVar("E", bound=ProbingEstimator)

_REPETITIONS = 16  # readings that the noise is measured from
_MAX_ROUNDS = 12  # of measuring a derivative of the loss and moving the size to what follows
_MAX_STEP = 30.0  # a round moves the size by at most this factor
_FURTHER = 3.0  # by so much at least where nothing stands out of the noise
_CONVERGED = 1.2  # a round that moves it by less is the last
_DIRECTIONS = 8  # of each measurement of a derivative and of each trial estimate
_TRIALS = 4  # estimates on each half of the batch


@dataclass(frozen=True)
class Tuning:
    """The result of tuning: what was measured at the wires, and the settings that follow; `str` says why."""

    noise: float  # m, sd of one loss reading as the estimator uses it
    derivative: float  # mean square of the second (pairs: third) derivative of the loss along a probe
    signal: float  # |g|^2, at the probed knobs
    minibatch: float  # variance of the gradient from the choice of this many examples
    perturbation: float  # variance of an estimate from one probe
    size: float
    probes: int
    reads: int  # vectors driven through the chip to find out

    def __repr__(self) -> str:
        return (
            f"Tuning(size={self.size:.3g}, probes={self.probes}, noise={self.noise:.3g}, "
            f"signal={self.signal:.3g}, perturbation={self.perturbation:.3g}, reads={self.reads:,})"
        )

    def __str__(self) -> str:
        return (
            f"a loss reading has noise {self.noise:.3g} and the loss bends (mean square "
            f"{self.derivative:.3g}): by law the best size is {self.size:.3g}. One probe has a variance of "
            f"{self.perturbation:.3g}, the signal {self.signal:.3g} and the batch's own variance "
            f"{self.minibatch:.3g}: most descent per reading with {self.probes} probes. Found with "
            f"{self.reads} readings."
        )


def tune_probe_size(
    estimator: E,
    port: Port,
    batch: Batch,
    loss: Loss,
    generator: Generator,
    *,
    max_probes: int = 64,
    last: int | None = None,
) -> tuple[E, Tuning]:
    """Find the probe size and the number of probes that closed forms call best for this chip now.

    Nothing is pulsed. Curvature and signal change as a chip learns, so it may pay to tune again.

    Args:
        estimator: a frozen dataclass with a size, probes, a distribution and a scheme, which are kept; its
            size is where the search begins.
        port: the chip to be measured.
        batch: as large as those to be learned from; 64 examples or more tell signal from noise.
        loss: per example, as the learner's.
        generator: of the probes.
        max_probes: upper limit of the number of probes, unless fewer are not allowed by the distribution.
        last: the last layer to be probed, where a learner spares the read-out; None probes all.

    Returns:
        The estimator with that size and number of probes, and what was measured.

    Raises:
        ValueError: fewer than 4 examples, or a loss that probes do not change.
    """
    if batch.x.shape[-2] < 4:
        raise ValueError(f"tune_probe_size: wants at least 4 examples, got {batch.x.shape[-2]}")
    bench = _Bench(port, batch, loss, generator, len(port.spec.layers) - 1 if last is None else last)
    noise = bench.noise(estimator.shared_over_batch)
    size, derivative = _search_size(bench, estimator, noise)
    if not bench.moved:
        raise ValueError("tune_probe_size: no probe changes the loss, so there is nothing to tune by")
    multiple, scheme = estimator.distribution.multiple, estimator.scheme
    trial = _replace(estimator, size=size, probes=_several(estimator))
    signal, minibatch, perturbation = bench.variances(trial)
    others, best = signal + minibatch, float(max_probes)
    if others > 0:
        reads = scheme.reads(trial.probes + 1) - scheme.reads(trial.probes)  # of one more probe
        best = best_settings.best_probes(perturbation, others, reads)
    wanted = min(max(best, scheme.min_directions), max_probes) / multiple
    probes = multiple * max(1, min(round(wanted), max_probes // multiple))
    report = Tuning(noise, derivative, signal, minibatch, perturbation, size, probes, bench.reads)
    return _replace(estimator, size=size, probes=probes), report


def _search_size(bench: "_Bench", estimator: ProbingEstimator, noise: float) -> tuple[float, float]:
    """The best probe size, and the mean square derivative that it follows from."""
    size = estimator.size
    for _ in range(_MAX_ROUNDS):
        derivative, hidden = bench.derivative(_replace(estimator, size=size), noise)
        before, best = size, _best_size(estimator, noise, derivative)
        if hidden:  # noise covers how the loss bends: look further out
            best = max(best, size * _FURTHER)
        size = min(max(best, size / _MAX_STEP), size * _MAX_STEP)
        if max(size / before, before / size) < _CONVERGED:
            break
    return size, derivative


def _best_size(estimator: ProbingEstimator, noise: float, derivative: float) -> float:
    if estimator.scheme.cancels_curvature:
        return best_settings.size_from_third_derivative(noise, derivative)
    return best_settings.size_from_curvature(estimator.scheme, estimator.probes, noise, derivative)


def _several(estimator: ProbingEstimator) -> int:
    """How many probes are tried, a number that the distribution allows."""
    multiple = estimator.distribution.multiple
    return multiple * math.ceil(_DIRECTIONS / multiple)


def _replace(estimator: E, **changes: Any) -> E:
    return cast(E, dataclasses.replace(cast(Any, estimator), **changes))


@dataclass
class _Bench:
    """A chip under test, and what was spent on it."""

    port: Port
    batch: Batch
    loss: Loss
    generator: Generator
    last: int
    reads: int = 0
    moved: bool = False  # whether any probe changed any loss

    def losses(self, x: Tensor, target: object, probe: Probe = Probe()) -> tuple[Reading, Tensor]:
        spared = len(self.port.spec.layers) - 1 - self.last
        reading = self.port.measure(x, probe.padded(after=spared))
        self.reads += self.port.spec.vectors(reading.out)
        return reading, self.loss(reading.out, target)

    def noise(self, averaged: bool) -> float:
        """Root mean variance of a loss, of an example or (averaged) of a batch; at least its rounding.

        Outputs grow as a chip learns, and their rounding with them: hence a hundred times today's.
        """
        repeated = [self.losses(*self.batch) for _ in range(_REPETITIONS)]
        outs = torch.stack([reading.out for reading, _ in repeated])
        losses = torch.stack([losses.mean(-1) if averaged else losses for _, losses in repeated])
        scale = float(losses.abs().mean()) + float(outs.abs().mean())
        rounding = 100 * torch.finfo(losses.dtype).eps * scale + torch.finfo(losses.dtype).tiny
        return max(float(losses.var(0).mean()) ** 0.5, rounding)

    def derivative(self, estimator: ProbingEstimator, noise: float) -> tuple[float, bool]:
        """Mean square of the second or third derivative along probes of this size, noise taken off.

        And whether it is hidden in the noise; it is then the most that noise can hide.
        """
        scheme, averaged = estimator.scheme, estimator.shared_over_batch
        single = _replace(estimator, probes=_several(estimator), scheme=one_sided)
        x, target = self.batch
        baseline, low = self.losses(x, target)
        probed = Reading(baseline.taps[: self.last + 1])
        probe, _ = single.ask(self.port.spec.span(last=self.last), x, probed, self.generator)

        def at(factor: float) -> Tensor:
            moved = tree_map(lambda entry: entry * factor, probe)
            losses = self.losses(x, target, moved)[1]
            return losses.mean(-1, keepdim=True) if averaged else losses

        low = low.mean(-1, keepdim=True) if averaged else low
        if scheme.cancels_curvature:  # L(2) - 2 L(1) + 2 L(-1) - L(-2) = 2 s^3 T
            raw, squares, scale = at(2) - 2 * at(1) + 2 * at(-1) - at(-2), 10.0, 2 * estimator.size**3
        else:
            raw, scale = at(1) + at(-1) - 2 * low, estimator.size**2
            squares = 2.0 if scheme.compares_directions else 6.0
        if scheme.compares_directions:  # what all directions have in common cancels, the baseline too
            raw = (raw - raw.mean(0)) * (len(raw) / (len(raw) - 1)) ** 0.5
        power = float(raw.square().mean())
        error = squares * noise**2 * (2 / raw.numel()) ** 0.5  # of a mean square that is noise alone
        found = max(power - squares * noise**2, 2 * error)
        self.moved |= power > 0
        return found / scale**2, found == 2 * error

    def variances(self, trial: ProbingEstimator) -> tuple[float, float, float]:
        """|g|^2, the batch's variance and that of one probe, from products of independent estimates."""
        estimates = torch.stack([self._halves(trial) for _ in range(_TRIALS)])  # (trials, 2, knobs)
        squares = float(estimates.square().sum(-1).mean())
        totals = estimates.sum(0)
        same = (float(totals.square().sum()) / 2 - squares * _TRIALS) / (_TRIALS * (_TRIALS - 1))
        means = totals / _TRIALS
        signal = float(means[0] @ means[1])
        return max(signal, 0.0), max(same - signal, 0.0) / 2, max(squares - same, 0.0) * trial.probes / 2

    def _halves(self, trial: ProbingEstimator) -> Tensor:  # (2, knobs of all layers and chips)
        """One estimate from each half of the batch, in one measurement."""
        port, spec, span = self.port, self.port.spec.span(last=self.last), (0, self.last)
        baseline = port.measure(self.batch.x)
        judged = judge_baseline(self.loss, *self.batch, baseline)
        whole = probe_span(trial, port, judged, span, self.generator)
        self.reads += port.spec.vectors(baseline.out) * (1 + len(whole.losses))
        half = self.batch.x.shape[-2] // 2
        halves = (slice(0, half), slice(half, 2 * half))
        return torch.stack([_estimate(trial, spec, whole, part) for part in halves])


def _estimate(trial: ProbingEstimator, spec: Spec, whole: ProbeResult, part: slice) -> Tensor:
    """The gradient (knobs of all layers and chips,) that the probes of some of the examples tell."""
    scale = 1.0
    if whole.memo is None:
        result = _cut(whole, part)
    else:  # nobody else can cut a memo: let the probes of the others have changed nothing
        result = whole._replace(losses=whole.baseline_losses.expand_as(whole.losses).clone())
        result.losses[..., part, :] = whole.losses[..., part, :]
        scale = whole.x.shape[-2] / (part.stop - part.start)
    knobs = knob_gradients(spec, trial.tell(spec, result), result.inputs, result.out)
    return torch.cat([k.flatten() for k in knobs]) * scale


def _cut(whole: ProbeResult, part: slice) -> ProbeResult:
    """What the probes showed of some of the examples."""
    baseline, probed = (tree_map(lambda tap: tap[..., part, :], r) for r in (whole.baseline, whole.probed))
    probe = whole.probe._replace(nodes=tree_map(lambda entry: entry[..., part, :], whole.probe.nodes))
    x, low, losses = whole.x[..., part, :], whole.baseline_losses[..., part, :], whole.losses[..., part, :]
    return ProbeResult(x, baseline, low, probe, probed, losses)
