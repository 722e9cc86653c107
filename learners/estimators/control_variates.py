"""Control variates: what the past predicts of a loss need not be estimated from noisy probes again.

A predicted gradient c turns the estimate (g.v) v into ((g - c).v) v + c. Its mean is g whatever c is, as long
as c does not depend on this step's probes; its variance is that of an estimate of g - c. Reading noise is
not predicted: where it rules, `estimate_weight` below 1 trades it for a bias towards c, w ((g - c).v) v + c.
In evolution strategies: Tang, Choromanski and Kucukelbir, "Variance reduction for evolution strategies via
structured control variates" (2020), https://arxiv.org/abs/1906.08868.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from typing_extensions import TypeVar

from analog.access import Access
from analog.port import Probe
from analog.spec import Knobs, Spec

from ..access import taps_access
from .base import ProbeResult
from .gradient import Gradient, Place

C = TypeVar("C", default=Any)


@runtime_checkable
class ControlVariate(Protocol[C]):
    """Predicts the gradient where the probes enter, and learns from how wrong it was. Subclass it."""

    @property
    @abstractmethod
    def predicts_at(self) -> Place:
        """Where the gradient is predicted; probes have to enter there."""
        ...

    @property
    def needs_output_gradient(self) -> bool:
        """Whether predictions start from the loss's gradient at the outputs."""
        return False

    @property
    @abstractmethod
    def estimate_weight(self) -> float:
        """The weight of the estimate of what was not predicted; 1 is unbiased, 0 trusts predictions alone."""
        ...

    def needs(self, spec: Spec) -> Access:
        """The access that it needs beside the losses: to all taps where it predicts at nodes."""
        if self.predicts_at == "knobs" and not self.needs_output_gradient:
            return Access("loss", node_probes=False)
        return taps_access(spec, node_probes=False)

    @abstractmethod
    def init(self, spec: Spec, whole: Spec) -> C:
        """The state before the first step.

        Args:
            spec: the layers that are probed.
            whole: the chip that they are part of.

        Raises:
            ValueError: nothing can be predicted for layers like these.
        """
        ...

    @abstractmethod
    def predict(self, state: C, spec: Spec, result: ProbeResult, output_gradient: Tensor | None) -> Gradient:
        """Predict the gradient, from all that is known but what the probes showed.

        Args:
            state: what was learned so far.
            spec: the layers that are probed.
            result: of it everything may be used but `probe`, `probed`, `losses` and `memo`.
            output_gradient: (*fleet, batch, outputs), the gradient of each example's loss at the outputs of
                the whole chip; None unless `needs_output_gradient`.

        Returns:
            The gradient at `predicts_at`, without probe axes.
        """
        ...

    @abstractmethod
    def observe(
        self,
        state: C,
        spec: Spec,
        predicted: Gradient,
        result: ProbeResult,
        output_gradient: Tensor | None,
        estimate: Gradient,
    ) -> C:
        """Learn from what was not predicted, the innovation.

        Args:
            state: as `predict` had it.
            spec: the layers that were probed.
            predicted: what `predict` gave.
            result: what the probes showed, its losses (not those of the baseline) less the predicted change.
            output_gradient: (*fleet, batch, outputs), as `predict` had it.
            estimate: what the estimator tells of `result`, not yet weighted.

        Returns:
            The next state.
        """
        ...


def predicted_change(predicted: Gradient, probe: Probe, parts: int = 1) -> Tensor | float:
    """The change of each part's loss that a predicted gradient leads to expect of a probe.

    Args:
        predicted: at nodes, where a part's loss changes by what is sent to the part's own nodes (equal and
            consecutive shares of each layer's), or at knobs.
        probe: what was sent, (probes, ...).
        parts: into how many losses an example falls.

    Returns:
        (probes, *fleet, batch, parts) or broadcasting to it.
    """
    total: Tensor | float = 0.0
    for gradient, push in zip(predicted.nodes or (), probe.nodes or (), strict=True):
        if gradient is not None and push is not None:
            gradients, pushes = (each.unflatten(-1, (parts, -1)) for each in (gradient, push))
            total = total + torch.linalg.vecdot(
                pushes, gradients
            )  # a batched product takes four times as long
    for gradient, offset in zip(predicted.knobs or (), probe.knobs or (), strict=True):
        if gradient is not None and offset is not None:
            total = total + (offset * gradient).sum((-3, -2, -1))[..., None, None]
    return total


@dataclass(frozen=True)
class RunningMean(ControlVariate[Knobs]):
    """A control variate for probes at knobs: the gradient is predicted to be a running mean of estimates.

    It pays only with a long memory: one step leaves (decay^2 + (1 - decay)^2 R) of the squared error of what
    is predicted, R the variance of an estimate in units of |g|^2 (about D / K), so below a decay of
    (R - 1) / (R + 1) it feeds on its own noise and the error grows without bound.
    """

    decay: float = 0.99
    estimate_weight: float = 1.0

    def __post_init__(self) -> None:
        validate_variate("RunningMean", self.decay, self.estimate_weight)

    @property
    def predicts_at(self) -> Place:
        return "knobs"

    def init(self, spec: Spec, whole: Spec) -> Knobs:
        del whole
        return spec.zeros()

    def predict(
        self, state: Knobs, spec: Spec, result: ProbeResult, output_gradient: Tensor | None
    ) -> Gradient:
        del spec, result, output_gradient
        return Gradient(knobs=state)

    def observe(
        self,
        state: Knobs,
        spec: Spec,
        predicted: Gradient,
        result: ProbeResult,
        output_gradient: Tensor | None,
        estimate: Gradient,
    ) -> Knobs:
        del spec, predicted, result, output_gradient  # the prediction was the state itself
        found = zip(state, estimate.knobs or (None,) * len(state), strict=True)
        means = ((mean, mean if e is None else self.estimate_weight * e + mean) for mean, e in found)
        return tuple(mean.lerp(gradient, 1 - self.decay) for mean, gradient in means)


def validate_variate(name: str, decay: float, estimate_weight: float) -> None:
    """Check the settings that all control variates share.

    Raises:
        ValueError: naming the control variate, what came and what was wanted.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"{name}: decay is {decay}, wanted 0 <= decay < 1")
    if not 0 <= estimate_weight <= 1:
        raise ValueError(f"{name}: estimate_weight is {estimate_weight}, wanted 0 <= estimate_weight <= 1")
