"""Each effect against its own law."""

import math
from typing import Any

import pytest
import torch
from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Ideal
from analog import Mismatched
from analog import Noise
from analog import dense
from analog import stream
from analog import xray
from analog.devices import CapacitorCell
from analog.devices import LinearECRAM
from analog.devices import SoftBoundsRRAM
from analog.devices.ideal import IdealCells
from analog.effects import Clipped
from analog.effects import Converters
from analog.effects import DifferentialPair
from analog.effects import IRDrop
from analog.effects import Stuck
from analog.effects import Temperature
from analog.effects import Tiled
from analog.effects import Wafer
from analog.effects.converters import convert
from analog.effects.wafer import correlated
from tests.twostage import kept
from tests.zoo import birth
from tests.zoo import many

DOUBLE = torch.float64


def test_a_converter_has_its_levels_and_no_more() -> None:
    noise = Noise(stream(0, "levels"))
    values = torch.linspace(-3, 3, 60_001, dtype=DOUBLE)
    out = convert(values, 4, 1.5, noise)
    assert len(out.unique()) == 2**4 - 1
    inside = values.abs() <= 1.5
    assert float((out - values)[inside].abs().max()) <= 1.5 / 7 / 2 + 1e-12
    assert float(out.max()) == pytest.approx(1.5) == -float(out.min())
    torch.testing.assert_close(convert(-values, 4, 1.5, noise), -out)


def test_rounding_errors_are_a_step_over_root_twelve() -> None:
    """Variance q^2/12 for inputs spread over many steps (2 means)."""

    def sample(n: int, generator: Generator) -> Tensor:
        values = 2 * torch.rand(n, generator=generator, dtype=DOUBLE) - 1
        error = (convert(values, 8, 1.0, Noise(generator)) - values) * 127
        return torch.stack((error, 12 * error.square()), -1)

    assert kept(sample, torch.tensor([0.0, 1.0], dtype=DOUBLE), 4000, "rounding")


def test_the_exact_gradient_sees_through_converters() -> None:
    """It is the bare device's, where nothing is out of range, and zero beyond."""
    layers = (dense(6, 4), dense(4, 3, linear=True))
    x = 0.5 * torch.randn(5, 6, generator=stream(0, "gradient"), dtype=DOUBLE)
    bare, coarse, narrow = (
        xray.knob_gradient(Chip(d, layers, 2, dtype=DOUBLE), x, None, lambda out, _: out.square().sum(-1))
        for d in (Ideal(), Converters(Ideal(), 3, 50.0, 3, 50.0), Clipped(Ideal(), limit=1e-9))
    )
    for a, b, c in zip(bare, coarse, narrow, strict=True):
        torch.testing.assert_close(a, b)
        assert float(c.abs().max()) < 1e-6


def test_readings_are_on_the_converters_grid_and_within_the_limit() -> None:
    x = torch.randn(50, 6, generator=stream(0, "grid"))
    out = Chip(Converters(Mismatched(), output_bits=5, output_range=3.0), (dense(6, 3, linear=True),)).port()
    taps = out.measure(x).out / (3.0 / 15)
    torch.testing.assert_close(taps, taps.round(), atol=1e-4, rtol=0.0)
    clipped = Chip(Clipped(Mismatched(read_noise=5.0), limit=0.5), (dense(6, 3, linear=True),)).port()
    assert float(clipped.measure(x).out.abs().max()) == 0.5


@pytest.mark.parametrize("at", [None, 0.3])
@pytest.mark.parametrize("device", [Ideal(), CapacitorCell()], ids=lambda d: type(d).__name__)
def test_stuck_cells_are_stuck_for_life(device: Any, at: float | None) -> None:
    """A tenth of the cells keep their knob through erasing, pulses and time; the others move."""
    wrapped = Stuck(device, share=0.1, at=at)
    cells = many(wrapped, 5000)
    first, noise = cells.knobs, Noise(stream(0, "stuck"))
    now = wrapped.perturb(cells, -cells.knobs)
    now = wrapped.pulse(now, torch.full_like(first, 0.5), noise)
    now = wrapped.age(now, 0.5, noise)
    now = wrapped.pulse(now, torch.full_like(first, -0.2), noise)
    torch.testing.assert_close(now.knobs[cells.dead], first[cells.dead])
    assert bool((now.knobs != first)[~cells.dead].all())
    assert float(cells.dead.double().mean()) == pytest.approx(0.1, abs=5 * (0.1 / 5000) ** 0.5)
    if at is not None:
        assert float((first[cells.dead] - at).abs().mean()) < 0.06


