"""Equilibrium propagation finds the exact gradient of a chip that relaxes, as laws say."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Port, Probe, Reading, dense, mlp, stream, xray
from analog.devices import Hopfield, Resistive
from analog.layers import Paired, prepared
from analog.port import rewired
from analog.relaxation import unsettled
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    NodePerturbation,
    SquaredError,
    adam,
    check_learner,
    linear_decay,
    sgd,
    train,
)
from learners.data import load_data
from learners.estimators import knob_gradients
from learners.local import EquilibriumPropagation
from learners.losses import Sharpened

QUIET = {"read_noise": 0.0, "write_noise": 0.0, "sweeps": 400}
DEEP = mlp(6, 8, 7, 3)
PAIRS = (
    prepared(dense(14, 8, bias=False), Paired(3.0)),
    dense(8, 6, bias=False),
    dense(6, 3, bias=False, linear=True),
)
X = torch.rand(7, 6, generator=stream(0, "x"), dtype=torch.float64)
Y = (torch.arange(7) % 3).expand(2, 7)
LOSS = CrossEntropy()
CHIPS: dict[str, tuple[Any, Any]] = {
    "Hopfield": (Hopfield(severity=0.0, **QUIET), DEEP),
    "Hopfield, mismatched": (Hopfield(**QUIET), DEEP),
    "Resistive": (Resistive(severity=0.0, **QUIET), PAIRS),
    "Resistive, mismatched": (Resistive(**QUIET), PAIRS),
}


def made(name: str) -> Chip[Any]:
    device, layers = CHIPS[name]
    return Chip(device, layers, (0, 1), dtype=torch.float64)


def at_weights(chip: Chip[Any], **settings: Any) -> tuple[Tensor, ...]:
    """The estimate of the gradient at the cells\' weights or conductances."""
    learner, port = EquilibriumPropagation(sgd(1.0), LOSS, **settings), chip.port()
    free = port.measure(X)
    found = learner.adjoints(port, X, free.taps, LOSS.gradient(free.out, Y))
    return knob_gradients(chip.spec, found.gradient, (X, *found.states[:-1]), found.states[-1])


def exact(chip: Chip[Any]) -> list[Tensor]:
    """The exact gradient there: that at the knobs, less what a knob does to its cell."""
    at_knobs = xray.knob_gradient(chip, X, Y, LOSS)
    slopes = [c.gain * (1 - c.knobs.tanh().square()) if "up" in c._fields else c.gain for c in chip._cells]
    return [g / slope for g, slope in zip(at_knobs, slopes, strict=True)]


