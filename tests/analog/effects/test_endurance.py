"""Cells wear out by their own law, worn ones stick, and a chip past its end is dead at every wire."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import Chip, Dead, Device, Fabrication, Ideal, Mismatched, Noise, Probe, dense
from analog.devices import SoftBoundsRRAM
from analog.devices.ideal import IdealCells
from analog.effects import Endurance
from analog.xray import knob_gradient, knobs, respond
from tests.twostage import kept

LAYERS = (dense(4, 3), dense(3, 2, linear=True))
X = torch.ones(5, 4)


def ones(chip: Chip, size: float = 0.01) -> tuple[Tensor, ...]:
    return tuple(size + z for z in chip.spec.zeros())


def test_endurance_is_lognormal() -> None:
    """Mean and second moment of ln(endurance): 2 means."""
    device = Endurance(Ideal(), pulses=1e6, pulses_dtod=0.7)

    def moments(size: int, generator: Generator) -> Tensor:
        who = int(torch.randint(2**31, (), generator=generator))
        drawn = device.fabricate(1, size, Fabrication((who,), (), 0, 1, torch.empty(0))).endurance.flatten()
        ln = (drawn / 1e6).log() / 0.7
        return torch.stack((ln, ln.square()), -1)

    assert kept(moments, torch.tensor([0.0, 1.0]).double(), 4000, "endurance")


@pytest.mark.parametrize("device", [Mismatched(), SoftBoundsRRAM()], ids=lambda d: type(d).__name__)
def test_without_wear_it_is_the_wrapped_device_bitwise(device: Device) -> None:
    """The limit of endless endurance, through programming, pulses, probes and readings."""
    taps = []
    for made in (device, Endurance(device, pulses=1e15)):
        chip = Chip(made, LAYERS, (3, 4))
        port = chip.port()
        port.program(ones(chip, 0.1))
        port.pulse(ones(chip))
        probe = Probe(knobs=(torch.full((2, 2, 1, 3, 5), 0.1), None))
        taps.append((*port.measure(X, probe).taps, *knobs(chip)))
    assert all(torch.equal(a, b) for a, b in zip(*taps, strict=True))


def test_a_worn_cell_sticks() -> None:
    """Neither pulses nor programming nor probes move it, and the exact gradient there is zero."""
    device = Endurance(Mismatched(), pulses=3, pulses_dtod=0.0, dead_share=0.99)
    chip = Chip(device, LAYERS)
    port = chip.port()
    drive = ones(chip)
    for d in drive:
        d[0, 1, 2] = 0.0  # the one cell of its layer that is spared
    for _ in range(3):
        port.pulse(drive)
    before = knobs(chip)
    port.pulse(drive)
    assert all(torch.equal(a, b) for a, b in zip(before, knobs(chip), strict=True))
    slopes = knob_gradient(chip, X, torch.ones(5, 2), lambda out, t: (out * t).sum(-1))
    worn = [d > 0 for d in drive]
    probed = respond(chip, X, Probe(knobs=tuple(1.0 * w for w in worn))).out
    assert torch.equal(probed, respond(chip, X).out)
    port.program(ones(chip, 0.5))
    for cells, stuck, was, slope in zip(chip._cells, worn, before, slopes, strict=True):
        assert torch.equal(cells.worn, stuck) and not slope[stuck].any()
        assert torch.equal(cells.knobs[stuck], was[stuck]) and float(cells.knobs[~stuck]) > 0.3


def test_a_train_that_crosses_the_end_is_cut_there() -> None:
    """Ten steps sent to a cell that can take four more move it by four."""
    device = Endurance(Ideal(), pulses=4, pulses_dtod=0.0)
    cells = device.fabricate(2, 2, Fabrication((0,), (), 0, 1, torch.empty(0)))
    pulsed = Endurance(Stepped(), pulses=4, pulses_dtod=0.0).pulse(
        cells, torch.full((1, 2, 2), 1.0), Noise.none()
    )
    torch.testing.assert_close(pulsed.knobs - cells.knobs, torch.full((1, 2, 2), 0.4))
    assert bool((pulsed.used == 10).all())


@dataclass(frozen=True)
class Stepped(Ideal):
    """Ideal, in steps of a tenth."""

    @property
    def costs(self) -> Any:
        return SoftBoundsRRAM(step=0.1).costs


def test_past_its_end_a_chip_is_dead_at_every_wire() -> None:
    """The fatal pulse is carried out; whatever comes after it raises."""
    chip = Chip(Endurance(Mismatched(), pulses=5, pulses_dtod=0.3, dead_share=0.5), LAYERS, 7)
    port = chip.port()
    pulses = 0
    while chip.alive:
        port.pulse(ones(chip))
        pulses += 1
    # half the cells are worn at about the median
    assert 3 <= pulses <= 7
    for send in (
        lambda: port.measure(X),
        lambda: port.pulse(ones(chip)),
        lambda: port.program(ones(chip)),
        lambda: chip.wait(1.0),
        lambda: knobs(chip),
        chip.survivors,
    ):
        with pytest.raises(Dead, match="chip 7 died at .* worn out; fabricate a fresh one|nothing is left"):
            send()


def test_dead_share_is_where_a_chip_ends() -> None:
    """A third of a layer's cells may stick at a share of 1/3, one more may not."""
    chip = Chip(Endurance(Ideal(), pulses=1, pulses_dtod=0.0, dead_share=5 / 15), LAYERS)
    drive = chip.spec.zeros()
    drive[0][0, 0] = 0.1  # one row of three
    chip.port().pulse(drive)
    assert chip.alive
    drive[0][0, 1, 0] = 0.1
    chip.port().pulse(drive)
    assert not chip.alive


