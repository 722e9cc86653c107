"""Target propagation's laws in float64: exact inverses, backprop's limit, inverses that learn."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ledger, Mismatched, dense, metered, stream, xray
from learners import Batch, BinaryCrossEntropy, SquaredError, adam, fit, sgd
from learners.local import TargetPropagation, identity, sigmoid, tanh
from learners.local.target_propagation import propagate_targets
from studies.kit.digital.tanh_networks import Digital
from tests.sampled import sampled


def numbers(*shape: int, name: str = "numbers") -> Tensor:
    return torch.randn(*shape, generator=stream(0, "targets", name), dtype=torch.float64)


SQUARE = (dense(4, 4), dense(4, 4), dense(4, 4, linear=True))


@pytest.mark.parametrize("difference", [True, False])
def test_exact_inverses_give_exact_targets(difference: bool) -> None:
    """f_l(t_{l-1}) = t_l: driven by its target, the layer above shows just what it should."""
    chip = Chip(Digital(), SQUARE, dtype=torch.float64)
    x = 0.3 * numbers(6, 4, name="x")
    shown = xray.respond(chip, x).taps
    top = shown[-1] - 0.001 * numbers(6, 4, name="d")

    def inverse(at: int) -> Any:
        knobs = xray.knobs(chip)[at][0]
        undo = identity.inverse if SQUARE[at].linear else tanh.inverse
        assert undo is not None
        return lambda y: (undo(y) - knobs[:, -1]) @ torch.linalg.inv(knobs[:, :-1]).mT

    wanted = propagate_targets(shown, top, [inverse(1), inverse(2)], difference=difference)
    assert len(wanted) == 3 and wanted[-1] is top
    for at in (1, 2):
        made = xray.respond(chip, wanted[at - 1], first=at, last=at).out
        torch.testing.assert_close(made, wanted[at], rtol=1e-8, atol=1e-10)


def test_a_difference_forgives_a_bad_inverse() -> None:
    """Where nothing is to change, nothing does, whatever the inverse; a plain target is what it says."""
    shown = (numbers(6, 3, name="h"), numbers(6, 2, name="y"))
    matrix = numbers(2, 3, name="bad")
    bad = [lambda y: (y @ matrix).tanh()]
    assert torch.equal(propagate_targets(shown, shown[-1], bad, difference=True)[0], shown[0])
    assert torch.equal(propagate_targets(shown, shown[-1], bad, difference=False)[0], bad[0](shown[-1]))


def orthogonal(chip: Chip) -> tuple[Tensor, ...]:
    """Program orthogonal weights without biases; the transposes, which are the inverses."""
    drawn = [torch.linalg.qr(numbers(4, 4, name=str(at)))[0] for at in range(len(chip.spec.layers))]
    none = torch.zeros(4, 1).double()
    chip.port().program(tuple(torch.cat((q, none), -1).unsqueeze(0) for q in drawn))
    return tuple(torch.cat((q.mT, none), -1).unsqueeze(0) for q in drawn[1:])


@pytest.mark.parametrize("difference", [True, False])
def test_orthogonal_linear_layers_make_it_backprop(difference: bool) -> None:
    """b_l = f_l^-1 is the transpose then, which is what backprop multiplies with."""
    chip = Chip(Digital(), tuple(dense(4, 4, linear=True) for _ in range(3)), dtype=torch.float64)
    transposes = orthogonal(chip)
    x, target = numbers(6, 4, name="x"), numbers(6, 4, name="wanted")
    gradient = xray.knob_gradient(chip, x, target, SquaredError())
    before = xray.knobs(chip)
    learner = TargetPropagation(sgd(0.5), sgd(1e-9), SquaredError(), 0.2, noise=0.0, difference=difference)
    state = learner.init(chip.spec)._replace(inverses=transposes)
    learner.step(chip.port(), Batch(x, target), state, stream(0))
    for old, new, g in zip(before, xray.knobs(chip), gradient, strict=True):
        torch.testing.assert_close(new - old, -0.5 * 0.2 * g, rtol=1e-7, atol=1e-9)


def test_inverses_learn_to_invert() -> None:
    """With the forward layers at rest a linear inverse comes to the true one."""
    chip = Chip(Digital(), (dense(4, 4), dense(4, 4, linear=True)), dtype=torch.float64)
    (turned,) = orthogonal(chip)
    learner = TargetPropagation(sgd(1e-12), adam(0.02), SquaredError(), 0.1, noise=0.5)
    port, state, generator = chip.port(), learner.init(chip.spec), stream(0)
    x = numbers(64, 4, name="x")
    for _ in range(400):
        state, _ = learner.step(port, Batch(x, x), state, generator)
    torch.testing.assert_close(state.inverses[0], turned, rtol=0, atol=2e-3)


def test_without_inverses_only_the_read_out_learns() -> None:
    chip = Chip(Digital(), (dense(4, 3), dense(3, 4, linear=True)), dtype=torch.float64)
    x = numbers(6, 4, name="x").sigmoid()
    gradient, before = xray.knob_gradient(chip, x, x, BinaryCrossEntropy()), xray.knobs(chip)
    learner = TargetPropagation(sgd(0.5), sgd(1e-12), BinaryCrossEntropy(), 0.2, tanh, sigmoid)
    list(fit(learner, chip.port(), [Batch(x, x)], stream(0)))
    hidden, read_out = (new - old for old, new in zip(before, xray.knobs(chip), strict=True))
    assert float(hidden.abs().max()) < 1e-9
    torch.testing.assert_close(read_out, -0.5 * 0.2 * gradient[1], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("difference", sampled([True, False], 2))
def test_a_deep_network_learns(difference: bool) -> None:
    """Of an autoencoder of three hidden layers the loss falls by more than its read-out alone could."""
    layers = (dense(8, 6), dense(6, 3, linear=True), dense(3, 6), dense(6, 8, linear=True))
    codes = numbers(128, 2, name="codes")
    x = (3 * codes @ numbers(2, 8, name="mix")).sigmoid()
    loss, ends = BinaryCrossEntropy(), []
    for whole in (True, False):
        chip = Chip(Digital(), layers, dtype=torch.float64)
        inverse = adam(0.01 if whole else 1e-12)
        learner = TargetPropagation(
            adam(0.005), inverse, loss, 0.5, tanh, sigmoid, difference=difference or not whole
        )
        for _, step in fit(learner, chip.port(), [Batch(x, x)] * 500, stream(0)):
            last = float(step.loss)
        ends.append(last)
    assert ends[0] < ends[1] - 0.05


def test_each_inverse_costs_one_reading_of_its_layer() -> None:
    chip = Chip(Mismatched(), (dense(4, 5), dense(5, 3), dense(3, 2, linear=True)))
    ledger = Ledger(chip.spec)
    learner = TargetPropagation(sgd(0.1), sgd(0.1), SquaredError(), 0.5)
    batch = Batch(torch.ones(2, 4), torch.zeros(2, 2))
    list(fit(learner, metered(chip.port(), ledger), [batch], stream(0)))
    assert ledger.reads == [2, 4, 4]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="gamma is above 0"):
        TargetPropagation(sgd(0.1), sgd(0.1), SquaredError(), 0.0)
    learner = TargetPropagation(sgd(0.1), sgd(0.1), SquaredError(), 0.1)
    with pytest.raises(ValueError, match="needs a linear read-out"):
        learner.init(Chip(Mismatched(), (dense(4, 5),)).spec)
