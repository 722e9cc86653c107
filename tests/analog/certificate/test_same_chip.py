"""Two ports are alike if their devices are, whoever their chips are; what differs is named."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from analog import BadInput, Budget, Chip, Device, Mismatched, Probe, Reading, conv2d, dense, mlp, same_chip
from analog.devices import CapacitorCell, SoftBoundsRRAM
from analog.io.remote import connect
from analog.port import make_port
from tests.analog.io.remote.serving import TOKEN, served

LAYERS = mlp(40, 40, 10)


def chip(device: Device, identity: int = 1) -> Chip:
    return Chip(device, LAYERS, identity, noise_seed=identity)


@pytest.mark.parametrize("device", [Mismatched(), SoftBoundsRRAM()])
def test_chips_of_one_device_are_alike_though_none_of_their_cells_are(device: Device) -> None:
    comparison = same_chip(chip(device).port(), chip(device, 2).port())
    assert comparison.alike and len(comparison.stages) == 11, comparison
    assert comparison.not_tried == ("a wait: no way to wait was given",)


@pytest.mark.parametrize(
    ("changed", "stage", "named"),
    [
        ({"read_noise": 0.078}, "blank cells", "reading noise"),
        ({"write_noise": 72.8}, "blank cells", "spread"),
        ({"w_max": 1.625}, "the far bound", "mean over cells"),
        ({"w_max_dtod": 0.36}, "the far bound", "spread"),
    ],
)
def test_what_differs_is_named_where_it_shows_first(
    changed: dict[str, float], stage: str, named: str
) -> None:
    device = SoftBoundsRRAM()
    lab = chip(replace(device, **changed), 2)
    with served(lab.port()) as address, connect(address, TOKEN, LAYERS) as port:
        comparison = same_chip(port, chip(device).port())
    assert not comparison.alike and comparison.stages[-1] == stage, comparison
    assert named in comparison.differences[0].what, comparison
    assert comparison.reads[0] < 44 * 4 * 12  # each stage reads every input, and rest, four times


def test_a_wait_shows_what_leaks() -> None:
    one, two = chip(CapacitorCell()), chip(CapacitorCell(lifetime=0.7), 2)
    comparison = same_chip(one.port(), two.port(), waits=(one.wait, two.wait), seconds=0.5)
    assert comparison.stages[-1] == "a wait of 0.5 s" and not comparison.alike
    assert same_chip(one.port(), two.port(), budget=Budget(reads=200)).not_tried


def test_identity_asks_for_literally_the_same_cells_and_writes_nothing() -> None:
    same, other = chip(Mismatched()), Chip(Mismatched(), LAYERS, 1, noise_seed=7)
    comparison = same_chip(same.port(), other.port(), identity=True)
    assert comparison.alike and comparison.pulses_per_cell == (0, 0)
    comparison = same_chip(same.port(), chip(Mismatched(), 2).port(), identity=True)
    assert not comparison.alike and comparison.differences[0].value > 1


def test_without_pulses_chips_are_compared_as_they_stand() -> None:
    one, two = chip(Mismatched()), chip(Mismatched(), 2)
    still = Budget(reads=500, pulses_per_cell=0)
    assert same_chip(one.port(), two.port(), budget=still).alike
    two.port().program(tuple(0.2 + z for z in two.spec.zeros()))
    comparison = same_chip(one.port(), two.port(), budget=still)
    assert not comparison.alike and comparison.pulses_per_cell == (0, 0)


def test_convolutions_and_fleets_are_compared_cell_by_cell() -> None:
    layers = (conv2d((1, 6, 6), 8, 3), dense(128, 4, linear=True))
    lab, twin = Chip(Mismatched(), layers, 5), Chip(Mismatched(), layers, range(6, 8), noise_seed=3)
    assert same_chip(lab.port(), twin.port()).alike
    louder = Chip(Mismatched(read_noise=0.026), layers, 5)
    assert not same_chip(louder.port(), twin.port()).alike


def test_a_port_has_to_show_single_layers_and_the_same_wiring() -> None:
    inner = chip(Mismatched()).port()

    def outputs(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        if (first, last) != (0, 1):
            raise NotImplementedError("no spans")
        return Reading(inner.measure(x, probe).taps[-1:])

    def taps(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        if (first, last) != (0, 1):
            raise NotImplementedError("no spans")
        return inner.measure(x, probe)

    port = make_port(inner.spec, inner.program, inner.pulse, outputs)
    with pytest.raises(ValueError, match="no layer can be driven alone"):
        same_chip(port, port)
    first_tap = make_port(inner.spec, inner.program, inner.pulse, taps)
    comparison = same_chip(first_tap, chip(Mismatched(read_noise=0.026), 2).port())
    assert all(c.what.startswith("layer 0") for c in comparison.differences) and not comparison.alike
    with pytest.raises(BadInput, match="layers differ, 40-40-10 and 4-3"):
        same_chip(inner, Chip(Mismatched(), mlp(4, 3)).port())
    with pytest.raises(ValueError, match="nothing could be compared; blank cells: the budget of reads"):
        same_chip(inner, inner, budget=Budget(reads=50))
    with pytest.raises(ValueError, match="false_alarm"):
        same_chip(inner, inner, false_alarm=1)
    assert torch.isfinite(torch.tensor(comparison.differences[0].p))
