"""The matching losses against autograd, and their limits."""

import pytest
import torch
from torch import Tensor

from analog import stream
from learners.local import Activation, identity, relu, sigmoid, softmax, tanh

NEURONS = {"identity": identity, "relu": relu, "sigmoid": sigmoid, "softmax": softmax, "tanh": tanh}


def sums(*path: str) -> Tensor:
    return 2 * torch.randn(5, 4, generator=stream(0, "sums", *path), dtype=torch.float64)


@pytest.mark.parametrize("name", NEURONS)
def test_the_area_has_the_curve_for_its_gradient(name: str) -> None:
    neuron, a = NEURONS[name], sums(name).requires_grad_()
    (slope,) = torch.autograd.grad(neuron.potential(a).sum(), a)
    torch.testing.assert_close(slope, neuron.forward(a.detach()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NEURONS)
def test_the_matching_loss_is_a_divergence(name: str) -> None:
    """Never negative, zero from itself, gradient f(a) - f(b); half the squared distance for the identity."""
    neuron, a, b = NEURONS[name], sums(name, "a").requires_grad_(), sums(name, "b")
    gap = neuron.divergence(a, b)
    assert bool((gap >= 0).all()) and float(neuron.divergence(b, b).abs().max()) < 1e-14
    (slope,) = torch.autograd.grad(gap.sum(), a)
    torch.testing.assert_close(slope, neuron.forward(a.detach()) - neuron.forward(b), rtol=1e-12, atol=1e-12)
    if name == "identity":
        torch.testing.assert_close(gap, 0.5 * (a - b).square().sum(-1))


@pytest.mark.parametrize("name", NEURONS)
def test_a_wanted_output_serves_in_place_of_its_sums(name: str) -> None:
    """D(a, b) and F(a) - f(b).a differ by what does not depend on a."""
    neuron, b = NEURONS[name], sums(name, "b")
    differences = [
        neuron.divergence(a, b) - neuron.matching_loss(a, neuron.forward(b))
        for a in (sums(name, "1"), sums(name, "2"))
    ]
    torch.testing.assert_close(*differences, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NEURONS)
def test_outputs_tell_the_slope_and_the_sums(name: str) -> None:
    neuron, a = NEURONS[name], sums(name).requires_grad_()
    out = neuron.forward(a)
    own = torch.stack(
        [torch.autograd.grad(out[:, i].sum(), a, retain_graph=True)[0][:, i] for i in range(4)], -1
    )
    torch.testing.assert_close(neuron.derivative(out.detach()), own, rtol=1e-9, atol=1e-12)
    if neuron.inverse is not None:
        torch.testing.assert_close(neuron.inverse(out.detach()), a.detach(), rtol=1e-6, atol=1e-9)


def test_large_sums_do_not_overflow() -> None:
    far = torch.tensor([[-1e4, 1e4]])
    every: list[Activation] = list(NEURONS.values())
    assert all(bool(torch.isfinite(n.potential(far)).all()) for n in every)


def test_a_saturated_output_is_undone_as_far_as_numbers_tell() -> None:
    assert tanh.inverse is not None
    ends = tanh.inverse(torch.tensor([[-1.0, 1.0]]))
    assert bool(torch.isfinite(ends).all()) and float(ends[0, 1]) > 8
