from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Device, Ideal, Mismatched, Probe, mlp, pieces, stream
from analog.devices import PCM, Resistive, SoftBoundsRRAM
from analog.tree import tree_leaves

LAYERS = mlp(20, 16, 5)
CHIPS = 40


def lived(device: Device[Any], seeds: Any) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The cells of a fleet and what it showed, after readings, probes and pulses."""
    chip = Chip(device, LAYERS, range(CHIPS), noise_seed=seeds)
    port, draw, taps = chip.port(), stream(0, "pieces"), list[Tensor]()
    for _ in range(2):
        x = torch.rand(CHIPS, 4, 20, generator=draw)
        nodes = tuple(torch.randn(3, CHIPS, 4, la.features, generator=draw) for la in LAYERS)
        knobs = tuple(0.1 * torch.randn(3, *s, generator=draw) for s in port.spec.shapes)
        for sent in (Probe(), Probe(nodes=nodes), Probe(knobs=knobs)):
            taps += port.measure(x, sent).taps
        taps += port.measure(x[0], Probe(nodes=(None, nodes[1]))).taps
        port.pulse(tuple(0.05 * torch.randn(s, generator=draw) for s in port.spec.shapes))
    return tree_leaves(chip._cells), taps


@pytest.mark.parametrize(
    "device",
    [Ideal(), Mismatched(), SoftBoundsRRAM(), PCM(), Resistive(sweeps=3)],
    ids=lambda d: type(d).__name__,
)
def test_a_fleet_is_the_same_wherever_it_is_cut(device: Device[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = range(CHIPS)  # of chips that live apart: each draws what it would draw alone
    whole = lived(device, seeds)
    monkeypatch.setattr(pieces, "WHOLE", 0)
    monkeypatch.setattr(pieces, "PIECE", 4000)
    torch.testing.assert_close(lived(device, seeds), whole, rtol=0, atol=0)


def test_a_draw_is_the_same_where_a_fleet_is_cut_between_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    def pulsed() -> Tensor:
        chip = Chip(Mismatched(), mlp(20, 16, 5), range(100))
        chip.port().pulse(tuple(0.1 * torch.ones(s) for s in chip.spec.shapes))
        return chip._cells[0].knobs

    whole = pulsed()
    monkeypatch.setattr(pieces, "WHOLE", 0)
    monkeypatch.setattr(pieces, "PIECE", 4 * 21 * 16 * 33)
    assert [s.stop - s.start for s in pieces.fleet_slices((100,), 4 * 21 * 16)] == [32, 32, 32, 4]
    torch.testing.assert_close(pulsed(), whole, rtol=0, atol=0)


def test_what_is_sent_to_a_fleet_in_pieces_does_not_become_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "WHOLE", 0)
    monkeypatch.setattr(pieces, "PIECE", 4000)
    chip = Chip(Ideal(), LAYERS, range(CHIPS))
    chip.port().program(tuple(torch.zeros(s) for s in chip.spec.shapes))
    drive = tuple(torch.ones(s) for s in chip.spec.shapes)
    chip.port().pulse(drive)
    for sent in drive:
        sent.fill_(7.0)
    assert all(bool((cells.knobs == 1.0).all()) for cells in chip._cells)


def test_a_chip_is_not_cut() -> None:
    assert pieces.fleet_slices((), 2**40) == pieces.fleet_slices((3,), 10) == [slice(None)]
    assert pieces.fleet_slices((3,), 2**40) == [slice(0, 1), slice(1, 2), slice(2, 3)]
