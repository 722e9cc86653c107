"""Feedback: it learns the way back through the read-out, and weighs examples."""

import pytest
import torch
from torch import Tensor

from analog import Probe, Reading, Spec, dense, grouped, stream, xray
from learners import CrossEntropy, Descent, Feedback, Gradient, NodePerturbation, ProbeResult, sgd
from learners.estimators.feedback import Pathway, reliability
from learners.local import PerGroupLoss
from tests.learners.estimators.drawn import drawn_step, entries
from tests.learners.estimators.still_chips import F64, lessons, trained


def test_feedback_learns_the_way_back_through_the_read_out() -> None:
    """On a chip that hardly moves it predicts every example's hidden gradient: the read-out, transposed."""
    learner = Descent(
        NodePerturbation(1e-5, probes=4),
        sgd(1e-9),
        CrossEntropy(),
        delta_rule=True,
        control_variate=Feedback(0.99),
    )
    chip, state = trained(learner, 300)
    batch, loss = lessons(1, "fresh")[0], CrossEntropy()
    out = chip.port().measure(batch.x)
    baseline = Reading(out.taps[:1])
    nothing = torch.zeros(16, 1)
    result = ProbeResult(batch.x, baseline, nothing, Probe(nodes=(None,)), baseline, nothing)
    slope = loss.gradient(out.out, batch.target)
    (memory,) = state.control_variates
    predicted = Feedback(0.99).predict(memory, chip.spec.span(0, 0), result, slope)
    (true, _) = xray.node_gradient(chip, batch.x, batch.target, loss)
    assert predicted.nodes is not None and predicted.nodes[0] is not None
    assert float((predicted.nodes[0] - true).norm()) < 1e-2 * float(true.norm())


def test_feedback_learns_under_losses_of_parts_too() -> None:
    """Each group of hidden neurons is taught by a head of its own; feedback leaves little to the probes."""
    layers = (dense(6, 8), grouped(8, 6, 2, linear=True))
    learner = Descent(
        NodePerturbation(1e-5, probes=4),
        sgd(1e-9),
        PerGroupLoss(CrossEntropy(), 2),
        control_variate=Feedback(0.99),
    )
    chip, state = trained(learner, 300, layers)
    batch = lessons(1, "fresh")[0]
    out = chip.port().measure(batch.x)
    nothing, baseline = torch.zeros(16, 2), Reading(out.taps[:1])
    result = ProbeResult(batch.x, baseline, nothing, Probe(nodes=(None,)), baseline, nothing)
    slope, (memory,) = learner.loss.gradient(out.out, batch.target), state.control_variates  # type: ignore
    predicted = Feedback(0.99).predict(memory, chip.spec.span(0, 0), result, slope)
    (true, _) = xray.node_gradient(chip, batch.x, batch.target, learner.loss)
    assert predicted.nodes is not None and predicted.nodes[0] is not None
    assert float((predicted.nodes[0] - true).norm()) < 2e-2 * float(true.norm())  # six outputs to regress on


def test_examples_weigh_as_their_innovation_varies() -> None:
    """Large gradients tell how innovation grows with their square, small ones its floor; chip by chip."""
    slope = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 4.0]], dtype=F64)
    strength = torch.tensor([1.0, 4.0, 9.0, 16.0], dtype=F64)
    floors = torch.tensor([[0.2, 2.0, 4.5, 8.0], [0.0, 4.0, 9.0, 16.0]], dtype=F64)  # of two chips
    change = torch.stack((floors.sqrt(), -floors.sqrt())).unsqueeze(-1)  # two probes
    made = reliability(change, slope.expand(2, 4, 2)).squeeze(-1)
    wanted = torch.stack((1 / (strength + 0.2 / 0.5), 1 / strength))
    torch.testing.assert_close(made, wanted)
    one = reliability(torch.ones(1, 1, 1, dtype=F64), torch.zeros(1, 2, dtype=F64))
    assert bool((torch.isfinite(one.square()) & (one > 0)).all())  # far from where products overflow


