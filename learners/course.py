"""The course of a training: the steps that it is made of, batch after batch, whatever gives the batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from analog.port import Port
from analog.streams import stream
from analog.wires.metering import Ledger, metered

from .data.sources import Source
from .learner import Learner, Step, as_batch
from .training_state import TrainingState


@dataclass(frozen=True)
class Course:
    """The steps of a training, which may be entered anywhere."""

    port: Port
    learner: Learner
    data: Source
    batch_size: int
    seed: int
    user: str  # whom messages and streams name

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch."""
        return self.data.count // min(self.batch_size, self.data.count)

    def steps(self, state: TrainingState, end: int) -> Iterator[tuple[TrainingState, Step]]:
        """Step until `end` steps are made; yields the state after each step, and what it showed."""
        order, probes, spec = Generator(), Generator(self.port.spec.on), self.port.spec
        order.set_state(state.order)
        probes.set_state(state.probes)
        ledger = Ledger(spec)
        wires, learner, made = metered(self.port, ledger), state.learner, state.steps
        while made < end:
            epoch = order.get_state()
            picks = self._picks(order)[made % self.epoch_steps :][: end - made]
            loading = stream(self.seed, self.user, "loading", made // self.epoch_steps)
            for given in self.data.batches(picks, loading):
                batch = as_batch(given, spec, self.user).to(spec.on, spec.dtype)
                learner, step = self.learner.step(wires, batch, learner, probes)
                made += 1
                begun = epoch if made % self.epoch_steps else order.get_state()
                reads = state.reads + max(ledger.reads)
                yield (
                    state._replace(
                        steps=made,
                        learner=learner,
                        order=begun,
                        probes=probes.get_state(),
                        reads=reads,
                        accuracy=None,
                    ),
                    step,
                )

    def _picks(self, order: Generator) -> list[Tensor]:  # (batch,) each
        count, size = self.data.count, min(self.batch_size, self.data.count)
        permutation = torch.randperm(count, generator=order)
        return [*permutation[: count - count % size].split(size)]
