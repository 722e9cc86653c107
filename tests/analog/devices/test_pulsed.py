"""Pulsed cells: trains against their pulses one by one, and the statistics of their parameters."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import Device, Noise, stream
from analog.devices import (
    CapacitorCell,
    ConstantStep,
    ExponentialRRAM,
    LinearECRAM,
    RRAMArray,
    SoftBoundsRRAM,
)
from analog.devices.trains import affine, exponential
from tests.twostage import kept
from tests.zoo import PULSED, birth, many, name


def still(device: Any, **changes: float) -> Any:
    """The device without spread between cells and without noise."""
    none = {f.name: 0.0 for f in dataclasses.fields(device) if f.name.endswith(("dtod", "std", "noise"))}
    none |= {"dead": 0.0} if isinstance(device, RRAMArray) else {}
    return dataclasses.replace(device, **{**none, **changes})


def at(device: Any, knob: float, count: int = 1) -> Any:
    cells = many(device, count)
    return cells._replace(
        knobs=torch.full_like(cells.knobs, knob), weights=torch.full_like(cells.knobs, knob)
    )


def speed(device: Any, w: float, sign: int) -> float:
    """The published law of one pulse, written down again: size of a step at w."""
    step = device.step * (1 + sign * device.up_down)
    bound = device.w_max if sign > 0 else device.w_min
    if isinstance(device, ExponentialRRAM):
        z = 2 * device.scale * w / (device.w_max - device.w_min) + device.offset
        height = device.height_up if sign > 0 else device.height_down
        return step * float(1 + height * torch.tensor(sign * device.steepness * z).exp())
    if isinstance(device, LinearECRAM):
        return step * (1 - (device.softness_up if sign > 0 else device.softness_down) * w / bound)
    if isinstance(device, CapacitorCell):
        return step * (1 - device.softness * w / bound)
    return step * (1 if isinstance(device, ConstantStep) else 1 - w / bound)


@pytest.mark.parametrize("device", PULSED, ids=name)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("start", [-0.4, 0.3])
def test_a_train_is_its_pulses_one_by_one(device: Device, sign: int, start: float) -> None:
    """Exact for affine laws; for the exponential one within .5 % of the way (it follows the smooth flow)."""
    baseline = still(device)
    count = max(1, round(0.3 / baseline.step))
    w = start
    for _ in range(count):
        w += sign * speed(baseline, w, sign)
    w = min(max(w, baseline.w_min), baseline.w_max)
    cells = at(baseline, start)
    end = baseline.pulse(cells, torch.full_like(cells.knobs, sign * count * baseline.step), Noise.none())
    loose = 0.005 if isinstance(device, ExponentialRRAM) else 1e-6
    assert float(end.knobs) - start == pytest.approx(w - start, rel=loose)


@pytest.mark.parametrize("device", PULSED, ids=name)
def test_noise_of_a_train_is_that_of_its_pulses(device: Device) -> None:
    """Mean and variance of a train at once against pulse by pulse, with a tenth of the cycle noise.

    Two means a device, 16 in all.
    """
    baseline = still(device, cycle_to_cycle_std=0.1 * device.cycle_to_cycle_std)  # type: ignore[attr-defined]
    count = min(20, max(1, round(0.3 / baseline.step)))

    def gap(n: int, generator: Generator) -> Tensor:
        noise = Noise(generator)
        cells = at(baseline, 0.1, n)
        drive = torch.full_like(cells.knobs, baseline.step * (1 + 1e-9))  # whole in spite of rounding
        once = baseline.pulse(cells, count * drive, noise).knobs.flatten()
        for _ in range(count):
            cells = baseline.pulse(cells, drive, noise)
        each = cells.knobs.flatten()
        middle = baseline.pulse(at(baseline, 0.1), count * drive[:, :1], Noise.none()).knobs.flatten()
        slow = each.mean() - middle  # the discrete recursion's own mean; its bias is tested elsewhere
        return torch.stack(
            (once - each + slow * isinstance(device, ExponentialRRAM), spread(once) - spread(each)), -1
        )

    def spread(w: Tensor) -> Tensor:
        return (w - w.mean()).square()

    assert kept(gap, torch.zeros(2, dtype=torch.float64), 4000, "train", name(device))


@pytest.mark.parametrize("device", PULSED, ids=name)
def test_one_pulse_has_the_stated_noise(device: Device) -> None:
    """Mean and variance of one step down from .2, away from the bounds; 16 means in all."""
    baseline = still(device, cycle_to_cycle_std=min(device.cycle_to_cycle_std, 0.3))  # type: ignore[attr-defined]
    size = speed(baseline, 0.2, -1)

    def sample(n: int, generator: Generator) -> Tensor:
        cells = at(baseline, 0.2, n)
        after = baseline.pulse(
            cells, torch.full_like(cells.knobs, -baseline.step * (1 + 1e-9)), Noise(generator)
        )
        moved = (0.2 - after.knobs.flatten()) / size
        return torch.stack((moved, (moved - 1).square()), -1)

    wanted = torch.tensor([1.0, baseline.cycle_to_cycle_std**2], dtype=torch.float64)
    assert kept(sample, wanted, 4000, "one pulse", name(device))


@pytest.mark.parametrize("device", PULSED, ids=name)
def test_cells_spread_as_stated(device: Any) -> None:
    """Mean and second moment of step, asymmetry and bounds over cells; 6 means a device, 48 in all.

    Spreads above .4 are cut at a twentieth of the mean, so only their means' order is tested.
    """
    lognormal = isinstance(device, RRAMArray)
    device = dataclasses.replace(device, **({"dead": 0.0} if lognormal else {}))

    def sample(n: int, generator: Generator) -> Tensor:
        identity = int(torch.randint(2**31, (1,), generator=generator))
        cells = many(device, n, identity)
        mean = ((cells.step_up + cells.step_down) / 2 / device.step).flatten()
        tilt = ((cells.step_up - cells.step_down) / (cells.step_up + cells.step_down)).flatten()
        w_max = (cells.w_max / device.w_max).flatten()
        step = mean.log() if lognormal else mean
        cut = (w_max > 0.5).double()
        near = ((tilt - device.up_down).abs() < device.up_down_dtod).double()
        return torch.stack((step, step.square(), tilt, tilt.square(), cut, near), -1)

    s = device.step_dtod
    first, second = (0.0, s**2) if lognormal else (1.0, 1 + s**2)
    within = math.erf(2**-0.5) if device.up_down_dtod else 0.0  # one standard deviation
    below = 0.5 * (1 + torch.erf(torch.tensor(0.5 / device.w_max_dtod / 2**0.5)))
    wanted = torch.tensor(
        [first, second, device.up_down, device.up_down**2 + device.up_down_dtod**2, float(below), within],
        dtype=torch.float64,
    )
    if s == 0.3:  # the cut at .05 moves the second moment by 2e-5
        wanted[:2] += torch.tensor([3e-5, 2e-5], dtype=torch.float64)
    assert kept(sample, wanted, 4000, "spread", name(device))


def test_trains_tend_to_constant_steps_as_the_bend_falls() -> None:
    start, count = torch.tensor([0.3], dtype=torch.float64), torch.tensor([50.0], dtype=torch.float64)
    step, none = torch.tensor([0.01], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for end, last in (
        affine(start, count, step, none),
        exponential(start, count, step, none, none - 1.0, none),
    ):
        torch.testing.assert_close(end, start + count * step)
        torch.testing.assert_close(last, step)


def test_dead_cells_do_not_move() -> None:
    """The share of cells that no pulse moves is the yield loss; each stays within a hundredth of zero."""
    for device, share in ((RRAMArray(), 0.1348), (RRAMArray.hfo2(), 0.0977)):
        cells = many(device, 20_000)
        noise = Noise(stream(0, "dead", share.hex()))
        blank = device.perturb(cells, -cells.knobs)  # erasing does not revive them
        after = device.pulse(blank, torch.full_like(cells.knobs, 0.9), noise)
        dead = cells.w_max == cells.w_min
        assert float(dead.double().mean()) == pytest.approx(share, abs=5 * (share / 20_000) ** 0.5)
        torch.testing.assert_close(after.knobs[dead], cells.knobs[dead])
        torch.testing.assert_close(after.weights[dead], cells.weights[dead])
        assert float(after.weights[dead].abs().max()) <= 0.01
        assert float((after.knobs[~dead] > 0).double().mean()) > 0.95


def test_charge_leaks_away_in_its_lifetime() -> None:
    """exp(-t / lifetime) of each cell, exactly, however the time is cut."""
    device = still(CapacitorCell())
    cells = at(device, 0.8)
    parts = cells
    for _ in range(10):
        parts = device.age(parts, 0.07, Noise.none())
    for evolve in (parts, device.age(cells, 0.7, Noise.none())):
        assert float(evolve.knobs) == pytest.approx(0.8 * torch.tensor(-0.7).exp().item(), rel=1e-6)
    short = device.age(cells, 5e-5, Noise.none())  # put off, not lost
    assert float(device.age(short, 0.7 - 5e-5, Noise.none()).knobs) == pytest.approx(float(parts.knobs))


def test_lifetimes_spread_as_stated() -> None:
    cells = many(CapacitorCell(), 40_000)
    assert float((1 / cells.leak_rate).median()) == pytest.approx(1.0, rel=0.02)
    assert float((1 / cells.leak_rate).std()) == pytest.approx(0.3, rel=0.03)


def test_soft_bounds_are_reached_from_far() -> None:
    device = still(SoftBoundsRRAM())
    end = device.pulse(at(device, 0.0), torch.full((1, 1, 1), -1e3, dtype=torch.float64), Noise.none())
    assert float(end.knobs) == pytest.approx(device.w_min)


def test_no_cell_has_less_than_a_twentieth_of_the_mean_step_or_range() -> None:
    device = dataclasses.replace(SoftBoundsRRAM(), step_dtod=3.0, w_max_dtod=3.0, w_min_dtod=3.0)
    cells = many(device, 2000)
    assert float(cells.w_max.min()) == pytest.approx(0.05 * device.w_max)
    assert float(cells.w_min.max()) == pytest.approx(0.05 * device.w_min)
    assert float((cells.step_up + cells.step_down).min()) == pytest.approx(2 * 0.05 * device.step)
    assert bool(((cells.w_min <= cells.knobs) & (cells.knobs <= cells.w_max)).all())


@pytest.mark.parametrize("write_noise", [0.0, 2.0])
def test_a_train_shows_a_fresh_offset_and_other_cells_stay_as_they_were(write_noise: float) -> None:
    """Sds of thousands of cells to a tenth, over six standard errors."""
    device = still(SoftBoundsRRAM(), write_noise=write_noise)
    cells = many(device, 4000)
    drive = torch.zeros_like(cells.knobs)
    drive[:, ::2] = 3 * device.step
    after = device.pulse(cells, drive, Noise(stream(0, "shown")))
    for before, now in ((cells.knobs, after.knobs), (cells.weights, after.weights)):
        assert torch.equal(now[:, 1::2], before[:, 1::2])
    first, fresh = (((c.weights - c.knobs) / device.step)[:, ::2].flatten() for c in (cells, after))
    for shown in (first, fresh):
        assert float(shown.std()) == pytest.approx(write_noise, rel=0.1)
        assert abs(float(shown.mean())) <= 0.12 * write_noise
    assert abs(float((first * fresh).mean())) <= 0.12 * write_noise**2


def test_trains_are_counted_in_crossings_of_the_range() -> None:
    """At a constant step one crossing leads from bound to bound, to half a pulse, and the plan to both."""
    device = still(ConstantStep(), up_down=0.0)
    (count,) = device.pulses_of_range((1.0,))
    cells = at(device, device.w_min)
    end = device.pulse(cells, torch.full_like(cells.knobs, (count - 1) * device.step), Noise.none())
    assert 0.4 * device.step < device.w_max - float(end.knobs) < 1.6 * device.step
    whole = (0.0, 1.0, 2.0, -2.0)
    assert device.pulses_of_range(whole) == pytest.approx([part * count for part in whole], abs=1)


def test_a_step_above_half_the_range_is_refused() -> None:
    device = ConstantStep()
    half = 0.5 * (device.w_max - device.w_min)
    dataclasses.replace(device, step=half)
    with pytest.raises(ValueError, match="wanted up to half the range"):
        dataclasses.replace(device, step=1.001 * half)


def test_the_first_pulse_is_exact_and_the_last_step_is_taken_where_the_pulse_before_it_led() -> None:
    start = torch.linspace(-0.9, 0.9, 200, dtype=torch.float64)
    for sign in (1.0, -1.0):
        law = [torch.tensor(v, dtype=torch.float64) for v in (sign * 0.01, 0.8, -sign * 1.5, 0.2)]
        step, height, rate, zero = law
        first, size = exponential(start, torch.ones_like(start), *law)
        assert torch.equal(first, torch.addcmul(start, size, torch.ones_like(start)))
        for count in (2.0, 7.0, 40.0):
            before, _ = exponential(start, torch.full_like(start, count - 1), *law)
            _, last = exponential(start, torch.full_like(start, count), *law)
            torch.testing.assert_close(last, step * (1 + height * (rate * (before - zero)).exp()))


@pytest.mark.parametrize("count", [1.25, 1.75, 2.0, 3.0])
def test_pulses_after_the_first_go_on_from_where_it_led(count: float) -> None:
    """By steps of the size that is right there, and of parts of a pulse by a part of it."""
    start = torch.linspace(-0.9, 0.9, 200, dtype=torch.float64)
    law = [torch.tensor(v, dtype=torch.float64) for v in (1e-5, 0.8, -1.5, 0.2)]
    once, first = exponential(start, torch.ones_like(start), *law)
    end, _ = exponential(start, torch.full_like(start, count), *law)
    torch.testing.assert_close((end - once) / first, torch.full_like(start, count - 1), rtol=1e-3, atol=0.0)


def test_the_default_plan_sends_every_train_both_ways_and_ends_them_in_the_bounds() -> None:
    """Trains that double within the range, and one beyond it, each answered by its mirror; rests between."""
    device = still(ConstantStep(), up_down=0.0)
    plan = device.default_plan(3)
    trains = [int(n) for n in plan.actions[0]]
    rest = [k for k, n in enumerate(trains) if n == 0]
    groups = [trains[a + 1 : b] for a, b in zip(rest, [*rest[1:], len(trains)], strict=True)]
    assert [len(group) for group in groups] == [3, 1, 3, 1, 3] and rest[0] == 0
    for group, answer in zip(groups, groups[2:], strict=False):
        assert answer == [-n for n in group]
    one, two, three = groups[0]
    (crossing,) = device.pulses_of_range((1.0,))
    assert two == pytest.approx(2 * one, abs=1) and three == pytest.approx(2 * two, abs=1)
    assert 0 < sum(groups[0]) < crossing < groups[1][0] < 2.1 * crossing


@pytest.mark.parametrize("device", PULSED, ids=name)
def test_newborn_knobs_scatter_by_one_over_a_row(device: Device) -> None:
    """Sd 1/sqrt(columns) within the bounds; 10,000 cells, to seven standard errors."""
    cells: Any = device.fabricate(100, 100, birth())
    assert float(cells.knobs[cells.w_max > cells.w_min].std()) == pytest.approx(0.1, rel=0.05)
    assert bool(((cells.w_min <= cells.knobs) & (cells.knobs <= cells.w_max)).all())