def active(spec: Spec, result: ProbeResult) -> list[Tensor]:
    taps = zip(spec.layers, result.baseline.taps, strict=True)
    return [torch.ones_like(tap) if layer.linear else (tap != 0).to(F64) for layer, tap in taps]


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("fleet", [(), (2,)], ids=str)
def test_the_sums_are_over_examples_where_a_unit_was_active_and_fade_with_every_step(
    fleet: tuple[int, ...], parts: int
) -> None:
    """Of squares at the outputs, by weights; by them and a ridge the way back follows the innovation."""
    state, variate = None, Feedback(0.75)
    for seed in (1, 2):
        spec, result, out, known = drawn_step(fleet, parts, seed)
        state = variate.init(spec, Spec((dense(3, 7),))) if state is None else state
        before, change = state, result.losses - result.baseline_losses
        state = variate.observe(state, spec, known, result, out, Gradient())
        weight = reliability(change, out)
        square = torch.einsum("...bj,...bk->...jk", weight * out, out)
        strength = torch.einsum("...bj,...bj->...b", weight * out, out)
        for at, (old, new, push) in enumerate(zip(before, state, entries(result.probe.nodes), strict=True)):
            on = active(spec, result)[at]
            torch.testing.assert_close(new.square, 0.75 * old.square + square)
            activity = 0.75 * old.activity + torch.einsum("...bi,...b->...i", on, strength)
            torch.testing.assert_close(new.activity, activity)
            assert float(new.samples) == 0.75 * float(old.samples) + 5 * 3
            own = change.repeat_interleave(push.shape[-1] // parts, -1)
            power = push.square().mean((0, -2, -1))[..., None, None]
            missing = torch.einsum("...bi,...bj->...ij", on * (own * push / power).mean(0), weight * out)
            ridge, was = ridges(new, push.shape[-1]), ridges(old, push.shape[-1]) if seed == 2 else 0.0
            missing = missing - (ridge - 0.75 * was) * old.back
            total = torch.einsum("...jj->...", new.square)[..., None, None]
            left = new.square + total * push.shape[-1] / new.samples * torch.eye(7, dtype=F64)
            share = new.activity.maximum(strength.sum(-1, keepdim=True)).unsqueeze(-1) / total
            torch.testing.assert_close(share * ((new.back - old.back) @ left), missing)


def ridges(path: Pathway, units: int) -> Tensor:
    """What each unit's own regression has for a ridge, (*fleet, units, 1)."""
    return path.activity.unsqueeze(-1) * units / path.samples


@pytest.mark.parametrize("fleet", [(), (2,)], ids=str)
def test_it_predicts_the_way_back_where_neurons_are_active(fleet: tuple[int, ...]) -> None:
    spec, result, out, _ = drawn_step(fleet)
    state = Feedback().init(spec, Spec((dense(3, 7),)))
    generator = stream(0, "back")
    drawn = (torch.randn(path.back.shape, generator=generator, dtype=F64) for path in state)
    state = tuple(path._replace(back=back) for path, back in zip(state, drawn, strict=True))
    found = entries(Feedback().predict(state, spec, result, out).nodes)
    for path, on, gradient in zip(state, active(spec, result), found, strict=True):
        torch.testing.assert_close(gradient, on * torch.einsum("...ij,...bj->...bi", path.back, out))


def test_what_was_not_probed_is_not_learned_of() -> None:
    spec, result, out, known = drawn_step()
    state = Feedback().init(spec, Spec((dense(3, 7),)))
    nodes = entries(result.probe.nodes)
    only = result._replace(probe=Probe(nodes=(None, nodes[1], None)))
    after = Feedback().observe(state, spec, known, only, out, Gradient())
    assert [a is b for a, b in zip(after, state, strict=True)] == [True, False, True]
    unknown = Gradient(nodes=(None, *entries(known.nodes)[1:]))
    after = Feedback().observe(state, spec, unknown, result, out, Gradient())
    assert after[0] is state[0] and after[1] is not state[1]


def test_nothing_weighs_less_than_nothing_or_more_than_can_be_squared() -> None:
    """Where the strong, or all, changed nothing; floors are means over all the weak."""
    slope = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]], dtype=F64)  # two are weak
    change = torch.tensor([[[1.0], [2.0], [3.0], [4.0], [5.0]]], dtype=F64)
    floor = (1 + 4) / 2
    torch.testing.assert_close(reliability(change, slope), 1 / (slope.square() + floor / 1.0))
    quiet = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0], dtype=F64).view(1, 5, 1)
    for changes, slopes in ((quiet, slope), (0 * quiet, slope), (quiet, 0 * slope), (0 * quiet, 0 * slope)):
        weight = reliability(changes, slopes)
        assert bool((torch.isfinite(weight.square()) & (weight >= 0)).all())
    torch.testing.assert_close(reliability(0 * quiet, slope), 1 / slope.square())
