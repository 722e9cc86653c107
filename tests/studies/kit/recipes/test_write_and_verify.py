"""Weights that are written and verified through the wires."""

import pytest
import torch

from analog import Chip, Ideal, Mismatched, mlp, stream, xray
from analog.devices import SoftBoundsRRAM
from studies.kit.recipes import write_and_verify as writing
from studies.kit.recipes.layer_meter import LayerMeter
from studies.kit.recipes.weight_copies import fit_trims, repeat_knobs, trimmed
from studies.kit.recipes.write_and_verify import patience, write_and_verify

LAYERS = mlp(12, 10, 4)
METER = LayerMeter()


def inputs(count: int = 40) -> torch.Tensor:
    return torch.rand(count, 12, generator=stream(0, "inputs"))


def test_written_and_verified_chips_answer_as_their_source_and_blind_copies_do_not() -> None:
    source = Chip(Mismatched(severity=0.5), LAYERS, 1)
    blind, written = (Chip(Mismatched(severity=0.5), LAYERS, range(2, 8)) for _ in range(2))
    knobs, x = repeat_knobs(xray.knobs(source), 6), inputs()
    blind.port().program(knobs)
    measured = tuple(METER.measure(source.port(), i) for i in range(2))
    write_and_verify(written.port(), measured, knobs, rounds=4)
    wanted = xray.respond(source, x).out
    errors = [(xray.respond(chip, x).out - wanted).square().mean().sqrt() for chip in (blind, written)]
    assert float(errors[1]) < 0.25 * float(errors[0])


def test_a_source_of_another_technology_can_be_written_too() -> None:
    digital, chip = Chip(Ideal(), LAYERS, 1), Chip(Mismatched(severity=0.25), LAYERS, range(4))
    measured = tuple(METER.measure(digital.port(), i) for i in range(2))
    write_and_verify(chip.port(), measured, repeat_knobs(xray.knobs(digital), 4), rounds=4)
    taps, wanted = xray.respond(chip, inputs()).taps, xray.respond(digital, inputs()).taps
    trims = fit_trims(chip.port(), inputs(), wanted)
    out = trimmed(chip.port(), trims).measure(inputs()).out
    assert float((taps[0] - wanted[0]).square().mean().sqrt()) < 0.2
    assert float((out - wanted[1]).square().mean().sqrt()) < 0.1


def test_a_cell_is_left_alone_if_the_pulses_that_are_left_can_hardly_bring_it_nearer() -> None:
    assert patience(1) == 1.0
    for left in (2, 5, 20):
        square = torch.randn(200_000, generator=stream(left, "misses")).square()
        best = square.clamp(max=patience(left - 1) ** 2).mean()
        assert patience(left) ** 2 == pytest.approx(float(best), rel=0.02)  # 4 sd


def test_where_pulses_miss_by_much_near_cells_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And come twice as near as if all were pulsed at every round."""
    digital = Chip(Ideal(), LAYERS, 1)
    digital.port().program(tuple(0.2 * knobs for knobs in xray.knobs(digital)))
    measured = tuple(METER.measure(digital.port(), i) for i in range(2))
    errors = []
    for bar in (patience, lambda left: 0.0):
        monkeypatch.setattr(writing, "patience", bar)
        chip = Chip(SoftBoundsRRAM(), LAYERS, range(4))
        write_and_verify(chip.port(), measured, repeat_knobs(xray.knobs(digital), 4), 30)
        found = METER.measure(chip.port(), 0)
        errors.append(float((found.targets(measured[0])[0] - found.weights).abs().median()))
    assert errors[0] < 0.5 * errors[1]
