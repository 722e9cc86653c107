"""Groups with heads of their own: no part hears of another's probes, and the mean is the exact gradient."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import Chip, Ideal, Layer, Mismatched, Probe, dense, grouped, stream
from analog.layers import channel_mixing, local_mixer, token_mixing
from analog.port import Reading
from analog.spec import Spec
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    Estimator,
    Gradient,
    NodePerturbation,
    ProbeResult,
    WeightPerturbation,
    adam,
    check_learner,
    fit,
    sgd,
)
from learners.estimators import ActiveNodePerturbation, WeightMirrors
from learners.local import Block, Greedy, PerGroupLoss, ReplicatedHeads
from learners.wiring import Skip, residual
from tests.learners.local.one_head import F64, Every, given, heads, known, moved
from tests.sampled import sampled

PLAIN = (dense(3, 4), grouped(4, 4, 2))  # 8 nodes


MIXER = (token_mixing(2, 2), channel_mixing(2, 2, 2), channel_mixing(2, 2, 2, 2))  # 12 nodes


FEW = (dense(2, 2), grouped(2, 2, 2))  # 10 knobs


@pytest.mark.parametrize("identity", [1, [1, 2]], ids=["chip", "fleet"])
@pytest.mark.parametrize(
    ("layers", "more", "nodes"),
    [
        (PLAIN, {}, 8),
        (PLAIN, {"groups": 2}, 8),
        (MIXER, {"groups": 2, "patches": 2, "parts_per_layer": (2, 4, 4)}, 12),
    ],
    ids=["whole", "groups", "mixer"],
)
def test_the_mean_over_all_probes_is_the_gradient_under_one_head(
    layers: Sequence[Layer], more: Any, nodes: int, identity: Any
) -> None:
    """By enumeration of every sign vector, with a probe so small that losses are straight."""
    estimator = NodePerturbation(1e-6, 2**nodes, Every())
    changed, exact = moved(heads(estimator, **more), layers, identity)
    torch.testing.assert_close(changed, exact, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_so_it_is_for_probes_at_the_knobs(groups: int) -> None:
    estimator = WeightPerturbation(1e-6, 2**10, Every())
    changed, exact = moved(heads(estimator, groups=groups), FEW)
    torch.testing.assert_close(changed, exact, atol=1e-6, rtol=1e-5)


def test_shared_tiles_are_laid_the_losses_of_all_patches_that_they_serve() -> None:
    layers = (channel_mixing(2, 2, 2, 2, bias=False), channel_mixing(2, 2, 2, 2))
    learner = heads(WeightPerturbation(1e-6, 2**6, Every()), groups=2, patches=2)
    changed, exact = moved(learner, layers)
    torch.testing.assert_close(changed, exact, atol=1e-6, rtol=1e-5)


class Turned(Estimator):
    """Node perturbation whose probes of the second group point the other way, and longer."""

    gradient_at = "nodes"

    def __init__(self, by: float) -> None:
        self.inner, self.by = NodePerturbation(0.3, probes=2), by

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, None]:
        nodes = self.inner.ask(spec, x, baseline, generator)[0].nodes
        assert nodes is not None
        factor = torch.tensor([1.0, 1.0, self.by, self.by], dtype=F64)
        return Probe(nodes=tuple(n * factor for n in nodes if n is not None)), None

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        return self.inner.tell(spec, result)


def test_no_group_hears_of_the_probes_of_another() -> None:
    """Bitwise, whatever the size of the probe; under one head for all it would."""
    for groups, alone in ((2, True), (1, False)):
        usual, turned = (moved(heads(Turned(by), groups=groups), PLAIN)[0] for by in (1.0, -3.0))
        assert torch.equal(usual[0][0, :2], turned[0][0, :2]) == alone
        assert torch.equal(usual[1][0], turned[1][0]) == alone
        assert not torch.equal(usual[1][1], turned[1][1])


def test_the_head_follows_its_delta_rule() -> None:
    chip = Chip(Ideal(), PLAIN, [1, 2], dtype=F64)
    learner = heads(NodePerturbation(0.1), groups=2)
    batch, state = given(PLAIN), known(learner, chip.spec)
    features = chip.port().measure(batch.x).out
    leaf = state.knobs.clone().requires_grad_()
    learner.loss(learner.answers(features, leaf), batch.target).mean(-1).sum().backward()
    after, step = learner.step(chip.port(), batch, state, stream(0, "probes"))
    torch.testing.assert_close(after.knobs, state.knobs - 0.1 * leaf.grad)
    assert torch.equal(step.baseline.out, features)


def test_heads_of_their_own_answer_alone_and_know_their_gradient() -> None:
    loss = PerGroupLoss(CrossEntropy(), 2)
    out = torch.randn(2, 5, 6, generator=stream(0, "out"), dtype=F64).requires_grad_()
    target = torch.arange(5) % 3
    losses = loss.value(out, target)
    for part in range(2):
        own = CrossEntropy()(out[..., 3 * part : 3 * part + 3], target)
        torch.testing.assert_close(losses[..., part], own)
    (slope,) = torch.autograd.grad(losses.sum(), out)
    torch.testing.assert_close(loss.gradient(out, target), slope)


def network(learner: Any, **more: Any) -> Greedy:
    top = Descent(NodePerturbation(0.1), sgd(0.1), CrossEntropy())
    return Greedy((Block(2, learner, **more), Block(1, top)))


LAYERS = (dense(6, 12), grouped(12, 12, 3), dense(12, 3, linear=True))


def lessons(count: int) -> list[Batch]:
    generator = stream(0, "lessons")
    made = (torch.randn(16, 6, generator=generator, dtype=F64) for _ in range(count))
    return [Batch(x, x[:, :3].argmax(-1)) for x in made]


def replicated(estimator: Any = None, mirrors: WeightMirrors | None = None) -> ReplicatedHeads:
    nodes = estimator or NodePerturbation(0.2, probes=2)
    return ReplicatedHeads(nodes, sgd(0.1), sgd(0.1), CrossEntropy(), 3, groups=3, control_variate=mirrors)


def own() -> Descent:
    nodes = NodePerturbation(0.2, probes=2)
    return Descent(nodes, sgd(0.05), PerGroupLoss(CrossEntropy(), 3))


WAYS = {
    "replicated, nodes": network(replicated()),
    "replicated, mirrors": network(replicated(mirrors=WeightMirrors(estimate_weight=0.5, groups=3))),
    "replicated, weights": network(replicated(WeightPerturbation(0.05, probes=2))),
    "own": network(own(), head=grouped(12, 9, 3, linear=True)),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_a_function_of_its_measurements_without_autograd(way: str) -> None:
    with torch.inference_mode():
        port = Chip(Mismatched(), LAYERS, [1, 2], dtype=F64).port()
        check_learner(WAYS[way], port, lessons(3), lambda: stream(0, "probes"))


@pytest.mark.parametrize("way", sampled([w for w in WAYS if "weights" not in w], 3))
def test_groups_learn_in_place(way: str) -> None:
    port = Chip(Mismatched(), LAYERS, [1, 2], dtype=F64).port()
    losses = torch.stack([s.loss for _, s in fit(WAYS[way], port, lessons(500), stream(0, "probes"))])
    assert bool((losses[-50:].mean(0) < 0.7 * losses[:50].mean(0)).all())


def test_a_mixer_of_two_blocks_with_a_residual_learns_block_by_block() -> None:
    layers = local_mixer((1, 4, 4), 3, channels=8, side=2, groups=2, blocks=2, normalized=True)
    first = ReplicatedHeads(
        NodePerturbation(0.1, 4), adam(0.02), adam(0.02), CrossEntropy(), 3, groups=2, patches=4
    )
    greedy = Greedy(
        (
            Block(2, replace(first, control_variate=WeightMirrors(estimate_weight=0.5, groups=2, patches=4))),
            Block(
                3, replace(first, parts_per_layer=(4, 8, 8))
            ),  # a token's node reaches both groups of its patch
            Block(1, Descent(NodePerturbation(0.1), adam(0.02), CrossEntropy())),
        )
    )
    wires = residual(Chip(Mismatched(), layers, [1, 2], dtype=F64).port(), [Skip(2, 4)])
    generator = stream(0, "corners")
    made = (torch.rand(16, 2, 2, 2, 2, generator=generator, dtype=F64) for _ in range(100))
    corners = [Batch(x.flatten(1), x.mean((1, 3)).flatten(1)[:, :3].argmax(-1)) for x in made]
    losses = torch.stack([s.loss for _, s in fit(greedy, wires, corners, stream(0, "probes"))])
    assert bool((losses[-30:].mean(0) < 0.88 * losses[:10].mean(0)).all())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: heads(NodePerturbation(0.1), groups=0), "at least 1"),
        (lambda: heads(NodePerturbation(0.1), groups=4, parts_per_layer=(3, 4)), "do not divide 4 parts"),
        (lambda: heads(ActiveNodePerturbation(), groups=4, parts_per_layer=(1, 4)), "one by one"),
        (
            lambda: heads(WeightPerturbation(0.1), control_variate=WeightMirrors()),
            "predicts gradients at nodes",
        ),
        (lambda: WeightMirrors(decay=1.0), "0 <= decay < 1"),
        (lambda: heads(NodePerturbation(0.1), groups=3).init(Chip(Ideal(), PLAIN).spec), "3 parts do not"),
        (
            lambda: heads(NodePerturbation(0.1), parts_per_layer=(1,)).init(Chip(Ideal(), PLAIN).spec),
            "parts_per_layer has 1 entries, 2 layers are probed",
        ),
    ],
)
def test_bad_settings_are_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
