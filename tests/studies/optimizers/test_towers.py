"""Towers beside the algorithm that was published: it is ours without a horizon and a warm-up."""

from dataclasses import replace
from typing import Any

import torch

from studies.optimizers import towers

ARGS = replace(towers.TOY, where=("digital",), heights=(1, 2), seeds=1, epochs=3.0, factors=(1.0, 100.0))


def ends(args: towers.Args, algorithm: towers.Algorithm) -> list[Any]:
    rows = towers.run(towers.Trial(args, "digital", "sgd", 2, algorithm))
    return [(r["start"], r["error"], r["learning_rate"]) for r in rows if r["what"] == "end"]


def test_the_published_algorithm_is_ours_with_horizon_0_and_no_warmup() -> None:
    greedy = ends(ARGS, "greedy, as published")
    assert greedy == ends(replace(ARGS, horizon=0.0, warmup=0.0), "ours")
    assert greedy != ends(ARGS, "ours")


def test_an_optimizer_alone_stands_once_beside_both_algorithms() -> None:
    names = [t.name for t in towers.plan(ARGS)]
    tower = "digital, sgd, height 2"
    assert names == ["digital, sgd, height 1", tower, f"{tower}, greedy, as published"]
    alone = towers.update(towers.plan(ARGS)[0], torch.tensor(0.1), 10)
    assert alone.tuner is None


def test_every_start_stands_in_the_table_of_chips_also_where_towers_fail() -> None:
    lines = towers.table(
        [
            {"what": "end", "where": "chips", "optimizer": "adam", "height": 3, "tuned by": "ours"}
            | {"seed": chip, "start": start, "error": error}
            for chip in range(2)
            for start, error in ((0.1, 0.03 + 0.02 * chip), (100.0, 0.5))
        ]
    )
    assert lines[0]["begun at 0.1, error %"] == "4.00 +- 12.71" and lines[0]["n"] == 2
    assert lines[0]["begun at 100, error %"] == "50.00 (all equal)"
