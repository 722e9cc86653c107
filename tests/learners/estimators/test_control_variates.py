"""Running means, and control variates that do not fit: what is learned, forgotten and refused."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Probe, Reading, Spec, dense, stream, xray
from learners import (
    CrossEntropy,
    Descent,
    Feedback,
    Gradient,
    Loss,
    NodePerturbation,
    ProbeResult,
    WeightPerturbation,
    fit,
    sgd,
)
from learners.estimators import KnobFeedback, RunningMean, WeightMirrors
from learners.estimators.control_variates import ControlVariate, predicted_change
from learners.estimators.feedback import reliability
from tests.learners.estimators.drawn import drawn_step, entries
from tests.learners.estimators.still_chips import F64, lessons, trained
from tests.signs import signs


def test_a_running_mean_learns_the_gradient_of_a_chip_that_hardly_moves() -> None:
    learner = Descent(
        WeightPerturbation(1e-6, probes=8),
        sgd(1e-9),
        CrossEntropy(),
        delta_rule=False,
        control_variate=RunningMean(0.99),
    )
    chip = Chip(Ideal(), (dense(6, 3, linear=True),), 1, dtype=F64)
    port, batch, generator = chip.port(), lessons(1)[0], stream(0, "mean")
    state = learner.init(chip.spec)
    for _ in range(1500):
        state, _ = learner.step(port, batch, state, generator)
    (wanted,) = xray.knob_gradient(chip, batch.x, batch.target, CrossEntropy())
    assert float((state.control_variates[0][0] - wanted).norm()) < 1e-3 * float(wanted.norm())


@pytest.mark.parametrize("decay", [0.2, 0.5, 0.8])
def test_a_running_mean_forgets_its_error_or_feeds_on_it(decay: float) -> None:
    """All signs: one step leaves decay^2 + (1 - decay)^2 (D - 1) of the squared error; 1 at (R-1)/(R+1)."""
    g, mean = torch.tensor([1.0, -2.0, 0.5, 0.3], dtype=F64), torch.tensor([0.5, 1.0, 0.0, -1.0], dtype=F64)
    v = signs(4)
    told = (v @ (g - mean)).unsqueeze(-1) * v
    nothing, before = ProbeResult(v, Reading(()), v, Probe(), Reading(()), v), (mean.expand(16, 4),)
    estimated = Gradient(knobs=(told,))
    (after,) = RunningMean(decay).observe(
        before, Spec((dense(1, 1),)), Gradient(knobs=before), nothing, None, estimated
    )
    left = float((after - g).square().sum(-1).mean() / (g - mean).square().sum())
    assert left == pytest.approx(decay**2 + (1 - decay) ** 2 * 3)
    assert (left < 1) is (decay > 2 / 4)


@pytest.mark.parametrize(
    "variate", [Feedback(estimate_weight=0.0), RunningMean(estimate_weight=0.0)], ids=str
)
def test_at_no_weight_of_estimates_only_predictions_count(variate: ControlVariate) -> None:
    """The first step predicts nothing, so nothing moves."""
    estimator = NodePerturbation(0.1) if variate.predicts_at == "nodes" else WeightPerturbation(0.1)
    learner = Descent(estimator, sgd(1.0), CrossEntropy(), delta_rule=False, control_variate=variate)
    chip = Chip(Ideal(), (dense(6, 8), dense(8, 3, linear=True)), 1, dtype=F64)
    before = xray.knobs(chip)
    list(fit(learner, chip.port(), lessons(1), stream(0, "nothing")))
    torch.testing.assert_close(xray.knobs(chip), before, rtol=0, atol=0)


class Unsloped(Loss):
    def value(self, out: Tensor, target: Any) -> Tensor:
        return out.square().sum(-1, keepdim=True)


def test_misfits_are_refused() -> None:
    with pytest.raises(ValueError, match="Feedback.* needs a loss with a gradient"):
        Descent(NodePerturbation(0.1), sgd(0.1), Unsloped(), control_variate=Feedback())
    for estimator, variate, says in (
        (WeightPerturbation(0.1), Feedback(), "predicts gradients at nodes, the probes of .* enter at knobs"),
        (
            NodePerturbation(0.1),
            RunningMean(),
            "predicts gradients at knobs, the probes of .* enter at nodes",
        ),
        (NodePerturbation(0.1), WeightMirrors(), "1 of 2 layers are probed together, wanted all"),
    ):
        with pytest.raises(ValueError, match=says):
            trained(Descent(estimator, sgd(0.1), CrossEntropy(), control_variate=variate), 1)
    for kind in (Feedback, RunningMean):
        with pytest.raises(ValueError, match="decay is 1"):
            kind(decay=1.0)
        with pytest.raises(ValueError, match="estimate_weight is 1.5"):
            kind(estimate_weight=1.5)


def step(batch: int = 5, probes: int = 3) -> tuple[Spec, ProbeResult, Tensor]:
    """Two layers of 4 nodes and what one step of probes showed of them, all of it drawn."""
    spec, generator = Spec((dense(2, 4), dense(4, 4)), dtype=F64), stream(0, "step")
    x, out = (torch.randn(batch, n, generator=generator, dtype=F64) for n in (2, 4))
    taps, moved, pushes = (
        tuple(torch.randn(*lead, batch, 4, generator=generator, dtype=F64) for _ in spec.layers)
        for lead in ((), (probes,), (probes,))
    )
    low, losses = (torch.rand(*lead, batch, 1, generator=generator, dtype=F64) for lead in ((), (probes,)))
    return spec, ProbeResult(x, Reading(taps), low, Probe(nodes=pushes), Reading(moved), losses), out


@pytest.mark.parametrize("kind", [Feedback, WeightMirrors], ids=str)
def test_what_is_remembered_fades_by_the_decay_with_every_step(kind: Any) -> None:
    """After a second step like the first, sums are 1 + decay times those of one; of a layer left alone 1."""
    spec, result, out = step()
    variate = kind(0.75)
    nothing = Gradient(nodes=tuple(torch.zeros_like(tap) for tap in result.baseline.taps))

    def after(state: Any, result: ProbeResult) -> Any:
        return variate.observe(state, spec, nothing, result, out, nothing)

    once = after(variate.init(spec, spec), result)
    twice = after(once, result)
    for one, two in zip(once, twice, strict=True):
        for name in set(one._fields) - {"back"}:
            if getattr(one, name) is not None:
                assert float(getattr(one, name).abs().max()) > 0
                torch.testing.assert_close(getattr(two, name), 1.75 * getattr(one, name))
    alone = result._replace(probe=Probe(nodes=(None, result.probe.nodes[1])))  # type: ignore[index]
    assert after(once, alone)[0] is once[0] and after(once, alone)[1] is not once[1]
    if kind is Feedback:
        assert all(float(path.samples) == 5 * 3 for path in once)


def test_the_way_back_is_a_ridge_regression_whose_ridge_is_the_variance_of_the_probes() -> None:
    """It is the mean square at the outputs times units times outputs over samples, of fading sums."""
    variate = Feedback(0.75)
    spec, _, _ = step()
    paths, regressions = variate.init(spec, spec), [(0.0, 0.0, 0.0)] * 2  # products, squares and samples
    for batch in (7, 3, 5):
        _, result, out = step(batch)
        predicted = variate.predict(paths, spec, result, out)
        weight = reliability(result.losses - result.baseline_losses, out)
        found = [
            known + gradient for known, gradient in zip(predicted.nodes or (), told(result), strict=True)
        ]
        regressions = [
            (
                0.75 * product + gradient.mT @ (weight * out),
                0.75 * square + (weight * out).mT @ out,  # all units were active
                0.75 * samples + batch * 3,
            )
            for (product, square, samples), gradient in zip(regressions, found, strict=True)
        ]
        paths = variate.observe(paths, spec, predicted, result, out, predicted)
        for path, (product, square, samples) in zip(paths, regressions, strict=True):
            torch.testing.assert_close(path.square, square)
            ridge = square.diagonal().mean() * 4 * 4 / samples
            torch.testing.assert_close(path.back @ (square + ridge * torch.eye(4, dtype=F64)), product)


def told(result: ProbeResult) -> list[Tensor]:
    """What probes say of the gradient at the nodes of each layer, (batch, nodes)."""
    change = result.losses - result.baseline_losses
    pushes = result.probe.nodes or ()
    return [(change * push).mean(0) / push.square().mean() for push in pushes]  # type: ignore[union-attr]


def test_what_feedback_learns_of_a_seldom_active_unit_does_not_overshoot() -> None:
    """A unit that was active in one example of seven: what is predicted of that example nears the truth."""
    spec, result, out = step(batch=7)
    signs = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=F64)
    push = signs.unsqueeze(1).expand(4, 7, 4)
    active = torch.tensor([0.0] * 3 + [1.0] + [0.0] * 3, dtype=F64).unsqueeze(-1).expand(7, 4)
    true = active * (out @ torch.randn(4, 4, generator=stream(0, "back"), dtype=F64))
    losses = result.baseline_losses + (push * true).sum(-1, keepdim=True)
    seldom = result._replace(
        baseline=Reading((active, active)), probe=Probe(nodes=(push, None)), losses=losses
    )
    variate, nothing = Feedback(), Gradient(nodes=(torch.zeros_like(true),) * 2)
    path, _ = variate.observe(variate.init(spec, spec), spec, nothing, seldom, out, nothing)
    predicted = (active * (out @ path.back.mT))[3]
    assert bool((predicted / true[3] > 0).all() and (predicted / true[3] < 1).all())


def test_what_feedback_remembers_does_not_grow_as_units_times_the_square_of_outputs() -> None:
    spec = Spec((dense(2, 30), dense(30, 20, linear=True)), fleet=(3,))
    path, _ = Feedback().init(spec, spec)
    assert [tuple(field.shape) for field in path] == [(3, 30, 20), (3, 30), (3, 20, 20), ()]


def test_a_running_mean_keeps_what_was_not_probed() -> None:
    spec, result, _ = step()
    before = tuple(torch.rand(shape, dtype=F64, generator=stream(0, "mean")) for shape in spec.shapes)
    for estimate in (Gradient(), Gradient(knobs=(None, None))):
        after = RunningMean(0.5).observe(before, spec, Gradient(knobs=before), result, None, estimate)
        torch.testing.assert_close(after, before)
    nothing = RunningMean(0.5).init(spec, spec)
    assert all(float(mean.abs().max()) == 0 for mean in nothing)


def test_settings_out_of_range_are_refused_and_their_ends_are_not() -> None:
    for kind in (Feedback, KnobFeedback, RunningMean, WeightMirrors):
        for decay, weight in ((0.0, 0.0), (0.0, 1.0), (0.999, 0.5)):
            kind(decay, weight)
        for decay, weight in ((-0.1, 1.0), (1.0, 1.0), (0.5, -0.1), (0.5, 1.1), (float("nan"), 1.0)):
            with pytest.raises(ValueError, match=f"^{kind.__name__}: "):
                kind(decay, weight)
    for groups, patches in ((0, 1), (1, 0), (-1, 2)):
        with pytest.raises(ValueError, match="wanted at least 1"):
            WeightMirrors(groups=groups, patches=patches)
    spec = Spec((dense(2, 4), dense(4, 6)), dtype=F64)
    WeightMirrors(groups=2).init(spec, spec)
    for groups, patches in ((4, 1), (1, 4), (2, 2), (3, 1)):
        with pytest.raises(ValueError, match="do not divide layers"):
            WeightMirrors(groups=groups, patches=patches).init(spec, spec)


@pytest.mark.parametrize("fleet", [(), (2,)], ids=str)
def test_the_change_of_a_loss_is_predicted_by_what_its_own_nodes_or_all_knobs_are_sent(
    fleet: tuple[int, ...],
) -> None:
    """Layer by layer; nothing is expected where nothing is known, or nothing was sent."""
    spec, result, _, known = drawn_step(fleet)
    pushes, slopes = entries(result.probe.nodes), entries(known.nodes)
    shares = [(p * g).unflatten(-1, (2, -1)).sum(-1) for p, g in zip(pushes, slopes, strict=True)]
    torch.testing.assert_close(predicted_change(known, result.probe, 2), sum(shares))
    generator = stream(0, "knobs")
    offsets = tuple(torch.randn(3, *shape, generator=generator, dtype=F64) for shape in spec.shapes)
    gradients = tuple(torch.randn(shape, generator=generator, dtype=F64) for shape in spec.shapes)
    sums = [(o * g).sum((-3, -2, -1))[..., None, None] for o, g in zip(offsets, gradients, strict=True)]
    torch.testing.assert_close(predicted_change(Gradient(knobs=gradients), Probe(knobs=offsets)), sum(sums))
    some = Gradient(nodes=(None, *slopes[1:])), Probe(nodes=(*pushes[:2], None))
    torch.testing.assert_close(predicted_change(*some, 2), shares[1])
    some = Gradient(knobs=(None, *gradients[1:])), Probe(knobs=(*offsets[:2], None))
    torch.testing.assert_close(predicted_change(*some), sums[1])


class AtNodes(RunningMean):
    @property
    def predicts_at(self) -> Any:
        return "nodes"


def test_a_control_variate_needs_all_taps_unless_losses_alone_tell_it_of_knobs() -> None:
    spec = Spec((dense(2, 4), dense(4, 4)), dtype=F64)
    assert RunningMean().needs(spec).level == "loss"
    for variate in (Feedback(), KnobFeedback(), WeightMirrors(), AtNodes()):
        assert variate.needs(spec).level == "taps"
    Descent(WeightPerturbation(0.1), sgd(0.1), Unsloped(), control_variate=RunningMean())
