"""Towers of ours beside those that were published."""

from dataclasses import replace
from typing import Any

import torch

from studies.optimizers import towers

ARGS = replace(towers.TOY, where=("digital",), heights=(1, 2), seeds=1, epochs=3.0, factors=(1.0, 100.0))


def ends(args: towers.Args, algorithm: towers.Algorithm) -> list[Any]:
    rows = towers.run(towers.Trial(args, "digital", "sgd", 2, algorithm))
    return [(r["start"], r["error"], r["learning_rate"]) for r in rows if r["what"] == "end"]


def test_ours_at_horizon_0_is_ours_with_horizon_0_and_no_warmup() -> None:
    greedy = ends(ARGS, "ours, horizon 0")
    assert greedy == ends(replace(ARGS, horizon=0.0, warmup=0.0), "ours")
    assert greedy != ends(ARGS, "ours")


def test_an_optimizer_alone_stands_once_beside_all_algorithms() -> None:
    names = [t.name for t in towers.plan(ARGS)]
    tower = "digital, sgd, height 2"
    others = [f"{tower}, {algorithm}" for algorithm in ("ours, horizon 0", "as published")]
    assert names == ["digital, sgd, height 1", tower, *others]
    alone = towers.update(towers.plan(ARGS)[0], torch.tensor(0.1), 10)
    assert alone.tuner is None


def test_every_start_stands_in_the_table_of_chips_also_where_towers_fail() -> None:
    lines = towers.table(
        [
            {"what": "end", "where": "chips", "optimizer": "adam", "height": 3, "tuned by": "ours"}
            | {"upper factor": 1.0, "seed": chip, "start": start, "error": error}
            for chip in range(2)
            for start, error in ((0.1, 0.03 + 0.02 * chip), (100.0, 0.5))
        ]
    )
    assert lines[0]["begun at 0.1, error %"] == "4.00 +- 12.71" and lines[0]["n"] == 2
    assert lines[0]["begun at 100, error %"] == "50.00 (all equal)"


def test_no_memory_grows_and_a_level_costs_a_few_numbers_whatever_the_height() -> None:
    def kept(height: int, algorithm: towers.Algorithm = "as published") -> tuple[float, float]:
        args = replace(ARGS, where=("overhead",))
        (row,) = towers.run(towers.Trial(args, "overhead", "sgd", height, algorithm))
        return row["kept"], row["kept at the end"]

    numbers = [kept(height) for height in (2, 3, 5)]
    assert all(at_first == at_end for at_first, at_end in numbers)
    assert numbers[-1][0] - numbers[0][0] < 0.01  # numbers a weight


def test_the_highest_levels_rate_alone_is_multiplied() -> None:
    two = replace(ARGS, upper_factors=(1.0, 100.0), factors=(1.0,), epochs=1.0)
    rows = list(towers.run(towers.Trial(two, "digital", "sgd", 2, "as published")))
    found = {r["upper factor"]: r["learning_rate"] for r in rows if r["what"] == "end"}
    assert found[100.0] > 2 * found[1.0] > 0.02  # the same start, moved faster
    assert towers.figures(rows).keys() == {"towers", "towers_upper"}