def network(drive: Tensor, plus: Tensor, minus: Tensor, wire: float) -> Tensor:
    """Exact output currents, plus minus minus, of a crossbar of pairs with wire conductance 1 / wire.

    Nodes: an input line for each column from a driver above the first row, and two output lines for each
    row that end in virtual grounds before the first column.
    """
    rows, cols = plus.shape
    w = 1 / wire
    count = 3 * rows * cols
    matrix, source = torch.zeros(count, count, dtype=DOUBLE), torch.zeros(count, dtype=DOUBLE)

    def node(kind: int, i: int, j: int) -> int:
        return (kind * rows + i) * cols + j

    def join(a: int, b: int, g: float) -> None:
        for p, q in ((a, b), (b, a)):
            matrix[p, p] += g
            matrix[p, q] -= g

    for i in range(rows):
        for j in range(cols):
            for kind, g in ((1, plus), (2, minus)):
                join(node(0, i, j), node(kind, i, j), float(g[i, j]))
                if j:
                    join(node(kind, i, j), node(kind, i, j - 1), w)
                else:
                    matrix[node(kind, i, 0), node(kind, i, 0)] += w
            if i:
                join(node(0, i, j), node(0, i - 1, j), w)
            else:
                matrix[node(0, 0, j), node(0, 0, j)] += w
                source[node(0, 0, j)] += w * drive[j]
    v = torch.linalg.solve(matrix, source)
    ends = [[v[node(kind, i, 0)] * w for kind in (1, 2)] for i in range(rows)]
    return torch.stack([a - b for a, b in ends])


