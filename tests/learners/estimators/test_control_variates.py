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
from learners.estimators import RunningMean, WeightMirrors
from learners.estimators.control_variates import ControlVariate
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