def error(found: tuple[Tensor, ...], wanted: list[Tensor]) -> float:
    return max(float((a - b).norm() / b.norm()) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("name", CHIPS)
def test_it_is_the_exact_gradient_at_the_cells_as_the_nudge_vanishes(name: str) -> None:
    chip = made(name)
    wanted = exact(chip)
    assert float(unsettled(chip.device, chip.spec, chip._cells, X, 800).max()) < 1e-9
    assert error(at_weights(chip, nudge=1e-4), wanted) < 1e-6
    for nudging in ("towards", "away"):
        assert error(at_weights(chip, nudge=1e-6, nudging=nudging), wanted) < 1e-4


def test_the_bias_falls_with_the_nudge_or_with_its_square() -> None:
    device = Bent(severity=0.0, **QUIET)
    chip = Chip(device, DEEP, (0, 1), dtype=torch.float64)
    wanted = exact(chip)
    for nudging, order in (("centered", 2), ("towards", 1), ("away", 1)):
        large, small = (
            error(at_weights(chip, nudge=nudge, nudging=nudging), wanted) for nudge in (0.08, 0.02)
        )
        assert 0.9 * 4**order < large / small < 1.15 * 4**order


class Bent(Hopfield):
    """Neurons that bend smoothly, so that a nudge of any size is felt."""

    def fire(self, cells: Any, u: Tensor, noise: Any) -> Tensor:
        return torch.sigmoid(u)


def test_of_diodes_the_centered_estimate_has_no_bias_until_one_flips() -> None:
    chip = made("Resistive")
    wanted = exact(chip)
    assert error(at_weights(chip, nudge=1e-3), wanted) < 1e-9
    assert error(at_weights(chip, nudge=1e-3, nudging="towards"), wanted) > 1e-5


def test_node_perturbation_at_both_ends_of_a_cell_estimates_the_same() -> None:
    chip = made("Hopfield, mismatched")
    estimator, spec, wanted = NodePerturbation(1e-4, 4000, mask=False), chip.spec, exact(chip)
    learner = Descent(estimator, sgd(1.0), LOSS)
    assert not learner.uses_delta_rule(spec)
    drives: list[tuple[Tensor, ...]] = []
    port = chip.port()._replace(pulse=drives.append)
    learner.step(port, Batch(X, Y), learner.init(spec), stream(0, "probes"))
    for drive, gradient in zip(drives[0], wanted, strict=True):
        cosine = -(drive * gradient).sum() / drive.norm() / gradient.norm()
        assert float(cosine) > 0.93  # one end alone reaches .8 in the middle


def test_layers_of_a_chip_that_relaxes_cannot_be_probed_in_turn() -> None:
    with pytest.raises(ValueError, match="cannot be driven alone"):
        Descent(NodePerturbation(0.1), sgd(1.0), LOSS, in_turn=True).init(made("Hopfield").spec)


def two_converters(port: Port, offset: float) -> Port:
    """Wires where the first of several states is read by a converter of its own."""

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps = port.measure(x, probe, first=first, last=last).taps
        several = bool(probe.lead(port.spec.span(first, last), x))
        if several:
            for tap in taps:
                tap[0] += offset
        return Reading(taps)

    return rewired(port, read)


@pytest.mark.parametrize("chopped", [False, True])
def test_converters_that_differ_cancel_when_they_are_swapped(chopped: bool) -> None:
    chip = made("Hopfield")
    learner = EquilibriumPropagation(sgd(1.0), LOSS, chopped=chopped)
    totals = []
    for offset in (0.0, 0.05):
        drives: list[tuple[Tensor, ...]] = []
        port, state = (
            two_converters(chip.port()._replace(pulse=drives.append), offset),
            learner.init(chip.spec),
        )
        for _ in range(2):
            state, _ = learner.step(port, Batch(X, Y), state, stream(0))
        totals.append([a + b for a, b in zip(*drives, strict=True)])
    off = error(tuple(totals[1]), totals[0])
    assert off < 0.05 if chopped else off > 0.3


def test_every_example_gets_the_same_current_and_its_own_gradient() -> None:
    chip, sent = made("Hopfield"), []

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        sent.append(probe)
        return chip.port().measure(x, probe, first=first, last=last)

    learner = EquilibriumPropagation(sgd(1.0), LOSS, nudge=0.2, pairs=3)
    port = rewired(chip.port(), read)
    learner.step(port, Batch(X, Y), learner.init(chip.spec), stream(0))
    nodes = sent[1].nodes
    assert nodes is not None and nodes[:-1] == (None, None)
    assert nodes[-1] is not None and len(nodes[-1]) == 6
    assert nodes[-1].norm(dim=-1).allclose(torch.tensor(0.2, dtype=torch.float64))
    assert nodes[-1].sum(0).abs().max() < 1e-12


def test_an_example_that_is_right_to_the_last_bit_is_left_alone() -> None:
    chip = made("Hopfield")
    target = chip.port().measure(X).out.clone()
    learner, drives = EquilibriumPropagation(sgd(1.0), SquaredError()), []
    port = chip.port()._replace(pulse=drives.append)
    learner.step(port, Batch(X, target), learner.init(chip.spec), stream(0))
    assert all(float(d.abs().max()) == 0 for d in drives[0])


def test_chips_learn_digits_in_place() -> None:
    data, update = load_data("digits"), linear_decay(adam(1e-2), 5 * 22)
    chip = Chip(Hopfield(), mlp(64, 32, 10), range(2))
    run = train(
        chip.port(), EquilibriumPropagation(update, Sharpened(CrossEntropy())), data, epochs=5, seed=0
    )
    assert run.accuracy is not None and float(run.accuracy.min()) > 0.7


@pytest.mark.parametrize(
    "settings",
    [{"nudge": 0.0}, {"nudge": float("nan")}, {"nudging": "spring"}, {"pairs": 0}, {"pairs": True}],
)
def test_settings_that_are_none_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"EquilibriumPropagation: {next(iter(settings))} is"):
        EquilibriumPropagation(sgd(1.0), LOSS, **settings)


def test_a_chip_whose_signals_go_one_way_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted one that relaxes"):
        EquilibriumPropagation(sgd(1.0), LOSS).init(Chip(Ideal(), DEEP, 0).spec)


def test_it_learns_by_what_comes_over_its_wires_alone() -> None:
    learner = EquilibriumPropagation(adam(0.01), LOSS)
    batches = [Batch(X.float(), Y[0])] * 3
    for fleet in (0, [0, 1]):
        check_learner(learner, Chip(Hopfield(), DEEP, fleet).port(), batches, lambda: stream(0, "probes"))
