"""Tables: what is written is read again, and what is wrong with one is named by column and row."""

from pathlib import Path
from typing import Any

import pytest
import torch

from analog import Mismatched
from analog.calibrate import (
    BadTable,
    Scale,
    calibrate,
    read_table,
    simulate_table,
    table_from_columns,
    write_table,
)
from analog.devices import LinearECRAM, UnknownNeurons, WanRRAM


@pytest.mark.parametrize(
    "device", [LinearECRAM(), WanRRAM(), UnknownNeurons()], ids=lambda d: type(d).__name__
)
def test_what_is_written_is_read_again(device: Any, tmp_path: Path) -> None:
    measured = simulate_table(device, device.default_plan(100))
    write_table(measured, tmp_path / "table.csv", digits=17)
    again = read_table(tmp_path / "table.csv")
    assert torch.equal(again.readings, measured.readings) and torch.equal(
        again.plan.actions, measured.plan.actions
    )
    assert (again.plan.kind, again.plan.shown) == (measured.plan.kind, measured.plan.shown)
    assert (again.plan.seconds, again.plan.inputs) == (measured.plan.seconds, measured.plan.inputs)


def good() -> dict[str, list[Any]]:
    """Twenty cells, each read blank and after ten pulses."""
    cells = [c for c in range(20) for _ in range(2)]
    return {
        "cell": cells,
        "pulses": [0, 10] * 20,
        "seconds": [0.0, 1.0] * 20,
        "reading": [0.001 * c for c in cells],
    }


def test_a_good_table_is_taken() -> None:
    measured = table_from_columns(good())
    assert measured.plan.actions.shape == (20, 2) and measured.plan.waits == (0.0, 1.0)
    assert not any(measured.plan.written)


def test_a_write_is_where_seconds_do_not_grow() -> None:
    columns = good()
    columns["target"] = [0.5, 0.5] * 20
    del columns["pulses"]
    assert table_from_columns(columns).plan.written == (True, False)
    columns["seconds"] = [2.0, 1.0] * 20
    again = table_from_columns(columns).plan
    assert again.written == (True, True) and again.waits == (2.0, 1.0)


def put(column: str, row: int, value: Any) -> Any:
    def change(columns: dict[str, list[Any]]) -> None:
        columns[column][row] = value

    return change


