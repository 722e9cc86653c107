"""Spread is over trials and chips of the same settings, and over nothing else."""

from studies.kit.report.spread import mean_numbers, spread_table
from studies.kit.run.study import Row


def line(rows: list[Row], number: str, **case: object) -> Row:
    found = [r for r in rows if r["number"] == number and all(r.get(k) == v for k, v in case.items())]
    assert len(found) == 1
    return found[0]


def test_chips_of_one_case_are_summed_up_and_cases_are_kept_apart() -> None:
    """Two values 2 apart: t(0.975, 1) = 12.706 times 1."""
    rows = [
        {"trial": f"{size} {chip}", "what": "end", "size": size, "chip": chip, "error": size + 2.0 * chip}
        for size in (10, 20)
        for chip in (0, 1)
    ]
    table = spread_table(rows, {"sizes": [10, 20]})
    assert line(table, "error", size=10) == {
        "what": "end",
        "size": 10,
        "number": "error",
        "n": 2,
        "mean": "11",
        "95 % interval, +-": "12.71",
        "sd": "1.414",
        "median": "11",
        "lowest": "10",
        "highest": "12",
    }
    assert line(table, "error", size=20)["mean"] == "21" and len(table) == 2


def test_of_a_course_the_end_counts_and_moments_stand_apart() -> None:
    curve = [
        {"trial": f"{c}", "what": "curve", "chip": c, "step": step, "error": 10.0 * c + step}
        for c in (0, 1)
        for step in (1, 2, 3)
    ]
    assert line(spread_table(curve), "error")["mean"] == "8"
    moments = [
        {"trial": f"{c}", "chip": c, "seconds": s, "error": 10.0 * c + s} for c in (0, 1) for s in (1.0, 5.0)
    ]
    table = spread_table(moments)
    assert [r["seconds"] for r in table] == [1.0, 5.0] and [r["mean"] for r in table] == ["6", "10"]


def test_a_list_has_a_number_for_each_chip_and_a_single_number_has_no_spread() -> None:
    rows = [{"trial": "a", "accuracy": [0.5, 0.7, 0.9], "reads": 12}]
    (only,) = spread_table(rows)
    assert (only["n"], only["mean"], only["lowest"], only["highest"]) == (3, "0.7", "0.5", "0.9")


def test_means_are_of_the_numbers_that_are_asked_for() -> None:
    rows = [{"trial": t, "method": "a", "joules": j, "chip": c} for t, c, j in (("x", 0, 1.0), ("y", 1, 3.0))]
    assert mean_numbers([*rows, {"trial": "z", "method": "b"}], ["joules", "reads"]) == [
        {"method": "a", "n": 2, "joules": "2"}
    ]


def test_what_is_the_same_on_all_chips_has_no_interval() -> None:
    rows = [{"trial": f"{chip}", "chip": chip, "reads": 7} for chip in range(3)]
    assert line(spread_table(rows), "reads")["95 % interval, +-"] == "(all equal)"
