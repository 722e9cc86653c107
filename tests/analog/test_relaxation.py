"""Chips that relax settle to the minimum of their energy, are reciprocal, and stay apart."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Device, Ledger, Probe, dense, metered, mlp, stream, xray
from analog.devices import Hopfield, Resistive
from analog.effects import Tiled
from analog.layers import Normalized, Paired, prepared
from analog.randomness import HeldNoise, Noise
from analog.relaxation import settle, unsettled

DEEP = mlp(6, 8, 7, 3)
PAIRS = (
    prepared(dense(14, 8, bias=False), Paired(3.0)),
    dense(8, 6, bias=False),
    dense(6, 3, bias=False, linear=True),
)
QUIET = {"read_noise": 0.0, "write_noise": 0.0}
CHIPS: dict[str, tuple[Device, Any]] = {
    "Hopfield": (Hopfield(severity=0.0, **QUIET), DEEP),
    "Hopfield, mismatched": (Hopfield(**QUIET), DEEP),
    "Resistive": (Resistive(severity=0.0, **QUIET), PAIRS),
    "Resistive, mismatched": (Resistive(**QUIET), PAIRS),
}
X = torch.rand(5, 6, generator=stream(0, "x"), dtype=torch.float64)


def chip(name: str, who: Any = (0, 1), **settings: Any) -> Chip[Any]:
    device, layers = CHIPS[name]
    return Chip(replace(device, **settings), layers, who, dtype=torch.float64)  # type: ignore[type-var]


def energy(made: Chip[Any], states: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """The energy of every chip and example, (*fleet, batch), as the devices' modules state it."""
    total: Any = 0.0
    for layer, cells, below, above in zip(
        made.spec.layers, made._cells, (x, *states[:-1]), states, strict=True
    ):
        gathered, up = layer.gather(below), layer.unscatter(above)
        if isinstance(made.device, Hopfield):
            bias = (cells.threshold * up).sum(-1)
            cell = (up * (gathered @ cells.up.mT)).sum(-1) + bias
            leaks = (cells.load * up.square()).sum(-1) / 2
        else:
            rows, cols = up.square() @ cells.conductance, gathered.square() @ cells.conductance.mT
            cell = (up * (gathered @ cells.conductance.mT)).sum(-1) - (rows.sum(-1) + cols.sum(-1)) / 2
            leaks = (cells.leak * up.square()).sum(-1) / 2
        total = total + (leaks - cell).squeeze(-2)
    return total


@pytest.mark.parametrize("name", CHIPS)
def test_the_energy_never_rises_and_chips_settle(name: str) -> None:
    made = chip(name)
    after = [
        settle(made.device, made.spec, made._cells, X, Probe(), Noise.none(), sweeps)
        for sweeps in (1, 2, 3, 4, 6, 10, 20)
    ]
    energies = torch.stack([energy(made, states, X) for states in after])
    assert bool((energies.diff(dim=0) <= 1e-12).all()) and float(energies[0].max() - energies[-1].max()) > 0
    long = replace(made.device, sweeps=300)
    assert float(unsettled(long, made.spec, made._cells, X, 400).max()) < 1e-9
    assert float(unsettled(long, made.spec, made._cells, X, 1).max()) > 1e-3


@pytest.mark.parametrize("name", CHIPS)
def test_a_current_here_does_there_what_one_there_does_here(name: str) -> None:
    made, size = chip(name, 0, sweeps=300), 1e-5
    port = made.port()
    widths = [layer.features for layer in made.spec.layers]
    nodes = [(at, i) for at, width in enumerate(widths) for i in range(width)]

    def pushes(sign: float) -> tuple[Tensor, ...]:
        pushed = [torch.zeros(len(nodes), 1, width, dtype=torch.float64) for width in widths]
        for number, (at, i) in enumerate(nodes):
            pushed[at][number, 0, i] = sign * size
        return tuple(pushed)

    up, down = (torch.cat(port.measure(X[:1], Probe(nodes=pushes(s))).taps, -1)[:, 0] for s in (1.0, -1.0))
    response = (up - down) / (2 * size)
    assert float((response - response.T).abs().max()) < 1e-6 * float(response.abs().max())
    assert float(response.abs().max()) > 0.1


def test_what_is_skewed_is_not_reciprocal_and_says_so() -> None:
    assert Hopfield().reciprocal and not Hopfield(skew_dtod=0.1).reciprocal
    assert Hopfield(severity=0.0, skew_dtod=0.1).reciprocal


