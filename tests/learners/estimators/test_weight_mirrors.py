"""Weight mirrors: they show the wiring, and where they are true one probe tells the gradient."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Layer, Probe, Reading, dense, grouped, stream, xray
from analog.layers import channel_mixing
from learners import Gradient, NodePerturbation, ProbeResult
from learners.estimators import WeightMirrors
from learners.estimators.weight_mirrors import MirrorState
from learners.local import ReplicatedHeads
from tests.learners.estimators.drawn import drawn_step, entries
from tests.learners.local.one_head import F64, Every, given, heads, known, moved

PLAIN = (dense(3, 4), grouped(4, 4, 2))  # 8 nodes


WIDE = (dense(3, 6), grouped(6, 4, 2), grouped(4, 4, 2))  # 3, 2 and 2 nodes to a group, 14 in all


def seen_by(learner: ReplicatedHeads, layers: Sequence[Layer], identity: Any = 1) -> Any:
    """What mirrors hold after one step with every sign vector, on a chip that stays as it was."""
    chip = Chip(Ideal(), layers, identity, dtype=F64)
    port = chip.port()
    port.program(tuple(k.abs() for k in xray.knobs(chip)))
    batch = given(layers)
    return learner.step(port, batch, known(learner, chip.spec), stream(0, "probes"))[
        0
    ].block.control_variates[0]


@pytest.mark.parametrize("identity", [1, [1, 2]], ids=["chip", "fleet"])
def test_mirrors_show_the_wiring(identity: Any) -> None:
    """On a silent chip with active neurons: own slopes are 1, the others the weights of the next layer."""
    estimator = NodePerturbation(1e-6, 2**14, Every())
    images = seen_by(heads(estimator, groups=2, control_variate=WeightMirrors(groups=2)), WIDE, identity)
    weights = [k.abs()[..., :-1] for k in xray.knobs(Chip(Ideal(), WIDE, identity, dtype=F64))]
    for at, image in enumerate(images):
        torch.testing.assert_close(image.own, image.own_power, rtol=1e-6, atol=0.0)
        if at < 2:
            assert image.next is not None and image.next_power is not None
            torch.testing.assert_close(
                image.next / image.next_power, weights[at + 1].mT, rtol=1e-6, atol=1e-8
            )


@pytest.mark.parametrize("probes", [1, 3])
def test_where_mirrors_are_true_one_probe_tells_the_gradient(probes: int) -> None:
    every = heads(NodePerturbation(1e-6, 2**14, Every()), groups=2, control_variate=WeightMirrors(groups=2))
    images = seen_by(every, WIDE)
    few = heads(NodePerturbation(1e-6, probes), groups=2, control_variate=WeightMirrors(groups=2))
    changed, exact = moved(few, WIDE, mirrors=images)
    torch.testing.assert_close(changed, exact, atol=1e-5, rtol=1e-4)
    changed, _ = moved(heads(NodePerturbation(1e-6, probes), groups=2), WIDE)
    assert not torch.allclose(changed[0], exact[0], atol=0.1 * float(exact[0].abs().max()))


def test_true_or_not_mirrors_leave_the_mean_alone() -> None:
    learner = heads(NodePerturbation(1e-6, 2**8, Every()), groups=2, control_variate=WeightMirrors(groups=2))
    generator = stream(0, "false mirrors")
    false = tuple(
        MirrorState(
            *(
                None if t is None else torch.rand(t.shape, generator=generator, dtype=F64) + 0.5
                for t in mirror
            )
        )
        for mirror in seen_by(learner, PLAIN)
    )
    changed, exact = moved(learner, PLAIN, mirrors=false)
    torch.testing.assert_close(changed, exact, atol=1e-6, rtol=1e-5)


def test_mirrors_serve_all_patches() -> None:
    """Two patches, two groups: true mirrors leave nothing to the probes."""
    layers = (channel_mixing(2, 2, 4, 2), channel_mixing(2, 4, 4, 2))  # 4 nodes to a group, 16 in all
    images = seen_by(
        heads(
            NodePerturbation(1e-6, 2**16, Every()),
            groups=2,
            patches=2,
            control_variate=WeightMirrors(groups=2, patches=2),
        ),
        layers,
    )
    learner = heads(
        NodePerturbation(1e-6, 1), groups=2, patches=2, control_variate=WeightMirrors(groups=2, patches=2)
    )
    changed, exact = moved(learner, layers, mirrors=images)
    torch.testing.assert_close(changed, exact, atol=1e-5, rtol=1e-4)


def test_predictions_go_back_through_what_the_mirrors_show() -> None:
    """At the last nodes the gradient times their slope, below it the gradient above through the wiring."""
    layers, generator = (dense(3, 6), dense(6, 4), dense(4, 2)), stream(0, "shown")
    spec, variate = Chip(Ideal(), layers, 1, dtype=F64).spec, WeightMirrors()

    def drawn(like: torch.Tensor | None) -> Any:
        return None if like is None else torch.rand(like.shape, generator=generator, dtype=F64) + 0.5

    state = tuple(MirrorState(*map(drawn, mirror)) for mirror in variate.init(spec, spec))
    x, *taps = (torch.rand(5, n, generator=generator, dtype=F64) + 0.1 for n in (3, 6, 4, 2))
    taps[0][0, 1] = 0.0  # a neuron that is inactive
    out = torch.randn(5, 2, generator=generator, dtype=F64)
    reading, none = Reading(tuple(taps)), torch.zeros(5, 1, dtype=F64)
    result = ProbeResult(x, reading, none, Probe(), reading, none)
    found = variate.predict(state, spec, result, out).nodes
    assert found is not None
    slope = [(m.own / m.own_power).flatten() for m in state]
    wiring = [(m.next / m.next_power)[0] for m in state[:-1] if m.next is not None]
    middle = out @ wiring[1].mT
    first = (middle / slope[1]) @ wiring[0].mT * (taps[0] != 0)
    for told, right in zip(found, (first, middle, slope[2] * out), strict=True):
        torch.testing.assert_close(told, right)


def test_mirrors_see_how_taps_move_and_not_where_they_are() -> None:
    layers, generator = (dense(3, 4), dense(4, 4)), stream(0, "moves")
    spec, variate = Chip(Ideal(), layers, 1, dtype=F64).spec, WeightMirrors()
    x, *taps = (torch.rand(5, n, generator=generator, dtype=F64) + 1 for n in (3, 4, 4))
    pushes, moved = (
        tuple(torch.randn(3, 5, 4, generator=generator, dtype=F64) for _ in layers) for _ in range(2)
    )
    none = torch.zeros(5, 1, dtype=F64)

    def seen(offset: float) -> list[torch.Tensor]:
        before = Reading(tuple(tap + offset for tap in taps))
        after = Reading(tuple(tap + offset + move for tap, move in zip(taps, moved, strict=True)))
        result = ProbeResult(x, before, none, Probe(nodes=pushes), after, none)
        state = variate.observe(variate.init(spec, spec), spec, Gradient(), result, none, Gradient())
        return [field for mirror in state for field in mirror if field is not None]

    for here, there in zip(seen(0.0), seen(7.0), strict=True):
        torch.testing.assert_close(here, there)


@pytest.mark.parametrize("fleet", [(), (2,)], ids=str)
def test_mirrors_sum_over_examples_and_patches_where_both_ends_were_active(fleet: tuple[int, ...]) -> None:
    """By loops over chips, groups, patches and nodes; what is remembered fades, what is not probed stays."""
    variate, state = WeightMirrors(0.75, groups=1, patches=2), None
    for seed in (1, 2):
        spec, result, out, _ = drawn_step(fleet, seed=seed)
        state = variate.init(spec, spec) if state is None else state
        before = state
        state = variate.observe(state, spec, Gradient(), result, out, Gradient())
        pushes, taps = entries(result.probe.nodes), result.baseline.taps
        moved = [(a - b) for a, b in zip(result.probed.taps, taps, strict=True)]
        for at, (old, new) in enumerate(zip(before, state, strict=True)):
            sent = patches(pushes[at] * (taps[at] != 0))  # (..., patches, share)
            own = (sent * patches(moved[at])).sum((0, -3, -2))[..., None, None, :]
            torch.testing.assert_close(new.own, 0.75 * old.own + own)
            power = sent.square().sum((0, -3, -2))[..., None, None, :]
            torch.testing.assert_close(new.own_power, 0.75 * old.own_power + power)
            if at == 2:
                assert new.next is None and new.next_power is None
                continue
            shown, on = patches(moved[at + 1]), patches((taps[at + 1] != 0).to(F64))
            assert new.next is not None and new.next_power is not None
            assert old.next is not None and old.next_power is not None
            both = torch.einsum("k...bps,k...bpt->...st", sent, shown * on).unsqueeze(-3)
            torch.testing.assert_close(new.next, 0.75 * old.next + both)
            both = torch.einsum("k...bps,...bpt->...st", sent.square(), on).unsqueeze(-3)
            torch.testing.assert_close(new.next_power, 0.75 * old.next_power + both)
    only = result._replace(probe=Probe(nodes=(None, pushes[1], None)))
    after = variate.observe(state, spec, Gradient(), only, out, Gradient())
    assert [a is b for a, b in zip(after, state, strict=True)] == [True, False, True]


def patches(nodes: torch.Tensor) -> torch.Tensor:
    return nodes.unflatten(-1, (2, -1))


@pytest.mark.parametrize("lead", [(), (2,), (3, 2)], ids=str)
def test_groups_collect_their_nodes_of_all_patches_and_give_them_back(lead: tuple[int, ...]) -> None:
    """Nodes are ordered patch by patch, within a patch group by group."""
    variate = WeightMirrors(groups=2, patches=3)
    nodes = torch.randn(*lead, 5, 24, generator=stream(0, "split"), dtype=F64)
    split = variate._split(nodes)
    assert split.shape == (*lead, 2, 15, 4)
    for group, example, patch in ((0, 0, 0), (1, 2, 1), (1, 4, 2)):
        first = (2 * patch + group) * 4
        own = split[..., group, 3 * example + patch, :]
        assert torch.equal(own, nodes[..., example, first : first + 4])
    assert torch.equal(variate._join(split), nodes)
