"""The one path from probes to gradients: probe layers, take off what was predicted, tell the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.port import Port, Reading
from analog.spec import Knobs, Spec
from analog.verdicts import require_finite

from ..losses import Loss, part_losses
from .base import Estimator, ProbeResult
from .control_variates import ControlVariate, predicted_change
from .gradient import Gradient, knob_gradients, weighted_sum


@dataclass(frozen=True, eq=False)
class Baseline:
    """A batch's reading without a probe, and what the losses of its step are."""

    x: Tensor  # (batch, features_in), or (*fleet, batch, features_in)
    reading: Reading  # taps (*fleet, batch, features), of the whole chip
    loss: Loss
    target: Any  # as the loss froze it

    @cached_property
    def losses(self) -> Tensor:  # (*fleet, batch, parts)
        return self.judge(self.reading)

    @cached_property
    def output_gradient(self) -> Tensor | None:  # (*fleet, batch, outputs)
        """The gradient of each example's loss at the outputs, if the loss knows it.

        Raises:
            ValueError: the loss gives something else, or numbers that are not finite.
        """
        if self.loss.gradient is None:
            return None
        out, gradient = self.reading.out, self.loss.gradient(self.reading.out, self.target)
        if gradient.shape != out.shape or gradient.dtype != out.dtype:
            raise ValueError(
                f"{self.loss!r} gave a gradient {gradient.dtype} {tuple(gradient.shape)} for outputs "
                f"{out.dtype} {tuple(out.shape)}; wanted the same"
            )
        self._require_finite(gradient, "entries of the gradient", out)
        return gradient

    def judge(self, reading: Reading) -> Tensor:
        """The losses of a reading of the same batch, (..., batch, parts).

        Raises:
            ValueError: the loss gives something else, or numbers that are not finite.
        """
        losses = part_losses(self.loss, reading.out, self.target)
        self._require_finite(losses, "losses", reading.out)
        return losses

    def _require_finite(self, found: Tensor, name: str, out: Tensor) -> None:
        def refusal() -> ValueError:
            bad = int((~torch.isfinite(found)).sum())
            finite = bool(torch.isfinite(out).all())
            cause = "finite outputs" if finite else "a reading that is not finite itself"
            return ValueError(
                f"{self.loss!r}: {bad} of {found.numel()} {name} are NaN or infinite, of {cause}"
            )

        require_finite(found, refusal)


def judge_baseline(loss: Loss, x: Tensor, target: Any, reading: Reading) -> Baseline:
    """Settle what a step's losses are judged by, once the chip was read without a probe.

    Args:
        x: (batch, features_in), or (*fleet, batch, features_in).
        target: of the batch, in the form that the loss asks for.
        reading: taps (*fleet, batch, features), of the whole chip.
    """
    return Baseline(x, reading, loss, loss.freeze(reading.out, target))


def probe_span(
    estimator: Estimator, port: Port, baseline: Baseline, span: tuple[int, int], generator: Generator
) -> ProbeResult:
    """Probe some consecutive layers, driven by what drove them in the baseline reading of the whole chip.

    Args:
        span: the first and the last layer that are probed; those above show what came of it.
    """
    first, last = span
    x = baseline.reading.taps[first - 1] if first else baseline.x
    alone = Reading(baseline.reading.taps[first : last + 1])
    probe, memo = estimator.ask(port.spec.span(first, last), x, alone, generator)
    reading = port.measure(x, probe.padded(after=len(port.spec.layers) - 1 - last), first=first)
    probed = Reading(reading.taps[: last + 1 - first])
    return ProbeResult(x, alone, baseline.losses, probe, probed, baseline.judge(reading), memo)


class Estimate(NamedTuple):
    """A gradient of some layers: what was predicted, and weighted what was estimated of the rest."""

    spec: Spec  # of these layers
    inputs: tuple[Tensor, ...]  # what drove each of them, (*fleet, batch, features_in)
    out: Tensor | None  # the last one's tap, (*fleet, batch, features)
    estimated: Gradient
    weight: float = 1.0
    predicted: Gradient | None = None

    def at_knobs(self) -> Knobs:
        """The gradient of the batch's mean loss at each layer's knobs."""
        return knob_gradients(self.spec, self._gradient, self.inputs, self.out)

    def at_nodes(self) -> tuple[Tensor, ...]:
        """The gradient of each example's loss at each layer's summing nodes, (*fleet, batch, features).

        It is there for estimators and control variates whose gradient is at nodes.
        """
        lead = (*self.spec.fleet, self.inputs[0].shape[-2])
        none = (None,) * len(self.spec.layers)
        return tuple(
            torch.zeros(*lead, layer.features, dtype=self.spec.dtype, device=self.spec.on) if g is None else g
            for layer, g in zip(self.spec.layers, self._gradient.nodes or none, strict=True)
        )

    @property
    def _gradient(self) -> Gradient:
        if self.predicted is None:
            return self.estimated
        return weighted_sum(self.weight, self.estimated, self.predicted)


def estimate(
    estimator: Estimator,
    spec: Spec,
    result: ProbeResult,
    variate: ControlVariate | None = None,
    state: Any = None,
    output_gradient: Tensor | None = None,
    parts_per_layer: Sequence[int] | None = None,
) -> tuple[Estimate, Any]:
    """Estimate the gradient from probes and, if there is one, a control variate.

    Args:
        spec: the layers that were probed.
        result: what the probes showed of them.
        variate, state: the control variate, and its state; None: everything is estimated.
        output_gradient: (*fleet, batch, outputs), for a control variate that needs it.
        parts_per_layer: see `Probing`.

    Returns:
        The estimate, and the control variate's next state.
    """
    tell = _teller(estimator, spec, parts_per_layer)
    if variate is None:
        return Estimate(spec, result.inputs, result.out, tell(result)), state
    predicted = variate.predict(state, spec, result, output_gradient)
    change = predicted_change(predicted, result.probe, result.losses.shape[-1])
    innovation = result._replace(losses=result.losses - change)
    rest = tell(innovation)
    state = variate.observe(state, spec, predicted, innovation, output_gradient, rest)
    return Estimate(spec, result.inputs, result.out, rest, variate.estimate_weight, predicted), state


def _teller(
    estimator: Estimator, spec: Spec, parts_per_layer: Sequence[int] | None
) -> Callable[[ProbeResult], Gradient]:
    """The estimator's `tell`; layer by layer where their nodes fall into different numbers of parts."""
    if parts_per_layer is None:
        return lambda result: estimator.tell(spec, result)

    def tell(result: ProbeResult) -> Gradient:
        if set(parts_per_layer) == {result.losses.shape[-1]}:
            return estimator.tell(spec, result)
        layers = [
            estimator.tell(spec.span(at, at), result.layer(at, parts))
            for at, parts in enumerate(parts_per_layer)
        ]
        alone = (Gradient(knobs=g.knobs or (None,), nodes=g.nodes or (None,)) for g in layers)
        return Gradient(*(tuple(entry for (entry,) in place) for place in zip(*alone, strict=True)))

    return tell
