"""Learned feedback: node perturbation teaches weights that carry the gradient at the outputs backwards.

That node perturbation can teach feedback weights is due to Lansdell, Prakash and Kording, "Learning to solve
the credit assignment problem" (ICLR 2020), https://arxiv.org/abs/1906.00889. Where we differ: recursive least
squares instead of gradient steps, with one matrix for all units of a chip, and the estimate stays unbiased
because the feedback only predicts.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Spec

from .base import ProbeResult
from .control_variates import ControlVariate, validate_variate
from .gradient import Gradient, Place, active_nodes, broadcast_parts


class Pathway(NamedTuple):
    """The statistics of one layer's feedback, whose sums fade; a chip's units share the squares."""

    back: Tensor  # (*fleet, features, outputs), from gradients at the outputs to the gradient at the unit
    activity: Tensor  # (*fleet, features), sum of squared gradients at the outputs where a unit was active
    square: Tensor  # (*fleet, outputs, outputs), sum of products of gradients at the outputs
    samples: Tensor  # (), examples times probes


@dataclass(frozen=True)
class Feedback(ControlVariate[tuple[Pathway, ...]]):
    """A control variate for probes at nodes: learned feedback predicts from the gradient at the outputs.

    Gradient at unit i = active_i * sum_j back_ij * gradient at output j, where `back` nears the ridge
    regression of past estimates. With one hidden layer of rectifiers the true gradient has just this form, so
    the probes have to find out only how the read-out (and its quirks) changed.
    """

    decay: float = 0.95  # of the sums, per step
    estimate_weight: float = 1.0

    def __post_init__(self) -> None:
        validate_variate("Feedback", self.decay, self.estimate_weight)

    @property
    def predicts_at(self) -> Place:
        return "nodes"

    @property
    def needs_output_gradient(self) -> bool:
        return True

    def init(self, spec: Spec, whole: Spec) -> tuple[Pathway, ...]:
        outputs = whole.layers[-1].features
        zero = torch.zeros((), dtype=spec.dtype, device=spec.on)

        def pathway(units: int) -> Pathway:
            back, activity, square = (
                zero.expand(*spec.fleet, *shape) for shape in ((units, outputs), (units,), (outputs, outputs))
            )
            return Pathway(back, activity, square, zero)

        return tuple(pathway(layer.features) for layer in spec.layers)

    def predict(
        self, state: tuple[Pathway, ...], spec: Spec, result: ProbeResult, output_gradient: Tensor | None
    ) -> Gradient:
        assert output_gradient is not None  # it was asked for
        pathways = zip(state, _active(spec, result), strict=True)
        return Gradient(nodes=tuple((output_gradient @ path.back.mT) * active for path, active in pathways))

    def observe(
        self,
        state: tuple[Pathway, ...],
        spec: Spec,
        predicted: Gradient,
        result: ProbeResult,
        output_gradient: Tensor | None,
        estimate: Gradient,
    ) -> tuple[Pathway, ...]:
        del estimate  # masked, and the mean of all probes
        assert output_gradient is not None
        assert predicted.nodes is not None
        assert result.probe.nodes is not None  # probes enter where it predicts
        change = result.losses - result.baseline_losses
        weight = reliability(change, output_gradient)
        layers = zip(state, result.probe.nodes, predicted.nodes, _active(spec, result), strict=True)
        return tuple(
            path
            if push is None or known is None
            else self._regress(path, push, _found(change, push) * active, active, output_gradient, weight)
            for path, push, known, active in layers
        )

    def _regress(
        self,
        path: Pathway,
        push: Tensor,
        innovation: Tensor,
        active: Tensor,
        output_gradient: Tensor,
        weight: Tensor,
    ) -> Pathway:
        """The pathway after a step that found it to be off by `innovation` (*fleet, batch, features).

        Recursive least squares. A unit's own sum of squares is taken to be its share of the sum that all
        units have in common, at least as large as the share of this one step, so that no step overshoots.
        """
        weighted = output_gradient * weight
        strength = weighted * output_gradient
        units, least = active.shape[-1], torch.finfo(weighted.dtype).tiny ** 0.5  # where all gradients are 0
        latest = path.samples.new_full((), output_gradient.shape[-2] * len(push))
        samples = path.samples * self.decay + latest
        square = path.square * self.decay + weighted.mT @ output_gradient
        activity = path.activity * self.decay + (active * strength.sum(-1, keepdim=True)).sum(-2)
        # the probes' own variance, about |gradient|^2 units / samples, against a prior that all units share
        total = square.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None].clamp(min=least)
        ridge = (total * (units / samples))[..., None]
        eye = torch.eye(square.shape[-1], dtype=square.dtype, device=square.device)
        faded = path.activity * (self.decay / path.samples.clamp(min=1))
        gained = (activity / samples - faded) * units  # of the unit's own ridge, by which `back` shrinks
        wanted = innovation.mT @ weighted - gained.unsqueeze(-1) * path.back
        share = torch.maximum(activity, strength.sum((-2, -1))[..., None]) / total
        step = torch.linalg.solve(square + ridge * eye, wanted, left=False)
        back = path.back + step / share.unsqueeze(-1).clamp(min=least)
        return Pathway(back, activity, square, samples)


def _found(change: Tensor, push: Tensor) -> Tensor:  # (*fleet, batch, features)
    """The gradient at a layer's nodes that the probes found, by all perturbations alike, whatever the scheme.

    Zero where nothing was sent.

    change: (probes, *fleet, batch, parts), of each part's loss; push: (probes, *fleet, batch, features).
    """
    power = push.square().mean((0, -2, -1))[..., None, None] * len(push)  # of each chip
    power = power.clamp(min=torch.finfo(power.dtype).tiny)
    return (broadcast_parts(change, push.shape[-1]) * push).sum(0) / power


def reliability(change: Tensor, output_gradient: Tensor) -> Tensor:
    """One over the variance of each example's innovation: a part like its gradient's square, and a floor.

    Args:
        change: (probes, *fleet, batch, parts), of the losses, as far as it was not predicted.
        output_gradient: (*fleet, batch, outputs).

    Returns:
        (*fleet, batch, 1).
    """
    strength, innovation = output_gradient.square().sum(-1), change.square().sum((0, -1))
    strong = strength >= strength.median(-1, keepdim=True).values
    least = torch.finfo(output_gradient.dtype).tiny ** 0.5
    in_all = (strength * strong).sum(-1, keepdim=True).clamp(min=least)
    share = ((innovation * strong).sum(-1, keepdim=True) / in_all).clamp(min=least)
    floor = (innovation * ~strong).sum(-1, keepdim=True) / (~strong).sum(-1, keepdim=True).clamp(min=1)
    return (strength + floor / share).clamp(min=least).reciprocal().unsqueeze(-1)


def _active(spec: Spec, result: ProbeResult) -> list[Tensor]:  # (*fleet, batch, features) each
    """Which neurons were active in the baseline reading."""
    return [active_nodes(*each) for each in zip(spec.layers, result.baseline.taps, strict=True)]