@pytest.mark.parametrize("name", CHIPS)
def test_a_chip_of_a_fleet_and_an_example_of_a_batch_settle_as_if_alone(name: str) -> None:
    fleet = xray.respond(chip(name), X).taps
    for tap, alone in zip(fleet, xray.respond(chip(name, 1), X[2:3]).taps, strict=True):
        assert float((tap[1, 2:3] - alone).abs().max()) < 1e-12


def test_probes_are_measured_side_by_side_as_one_by_one() -> None:
    made = chip("Hopfield, mismatched")
    drawn = [torch.randn(3, *shape, generator=stream(0), dtype=torch.float64) for shape in made.spec.shapes]
    probe = Probe(knobs=tuple(0.1 * d for d in drawn))
    together = xray.respond(made, X, probe).taps
    for at in range(3):
        alone = xray.respond(made, X, Probe(knobs=tuple(0.1 * d[at] for d in drawn))).taps
        assert all(float((a[at] - b).abs().max()) < 1e-12 for a, b in zip(together, alone, strict=True))


def test_the_exact_gradient_is_that_of_the_settled_chip() -> None:
    made = chip("Hopfield, mismatched", 0, sweeps=200)

    def loss(out: Tensor, target: Any) -> Tensor:
        return (out - target).square().sum(-1)

    target = torch.zeros(5, 3, dtype=torch.float64)
    gradient = xray.knob_gradient(made, X, target, loss)
    direction = [torch.randn(s, generator=stream(1), dtype=torch.float64) for s in made.spec.shapes]
    values = [
        loss(xray.respond(made, X, Probe(knobs=tuple(step * d for d in direction))).out, target).mean()
        for step in (1e-5, -1e-5)
    ]
    told = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True))
    assert float(values[0] - values[1]) / 2e-5 == pytest.approx(told, rel=1e-5)


def test_noise_of_synapses_is_one_draw_for_a_reading() -> None:
    noisy = chip("Hopfield", node_noise=0.1, sweeps=300)
    first, second = (noisy.port().measure(X).out for _ in range(2))
    assert not first.equal(second)
    held = HeldNoise(Noise(stream(0)))
    drawn = [held.normal(X), held.uniform(X)]
    held.rewind()
    assert held.normal(X).equal(drawn[0]) and held.uniform(X).equal(drawn[1])
    assert not held.normal(X).equal(drawn[0])
    # a chip that hears another draw in every sweep never settles
    states = [
        settle(noisy.device, noisy.spec, noisy._cells, X, Probe(), Noise(stream(1)), n)[-1]
        for n in (300, 400)
    ]
    assert float((states[0] - states[1]).abs().max()) < 1e-9


def test_what_a_tap_adds_never_comes_back() -> None:
    quiet, noisy = (chip("Hopfield, mismatched", tap_offset_dtod=sd) for sd in (0.0, 0.3))
    offsets = [cells.tap_offset for cells in noisy._cells]
    for tap, clean, offset in zip(
        xray.respond(noisy, X).taps, xray.respond(quiet, X).taps, offsets, strict=True
    ):
        assert float((tap - clean - offset.squeeze(-3)).abs().max()) < 1e-12


def test_a_reading_takes_the_time_and_the_energy_of_settling() -> None:
    made = chip("Hopfield", 0, sweeps=8)
    ledger = Ledger(made.spec)
    metered(made.port(), ledger).measure(X)
    costs = made.spec.costs
    assert ledger.seconds == pytest.approx(len(X) * 8 * costs.read_seconds) == pytest.approx(made.clock)
    array = sum(8 * costs.array_joules * layer.rows * layer.cols for layer in made.spec.layers)
    assert float(ledger.energy().array) == pytest.approx(len(X) * array)


def test_a_node_that_no_conductance_is_joined_to_stays_at_rest() -> None:
    made = chip("Resistive", 0)
    made.port().program(made.spec.zeros())
    assert all(float(tap.abs().max()) == 0 for tap in made.port().measure(X).taps)


def test_a_span_relaxes_by_itself() -> None:
    made = chip("Hopfield", 0)
    alone = made.port().measure(X[:, :4].repeat(1, 2), first=1, last=1).out
    cells, layer = made._cells[1], made.spec.layers[1]
    wanted = (layer.gather(X[:, :4].repeat(1, 2)) @ cells.up.mT + cells.threshold).clamp(0, 1)
    assert float((alone - wanted.squeeze(-3)).abs().max()) < 1e-12


def test_what_goes_one_way_is_refused() -> None:
    with pytest.raises(ValueError, match="Tiled: Hopfield relaxes; this effect has no way back"):
        Tiled(Hopfield(), 4, 4)
    above = (dense(6, 8), prepared(dense(8, 3, linear=True), Normalized()))
    with pytest.raises(ValueError, match="one way"):
        Chip(Hopfield(), above, 0).port().measure(X.float())
