"""Control variates: what the past foretells of a loss need not be estimated from noisy probes again.

A foreseen slope c turns the estimate (g.v) v into ((g - c).v) v + c. Its mean is g whatever c is, as long
as c does not depend on this step's probes; its variance is that of an estimate of g - c. Reading noise is
not foreseen: where it rules, `trust` below 1 trades it for a bias towards c, trust ((g - c).v) v + c.
"""

from dataclasses import dataclass
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar

import torch
from torch import Tensor

from analog.port import Probe
from analog.spec import Knobs
from analog.spec import Spec

from .base import Evidence
from .base import correlate

C = TypeVar("C")


class Control(Protocol[C]):
    """Foresees slopes where the probes enter, and learns from how wrong it was."""

    @property
    def trust(self) -> float:
        """Share of what was not foreseen that is believed; 1 is unbiased."""
        ...

    def init(self, spec: Spec, whole: Spec) -> C:
        """Memory before the first step, for the probed layers `spec` of the chip `whole`."""
        ...

    def foresee(self, held: C, spec: Spec, seen: Evidence, slope: Tensor | None) -> Probe:
        """Slopes of the loss, where the probe of `seen` entered: a Probe without probe axes.

        It may use `seen` except for what the probes showed (probe, probed, losses).

        Args:
            slope: (*fleet, batch, outputs), of each example's loss at the outputs, if the loss tells it.
        """
        ...

    def learn(
        self, held: C, spec: Spec, foreseen: Probe, seen: Evidence, slope: Tensor | None, gradient: Knobs
    ) -> C:
        """The next memory; `seen.losses` hold what was not foreseen, `gradient` is the whole estimate."""
        ...


def expected(foreseen: Probe, probe: Probe, parts: int = 1) -> Tensor | float:
    """The change of each part's loss that slopes foretell: (probes, *fleet, batch, parts)."""
    total: Tensor | float = 0.0
    for slopes, sent in zip(foreseen.nodes or (), probe.nodes or (), strict=True):
        if slopes is not None and sent is not None:
            sent, slopes = (each.unflatten(-1, (parts, -1)) for each in (sent, slopes))
            total = total + (sent.unsqueeze(-2) @ slopes.unsqueeze(-1)).flatten(-3)
    for slopes, sent in zip(foreseen.knobs or (), probe.knobs or (), strict=True):
        if slopes is not None and sent is not None:
            total = total + (sent * slopes).sum((-3, -2, -1))[..., None, None]
    return total


def at_knobs(spec: Spec, foreseen: Probe, seen: Evidence) -> Knobs:
    """The foreseen gradient at the knobs."""
    if foreseen.nodes is None:
        slopes_at_knobs = foreseen.knobs or (None,) * len(spec.layers)
        return tuple(z if k is None else k for k, z in zip(slopes_at_knobs, spec.zeros(), strict=True))
    inputs = (seen.x, *seen.baseline.taps[:-1])
    return tuple(
        zero if slopes is None else correlate(layer, slopes, given)
        for layer, slopes, given, zero in zip(spec.layers, foreseen.nodes, inputs, spec.zeros(), strict=True)
    )


@dataclass(frozen=True)
class RunningMean:
    """For probes at knobs: the gradient is foreseen to be a running mean of past estimates.

    It pays only with a long memory: one step leaves (decay^2 + (1 - decay)^2 R) of the squared error of what
    is foreseen, R the variance of an estimate in units of |g|^2 (about D / K), so below a decay of
    (R - 1) / (R + 1) the control feeds on its own noise and the error grows without bound.
    """

    decay: float = 0.99
    trust: float = 1.0

    def __post_init__(self) -> None:
        _checked("RunningMean", self.decay, self.trust)

    def init(self, spec: Spec, whole: Spec) -> Knobs:
        del whole
        return spec.zeros()

    def foresee(self, held: Knobs, spec: Spec, seen: Evidence, slope: Tensor | None) -> Probe:
        del spec, slope
        if seen.probe.knobs is None:
            raise ValueError("RunningMean: foresees slopes at knobs, the probes were elsewhere; use Feedback")
        return Probe(knobs=held)

    def learn(
        self, held: Knobs, spec: Spec, foreseen: Probe, seen: Evidence, slope: Tensor | None, gradient: Knobs
    ) -> Knobs:
        del spec, foreseen, seen, slope
        return tuple(h.lerp(g, 1 - self.decay) for h, g in zip(held, gradient, strict=True))


class Pathway(NamedTuple):
    """What one layer's feedback is worked out from: sums that fade, over examples where a unit was active."""

    product: Tensor  # (*fleet, features, outputs), of slope at the unit and slopes at the outputs
    square: Tensor  # (*fleet, features, outputs, outputs), of slopes at the outputs
    samples: Tensor  # (), examples times probes
    back: Tensor  # (*fleet, features, outputs), from slopes at the outputs to the slope at the unit


