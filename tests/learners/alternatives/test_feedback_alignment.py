"""Feedback alignment: exact by the chip's own weights, direct with one hidden layer."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Mismatched, dense, stream, xray
from learners import CrossEntropy, alternatives, evaluate, fit, sgd
from learners.alternatives import DirectFeedbackAlignment, FeedbackAlignment
from learners.data import batches, load_data
from tests.learners.alternatives.rule import F64, TINY, labeled, told

DEEP = (dense(6, 5), dense(5, 4), dense(4, 3, linear=True))


@pytest.mark.parametrize("fleet", [1, (1, 2)])
def test_by_the_true_weights_its_gradient_is_exact(fleet: Any) -> None:
    chip = Chip(Ideal(), DEEP, fleet, dtype=F64)
    batch, learner = labeled(chip), FeedbackAlignment(sgd(TINY), CrossEntropy())
    wiring = tuple(k.squeeze(-3)[..., :-1].mT for k in xray.knobs(chip)[1:])  # without the biases
    state = learner.init(chip.spec)._replace(feedback=wiring)
    exact = xray.knob_gradient(chip, batch.x, batch.target, CrossEntropy())
    for ours, wanted in zip(told(learner, chip, batch, state)[0], exact, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-6, atol=1e-9)


def test_with_one_hidden_layer_it_is_direct_feedback_alignment() -> None:
    ends = []
    for kind in (FeedbackAlignment, DirectFeedbackAlignment):
        chip = Chip(Mismatched(), (dense(6, 5), dense(5, 3, linear=True)), range(2))
        list(fit(kind(sgd(0.1), CrossEntropy()), chip.port(), [labeled(chip)] * 3, stream(0)))
        ends.append(xray.knobs(chip))
    assert all(map(torch.equal, *ends))


def test_the_layer_below_the_read_out_hears_the_error_through_its_matrix_alone() -> None:
    chip = Chip(Ideal(), DEEP, 1, dtype=F64)
    batch = labeled(chip)
    gradient, (reading,), state = told(FeedbackAlignment(sgd(TINY), CrossEntropy()), chip, batch)
    error = CrossEntropy().gradient(reading.out, batch.target)
    second = (error @ state.feedback[1].mT) * (reading.taps[1] != 0)
    first = (second @ state.feedback[0].mT) * (reading.taps[0] != 0)
    bias = batch.x.new_ones(16, 1)
    for ours, nodes, inputs in zip(
        gradient, (first, second, error), (batch.x, *reading.taps[:-1]), strict=True
    ):
        wanted = nodes.mT @ torch.cat((inputs, bias), -1) / 16
        torch.testing.assert_close(ours.squeeze(-3), wanted, rtol=1e-6, atol=1e-9)


def test_it_teaches_digits() -> None:
    data = load_data("digits")
    chip = Chip(Mismatched(), (dense(64, 32), dense(32, 10, linear=True)), (0, 1))
    learner = alternatives.feedback_alignment(CrossEntropy(), steps=110)
    list(fit(learner, chip.port(), batches(data.train, 64, 5, stream(0, "data")), stream(0)))
    assert float(evaluate(chip.port(), data.test).min()) > 0.85
