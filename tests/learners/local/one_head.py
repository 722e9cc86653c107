"""Steps of `ReplicatedHeads` under every sign vector, beside the exact gradient under one common head."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from analog import Chip, Ideal, Layer, stream, xray
from analog.spec import Spec
from learners import Batch, CrossEntropy, rademacher, sgd
from learners.estimators import ProbeDistribution
from learners.local import ReplicatedHeads
from learners.local.groups import HeadsState

F64 = torch.float64


@dataclass(frozen=True)
class Every(ProbeDistribution):
    """All sign vectors over all coordinates of a step, once each; the same for every example."""

    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        del generator
        sizes = [torch.Size(body).numel() for body in bodies]
        assert count == 2 ** sum(sizes)
        signs = 1 - 2 * ((torch.arange(count).unsqueeze(-1) >> torch.arange(sum(sizes))) & 1)
        parts = signs.to(spec.dtype).split(sizes, -1)
        ones = (1,) * len(lead)
        return tuple(
            p.view(count, *ones, *body).expand(count, *lead, *body)
            for p, body in zip(parts, bodies, strict=True)
        )

    def covariance(self, g: Tensor, count: int) -> Tensor:
        return rademacher.covariance(g, count)


def given(layers: Sequence[Layer], size: int = 3) -> Batch:
    generator = stream(0, "given", len(layers))
    x = torch.rand(size, layers[0].features_in, generator=generator, dtype=F64)
    return Batch(x, torch.arange(size) % 3)


def heads(estimator: Any, **more: Any) -> ReplicatedHeads:
    return ReplicatedHeads(estimator, sgd(1.0), sgd(0.1), CrossEntropy(), 3, **more)


def known(learner: ReplicatedHeads, spec: Spec) -> HeadsState:
    """A memory whose head has something to say."""
    state = learner.init(spec)
    knobs = torch.randn(state.knobs.shape, generator=stream(0, "head"), dtype=F64)
    return state._replace(knobs=knobs)


def moved(
    learner: ReplicatedHeads, layers: Sequence[Layer], identity: Any = 1, mirrors: Any = ()
) -> tuple[Any, Any]:
    """What one step at rate 1 changed, and the exact gradient under one common head."""
    chip = Chip(Ideal(), layers, identity, dtype=F64)
    chip.port().program(tuple(k.abs() for k in xray.knobs(chip)))  # all neurons active
    batch, state = given(layers), known(learner, chip.spec)
    if mirrors:
        state = state._replace(block=state.block._replace(control_variates=(mirrors,)))
    exact = xray.knob_gradient(
        chip, batch.x, batch.target, lambda out, t: learner.loss(learner.answers(out, state.knobs), t)
    )
    before = xray.knobs(chip)
    learner.step(chip.port(), batch, state, stream(0, "probes"))
    return tuple(b - a for b, a in zip(before, xray.knobs(chip), strict=True)), exact
