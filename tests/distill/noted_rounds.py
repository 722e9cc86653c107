"""Rounds of codistillation that are only written down."""

from typing import Any

import torch
from torch import Generator

from analog import Chip, Ideal, Port, Spec, dense, stream
from distill import Codistillation, codistill
from distill.communication import CommunicationLog
from learners import Batch, Loss, Step


class Notes:
    """A learner that only writes down what it was to learn from."""

    def __init__(self, draws: int = 0) -> None:
        self.draws = draws  # from its generator in every step, as probes are drawn
        self.loss: Loss | None = None
        self.batches: list[Batch] = []

    def __call__(self, loss: Loss) -> "Notes":
        self.loss = loss
        return self

    def init(self, spec: Spec) -> None:
        return None

    def step(self, port: Port, batch: Batch, state: None, generator: Generator) -> tuple[None, Step]:
        self.batches.append(batch)
        torch.randn(self.draws, generator=generator)
        baseline = port.measure(batch.x)
        assert self.loss is not None
        return None, Step(self.loss(baseline.out, batch.target).mean(-1), baseline)


def numbered(chips: int, examples: int) -> Batch:
    """Stimuli that carry their own number, chip by chip, and a constant."""
    number = torch.arange(chips * examples, dtype=torch.float32).reshape(chips, examples, 1)
    return Batch(torch.cat((number, torch.ones_like(number)), -1), number[..., 0].long() % 5)


def noted(
    given: Batch, sharing: Codistillation, rounds: int, log: CommunicationLog, device: Any = Ideal()
) -> tuple[Notes, Any]:
    chip, notes = Chip(device, (dense(2, 5, linear=True),), range(len(given.x))), Notes()
    list(
        codistill(
            chip.port(),
            notes,
            given,
            sharing,
            rounds,
            order=stream(0),
            generator=stream(1),
            answer_generator=stream(2),
            log=log,
        )
    )
    return notes, chip
