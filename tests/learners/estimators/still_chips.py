"""Chips that hardly move, for tests of what control variates learn."""

from typing import Any

import torch

from analog import Chip, Ideal, dense, stream
from learners import Batch, Descent

F64 = torch.float64


def lessons(count: int, rate: str = "lessons") -> list[Batch]:
    generator = stream(0, rate)
    return [
        Batch(
            torch.randn(16, 6, generator=generator, dtype=F64),
            torch.randint(0, 3, (16,), generator=generator),
        )
        for _ in range(count)
    ]


def trained(learner: Descent, steps: int, layers: Any = None) -> tuple[Chip, Any]:
    chip = Chip(Ideal(), layers or (dense(6, 8), dense(8, 3, linear=True)), 1, dtype=F64)
    port, state = chip.port(), learner.init(chip.spec)
    generator = stream(0, "control")
    for batch in lessons(steps):
        state, _ = learner.step(port, batch, state, generator)
    return chip, state
