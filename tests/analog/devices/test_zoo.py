"""What holds for every device of the zoo."""

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import Device, Noise, stream
from analog.devices import (
    PCM,
    SONOS,
    ZOO,
    CapacitorCell,
    CMOHfOxRRAM,
    ExponentialRRAM,
    LinearECRAM,
    MiloRRAM,
    ModulatorBank,
    PCMPair,
    RRAMArray,
    UnknownNeurons,
    WanRRAM,
)
from tests.analog.check.judging import require_lawful
from tests.twostage import kept
from tests.zoo import PROGRAMMED, PULSED, birth, many, name


@pytest.mark.parametrize(("turn", "device"), [*enumerate(ZOO)], ids=[*map(name, ZOO)])
def test_keeps_the_contract(turn: int, device: Device) -> None:
    require_lawful(device, turn)  # their lives are lived in check/test_life.py


@pytest.mark.parametrize("device", ZOO, ids=name)
def test_a_blank_chip_can_be_programmed(device: Device) -> None:
    """From knobs erased by a nudge, one drive brings the reading near what was asked, on average."""
    cells = many(device, 4000)
    blank = device.perturb(cells, -cells.knobs)
    wanted = torch.linspace(-0.5, 0.5, 4000, dtype=torch.float64).reshape(1, 4000, 1)
    after = device.pulse(blank, wanted, Noise(stream(0, "programmed", name(device))))
    read = device.collect(after, torch.ones(1, 1, 1, dtype=torch.float64), Noise.none()).flatten()
    slope = float((read * wanted.flatten()).sum() / wanted.square().sum())
    assert 0.3 < slope < 2.2  # asymmetric cells miss by what they are; a stale state would give about 0


@pytest.mark.parametrize("device", [*PROGRAMMED, CapacitorCell()], ids=name)
@pytest.mark.parametrize("seconds", [0.7, 30.0, 4e5])
def test_ageing_composes(device: Device, seconds: float) -> None:
    """Ageing in three parts has the moments of ageing in one; 4 means a case, 108 in all."""

    def moments(parts: tuple[float, ...]) -> Any:
        def sample(count: int, generator: Generator) -> Tensor:
            noise = Noise(generator)
            cells = many(device, count)
            cells = device.perturb(cells, -cells.knobs)
            cells = device.pulse(cells, torch.full_like(cells.knobs, 0.4), noise)
            start = cells.weights.flatten()
            for part in parts:
                cells = device.age(cells, part * seconds, noise)
            end = cells.weights.flatten()
            return torch.stack((end - start, (end - start).square(), end, end * start), -1)

        return sample

    three = moments((0.2, 0.5, 0.3))

    def gap(count: int, generator: Generator) -> Tensor:
        """Three parts against one with the same cells; draws of their own."""
        once = moments((1.0,))(count, generator)
        return three(count, generator) - once

    assert kept(gap, torch.zeros(4, dtype=torch.float64), 4000, "composes", name(device), str(seconds))


@pytest.mark.parametrize("device", [d for d in ZOO if type(d).age is not Device.age], ids=name)
def test_waiting_a_little_changes_little(device: Device) -> None:
    """What is put off: a thousand waits of a thousandth of the interval come to one wait."""
    cells = many(device, 50)
    aging_interval = min(getattr(device, "aging_interval", 1e-4), 10.0)
    many_waits = cells
    for _ in range(1000):
        many_waits = device.age(many_waits, aging_interval / 500, Noise.none())
    once = device.age(cells, 2 * aging_interval, Noise.none())
    torch.testing.assert_close(many_waits.weights, once.weights, rtol=2e-2, atol=1e-4)


@pytest.mark.parametrize(
    "device", [each for each in (*PULSED, *PROGRAMMED) if not isinstance(each, MiloRRAM)], ids=name
)  # there currents bend
def test_an_offset_of_the_knobs_is_felt_by_what_they_weigh(device: Any) -> None:
    cells = device.fabricate(4, 3, birth())
    offset = torch.randn(cells.knobs.shape, generator=stream(0, "offset"), dtype=torch.float64)
    x = torch.randn(5, 3, generator=stream(0, "x"), dtype=torch.float64)
    before, after = (device.collect(c, x, Noise.none()) for c in (cells, device.perturb(cells, offset)))
    torch.testing.assert_close(after - before, (x @ offset.mT).expand_as(before))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: ExponentialRRAM(step=0.1), "step"),
        (lambda: ExponentialRRAM(scale=0.5), "scale"),
        (lambda: LinearECRAM(softness_up=1.5), "softness_up"),
        (lambda: LinearECRAM(cycle_to_cycle_std=-1), "cycle_to_cycle_std"),
        (lambda: LinearECRAM(up_down=1.0), "up_down"),
        (lambda: LinearECRAM(up_down=1.5), "up_down"),
        (lambda: LinearECRAM(up_down=-1.5), "up_down"),
        (lambda: LinearECRAM(w_min=0.5), "w_min"),
        (lambda: CapacitorCell(lifetime=0.0), "lifetime"),
        (lambda: RRAMArray(dead=1.0), "dead"),
        (lambda: PCMPair(refresh_above=1.5), "refresh_above"),
        (lambda: PCMPair(cycle_to_cycle_std=math.nan), "cycle_to_cycle_std"),
        (lambda: WanRRAM(g_max=50.0), "g_max"),
        (lambda: WanRRAM(fit="quintic"), "fit"),  # type: ignore[arg-type]
        (lambda: MiloRRAM(volts=1.0), "volts"),
        (lambda: CMOHfOxRRAM(acceptance="5%"), "acceptance"),  # type: ignore[arg-type]
        (lambda: SONOS(i_max=4000.0), "i_max"),
        (lambda: PCM(g_max=30.0), "g_max"),
        (lambda: PCM(drift_scale=-1.0), "drift_scale"),
        (lambda: ModulatorBank(crosstalk=0.2), "crosstalk"),
        (lambda: UnknownNeurons(strangeness=3.0), "strangeness"),
    ],
)
def test_out_of_range_raises(make: Any, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()
