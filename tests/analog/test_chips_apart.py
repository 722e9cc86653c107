"""Chips of a fleet with a noise seed for each live apart: nobody's numbers depend on who stands beside."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from analog import Chip, Dead, Device, Ideal, Knobs, Mismatched, Probe, Spec, dense, load, save
from analog.devices import ZOO, SoftBoundsRRAM
from analog.effects import Endurance
from tests.zoo import name

LAYERS = (dense(3, 4), dense(4, 2, linear=True))
X = torch.tensor([[0.1, 0.9, 0.4], [1.0, 0.0, 0.3]])
SILENT = Mismatched(read_noise=0.0, write_noise=0.0)
WORN = Endurance(SoftBoundsRRAM(), pulses=300, pulses_dtod=0.5)
FRAIL = Endurance(SILENT, pulses=4, pulses_dtod=0.3)


def apart(device: Device, *identities: int) -> Chip:
    return Chip(device, LAYERS, identities, noise_seed=[who + 50 for who in identities])


def drives(spec: Spec, identities: tuple[int, ...], moment: int) -> Knobs:
    """A drive of its own for each chip."""
    return tuple(
        torch.stack([torch.full(s[1:], 0.03 * (who % 4 - 1) + 0.02 * moment) for who in identities])
        for s in spec.shapes
    )


def taps(chip: Chip, identities: tuple[int, ...], moment: int) -> list[torch.Tensor]:
    """What chips show after a pulse, when probed and when not."""
    drive = drives(chip.spec, identities, moment)
    chip.pulse_within(drive, 1e-2)
    pair = Probe(knobs=tuple(torch.stack([torch.zeros_like(d), d]) for d in drive))
    return [*chip.port().measure(X, pair).taps, *chip.port().measure(X).taps]


@pytest.mark.parametrize("device", [*ZOO, Mismatched(), WORN], ids=name)
def test_a_row_shows_what_the_chip_alone_would(device: Device) -> None:
    """Bitwise, pulses, probes and noise included; and a fresh neighbour changes nothing."""
    many, one = apart(device, 4, 7, 2, 9), apart(device, 7)
    for moment in range(3):
        if moment == 2:
            many.replace_rows([0, 3], apart(device, 5, 6))
            assert many.identities == (5, 7, 2, 6)
        both = zip(taps(many, (4, 7, 2, 9), moment), taps(one, (7,), moment), strict=True)
        for row, alone in both:
            assert torch.equal(row[..., 1:2, :, :], alone)
    assert torch.equal(many.dead[1:2], one.dead)


def test_a_replaced_row_is_as_the_factory_delivers_it() -> None:
    used, new = apart(Mismatched(), 1, 2), apart(Mismatched(), 8)
    taps(used, (1, 2), 1)
    used.replace_rows([1], apart(Mismatched(), 8))
    for row, alone in zip(used.port().measure(X).taps, new.port().measure(X).taps, strict=True):
        assert torch.equal(row[1:], alone)


def test_a_chip_that_takes_a_place_brings_its_cells_and_its_noise() -> None:
    """And is used up; the others do not notice."""
    fleet, undisturbed = apart(Mismatched(), 1, 2), apart(Mismatched(), 1, 2)
    newcomer, twin = apart(Mismatched(), 8), apart(Mismatched(), 8)
    for chip in (newcomer, twin):
        taps(chip, (8,), 1)
    fleet.replace_rows([1], newcomer)
    shown, expected = fleet.port().measure(X).out, undisturbed.port().measure(X).out
    assert torch.equal(shown[0], expected[0]) and torch.equal(shown[1:], twin.port().measure(X).out)
    with pytest.raises(Dead):
        newcomer.port().measure(X)


@pytest.mark.parametrize("device", [SILENT, Ideal(), FRAIL], ids=name)
def test_a_silent_fleet_of_chips_apart_is_so_many_chips(device: Device) -> None:
    """Bitwise the same readings as a lone chip, and the same death, which is its own."""
    fleet, chip = apart(device, 3, 4), Chip(device, LAYERS, 4)
    port = chip.port()
    for moment in range(8):
        drive = drives(fleet.spec, (3, 4), moment)
        fleet.port().pulse(tuple(torch.stack([0 * d[0], d[1]]) for d in drive))
        port.pulse(tuple(d[1] for d in drive))
        assert bool(fleet.dead[1]) is not chip.alive and not bool(fleet.dead[0])
        if not chip.alive:
            break
        for row, tap in zip(fleet.port().measure(X).taps, port.measure(X).taps, strict=True):
            assert torch.equal(row[1], tap)
    assert chip.alive is not isinstance(device, Endurance)


def worn(*rows: int) -> Chip:
    """Chips 3 and 4, some of them worn out."""
    chip = apart(FRAIL, 3, 4)
    mask = torch.tensor([row in rows for row in range(2)])[:, None, None, None]
    for _ in range(8):
        if int(chip.dead.sum()) == len(rows):
            break
        chip.port().pulse(tuple(0.01 * mask * torch.ones(s) for s in chip.spec.shapes))
    return chip


def test_a_dead_row_takes_no_pulses_and_shows_nothing_until_it_is_replaced() -> None:
    chip = worn(1)
    assert chip.alive and chip.dead.tolist() == [False, True]
    before = [c.knobs[1].clone() for c in chip._cells]
    chip.port().pulse(tuple(0.01 + z for z in chip.spec.zeros()))
    assert all(torch.equal(c.knobs[1], b) for c, b in zip(chip._cells, before, strict=True))
    for tap in chip.port().measure(X).taps:
        assert not tap[1].any() and tap[0].any()
    chip.replace_rows([1], apart(FRAIL, 9))
    assert not chip.dead.any() and chip.port().measure(X).out[1].any()


def test_the_last_death_ends_the_fleet_and_a_fresh_chip_revives_it() -> None:
    chip = worn(0, 1)
    assert not chip.alive
    with pytest.raises(Dead, match="worn out"):
        chip.port().measure(X)
    chip.replace_rows([0], apart(FRAIL, 9))
    assert chip.alive and chip.dead.tolist() == [False, True]


def test_survivors_of_chips_apart_go_on_as_they_would_have() -> None:
    chip, lone = worn(1), apart(FRAIL, 3)
    left = chip.survivors()
    assert left.identities == (3,) and not chip.alive
    assert torch.equal(left.port().measure(X).out, lone.port().measure(X).out)


@pytest.mark.parametrize("dead", [(), (1,), (0, 1)])
def test_chips_apart_come_back_from_a_file(dead: tuple[int, ...], tmp_path: Path) -> None:
    chip = worn(*dead)
    save(chip, tmp_path / "chips")
    back = load(tmp_path / "chips", FRAIL, LAYERS)
    assert back.dead.tolist() == chip.dead.tolist() and back.identities == chip.identities
    if chip.alive:
        drive = tuple(0.01 + z for z in chip.spec.zeros())
        for each in (chip, back):
            each.port().pulse(drive)
        assert torch.equal(back.dead, chip.dead)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="3 noise seeds for 2 chips"):
        Chip(SILENT, LAYERS, (1, 2), noise_seed=[1, 2, 3])
    with pytest.raises(ValueError, match="a fleet takes one for each"):
        Chip(SILENT, LAYERS, 1, noise_seed=[1])
    with pytest.raises(ValueError, match="noise seeds of their own"):
        Chip(SILENT, LAYERS, (1, 2)).replace_rows([0], apart(SILENT, 3))
    fleet = apart(SILENT, 1, 2)
    for others in (apart(SILENT, 3, 4), apart(Ideal(), 3), Chip(SILENT, LAYERS[:1], (3,), noise_seed=[1])):
        with pytest.raises(ValueError, match="cannot be replaced by"):
            fleet.replace_rows([0], others)
    granular = apart(replace(SoftBoundsRRAM(), read_noise=0.0), 1)
    with pytest.raises(ValueError, match="make it longer"):
        granular.pulse_within(tuple(0.1 + z for z in granular.spec.zeros()), 1e-9)