def drop(column: str) -> Any:
    return lambda columns: columns.pop(column)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("cell"), "column cell is missing; there are pulses, seconds, reading"),
        (drop("reading"), "wanted column reading or else column activity"),
        (drop("pulses"), "wanted column pulses or else column target"),
        (lambda c: c.update(color=["red"] * 40), "column color is unknown"),
        (lambda c: c.update(target=[0.1] * 40), "wanted column pulses or else column target"),
        (put("reading", 7, float("nan")), "column reading, row 7: is nan"),
        (put("reading", 7, "1,5"), "column reading, row 7: '1,5' is not a number"),
        (put("reading", 7, "inf"), "column reading, row 7: is inf"),
        (put("reading", 7, ""), "column reading, row 7: '' is not a number"),
        (put("pulses", 3, 1.5), "column pulses, row 3: is 1.5; wanted a whole number"),
        (put("seconds", 2, -1.0), "column seconds, row 2: is -1.0; wanted seconds of at least 0"),
        (put("seconds", 5, 2.0), "column seconds, row 5: is 2 for cell 2, 1 for cell 0"),
        (put("cell", 4, " "), "column cell, row 4: is empty"),
        (put("cell", 4, 9), "cell 9 has 3 rows, cell 0 has 2"),
        (lambda c: [v.pop() for v in c.values()], "cell 19 has 1 rows, cell 0 has 2"),
        (lambda c: [v.clear() for v in c.values()], "has no rows"),
        (
            lambda c: [v.__delitem__(slice(38, None)) for v in c.values()],
            "19 cells have the history of cell 0",
        ),
        (put("pulses", 1, 11), "1 cells have the history of cell 0 .row 0.; too few rows"),
        (lambda c: c["reading"].pop(), "columns are of different lengths"),
        (
            lambda c: c.update(seconds=[1.0, 0.0] * 20),
            "column seconds, row 1: the clock goes back from 1 to 0",
        ),
    ],
)
def test_a_bad_table_is_named_by_column_and_row(change: Any, message: str) -> None:
    columns = good()
    change(columns)
    with pytest.raises(BadTable, match=message):
        table_from_columns(columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("target", 3, 1.5), "column target, row 3: is 1.5; wanted a target from -1 to 1"),
        (put("target", 3, 0.6), "column target, row 3: changes while seconds go on for cell 1"),
        (drop("seconds"), "column seconds .since the last write. is missing"),
    ],
)
def test_a_bad_table_of_targets(change: Any, message: str) -> None:
    columns = good()
    columns["target"] = [0.5] * 40
    del columns["pulses"]
    change(columns)
    with pytest.raises(BadTable, match=message):
        table_from_columns(columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column cell is missing"),
        ("cell,pulses,reading\n1,2\n", "row 2: wanted 3 values"),
        ("cell,pulses,reading\n1,2,3,4\n", "row 2: wanted 3 values"),
        ("cell,cell,reading\n", "a column comes twice"),
        ("cell;pulses;reading\n1;2;3\n", "column cell is missing; there are cell;pulses;reading"),
        ("cell,pulses,reading\n1,2,three\n", "column reading, row 2: 'three' is not a number"),
    ],
)
def test_a_bad_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(BadTable, match=message):
        read_table(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\x00\x01" * 9)
    for path in (tmp_path / "bad.csv", tmp_path / "none.csv", tmp_path):
        with pytest.raises(BadTable, match="cannot be read as CSV"):
            read_table(path)


def test_readings_that_no_such_device_shows_are_refused() -> None:
    """Microsiemens instead of full scales; a rectified activity below zero."""
    measured = simulate_table(WanRRAM(), WanRRAM().default_plan(100))
    measured.readings[7, 2] = 39.0
    with pytest.raises(BadTable, match="column reading, cell number 7, its row 2: is 39.* another unit"):
        calibrate(WanRRAM(), measured)
    columns = {
        "cell": [*range(40)],
        "target": [0.5] * 40,
        "seconds": [0] * 40,
        "activity": [0.4] * 39 + [-0.4],
    }
    with pytest.raises(BadTable, match="column activity, cell number 39, its row 0: is -0.4, negative"):
        calibrate(Mismatched(), table_from_columns(columns))


def test_pulses_need_a_device_that_knows_its_step() -> None:
    with pytest.raises(ValueError, match="Mismatched does not say how far one pulse goes"):
        calibrate(Mismatched(), table_from_columns(good()))


def test_conductances_and_currents_come_into_full_scales(tmp_path: Path) -> None:
    """In S or A, or in the unit that the column's name has in brackets."""
    columns = good()
    plain = table_from_columns(columns).readings
    for name, size in (
        ("conductance", 1.0),
        ("conductance [uS]", 1e6),
        ("conductance(mS)", 1e3),
        ("current [nA]", 1e9),
    ):
        physical = {n: c for n, c in columns.items() if n != "reading"}
        physical[name] = [size * (5e-6 + 2e-6 * value) for value in columns["reading"]]
        found = table_from_columns(physical, scale=Scale(zero=5e-6, full_scale=2e-6))
        assert torch.allclose(found.readings, plain, atol=1e-9)
    path = tmp_path / "measured.csv"
    rows = zip(*physical.values(), strict=True)
    path.write_text("\n".join(map(",".join, [tuple(physical), *(tuple(map(str, row)) for row in rows)])))
    assert torch.allclose(read_table(path, scale=Scale(5e-6, 2e-6)).readings, plain, atol=1e-9)


@pytest.mark.parametrize(
    ("columns", "scale", "message"),
    [
        (
            {"conductance": [1e-6, 3e-6]},
            None,
            r"wanted scale=.* on Scale\(zero=2e-06, full_scale=1e-06\) this table",
        ),
        (
            {"current [uA]": [1.0, 1.0]},
            None,
            r"the current of knob 0 .* such as Scale\(zero=..., full_scale=...\)",
        ),
        (
            {"conductance [uS]": [1.0, 3.0]},
            Scale(2.0, 1.0),
            r"spans 2e-06 full scales on Scale.* in S; on Scale\(zero=2e-06, full_scale=1e-06\) this table",
        ),
        ({"conductance": [1.0, 3.0]}, Scale(2e-6, 1e-6), "spans 2e.06 full scales .* another unit"),
        ({"conductance [uA]": [1.0, 3.0]}, Scale(0, 1), "is in A; wanted S"),
        ({"conductance": ["x", 3.0]}, Scale(0, 1), "column conductance, row 0: 'x' is not a number"),
        (
            {"conductance": [1.0, 3.0], "reading": [1, 1]},
            Scale(0, 1),
            "wanted one column of conductance, reading",
        ),
        (
            {"reading": [1.0, 3.0]},
            Scale(0, 1),
            "scale is of columns conductance or current, and there are none",
        ),
    ],
)
def test_a_conductance_wants_a_scale(columns: Any, scale: Any, message: str) -> None:
    cells = [*range(20), *range(20)]
    table = {"cell": cells, "pulses": [0] * 40, **{n: c * 20 for n, c in columns.items()}}
    with pytest.raises(BadTable, match=message):
        table_from_columns(table, scale=scale)


def test_whoever_has_a_curve_is_told_where_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("pulse,conductance\n0,1e-6\n1,2e-6\n")
    with pytest.raises(
        BadTable, match=r"column cell is missing; .* columns are cell, pulses \(or target\).*tabulate_curve"
    ):
        read_table(path)


def test_a_single_cell_is_read_by_who_asks_for_it() -> None:
    columns = {"cell": ["a"] * 3, "pulses": [0, 1, 1], "reading": [0.0, 0.1, 0.2]}
    assert table_from_columns(columns, fewest=1).readings.tolist() == [[0.0, 0.1, 0.2]]
    with pytest.raises(BadTable, match=r"at least 20 cells for each history; .*tabulate_steps"):
        table_from_columns(columns)
