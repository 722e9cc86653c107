"""Feedback: it learns the way back through the read-out, and weighs examples."""

import torch

from analog import Probe, Reading, dense, grouped, xray
from learners import CrossEntropy, Descent, Feedback, NodePerturbation, ProbeResult, sgd
from learners.estimators.feedback import reliability
from learners.local import PerGroupLoss
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
