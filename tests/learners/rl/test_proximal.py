"""Proximal policy optimization: what its learner is shown of a round."""

from dataclasses import dataclass, field
from typing import Any

import torch

from analog import Chip, Ideal, Port, dense, stream
from learners import Batch, Step
from learners.rl import Argmax, BesideCritic, ProximalPolicyOptimization, train_policy
from tests.learners.rl.toy_envs import unequal


@dataclass
class Watching:
    """A learner that learns nothing and remembers what it was shown."""

    seen: list[Batch] = field(default_factory=list)

    def init(self, spec: Any) -> None:
        return None

    def step(self, port: Port, batch: Batch, state: None, generator: torch.Generator) -> tuple[None, Step]:
        self.seen.append(batch)
        return None, Step(torch.zeros(port.spec.fleet), port.measure(batch.x))


def test_every_step_that_was_played_is_shown_and_none_that_was_not() -> None:
    """Two chips, four episodes each, of unequal lengths: the one that played less begins again."""
    lengths = ((3, 5, 2, 4), (1, 2, 1, 3))
    chip, watching = Chip(Ideal(), (dense(1, 3, linear=True),), range(2)), Watching()
    learner = ProximalPolicyOptimization(lambda loss: watching, BesideCritic(Argmax()), epochs=1, batch=7)
    _, played = next(train_policy(learner, chip.port(), unequal(sum(lengths, ())), stream(0)))
    assert played.steps.tolist() == [14, 7]
    x = torch.cat([batch.x for batch in watching.seen], 1).squeeze(-1)
    assert x.shape == (2, 14)
    assert len(x[0].unique()) == 14 and len(x[1].unique()) == 7


def test_what_was_done_is_the_outputs_and_what_was_added_and_gains_are_standardized() -> None:
    chip, watching = Chip(Ideal(), (dense(1, 3, linear=True),), range(2)), Watching()
    learner = ProximalPolicyOptimization(
        lambda loss: watching, BesideCritic(Argmax()), size=0.2, final_size=0.2, epochs=1, batch=40
    )
    next(train_policy(learner, chip.port(), unequal((5,) * 16), stream(0)))
    (batch,) = watching.seen
    outputs = chip.port().measure(batch.x).out[..., :-1]
    assert torch.allclose(batch.target.perturbed - batch.target.added, outputs, atol=1e-6)
    assert 0.15 < float(batch.target.added.std()) < 0.25 and float(batch.target.size.std()) == 0
    for standardized in (batch.target.advantage, batch.target.value):
        assert torch.allclose(standardized.mean(-1), torch.zeros(2), atol=1e-5)
    assert torch.allclose(batch.target.advantage.square().mean(-1), torch.ones(2), atol=1e-4)
