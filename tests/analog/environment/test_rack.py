"""Chips of a rack live apart: nobody's numbers depend on who stands beside."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from analog import Chip
from analog import Device
from analog import Endurance
from analog import Ideal
from analog import Knobs
from analog import Mismatched
from analog import Probe
from analog import SoftBoundsRRAM
from analog import Spec
from analog import dense
from analog.devices import ZOO
from analog.environment import Rack
from tests.zoo import name

LAYERS = (dense(3, 4), dense(4, 2, linear=True))
X = torch.tensor([[0.1, 0.9, 0.4], [1.0, 0.0, 0.3]])
SILENT = Mismatched(read_noise=0.0, write_noise=0.0)
WORN = Endurance(SoftBoundsRRAM(), pulses=300, pulses_dtod=0.5)


def rack(device: Device[Any], identities: tuple[int, ...]) -> Rack[Any]:
    made = Rack(device, LAYERS, len(identities))
    made.insert(range(len(identities)), identities, [who + 50 for who in identities])
    return made


def drives(spec: Spec, identities: tuple[int, ...], moment: int) -> Knobs:
    """Of each chip its own."""
    return tuple(
        torch.stack([torch.full(s[1:], 0.03 * (who % 4 - 1) + 0.02 * moment) for who in identities])
        for s in spec.shapes
    )


def seen(made: Rack[Any], identities: tuple[int, ...], moment: int) -> list[torch.Tensor]:
    drive = drives(made.spec, identities, moment)
    made.pulse(drive, 1e-3)
    pair = Probe(knobs=tuple(torch.stack([torch.zeros_like(d), d]) for d in drive))
    return [*made.measure(X, pair, 1e-4).taps, *made.measure(X, Probe(), 1e-4).taps]


@pytest.mark.parametrize("device", [*ZOO, Mismatched(), WORN], ids=name)
def test_a_place_shows_what_the_chip_alone_would(device: Device[Any]) -> None:
    """Bitwise, pulses, probes and noise included; and a fresh neighbour changes nothing."""
    many, one = rack(device, (4, 7, 2, 9)), rack(device, (7,))
    for moment in range(3):
        if moment == 2:
            many.insert([0, 3], [5, 6], [55, 56])
        for row, alone in zip(seen(many, (4, 7, 2, 9), moment), seen(one, (7,), moment), strict=True):
            assert torch.equal(row[..., 1:2, :, :], alone)
    assert torch.equal(many.dead[1:2], one.dead)


def test_a_fresh_chip_is_as_the_factory_delivers_it() -> None:
    used = rack(Mismatched(), (1, 2))
    seen(used, (1, 2), 1)
    used.insert([1], [8], [58])
    new = rack(Mismatched(), (8,)).measure(X, Probe(), 0.0)
    for row, alone in zip(used.measure(X, Probe(), 0.0, [1]).taps, new.taps, strict=True):
        assert torch.equal(row, alone)


@pytest.mark.parametrize("device", [SILENT, Ideal(), WORN], ids=name)
def test_a_silent_rack_is_so_many_chips(device: Device[Any]) -> None:
    """Bitwise the same readings as `Chip`, and the same death."""
    device = replace(device, device=SILENT, pulses=4, pulses_dtod=0.3) if device is WORN else device
    made, chip = rack(device, (3, 4)), Chip(device, LAYERS, 4)
    port = chip.port()
    for moment in range(8):
        drive = drives(made.spec, (3, 4), moment)
        made.pulse(drive, 1e-7)
        port.pulse(tuple(d[1] for d in drive))
        assert bool(made.dead[1]) is not chip.alive
        if not chip.alive:
            break
        for row, tap in zip(made.measure(X, Probe(), 0.0).taps, port.measure(X).taps, strict=True):
            assert torch.equal(row[1], tap)
    assert chip.alive is not isinstance(device, Endurance)


def test_reading_some_leaves_the_others_alone() -> None:
    some, none = rack(Mismatched(), (1, 2, 3)), rack(Mismatched(), (1, 2, 3))
    some.measure(X, Probe(), 1e-3, [0, 2])
    a, b = some.measure(X, Probe(), 0.0).out, none.measure(X, Probe(), 0.0).out
    assert torch.equal(a[1], b[1]) and not torch.equal(a[0], b[0]) and not torch.equal(a[2], b[2])
