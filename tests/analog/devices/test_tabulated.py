"""A tabulated device does what its table says: each pulse, trains of them, between its bounds."""

from typing import Any

import pytest
import torch

from analog import Noise, check_device, stream
from analog.calibrate import Scale, simulate_table
from analog.devices import Tabulated
from tests.zoo import many

STATES = [-1.0, -0.6, -0.5, 0.0, 0.3, 0.7, 1.0]
UP = tuple((w, 0.03 * (1 - w) + 0.002, 0.01 + 0.005 * w) for w in STATES)
DOWN = tuple((w, -0.02 * (1.2 + w) ** 2, 0.012) for w in STATES)
DEVICE = Tabulated(UP, DOWN)
STEP = DEVICE.costs.step or 0.0


def at(device: Tabulated, state: float, count: int = 1, dtype: torch.dtype = torch.float64) -> Any:
    cells = many(device, count)
    return cells._replace(knobs=torch.full_like(cells.knobs, state, dtype=dtype))


def sent(device: Tabulated, cells: Any, pulses: float, noise: Noise) -> torch.Tensor:
    moved: torch.Tensor = device.pulse(
        cells, torch.full_like(cells.knobs, pulses * (device.costs.step or 0.0)), noise
    ).knobs
    return moved


def test_it_keeps_the_contract() -> None:
    check_device(Tabulated(UP, DOWN, step_dtod=0.2, read_noise=0.01), steps=0)


@pytest.mark.parametrize("row", [*UP[1:-1], *DOWN[1:-1]], ids=lambda row: f"{row[0]:g} by {row[1]:.3g}")
def test_mean_and_sd_of_a_pulse_are_the_tables(row: tuple[float, float, float]) -> None:
    """20,000 pulses: their mean within 5 standard errors, their sd within 5 of its own (1 in a million)."""
    count, (state, mean, sd) = 20_000, row
    sign = 1 if mean > 0 else -1
    change = sent(DEVICE, at(DEVICE, state, count), sign, Noise(stream(1, "pulse", str(row)))) - state
    assert abs(float(change.mean()) - mean) < 5 * sd / count**0.5
    assert abs(float(change.std()) / sd - 1) < 5 / (2 * count) ** 0.5


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("start", [-1.0, -0.55, 0.1, 0.9])
def test_a_train_is_its_pulses_one_by_one(start: float, sign: int) -> None:
    """In the mean to a thousandth of the range, in spread to 6 %, wherever no bound is near."""
    silent, count, seed = Noise.none(), 8000, f"{start} {sign}"
    one = at(DEVICE, start)
    for _ in range(15):
        one = one._replace(knobs=sent(DEVICE, one, sign, silent))
    train = sent(DEVICE, at(DEVICE, start), 15 * sign, silent)
    assert float((one.knobs - train).abs().max()) < 2e-3
    each = at(DEVICE, start, count)
    for k in range(15):
        each = each._replace(knobs=sent(DEVICE, each, sign, Noise(stream(k, "each", seed))))
    trains = sent(DEVICE, at(DEVICE, start, count), 15 * sign, Noise(stream(0, "train", seed)))
    assert abs(float(trains.std() / each.knobs.std()) - 1) < 0.06 or float(each.knobs.abs().max()) == 1


def test_a_cells_own_factor_is_on_all_of_its_steps() -> None:
    device = Tabulated(UP, DOWN, step_dtod=0.3)
    cells = at(device, 0.0, 5000)
    up, down = (sent(device, cells, sign, Noise.none()) for sign in (1, -1))
    assert torch.allclose(up / down, (up / down)[:1].expand_as(up))
    assert abs(float(up.std() / up.mean()) - 0.3) < 5 * 0.3 / 10_000**0.5
    huge = sent(device, cells, 1e6, Noise.none())
    assert bool((huge == 1).all())


