"""Goodness and its local rule: exact where the neuron is known, exact where it is measured."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Mismatched, dense, stream, xray
from analog.devices import UnknownNeurons
from learners import Batch, fit, sgd
from learners.local import GoodnessLoss, Hebbian, goodness

F64 = torch.float64
LOSS = GoodnessLoss(threshold=0.4, sharpness=3.0)
LAYERS = (dense(7, 9),)


def task(count: int) -> Batch:
    x = torch.randn(count, 7, generator=stream(0, "x"), dtype=F64)
    return Batch(x, 1.0 - 2.0 * (torch.arange(count) % 2).to(F64))


def told(device: Any, batch: Batch, learner: Hebbian, identity: Any = 3) -> tuple[Tensor, Tensor]:
    """What was pulsed, and minus the exact gradient."""
    chip = Chip(device, LAYERS, identity, dtype=F64)
    (exact,) = xray.knob_gradient(chip, batch.x, batch.target, LOSS)
    (before,) = xray.knobs(chip)
    list(fit(learner, chip.port(), [batch], stream(0, "probes")))
    return xray.knobs(chip)[0] - before, -exact


def test_the_slope_is_the_losss_own() -> None:
    out = torch.randn(3, 6, 5, generator=stream(0, "out"), dtype=F64).requires_grad_()
    target = task(6).target
    (exact,) = torch.autograd.grad(LOSS(out, target).sum(), out)
    torch.testing.assert_close(LOSS.gradient(out.detach(), target), exact)


def test_rectified_goodness_of_linear_neurons_is_that_of_rectifiers() -> None:
    out = torch.randn(3, 6, 5, generator=stream(0, "out"), dtype=F64).requires_grad_()
    target, rectified = task(6).target, GoodnessLoss(threshold=0.4, sharpness=3.0, rectified=True)
    torch.testing.assert_close(rectified(out, target), LOSS(out.relu(), target))
    (exact,) = torch.autograd.grad(rectified(out, target).sum(), out)
    torch.testing.assert_close(rectified.gradient(out.detach(), target), exact)


def test_real_and_fake_meet_at_the_threshold() -> None:
    """At it either costs ln 2; far from it nothing, or sharpness times the way back."""
    taps = torch.tensor([[0.4**0.5] * 4, [0.0] * 4, [10.0] * 4], dtype=F64)
    torch.testing.assert_close(goodness(taps), torch.tensor([0.4, 0.0, 100.0], dtype=F64))
    real, fake = LOSS(taps, torch.ones(3, dtype=F64)), LOSS(taps, -torch.ones(3, dtype=F64))
    torch.testing.assert_close(real[0], torch.tensor(2.0, dtype=F64).log())
    torch.testing.assert_close(fake - real, 3.0 * (goodness(taps) - 0.4))
    assert real[2] < 1e-9 and abs(float(fake[2]) - 3 * 99.6) < 1e-9


@pytest.mark.parametrize("identity", [3, [3, 4]], ids=["chip", "fleet"])
def test_on_rectifiers_the_rule_is_the_exact_gradient(identity: Any) -> None:
    sent, exact = told(Ideal(), task(6), Hebbian(sgd(1.0), LOSS), identity)
    torch.testing.assert_close(sent, exact)


def test_measured_slopes_give_the_exact_gradient_of_neurons_that_nobody_knows() -> None:
    """At zero probe size and without noise; taking their slopes for 1 does not."""
    device = UnknownNeurons(write_noise=0.0, read_noise=0.0)
    sent, exact = told(device, task(6), Hebbian(sgd(1.0), LOSS, probe_size=1e-6))
    torch.testing.assert_close(sent, exact, atol=1e-6, rtol=1e-5)
    blind, _ = told(device, task(6), Hebbian(sgd(1.0), LOSS))
    assert float((blind - exact).norm()) > 0.3 * float(exact.norm())


def test_gains_that_differ_turn_no_sign() -> None:
    """Each knob of a mismatched layer is moved downhill for an example, though its cell is not known."""
    device = Mismatched(read_noise=0.0, write_noise=0.0)
    sent, exact = told(device, task(1), Hebbian(sgd(1.0), LOSS))
    assert torch.equal(sent.sign(), exact.sign()) and not torch.allclose(sent, exact, rtol=0.05)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GoodnessLoss(threshold=0.0), "finite and above 0"),
        (lambda: Hebbian(sgd(1.0), probe_size=0.0), "probe_size is 0.0"),
        (lambda: Hebbian(sgd(1.0)).init(Chip(Ideal(), (*LAYERS, dense(9, 2))).spec), "one layer, got 2"),
        (lambda: LOSS(torch.ones(3, 4), torch.ones(2)), "wanted"),
        (lambda: LOSS(torch.ones(3, 4), None), "target is NoneType"),
    ],
)
def test_bad_settings_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
