"""Learned feedback: node perturbation teaches weights that carry the gradient at the outputs backwards.

That node perturbation can teach feedback weights is due to Lansdell, Prakash and Kording, "Learning to solve
the credit assignment problem" (ICLR 2020), https://arxiv.org/abs/1906.00889. Where we differ: regression
instead of gradient steps, and the estimate stays unbiased because the feedback only predicts.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Spec

from .base import ProbeResult
from .control_variates import ControlVariate, validate_variate
from .gradient import Gradient, Place


class Pathway(NamedTuple):
    """The statistics of one layer's feedback: fading sums over examples where a unit was active."""

    product: Tensor  # (*fleet, features, outputs), of the gradient at the unit and those at the outputs
    square: Tensor  # (*fleet, features, outputs, outputs), of gradients at the outputs
    samples: Tensor  # (), examples times probes
    back: Tensor  # (*fleet, features, outputs), from gradients at the outputs to the gradient at the unit


@dataclass(frozen=True)
class Feedback(ControlVariate[tuple[Pathway, ...]]):
    """A control variate for probes at nodes: learned feedback predicts from the gradient at the outputs.

    Gradient at unit i = active_i * sum_j back_ij * gradient at output j, where `back` is the ridge regression
    of past estimates. With one hidden layer of rectifiers the true gradient has just this form, so the probes
    have to find out only how the read-out (and its quirks) changed.
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
            lead = (*spec.fleet, units)
            zeros = zero.expand(*lead, outputs)
            return Pathway(zeros, zero.expand(*lead, outputs, outputs), zero, zeros)

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
            else self._regress(path, push, _found(change, push) + known, active, output_gradient, weight)
            for path, push, known, active in layers
        )

    def _regress(
        self,
        path: Pathway,
        push: Tensor,
        found: Tensor,
        active: Tensor,
        output_gradient: Tensor,
        weight: Tensor,
    ) -> Pathway:
        """The pathway after one more step, in which `found` (*fleet, batch, features) was the gradient."""
        outputs, tiny = output_gradient.shape[-1], torch.finfo(output_gradient.dtype).tiny
        weighted = output_gradient * weight
        product = path.product * self.decay + (found * active).mT @ weighted
        outer = (weighted.unsqueeze(-1) * output_gradient.unsqueeze(-2)).flatten(-2)
        square = path.square * self.decay + (active.mT @ outer).unflatten(-1, (outputs,) * 2)
        samples = path.samples * self.decay + output_gradient.shape[-2] * len(push)
        # the probes' own variance, about |gradient|^2 units / samples, against a prior that all units share
        mean_square = square.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        ridge = mean_square * (active.shape[-1] * outputs / samples) + tiny
        eye = torch.eye(outputs, dtype=output_gradient.dtype, device=output_gradient.device)
        back = torch.linalg.solve(square + ridge * eye, product.unsqueeze(-1)).squeeze(-1)
        return Pathway(product, square, samples, back)


def _found(change: Tensor, push: Tensor) -> Tensor:  # (*fleet, batch, features)
    """The gradient at a layer's nodes that the probes found, by all perturbations alike, whatever the scheme.

    Zero where nothing was sent.

    change: (probes, *fleet, batch, parts), of each part's loss; push: (probes, *fleet, batch, features).
    """
    power = push.square().mean((0, -2, -1))[..., None, None] * len(push)  # of each chip
    power = power.clamp(min=torch.finfo(power.dtype).tiny)
    pushes = push.unflatten(-1, (change.shape[-1], -1))
    return torch.einsum("k...p,k...pi->...pi", change, pushes).flatten(-2) / power


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
    """1 where a neuron was active (tap not exactly 0) in the baseline reading; nodes of a read-out always."""
    return [
        torch.ones_like(tap) if layer.linear else (tap != 0).to(tap.dtype)
        for layer, tap in zip(spec.layers, result.baseline.taps, strict=True)
    ]