def test_bounds_are_the_tables_or_ones_own() -> None:
    assert [float(b.max()) for b in DEVICE.bounds(many(DEVICE, 1))] == [-1.0, 1.0]
    narrow = Tabulated(UP, DOWN, w_min=-0.2, w_max=0.8)
    assert [float(b.max()) for b in narrow.bounds(many(narrow, 1))] == pytest.approx([-0.2, 0.8])
    assert float(sent(narrow, at(narrow, 0.0), 500, Noise.none()).max()) == pytest.approx(0.8)


def test_a_cell_that_is_told_to_hold_holds() -> None:
    """Where the table's mean and sd are 0, the first pulse does nothing, and later ones next to nothing."""
    still = Tabulated(((-1.0, 0.1, 0.0), (0.5, 0.05, 0.0), (0.6, 0.0, 0.0), (1.0, 0.0, 0.0)), DOWN)
    cells = at(still, 0.7)
    assert float(sent(still, cells, 1, Noise.none()).max()) == pytest.approx(0.7)
    assert float(sent(still, cells, 100, Noise.none()).max()) < 0.702


COLUMNS: dict[str, list[Any]] = {
    "state": [2e-6, 6e-6, 10e-6] * 2,
    "change": [2e-7, 1e-7, 1e-8, -1e-8, -1e-7, -2e-7],
    "sd": [1e-8] * 6,
    "direction": ["up"] * 3 + ["down"] * 3,
}


def test_a_table_of_conductances_goes_into_full_scales() -> None:
    device = Tabulated.from_columns(COLUMNS, Scale(6e-6, 4e-6), step_dtod=0.1)
    assert device.up[0] == pytest.approx((-1.0, 0.05, 0.0025)) and device.down[2][0] == pytest.approx(1.0)
    assert device.step_dtod == 0.1 and device.costs.step == pytest.approx(0.025)
    without = Tabulated.from_columns({n: c for n, c in COLUMNS.items() if n != "sd"}, Scale(6e-6, 4e-6))
    assert {row[2] for row in (*without.up, *without.down)} == {0.0}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"direction": ["up"] * 5 + ["sideways"]}, "direction, row 5: is 'sideways'; wanted up or down"),
        ({"direction": ["up"] * 6}, "row 1: is .* state|is not above|wanted a change"),
        ({"change": [1e-7] * 6}, "down, row 0: .*wanted a change of at most 0"),
        ({"sd": [-1e-8] * 6}, "an sd of at least 0"),
        ({"state": [2e-6, "x", 10e-6] * 2}, "row 1: state, change or sd is not a number"),
        ({"state": [2e-6]}, "different lengths"),
        ({"state": [float("nan")] * 6}, "wanted three finite numbers"),
    ],
)
def test_bad_tables_are_refused(change: dict[str, list[Any]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Tabulated.from_columns({**COLUMNS, **change}, Scale(6e-6, 4e-6))


def test_what_makes_no_device_is_refused() -> None:
    with pytest.raises(ValueError, match="column direction is missing; wanted columns state, change"):
        Tabulated.from_columns({"state": [], "change": []})
    with pytest.raises(ValueError, match="states go from 2e-06 to 1e-05; wanted 0 among them, see Scale"):
        Tabulated.from_columns(COLUMNS)
    with pytest.raises(ValueError, match="a pulse at state 0 changes it by 0"):
        Tabulated(((-1.0, 0.1, 0.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0)), ((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
    with pytest.raises(ValueError, match="up has 1 rows"):
        Tabulated(UP[:1], DOWN)
    for zero, full in ((0.0, 0.0), (float("nan"), 1.0), (0.0, -1.0)):
        with pytest.raises(ValueError, match="full scale above 0"):
            Scale(zero, full)


def test_its_plan_crosses_the_range_both_ways() -> None:
    readings = simulate_table(DEVICE, DEVICE.default_plan(20)).readings
    assert float(readings.amax(1).min()) > 0.7 and float(readings.amin(1).max()) < -0.7
