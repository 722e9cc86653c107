"""A ledger books what a chip was put through, and nothing that was refused."""

import pytest
import torch

from analog import BadInput, Chip, Ideal, Ledger, Mismatched, Probe, conv2d, dense, metered
from analog.devices import SoftBoundsRRAM

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
    read = costs.read_joules * (20 * 28 + 25 * 15)
    assert ledger.joules.tolist() == pytest.approx([read, read + 2 * costs.pulse_joules])
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
    assert float(ledger.joules) == pytest.approx(chip.spec.costs.read_joules * 3 * 4 * 2 * 5)


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