def test_wire_drop_is_the_resistor_network_to_first_order() -> None:
    """Nearly equal cells: halving the resistance quarters the error, which is far below the effect."""
    rows, cols, tilt = 5, 7, 1e-3
    drive = torch.randn(cols, generator=stream(0, "drop"), dtype=DOUBLE)
    signs = torch.randn(rows, cols, generator=stream(1, "drop"), dtype=DOUBLE).sign()
    errors, effects = [], []
    for wire in (2e-3, 1e-3):
        exact = network(drive, 1 + tilt * signs, 1 - tilt * signs, wire) / (2 * tilt)
        device = IRDrop(Ideal(), resistance=wire, conductance=1.0)
        model = device.collect(
            IdealCells(signs.unsqueeze(0)), drive.reshape(1, 1, cols), Noise.none()
        ).flatten()
        errors.append(float((model - exact).norm()))
        effects.append(float((signs @ drive - exact).norm()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] < 0.06 * effects[1]


def test_temperature_speeds_up_ageing_by_arrhenius() -> None:
    """A second at 330 K is exp(.6 eV / k * (1/300 - 1/330)) = 8.24 seconds at 300 K."""
    device = CapacitorCell(lifetime_dtod=0.0)
    hot = Temperature(device, kelvin=330.0, activation=0.6)
    assert hot.acceleration_factor == pytest.approx(8.24, rel=2e-3)
    cells, none = many(hot, 3), Noise.none()
    aged = hot.age(cells, 0.1, none).knobs / cells.knobs
    torch.testing.assert_close(
        aged, torch.full_like(aged, math.exp(-0.1 * hot.acceleration_factor)), rtol=1e-3, atol=0.0
    )


def test_warm_amplifiers_change_gain_and_hiss() -> None:
    """ln(gain) has mean and sd 30 K times theirs; hot noise adds .02^2 * (T/300 - 1) (4 means)."""
    hot = Temperature(Ideal(), kelvin=360.0)

    def sample(n: int, generator: Generator) -> Tensor:
        cells = many(hot, n, int(torch.randint(2**31, (1,), generator=generator)))
        slope = cells.gain.log().flatten() / 60
        u = torch.zeros(1, 1, n, dtype=DOUBLE)
        read = hot.sense(cells, u, Noise(generator)).flatten()
        return torch.stack((slope * 1e3, (slope * 1e3 + 1).square(), read, read.square() * 1e4), -1)

    wanted = torch.tensor([-1.0, 1.0, 0.0, 4 * 0.2], dtype=DOUBLE)
    assert kept(sample, wanted, 4000, "warm")


@pytest.mark.parametrize("device", [Mismatched(), LinearECRAM()], ids=lambda d: type(d).__name__)
def test_tiles_add_up_to_the_whole(device: Any) -> None:
    """With the knobs of a whole layer in ideal crossbars the sum is the whole product; gathering the
    knobs of the crossbars and giving them out again is lossless for any device.
    """
    tiled = Tiled(Ideal(), rows=3, cols=4, output_bits=None, output_range=1e9)
    cells = tiled.fabricate(8, 10, birth())
    x = torch.randn(1, 5, 10, generator=stream(0, "tiles"), dtype=DOUBLE)
    torch.testing.assert_close(tiled.collect(cells, x, Noise.none()), x @ cells.knobs.mT)
    torch.testing.assert_close(tiled.fire(cells, x[..., :8], Noise.none()), x[..., :8].relu())
    wrapped = Tiled(device, rows=3, cols=4)
    held = wrapped.fabricate(8, 10, birth())
    torch.testing.assert_close(wrapped._joined(wrapped._parted(held.knobs), 8, 10), held.knobs)
    moved = wrapped.pulse(held, 0.1 * torch.ones_like(held.knobs), Noise.none())
    assert bool((moved.knobs >= held.knobs).all())  # some are at their bound


def test_every_crossbar_adds_its_own_noise() -> None:
    """Three crossbars along a row of inputs: three times the variance (1 mean)."""
    device = Tiled(LinearECRAM(read_noise=0.1), rows=4, cols=4, output_bits=None)

    def sample(n: int, generator: Generator) -> Tensor:
        cells = device.fabricate(1, 12, birth())
        x = torch.zeros(1, n, 12, dtype=DOUBLE)
        return device.collect(cells, x, Noise(generator)).flatten().square().unsqueeze(-1)

    assert kept(sample, torch.tensor([3 * 0.1**2], dtype=DOUBLE), 4000, "crossbars")


def test_mismatch_falls_off_with_distance() -> None:
    """Covariance exp(-d / reach) at distances 0, 1, 5 and 20 (4 means)."""

    def sample(n: int, generator: Generator) -> Tensor:
        walk = correlated(torch.randn(n, 30, generator=generator, dtype=DOUBLE), 5.0)
        return torch.stack([walk[:, 4] * walk[:, 4 + d] for d in (0, 1, 5, 20)], -1)

    wanted = torch.tensor([math.exp(-d / 5) for d in (0, 1, 5, 20)], dtype=DOUBLE)
    assert kept(sample, wanted, 4000, "wafer")


def test_wafer_gains_multiply_inputs_and_outputs() -> None:
    device = Wafer(Ideal(), gain_dtod=0.3)
    cells = device.fabricate(4, 6, birth())
    x = torch.randn(1, 3, 6, generator=stream(0, "gains"), dtype=DOUBLE)
    gain = cells.down.mT * cells.across
    torch.testing.assert_close(device.collect(cells, x, Noise.none()), x @ (gain * cells.knobs).mT)
    assert float(gain.log().std()) > 0.05


def test_pairs_cancel_what_is_common() -> None:
    """Cells that rise easily and fall hardly: alone they are lopsided, in a pair they are not."""
    lone = SoftBoundsRRAM(up_down=0.5, w_max=1.0, w_min=-1.0, w_max_dtod=0.0, w_min_dtod=0.0)
    pair = DifferentialPair(lone)

    def slope(device: Any, sign: float) -> float:
        cells = many(device, 4000)
        blank = device.perturb(cells, -cells.knobs)
        drive = torch.full_like(cells.knobs, sign * 0.02)
        return float((device.pulse(blank, drive, Noise.none()).knobs - blank.knobs).mean()) / (sign * 0.02)

    assert slope(lone, 1.0) / slope(lone, -1.0) > 2
    assert slope(pair, 1.0) / slope(pair, -1.0) == pytest.approx(1, abs=0.05)


def test_both_cells_of_a_pair_are_their_own() -> None:
    cells = DifferentialPair(SoftBoundsRRAM()).fabricate(20, 20, birth())
    assert not torch.equal(cells.plus.w_max, cells.minus.w_max)
    assert torch.equal(cells.plus.w_max, SoftBoundsRRAM().fabricate(20, 20, birth()).w_max)
