"""A ledger books what a chip was put through, and nothing that was refused."""

import dataclasses
from typing import Any

import pytest
import torch

from analog import (
    BadInput,
    BadReading,
    Budget,
    Chip,
    Costs,
    Dead,
    Ideal,
    Ledger,
    Mismatched,
    OverBudget,
    Probe,
    budgeted,
    conv2d,
    dense,
    metered,
)
from analog.devices import SoftBoundsRRAM
from analog.port import make_port

LAYERS = (dense(6, 4), dense(4, 3, linear=True))
X = torch.ones(5, 6)


def test_the_ledger_counts_what_was_driven() -> None:
    chip = Chip(Mismatched(), LAYERS, range(2))
    ledger = Ledger(chip.spec)
    port = metered(chip.port(), ledger)
    port.measure(X)
    port.measure(X, Probe(nodes=(torch.zeros(3, 2, 5, 4), None)))
    port.measure(torch.ones(5, 4), first=1)
    assert ledger.reads == [5 + 15, 5 + 15 + 5]
    drive = chip.spec.zeros()
    drive[0][1, 0, 2, 3] = 0.1
    port.pulse(drive)
    port.pulse(drive)
    assert float(ledger.pulses[0].sum()) == 2 and float(ledger.pulses[0][1, 0, 2, 3]) == 2
    assert float(ledger.pulses[1].sum()) == 0
    assert ledger.pulses_per_cell.tolist() == pytest.approx([0, 2 / (28 + 15)])
    costs = chip.spec.costs
    array = costs.array_joules * (20 * 28 + 25 * 15)
    converters = costs.dac_joules * (20 * 7 + 25 * 5) + costs.adc_joules * (20 * 4 + 25 * 3)
    read, energy = array + converters, ledger.energy()
    assert ledger.joules.tolist() == pytest.approx([read, read + 2 * costs.pulse_joules])
    assert energy.array.tolist() == pytest.approx([array] * 2)
    assert energy.converters.tolist() == pytest.approx([converters] * 2)
    assert energy.writes.tolist() == pytest.approx([0, 2 * costs.pulse_joules])
    dearer = ledger.energy(dataclasses.replace(costs, array_joules=0.0, adc_bits=costs.adc_bits + 1))
    assert dearer.array.tolist() == [0, 0]
    more = dearer.converters - energy.converters
    assert more.tolist() == pytest.approx([costs.adc_joules * (20 * 4 + 25 * 3)] * 2)
    assert ledger.seconds == pytest.approx(chip.clock)  # the ledger's time is the chip's


def test_pulses_of_a_granular_device_are_counted_in_steps() -> None:
    chip = Chip(SoftBoundsRRAM(), LAYERS)
    ledger = Ledger(chip.spec)
    drive = chip.spec.zeros()
    drive[0][0, 1, 1] = -0.01  # five steps of 0.002
    metered(chip.port(), ledger).pulse(drive)
    assert float(ledger.pulses[0][0, 1, 1]) == pytest.approx(5)
    assert ledger.seconds == pytest.approx(5 * chip.spec.costs.pulse_seconds)
    assert ledger.seconds == pytest.approx(chip.clock)


def test_a_layer_used_at_many_sites_costs_as_many_readings_of_energy() -> None:
    chip = Chip(Ideal(), (conv2d((1, 4, 4), 2, 2, stride=2),))
    ledger = Ledger(chip.spec)
    metered(chip.port(), ledger).measure(torch.ones(3, 16))
    costs = chip.spec.costs  # 3 vectors, 4 sites, each of 5 lines (one is always on), 10 cells, 2 outputs
    assert float(ledger.energy().array) == pytest.approx(costs.array_joules * 3 * 4 * 10)
    assert float(ledger.energy().converters) == pytest.approx(
        3 * 4 * (5 * costs.dac_joules + 2 * costs.adc_joules)
    )


def test_what_was_refused_is_not_booked() -> None:
    chip = Chip(Ideal(), LAYERS)
    ledger = Ledger(chip.spec)
    port = metered(chip.port(), ledger)
    for send in (lambda: port.measure(X[:, :2]), lambda: port.pulse(()), lambda: port.program(())):
        with pytest.raises(BadInput):
            send()
    assert ledger.reads == [0, 0] and ledger.seconds == 0 and float(ledger.joules) == 0


def test_a_ledger_belongs_to_one_datasheet() -> None:
    lone, fleet = Chip(Ideal(), LAYERS), Chip(Ideal(), LAYERS, range(2))
    with pytest.raises(ValueError, match="another datasheet"):
        metered(lone.port(), Ledger(fleet.spec))


class Broke(Exception):
    pass


@pytest.mark.parametrize("error", [Broke, TimeoutError, KeyboardInterrupt, BadReading])
def test_what_may_have_been_carried_out_is_booked(error: type[BaseException]) -> None:
    """An instrument that stops midway has been driven; nobody knows how far."""
    spec = Chip(Ideal(), LAYERS).spec

    def fail(*sent: object) -> Any:
        raise error

    done, broken = Ledger(spec), Ledger(spec)
    bench, works = (
        metered(make_port(spec, fail, fail, fail), broken),
        metered(Chip(Ideal(), LAYERS).port(), done),
    )
    drive = tuple(0.1 + z for z in spec.zeros())
    probe = Probe(nodes=(torch.zeros(3, len(X), spec.layers[0].features), None))
    sends = (
        lambda port: port.pulse(drive),
        lambda port: port.program(drive),
        lambda port: port.measure(X, probe),
        lambda port: port.measure(X, first=0, last=0),
    )
    for send in sends:
        send(works)
        with pytest.raises(error):
            send(bench)
    assert (broken.reads, broken.seconds) == (done.reads, done.seconds)
    assert all(torch.equal(a, b) for a, b in zip(broken.pulses, done.pulses, strict=True))


def test_what_the_dead_and_a_budget_refuse_is_not_booked() -> None:
    chip, ledger = Chip(Ideal(), LAYERS), Ledger(Chip(Ideal(), LAYERS).spec)
    strict = budgeted(chip.port(), Ledger(chip.spec), Budget(reads=0, pulses_per_cell=0))
    for port, error in ((strict, OverBudget), (chip.port(), Dead)):
        outer = metered(port, ledger)
        if error is Dead:
            chip.die()
        for send in (lambda p: p.pulse(tuple(0.1 + z for z in p.spec.zeros())), lambda p: p.measure(X)):
            with pytest.raises(error):
                send(outer)
    assert ledger.reads == [0, 0] and ledger.seconds == 0 and float(ledger.joules) == 0


def test_a_huge_drive_is_counted() -> None:
    """In single precision its number of steps would be infinite."""
    chip = Chip(Ideal(), LAYERS)
    stepped = dataclasses.replace(chip.spec, costs=Costs(step=1e-3))
    ledger = Ledger(stepped)
    ledger.book_pulse(tuple(torch.full(s, 3e38) for s in chip.spec.shapes))
    assert float(ledger.pulses_per_cell) == pytest.approx(3e41) and ledger.seconds == pytest.approx(3e34)
