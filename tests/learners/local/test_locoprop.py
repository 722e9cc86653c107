"""LocoProp's laws in float64: closed forms, limits, and what it costs."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import Chip, Ideal, Ledger, Mismatched, Port, Reading, Spec, dense, metered, stream, xray
from analog.wires import Access
from learners import (
    Batch,
    BinaryCrossEntropy,
    CrossEntropy,
    Descent,
    Feedback,
    Loss,
    NodePerturbation,
    SquaredError,
    fit,
    momentum,
    sgd,
)
from learners.estimators import Flipout
from learners.local import Activation, LocoProp, PerturbedNodeGradients, identity, sigmoid, softmax, tanh
from studies.kit.digital.tanh_networks import Digital, ExactNodeGradients


def numbers(*shape: int, name: str = "numbers") -> Tensor:
    return torch.randn(*shape, generator=stream(0, "locoprop", name), dtype=torch.float64)


@dataclass(frozen=True)
class Told:
    """Gradients that somebody tells."""

    slopes: tuple[Tensor, ...]

    def needs(self, spec: Spec, loss: Loss) -> Access:
        return Access("outputs", node_probes=False)

    def init(self, spec: Spec, loss: Loss) -> None:
        del spec, loss

    def estimate(
        self, port: Port, batch: Batch, baseline: Reading, loss: Loss, state: None, generator: Generator
    ) -> tuple[tuple[Tensor, ...], None]:
        return self.slopes, None


def change(learner: Any, chip: Chip, batch: Batch) -> tuple[Tensor, ...]:
    """What one step of a learner does to the true knobs."""
    before = xray.knobs(chip)
    list(fit(learner, chip.port(), [batch], stream(0, "probes")))
    return tuple(b - a for a, b in zip(before, xray.knobs(chip), strict=True))


def with_bias(x: Tensor) -> Tensor:
    return torch.cat((x, torch.ones(len(x), 1, dtype=x.dtype)), -1)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_linear_steps_have_a_closed_form(steps: int) -> None:
    """dW = -eta gamma G sum_{j<T} (I - eta C)^j, G = mean d x', C = mean x x'."""
    chip = Chip(Ideal(), (dense(3, 2, linear=True),), dtype=torch.float64)
    x, d, rate, gamma = numbers(6, 3, name="x"), numbers(6, 2, name="d"), 0.3, 0.7
    learner = LocoProp(Told((d,)), sgd(rate), SquaredError(), gamma, steps)
    (moved,) = change(learner, chip, Batch(x, torch.zeros(6, 2).double()))
    z = with_bias(x)
    g, c, eye = d.mT @ z / 6, z.mT @ z / 6, torch.eye(4).double()
    powers = sum(torch.linalg.matrix_power(eye - rate * c, j) for j in range(steps))
    torch.testing.assert_close(moved[0], -rate * gamma * g @ powers, rtol=1e-12, atol=1e-14)


def test_many_steps_come_to_the_proximal_limit() -> None:
    """-gamma G (C + proximal I)^-1, the minimum of the squared loss with the proximal term."""
    chip = Chip(Ideal(), (dense(3, 2, linear=True),), dtype=torch.float64)
    x, d, gamma, proximal = numbers(6, 3, name="x"), numbers(6, 2, name="d"), 0.7, 0.4
    learner = LocoProp(Told((d,)), sgd(0.3), SquaredError(), gamma, 400, proximal=proximal)
    (moved,) = change(learner, chip, Batch(x, torch.zeros(6, 2).double()))
    z = with_bias(x)
    wanted = -gamma * (d.mT @ z / 6) @ torch.linalg.inv(z.mT @ z / 6 + proximal * torch.eye(4).double())
    torch.testing.assert_close(moved[0], wanted, rtol=1e-10, atol=1e-12)


DEEP = (dense(5, 4), dense(4, 2, linear=True), dense(2, 4), dense(4, 5, linear=True))
M = (identity.forward, identity.forward, identity.forward, sigmoid.forward)
S = (tanh.inverse, identity.inverse, tanh.inverse, identity.inverse)


@pytest.mark.parametrize("transfer", [M, S], ids=["M", "S"])
def test_one_step_is_backprop(transfer: Any) -> None:
    chip = Chip(Digital(), DEEP, dtype=torch.float64)
    x = numbers(7, 5, name="images").sigmoid()
    gradient = xray.knob_gradient(chip, x, x, BinaryCrossEntropy())
    learner = LocoProp(ExactNodeGradients(chip), sgd(0.5), BinaryCrossEntropy(), 0.2, 1, transfer)
    for moved, g in zip(change(learner, chip, Batch(x, x)), gradient, strict=True):
        torch.testing.assert_close(moved, -0.5 * 0.2 * g, rtol=1e-12, atol=1e-15)


def test_m_with_identity_is_s() -> None:
    layers = (dense(5, 4, linear=True), dense(4, 5, linear=True))
    x = numbers(7, 5, name="x")
    every = []
    for transfer in (None, (identity.inverse, identity.inverse)):
        chip = Chip(Digital(), layers, dtype=torch.float64)
        learner = LocoProp(ExactNodeGradients(chip), momentum(0.3), SquaredError(), 0.5, 4, transfer)
        every.append(change(learner, chip, Batch(x, x)))
    assert all(torch.equal(m, s) for m, s in zip(*every, strict=True))


def descended(
    chip: Chip, x: Tensor, losses: tuple[Any, ...], slopes: tuple[Tensor, ...], gamma: float
) -> tuple[Tensor, ...]:
    """The oracle: three steps of 0.3 down each layer's own loss (of sums and target), by autograd."""
    taps = xray.respond(chip, x).taps
    moved = []
    for knobs, given, d, (loss, start) in zip(xray.knobs(chip), (x, *taps[:-1]), slopes, losses, strict=True):
        w = knobs[0].clone()
        target = start(with_bias(given) @ w.mT) - gamma * d
        for _ in range(3):
            w.requires_grad_()
            (down,) = torch.autograd.grad(loss(with_bias(given) @ w.mT, target).mean(), w)
            w = (w - 0.3 * down).detach()
        moved.append((w - knobs[0]).unsqueeze(0))
    return tuple(moved)