@dataclass(frozen=True)
class Perishing(Ideal):
    """Ends by itself once its knobs have leaked away."""

    def age(self, cells: IdealCells, seconds: float, noise: Noise) -> IdealCells:
        del noise
        return IdealCells(cells.knobs * math.exp(-seconds))

    def worn_out(self, cells: IdealCells) -> Tensor:
        return cells.knobs.abs().amax((-3, -2, -1)) < 1e-3


@pytest.mark.parametrize("device", [Perishing(), Endurance(Perishing())], ids=["bare", "wrapped"])
def test_a_chip_may_also_end_while_it_waits(device: Device) -> None:
    chip = Chip(device, LAYERS)
    chip.wait(1.0)
    chip.wait(20.0)
    with pytest.raises(Dead):
        chip.port().measure(X)


def test_a_fleet_dies_together_and_its_survivors_go_on() -> None:
    """The error names the dead; what is left is bitwise its rows, on the same clock."""
    chip = Chip(Endurance(Ideal(), pulses=2, pulses_dtod=0.0, dead_share=0.5), LAYERS, (5, 6, 6, 8))
    port = chip.port()
    drive = ones(chip)
    for d in drive:
        d[[0, 2]] = 0.0
    port.pulse(drive)
    before = knobs(chip)
    port.pulse(drive)
    with pytest.raises(Dead, match=r"2 of a fleet of 4, chips 6, 8, died .* chip\.survivors\(\)"):
        port.measure(X)
    left = chip.survivors()
    assert left.identities == (5, 6) and left.spec.fleet == (2,) and left.clock == chip.clock
    for held, was in zip(knobs(left), before, strict=True):
        assert torch.equal(held, was[[0, 2]])
    assert left.port().measure(X).out.shape == (2, 5, 2)
    with pytest.raises(Dead, match="nothing is left"):
        chip.survivors()
    with pytest.raises(ValueError, match="all are alive"):
        left.survivors()
    left.die()
    with pytest.raises(Dead, match="killed"):
        left.port().measure(X)


@pytest.mark.parametrize(
    "wrong",
    [{"pulses": 0.5}, {"pulses": 1e16}, {"pulses_dtod": -1.0}, {"pulses_dtod": 4.0}, {"dead_share": 1.0}],
)
def test_out_of_range_raises(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"Endurance: {next(iter(wrong))} is .*; wanted a number in"):
        Endurance(Ideal(), **wrong)
