"""Feedback for probes at knobs: what they do to summing nodes teaches it as probes at nodes would.

A probe dW at the knobs of a layer that x drives is a push dW x at its summing nodes, known to who sent dW and
read x. So the regression of Lansdell, Prakash and Kording (2020, https://arxiv.org/abs/1906.00889) can be fed
by weight perturbation, too. Where it differs from node perturbation: all examples of a batch are pushed by
one and the same dW, so that their pushes are alike where their inputs are, and teach less.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from analog.layers.crossbar import Layer
from analog.layers.recurrence import gather_with_state
from analog.port import Probe
from analog.spec import Spec

from .base import ProbeResult
from .control_variates import ControlVariate, predicted_change, validate_variate
from .feedback import Feedback, Pathway
from .gradient import Gradient, Place, knob_gradients


@dataclass(frozen=True)
class KnobFeedback(ControlVariate[tuple[Pathway, ...]]):
    """A control variate for probes at knobs, which predicts by learned feedback.

    Args:
        decay: of the sums, per step.
        estimate_weight: of what was not predicted; 1 is unbiased.

    Raises:
        ValueError: a setting is out of its range.
    """

    decay: float = 0.98
    estimate_weight: float = 1.0

    def __post_init__(self) -> None:
        validate_variate("KnobFeedback", self.decay, self.estimate_weight)

    @property
    def predicts_at(self) -> Place:
        return "knobs"

    @property
    def needs_output_gradient(self) -> bool:
        return True

    def init(self, spec: Spec, whole: Spec) -> tuple[Pathway, ...]:
        return self._at_nodes.init(spec, whole)

    def predict(
        self, state: tuple[Pathway, ...], spec: Spec, result: ProbeResult, output_gradient: Tensor | None
    ) -> Gradient:
        at_nodes = self._at_nodes.predict(state, spec, result, output_gradient)
        return Gradient(knobs=knob_gradients(spec, at_nodes, result.inputs, result.out))

    def observe(
        self,
        state: tuple[Pathway, ...],
        spec: Spec,
        predicted: Gradient,
        result: ProbeResult,
        output_gradient: Tensor | None,
        estimate: Gradient,
    ) -> tuple[Pathway, ...]:
        at_nodes = self._at_nodes.predict(state, spec, result, output_gradient)
        assert result.probe.knobs is not None  # probes enter where it predicts
        driven = zip(spec.layers, result.probe.knobs, result.inputs, result.baseline.taps, strict=True)
        pushes = tuple(None if dw is None else node_push(layer, dw, x, tap) for layer, dw, x, tap in driven)
        # of all examples the same change was taken off; each has its own
        own_change = predicted_change(at_nodes, Probe(nodes=pushes), result.losses.shape[-1])
        losses = result.losses + predicted_change(predicted, result.probe) - own_change
        even = tuple(None if push is None else _evened(push) for push in pushes)
        induced = result._replace(probe=Probe(nodes=even), losses=losses)
        return self._at_nodes.observe(state, spec, at_nodes, induced, output_gradient, estimate)

    @property
    def _at_nodes(self) -> Feedback:
        return Feedback(self.decay, self.estimate_weight)


def node_push(layer: Layer, knobs: Tensor, inputs: Tensor, tap: Tensor | None = None) -> Tensor:
    """The push at the summing nodes that a probe at a layer's knobs comes to, cells' own gains aside.

    Args:
        knobs: (probes, *fleet, tiles, rows, cols).
        inputs: (*fleet, batch, features_in), what drives the layer.
        tap: (*fleet, batch, features), what it gives; wanted of a layer with a state.

    Returns:
        (probes, *fleet, batch, features).
    """
    return layer.scatter(gather_with_state(layer, inputs, tap) @ knobs.mT)


def _evened(push: Tensor) -> Tensor:
    """Pushes that `Feedback` divides by their mean power, so that each example's own is divided by.

    An example that is hardly pushed tells mostly noise: of one with a thousandth of the strongest push half
    of what it tells is taken, and of one without a push nothing.
    """
    power = push.square().mean((0, -1), keepdim=True)  # (1, *fleet, batch, 1)
    least = torch.finfo(power.dtype).tiny
    scaled = push / (power + power.amax(-2, keepdim=True) * 1e-6).clamp(min=least)
    return scaled / scaled.square().mean((0, -2, -1), keepdim=True).clamp(min=least)