@pytest.mark.parametrize("read_out", [identity, sigmoid, softmax], ids=["identity", "sigmoid", "softmax"])
def test_m_descends_the_matching_losses(read_out: Activation) -> None:
    chip = Chip(Digital(), DEEP, dtype=torch.float64)
    x = numbers(7, 5, name="images").sigmoid()
    slopes = xray.node_gradient(chip, x, x, BinaryCrossEntropy())
    curves = (tanh, identity, tanh, read_out)
    wanted = descended(chip, x, tuple((n.matching_loss, n.forward) for n in curves), slopes, 0.8)
    transfer = (identity.forward, identity.forward, identity.forward, read_out.forward)
    learner = LocoProp(ExactNodeGradients(chip), sgd(0.3), BinaryCrossEntropy(), 0.8, 3, transfer)
    for moved, w in zip(change(learner, chip, Batch(x, x)), wanted, strict=True):
        torch.testing.assert_close(moved, w, rtol=1e-10, atol=1e-13)


def test_s_descends_the_squared_losses() -> None:
    chip = Chip(Digital(), DEEP, dtype=torch.float64)
    x = numbers(7, 5, name="images").sigmoid()
    slopes = xray.node_gradient(chip, x, x, BinaryCrossEntropy())
    squared = (lambda a, t: 0.5 * (a - t).square().sum(-1), identity.forward)
    wanted = descended(chip, x, (squared,) * 4, slopes, 0.8)
    learner = LocoProp(ExactNodeGradients(chip), sgd(0.3), BinaryCrossEntropy(), 0.8, 3, S)
    for moved, w in zip(change(learner, chip, Batch(x, x)), wanted, strict=True):
        torch.testing.assert_close(moved, w, rtol=1e-8, atol=1e-11)


NODES = NodePerturbation(0.1, probes=3)


