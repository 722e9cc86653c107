"""Every effect around every device, and effects around effects."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from analog import Chip, ContractError, Device, Ideal, Mismatched, check_device, conv2d, dense, stream, xray
from analog.devices import PCM, ZOO, CapacitorCell, PCMPair
from analog.effects import Clipped, Converters, DifferentialPair, IRDrop, Stuck, Temperature, Tiled, Wafer
from tests.analog.check.judging import require_lawful
from tests.sampled import sampled

Wrap = Callable[[Device], Device]

EFFECTS: dict[str, Wrap] = {
    "converters": Converters,
    "clipped": lambda d: Clipped(d, limit=2.0),
    "stuck": lambda d: Stuck(d, share=0.2),
    "stuck at zero": lambda d: Stuck(d, share=0.2, at=0.0),
    "wire drop": lambda d: IRDrop(d, conductance=1e-4),
    "temperature": Temperature,
    "tiled": lambda d: Tiled(d, rows=3, cols=2),
    "wafer": Wafer,
    "differential pair": DifferentialPair,
}

NOTHING: dict[str, Wrap] = {  # effects in the limit in which they do nothing
    "converters": lambda d: Converters(d, None, 1e6, None, 1e6),
    "clipped": lambda d: Clipped(d, limit=1e6),
    "stuck": lambda d: Stuck(d, share=0.0),
    "wire drop": lambda d: IRDrop(d, resistance=0.0),
    "temperature": lambda d: Temperature(d, kelvin=300.0),
    "tiled": lambda d: Tiled(d, rows=64, cols=64, output_bits=None, output_range=1e6),
    "wafer": lambda d: Wafer(d, gain_dtod=0.0),
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_effects_keep_the_contract(effect: str) -> None:
    """Around plain, strange, leaking, paired and drifting devices: one of them each, by turns, or all."""
    devices = [Ideal(), Mismatched(), CapacitorCell(), PCMPair(), PCM()]
    turn = [*EFFECTS].index(effect)
    start = turn % len(devices)
    for device in sampled(devices[start:] + devices[:start], len(devices)):
        require_lawful(EFFECTS[effect](device), turn)


@pytest.mark.parametrize(("turn", "device"), sampled(enumerate(ZOO), 7), ids=str)
def test_any_device_can_be_wrapped(turn: int, device: Device) -> None:
    require_lawful(Stuck(Converters(Tiled(device, rows=3, cols=2)), share=0.1), turn)


NESTED = [
    Temperature(Clipped(Stuck(Mismatched(), at=0.5))),
    Tiled(Stuck(DifferentialPair(PCM())), rows=3, cols=2),
    DifferentialPair(Tiled(Wafer(Temperature(PCMPair())), 2, 2)),
    Converters(IRDrop(Temperature(Wafer(Stuck(CapacitorCell()))))),
]


@pytest.mark.parametrize(("turn", "device"), [*enumerate(NESTED)], ids=str)
def test_effects_nest(turn: int, device: Device) -> None:
    require_lawful(device, turn)  # their lives are lived in check/test_life.py


class Meddling(Clipped[Any]):
    """A wrapper that ages its inner cells when it is not asked to."""

    def collect(self, cells: Any, x: torch.Tensor, noise: Any) -> torch.Tensor:
        cells.cells.knobs.mul_(1.0001)
        return super().collect(cells, x, noise)


def test_the_contract_looks_into_nested_cells() -> None:
    with pytest.raises(ContractError, match="collect altered cells.knobs"):
        check_device(Meddling(Stuck(Ideal())), steps=0)


@pytest.mark.parametrize("effect", NOTHING)
@pytest.mark.parametrize("device", [Mismatched(), CapacitorCell()], ids=lambda d: type(d).__name__)
def test_an_effect_of_no_size_does_nothing(effect: str, device: Device) -> None:
    """Silent responses, pulses and ageing are those of the bare device, whose births are the same."""
    layers = (conv2d((1, 4, 4), 4, 2, stride=2), dense(16, 3, linear=True))
    bare, wrapped = (Chip(d, layers, 5, dtype=torch.float64) for d in (device, NOTHING[effect](device)))
    x = torch.randn(6, 16, generator=stream(0, "effects"), dtype=torch.float64)
    for chip in (bare, wrapped):
        chip._cells = tuple(chip.device.age(c, 0.01, chip._noise) for c in chip._cells)
    for k, w in zip(xray.knobs(bare), xray.knobs(wrapped), strict=True):
        torch.testing.assert_close(k, w)
    torch.testing.assert_close(xray.respond(bare, x).out, xray.respond(wrapped, x).out)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Converters(Ideal(), input_bits=1), "bits"),
        (lambda: Converters(Ideal(), output_range=0.0), "range"),
        (lambda: Clipped(Ideal(), limit=-1.0), "limit"),
        (lambda: Stuck(Ideal(), share=1.0), "share"),
        (lambda: IRDrop(Ideal(), resistance=-1.0), "resistance"),
        (lambda: Chip(IRDrop(Ideal(), conductance=1e-4), (dense(784, 256),)), "Tiled"),
        (lambda: Temperature(Ideal(), kelvin=500.0), "500"),
        (lambda: Tiled(Ideal(), rows=0), "rows is 0"),
        (lambda: Wafer(Ideal(), correlation_length=0.0), "correlation_length"),
    ],
)
def test_out_of_range_raises(make: Any, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()