@dataclass(frozen=True)
class Feedback:
    """For probes at nodes: slopes are foreseen from each example's slope at the outputs, by learned feedback.

    slope at unit i = active_i * sum_j back_ij * slope at output j, where `back` is the ridge regression of
    past estimates. With one hidden layer of rectifiers the true slope has just this form, so the probes
    have to find out only how the read-out (and its quirks) changed. That node perturbation can teach
    feedback weights is due to Lansdell, Prakash and Kording (ICLR 2020); where we differ: regression
    instead of gradient steps, and the estimate stays unbiased because the feedback only foresees.
    """

    decay: float = 0.95  # of the sums, per step
    trust: float = 1.0

    def __post_init__(self) -> None:
        _checked("Feedback", self.decay, self.trust)

    def init(self, spec: Spec, whole: Spec) -> tuple[Pathway, ...]:
        outputs = whole.layers[-1].features
        blank = torch.zeros((), dtype=spec.dtype, device=spec.on)

        def pathway(units: int) -> Pathway:
            lead = (*spec.fleet, units)
            made = blank.expand(*lead, outputs)
            return Pathway(made, blank.expand(*lead, outputs, outputs), blank, made)

        return tuple(pathway(layer.features) for layer in spec.layers)

    def foresee(self, held: tuple[Pathway, ...], spec: Spec, seen: Evidence, slope: Tensor | None) -> Probe:
        if seen.probe.nodes is None:
            raise ValueError("Feedback: foresees slopes at nodes, the probes were elsewhere; use RunningMean")
        assert slope is not None  # Descent has seen to it
        return Probe(
            nodes=tuple(
                (slope @ path.back.mT) * active
                for path, active in zip(held, _active(spec, seen), strict=True)
            )
        )

    def learn(
        self,
        held: tuple[Pathway, ...],
        spec: Spec,
        foreseen: Probe,
        seen: Evidence,
        slope: Tensor | None,
        gradient: Knobs,
    ) -> tuple[Pathway, ...]:
        del gradient  # at the knobs, too late
        assert slope is not None and foreseen.nodes is not None and seen.probe.nodes is not None
        change = (seen.losses - seen.baseline_loss).sum(-1)
        return tuple(
            path if known is None or sent is None else self._refined(path, sent, change, known, active, slope)
            for path, sent, known, active in zip(
                held, seen.probe.nodes, foreseen.nodes, _active(spec, seen), strict=True
            )
        )

    def _refined(
        self, path: Pathway, sent: Tensor, change: Tensor, known: Tensor, active: Tensor, slope: Tensor
    ) -> Pathway:
        power = sent.square().mean() * len(sent)
        found = torch.einsum("k...n,k...ni->...ni", change, sent) / power + known
        weight = reliability(change, slope)
        weighed = slope * weight
        product = path.product * self.decay + (found * active).mT @ weighed
        outer = (weighed.unsqueeze(-1) * slope.unsqueeze(-2)).flatten(-2)
        square = path.square * self.decay + (active.mT @ outer).unflatten(-1, (slope.shape[-1],) * 2)
        samples = path.samples * self.decay + slope.shape[-2] * len(sent)
        # the probes' own variance, about |slope|^2 units / samples, against a prior of unit i like any other
        mean_square = square.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        ridge = mean_square * (active.shape[-1] * slope.shape[-1] / samples) + torch.finfo(slope.dtype).tiny
        eye = torch.eye(slope.shape[-1], dtype=slope.dtype, device=slope.device)
        back = torch.linalg.solve(square + ridge * eye, product.unsqueeze(-1)).squeeze(-1)
        return Pathway(product, square, samples, back)


def reliability(change: Tensor, slope: Tensor) -> Tensor:  # (*fleet, batch, 1)
    """One over the variance of each example's surprise: a part like its slope's square, and a floor."""
    strength, surprise = slope.square().sum(-1), change.square().mean(0)
    loud = strength >= strength.median(-1, keepdim=True).values
    tiny = torch.finfo(slope.dtype).tiny ** 0.5
    share = (surprise * loud).sum(-1, keepdim=True) / ((strength * loud).sum(-1, keepdim=True) + tiny)
    baseline = (~loud).to(slope.dtype)
    floor = (surprise * baseline).sum(-1, keepdim=True) / (baseline.sum(-1, keepdim=True) + tiny)
    return (strength + floor / (share + tiny) + tiny).reciprocal().unsqueeze(-1)


def _active(spec: Spec, seen: Evidence) -> list[Tensor]:  # (*fleet, batch, features) each
    """1 where a neuron was not silent (tap exactly 0) in the baseline reading; nodes of a read-out always."""
    return [
        torch.ones_like(tap) if layer.linear else (tap != 0).to(tap.dtype)
        for layer, tap in zip(spec.layers, seen.baseline.taps, strict=True)
    ]


def _checked(name: str, decay: float, trust: float) -> None:
    if not 0 <= decay < 1:
        raise ValueError(f"{name}: decay is {decay}, wanted 0 <= decay < 1")
    if not 0 <= trust <= 1:
        raise ValueError(f"{name}: trust is {trust}, wanted 0 <= trust <= 1")
