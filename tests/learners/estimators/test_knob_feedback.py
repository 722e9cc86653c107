"""Feedback that probes at knobs teach: it learns the way back, and leaves the estimate's mean alone."""

import itertools

import pytest
import torch

from analog import Chip, Ideal, Probe, Reading, Spec, dense, grouped, stream, xray
from learners import CrossEntropy, Descent, Feedback, Gradient, ProbeResult, WeightPerturbation, sgd
from learners.estimators import KnobFeedback
from learners.estimators.control_variates import predicted_change
from learners.estimators.estimate import estimate
from learners.estimators.feedback import _found
from learners.estimators.knob_feedback import _evened, node_push
from learners.losses import Loss
from tests.learners.estimators.drawn import drawn_step, entries
from tests.learners.estimators.still_chips import F64, lessons, trained


def test_probes_at_knobs_teach_the_way_back_through_the_read_out() -> None:
    """On a chip that hardly moves the gradient is predicted: hidden gradients through the read-out."""
    feedback = KnobFeedback(0.99)
    learner = Descent(WeightPerturbation(1e-5, 8), sgd(1e-9), CrossEntropy(), control_variate=feedback)
    chip, state = trained(learner, 400)
    batch, loss = lessons(1, "fresh")[0], CrossEntropy()
    out = chip.port().measure(batch.x)
    nothing, alone = torch.zeros(16, 1, dtype=F64), Reading(out.taps[:1])
    result = ProbeResult(batch.x, alone, nothing, Probe(knobs=(None,)), alone, nothing)
    slope = loss.gradient(out.out, batch.target)
    (memory,) = state.control_variates
    predicted = feedback.predict(memory, chip.spec.span(0, 0), result, slope)
    true, _ = xray.knob_gradient(chip, batch.x, batch.target, loss)
    assert predicted.knobs is not None and predicted.knobs[0] is not None
    assert float((predicted.knobs[0] - true).norm()) < 3e-2 * float(true.norm())


def test_a_push_at_knobs_is_that_push_at_the_nodes() -> None:
    """On an ideal chip a probe of knobs and the pushes that it comes to at the nodes read alike."""
    chip = Chip(Ideal(), (dense(6, 8), grouped(8, 6, 2, linear=True)), (1, 2), dtype=F64)
    generator, x = stream(0, "push"), lessons(1)[0].x
    shape = chip.spec.shapes[0]
    knobs = torch.randn(3, *shape, generator=generator, dtype=F64)
    pushes = node_push(chip.spec.layers[0], knobs, x)
    at_knobs = xray.respond(chip, x, Probe(knobs=(knobs, None))).out
    torch.testing.assert_close(xray.respond(chip, x, Probe(nodes=(pushes, None))).out, at_knobs)


class Linear(Loss):
    """A loss that is linear in the outputs, so that enumeration is exact."""

    def value(self, out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (out * target).sum(-1, keepdim=True)

    def gradient(self, out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return target.expand_as(out)


def test_whatever_it_predicts_the_mean_estimate_stays_the_gradient() -> None:
    """Over all 2^6 signs of a linear chip's knobs, with a memory of nonsense: the gradient to rounding."""
    chip = Chip(Ideal(), (dense(2, 2, linear=True),), 1, dtype=F64)
    generator, loss = stream(0, "mean"), Linear()
    x, target = (torch.randn(4, 2, generator=generator, dtype=F64) for _ in range(2))
    feedback, estimator = KnobFeedback(0.9), WeightPerturbation(1e-3, 1)
    state = tuple(
        path._replace(back=torch.randn(path.back.shape, generator=generator, dtype=F64))
        for path in feedback.init(chip.spec, chip.spec)
    )
    baseline = xray.respond(chip, x)
    found = []
    for signs in itertools.product((-1.0, 1.0), repeat=6):
        probe = Probe(knobs=(1e-3 * torch.tensor(signs, dtype=F64).view(1, 1, 2, 3),))
        probed = xray.respond(chip, x, probe)
        result = ProbeResult(
            x, baseline, loss.value(baseline.out, target), probe, probed, loss.value(probed.out, target)
        )
        told, _ = estimate(estimator, chip.spec, result, feedback, state, loss.gradient(baseline.out, target))
        found.append(told.at_knobs()[0])
    (true,) = xray.knob_gradient(chip, x, target, loss)
    torch.testing.assert_close(torch.stack(found).mean(0), true, rtol=1e-9, atol=1e-9)
    assert float(torch.stack(found).var(0).mean()) > 1e-3  # it is by their mean that they agree


@pytest.mark.parametrize("fleet", [(), (2,)], ids=str)
def test_each_example_is_divided_by_its_own_power_and_one_that_was_not_pushed_tells_nothing(
    fleet: tuple[int, ...],
) -> None:
    generator = stream(0, "own power", *fleet)
    push = torch.randn(3, *fleet, 5, 4, generator=generator, dtype=F64)
    push = push / push.square().mean((0, -1), keepdim=True).sqrt()
    push = push * torch.tensor([1e-3, 0.5, 0.7, 1.0, 0.0], dtype=F64).unsqueeze(-1)
    change = torch.randn(3, *fleet, 5, 1, generator=generator, dtype=F64)
    wanted = (change * push).mean(0) * torch.tensor([0.5e6, 4.0, 1 / 0.49, 1.0, 0.0], dtype=F64).unsqueeze(-1)
    torch.testing.assert_close(_found(change, _evened(push)), wanted, rtol=1e-5, atol=0.0)
    silent = torch.zeros(3, *fleet, 5, 4, dtype=F64)
    assert torch.equal(_found(change, _evened(silent)), silent[0])


@pytest.mark.parametrize("fleet", [(), (2,)], ids=str)
def test_it_learns_as_feedback_of_the_pushes_that_its_probes_come_to(fleet: tuple[int, ...]) -> None:
    """Of each example's own innovation: off the losses was taken what all of them together led to expect."""
    spec, result, out, _ = drawn_step(fleet)
    variate, generator = KnobFeedback(0.75), stream(0, "knobs", *fleet)
    state = tuple(
        path._replace(back=torch.randn(path.back.shape, generator=generator, dtype=F64))
        for path in variate.init(spec, Spec((dense(3, 7),)))
    )
    knobs = tuple(torch.randn(3, *shape, generator=generator, dtype=F64) for shape in spec.shapes)
    result = result._replace(probe=Probe(knobs=knobs))
    predicted = variate.predict(state, spec, result, out)
    innovation = result._replace(losses=result.losses - predicted_change(predicted, result.probe))
    after = variate.observe(state, spec, predicted, innovation, out, Gradient())
    at_nodes = Feedback(0.75).predict(state, spec, result, out)
    layers = zip(spec.layers, knobs, result.inputs, strict=True)
    pushes = tuple(layer.scatter(layer.gather(x) @ dw.mT) for layer, dw, x in layers)
    own = sum(
        (push * c).sum(-1, keepdim=True) for push, c in zip(pushes, entries(at_nodes.nodes), strict=True)
    )
    even = Probe(nodes=tuple(map(_evened, pushes)))
    induced = result._replace(probe=even, losses=result.losses - own)
    wanted = Feedback(0.75).observe(state, spec, at_nodes, induced, out, Gradient())
    for path, right in zip(after, wanted, strict=True):
        torch.testing.assert_close(path, right)
    only = result._replace(probe=Probe(knobs=(None, knobs[1], None)))
    after = variate.observe(state, spec, predicted, only, out, Gradient())
    assert [a is b for a, b in zip(after, state, strict=True)] == [True, False, True]