@pytest.mark.parametrize(
    ("delta", "control"), [(False, None), (True, None), (True, Feedback(estimate_weight=0.5))], ids=str
)
def test_one_step_by_probes_is_node_perturbation(delta: bool, control: Feedback | None) -> None:
    """The same probes, the same pulses as `Descent`, on a fleet of noisy chips, step after step."""
    x, target = torch.randn(8, 4, generator=stream(0, "x")), torch.arange(8) % 3
    pulses: list[list[Tensor]] = [[], []]
    learners: list[Any] = [
        Descent(NODES, sgd(0.2), CrossEntropy(), delta_rule=delta, control_variate=control),
        LocoProp(PerturbedNodeGradients(NODES, delta, control), sgd(0.4), CrossEntropy(), gamma=0.5, steps=1),
    ]
    for learner, kept in zip(learners, pulses, strict=True):
        port = Chip(Mismatched(), (dense(4, 5), dense(5, 3, linear=True)), range(2)).port()
        heard = port._replace(pulse=lambda d, kept=kept, port=port: (kept.extend(d), port.pulse(d))[1])
        list(fit(learner, heard, [Batch(x, target)] * 4, stream(0, "probes")))
    torch.testing.assert_close(*pulses, rtol=1e-4, atol=1e-6)


def test_inner_steps_drive_each_layer_alone() -> None:
    """Readings of every layer: the baseline, the probes, and one for each inner step but the first."""
    chip = Chip(Mismatched(), (dense(4, 5), dense(5, 3, linear=True)))
    ledger, pulses = Ledger(chip.spec), []
    port = metered(chip.port(), ledger)
    port = port._replace(pulse=pulses.append)
    learner = LocoProp(PerturbedNodeGradients(NODES, False), sgd(0.1), SquaredError(), 0.5, steps=4)
    list(fit(learner, port, [Batch(torch.ones(2, 4), torch.zeros(2, 3))], stream(0)))
    assert ledger.reads == [2 * (1 + 3 + 3)] * 2 and len(pulses) == 4


def test_layers_do_not_wait_for_each_other() -> None:
    """What drives a layer is what drove it in the baseline reading, whatever happened below since."""
    x, slopes = numbers(6, 3, name="x"), (numbers(6, 4, name="h"), numbers(6, 2, name="d"))
    every = []
    for below in (1.0, 0.0):
        chip = Chip(Ideal(), (dense(3, 4), dense(4, 2, linear=True)), dtype=torch.float64)
        told = Told((slopes[0] * below, slopes[1]))
        learner = LocoProp(told, sgd(0.3), SquaredError(), 0.7, 5)
        every.append(change(learner, chip, Batch(x, torch.zeros(6, 2).double()))[1])
    assert torch.equal(*every)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"gamma": 0.0}, "gamma is above 0"),
        ({"gamma": 1.0, "steps": 0}, "wanted an integer of at least 1"),
        ({"gamma": 1.0, "proximal": -1.0}, "proximal at least 0"),
    ],
)
def test_bad_settings_are_refused(settings: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LocoProp(PerturbedNodeGradients(NODES), sgd(0.1), SquaredError(), **settings)


class Sum(Loss):
    def value(self, out: Tensor, target: object) -> Tensor:
        return out.sum(-1, keepdim=True)


def test_what_does_not_fit_the_chip_is_refused() -> None:
    spec = Chip(Ideal(), (dense(3, 4), dense(4, 2))).spec
    with pytest.raises(ValueError, match="transfer names 1 functions, the chip has 2 layers"):
        LocoProp(PerturbedNodeGradients(NODES), sgd(0.1), SquaredError(), 1.0, 1, (identity.forward,)).init(
            spec
        )
    with pytest.raises(ValueError, match="tells gradients at knobs, wanted them at nodes"):
        PerturbedNodeGradients(Flipout(0.1))
    learner = LocoProp(PerturbedNodeGradients(NODES, control_variate=Feedback()), sgd(0.1), Sum(), 1.0)
    with pytest.raises(ValueError, match="needs a loss with a gradient"):
        learner.init(spec)
