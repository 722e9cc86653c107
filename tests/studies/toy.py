"""A study for tests: quick trials that draw, wait and yield.

Kept beside the tests and importable, because worker processes import it by name.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from analog import stream
from studies.kit.run.study import Row


@dataclass(frozen=True)
class Args:
    trials: int = 6
    wait: float = 0.0  # s between rows
    seed: int = 0
    uneven: bool = False  # earlier trials take longer
    broken: int | None = None  # this trial fails


TOY = Args(trials=2)


@dataclass(frozen=True)
class Trial:
    number: int
    args: Args

    @property
    def name(self) -> str:
        return f"toy {self.number}"


def plan(args: Args) -> list[Trial]:
    return [Trial(i, args) for i in range(args.trials)]


def run(trial: Trial) -> Iterator[Row]:
    generator = stream(trial.args.seed, "toy", trial.name)
    if trial.number == trial.args.broken:
        raise ArithmeticError("broken on purpose")
    for k in range(4):
        share = (trial.args.trials - trial.number) if trial.args.uneven else 1
        time.sleep(trial.args.wait * share)
        yield {"k": k, "value": float(torch.rand((), generator=generator)), "done": (k + 1) / 4}


def table(rows: Sequence[Row]) -> list[Row]:
    return [{"rows": len(rows)}]


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    del rows  # what figures are like is tested elsewhere
    return {}
