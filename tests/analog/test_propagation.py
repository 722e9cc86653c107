"""Propagation: sums are collected once for a baseline and its probes, and nobody can tell."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Mismatched, Noise, Probe, dense, mlp, stream
from analog.devices.ideal import IdealCells
from analog.layers.crossbar import Layer

CALLS: list[tuple[int, ...]] = []


@dataclass(frozen=True)
class Counted(Ideal):
    """An ideal device that says how often it was asked to collect, with a noisy synapse if it is wanted."""

    synapse_noise: float = 0.0

    def collect(self, cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
        CALLS.append(tuple(cells.knobs.shape))
        sums = super().collect(cells, x, noise)
        return sums.add(noise.normal(sums), alpha=self.synapse_noise) if self.synapse_noise else sums


def collected(chip: Chip, x: Tensor, probe: Probe = Probe(), first: int = 0) -> int:
    """How often a measurement has its first driven layer collect."""
    CALLS.clear()
    chip.port().measure(x, probe, first=first)
    return sum(shape == tuple(chip.spec.shapes[first]) for shape in CALLS)


def inputs(*lead: int) -> Tensor:
    return torch.randn(*lead, 5, 6, generator=stream(0, "inputs", *lead))


def nodes(chip: Chip, x: Tensor) -> Probe:
    push = torch.ones(3, *chip.spec.fleet, x.shape[-2], chip.spec.layers[0].features)
    return Probe(nodes=(push, None))


@pytest.mark.parametrize("identity", [0, (3, 4)], ids=str)
def test_a_probe_at_nodes_finds_the_sums_of_the_baseline(identity: int | tuple[int, ...]) -> None:
    """Of equal inputs, wherever they lie, until the cells change."""
    chip, x = Chip(Counted(), mlp(6, 4, 3), identity), inputs()
    assert collected(chip, x) == 1
    assert collected(chip, x, nodes(chip, x)) == 0 and collected(chip, x.clone()) == 0
    assert collected(chip, x + 1) == 1 and collected(chip, x) == 1
    chip.port().pulse(tuple(torch.ones(shape) for shape in chip.spec.shapes))
    assert collected(chip, x) == 1


def test_what_is_written_over_in_place_is_collected_anew() -> None:
    """Even behind torch's back, as environments write their observations."""
    for bias in (True, False):
        chip, x = Chip(Ideal(), mlp(6, 4, 3, bias=bias)), inputs()
        before, changed = chip.port().measure(x).out, inputs(1)[0]
        x.numpy()[:] = changed.numpy()
        after = chip.port().measure(x).out
        torch.testing.assert_close(after, Chip(Ideal(), mlp(6, 4, 3, bias=bias)).port().measure(changed).out)
        assert not torch.equal(before, after)


@pytest.mark.parametrize("layers", [(dense(6, 3, linear=True),), mlp(6, 4, 2)], ids=["one layer", "two"])
def test_what_is_written_on_a_tap_never_comes_back(layers: tuple[Layer, ...]) -> None:
    port, x = Chip(Ideal(), layers).port(), inputs()
    first = port.measure(x)
    wanted = [tap.clone() for tap in first.taps]
    for tap in first.taps:
        tap.zero_()
    assert all(torch.equal(*pair) for pair in zip(port.measure(x).taps, wanted, strict=True))


def test_sums_that_took_noise_are_collected_anew() -> None:
    chip, x = Chip(Counted(synapse_noise=0.1), mlp(6, 4, 3)), inputs()
    assert collected(chip, x) == 1 and collected(chip, x) == 1
    assert not torch.equal(chip.port().measure(x).out, chip.port().measure(x).out)


def test_probes_at_knobs_neither_take_nor_leave_sums() -> None:
    chip, x = Chip(Counted(), mlp(6, 4, 3)), inputs()
    offset = Probe(knobs=(torch.ones(2, *chip.spec.shapes[0]), None))
    wanted = chip.port().measure(x + 1).out
    assert collected(chip, x) == 1
    chip.port().measure(x, offset)
    assert collected(chip, x) == 0
    chip.port().measure(x + 1, offset)
    torch.testing.assert_close(chip.port().measure(x + 1).out, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("identity", [0, (3, 4)], ids=str)
def test_readings_and_their_noise_are_bitwise_those_of_a_chip_that_keeps_nothing(
    identity: int | tuple[int, ...],
) -> None:
    chip, other = (Chip(Mismatched(), (dense(6, 4), dense(4, 3, linear=True)), identity) for _ in range(2))
    x = inputs()
    for probe in (Probe(), nodes(chip, x), Probe(), nodes(chip, x)):
        other._forget()
        wanted = other.port().measure(x, probe)
        for tap, want in zip(chip.port().measure(x, probe).taps, wanted.taps, strict=True):
            assert torch.equal(tap, want)
