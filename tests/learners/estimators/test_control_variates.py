"""Control variates: unbiased whatever they foresee, and the better they foresee the less variance is left."""

from dataclasses import dataclass
from typing import Any
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from analog import Chip
from analog import Ideal
from analog import Probe
from analog import Reading
from analog import Spec
from analog import dense
from analog import grouped
from analog import stream
from analog import xray
from learners import Batch
from learners import CrossEntropy
from learners import Descent
from learners import Feedback
from learners import Gradient
from learners import Loss
from learners import NodePerturbation
from learners import ProbeResult
from learners import WeightPerturbation
from learners import antithetic
from learners import fit
from learners import leave_one_out
from learners import one_sided
from learners import sgd
from learners.estimators import RunningMean
from learners.estimators import WeightMirrors
from learners.estimators.control_variates import ControlVariate
from learners.estimators.estimate import estimate
from learners.estimators.feedback import reliability
from learners.local import PerGroupLoss
from tests.signs import moments
from tests.signs import signs

F64 = torch.float64


@dataclass(frozen=True)
class Known(ControlVariate[None]):
    """Always predicts the same gradient."""

    gradient: Gradient
    estimate_weight: float = 1.0

    @property
    def predicts_at(self) -> Literal["nodes", "knobs"]:
        return "nodes" if self.gradient.knobs is None else "knobs"

    def init(self, spec: Spec, whole: Spec) -> None:
        return None

    def predict(self, *known: Any) -> Gradient:
        return self.gradient

    def observe(self, *known: Any) -> None:
        return None


NUMBERS = st.floats(-2, 2, width=32).map(lambda v: round(v, 3))


def spread(g: Tensor) -> Tensor:
    """Covariance of (g.v) v for signs: |g|^2 I + g g' - 2 diag(g^2)."""
    return g.square().sum() * torch.eye(len(g), dtype=F64) + torch.outer(g, g) - 2 * torch.diag(g**2)


@given(g=arrays(float, 4, elements=NUMBERS), c=arrays(float, 4, elements=NUMBERS), shift=st.floats(-2, 2))
@pytest.mark.parametrize("scheme", [one_sided, antithetic, leave_one_out], ids=str)
def test_at_knobs_the_mean_stays_and_the_variance_is_that_of_the_innovation(
    scheme: Any, g: object, c: object, shift: float
) -> None:
    """All signs of all directions: mean g, and ghat - c spreads as an estimate of g - c does."""
    slope, known = torch.tensor(g, dtype=F64), torch.tensor(c, dtype=F64)
    count = 2 if scheme is leave_one_out else 1
    v = signs(4 * count).view(-1, count, 1, 2, 2).transpose(0, 1)  # (K, fleet, tiles, rows, cols)
    spec = Spec((dense(2, 2, bias=False, linear=True),), fleet=(v.shape[1],), dtype=F64)
    estimator = WeightPerturbation(0.5, count, scheme=scheme)
    probe, blank = (
        Probe(knobs=(scheme.perturbations(v) * 0.5,)),
        torch.full((v.shape[1], 1, 1), shift, dtype=F64),
    )

    def told(slope: Tensor, known: Tensor) -> Tensor:
        variate = Known(Gradient(knobs=(known.view(1, 2, 2).expand(v.shape[1], 1, 2, 2),)))
        losses = (probe.knobs[0] * slope.view(1, 2, 2)).sum((-3, -2, -1))[..., None, None] + shift  # type: ignore
        result = ProbeResult(torch.zeros(1, 2, dtype=F64), Reading(()), blank, probe, Reading(()), losses)
        return estimate(estimator, spec, result, variate)[0].at_knobs()[0].flatten(1)

    mean, covariance = moments(told(slope, known))
    torch.testing.assert_close(mean, slope, rtol=0, atol=5e-13)
    bare = moments(told(slope - known, 0 * known))[1]
    torch.testing.assert_close(covariance, bare, rtol=0, atol=5e-12)
    if scheme is one_sided:
        torch.testing.assert_close(covariance, spread(slope - known), rtol=0, atol=5e-12)


@given(d=arrays(float, (2, 2), elements=NUMBERS), c=arrays(float, (2, 2), elements=NUMBERS))
def test_at_nodes_each_example_has_a_predicted_gradient_of_its_own(d: object, c: object) -> None:
    """Mean mean_n(d x') and covariance sum_n spread(d_n - c_n) (x) x x' / N^2, over all signs."""
    slopes, known = torch.tensor(d, dtype=F64), torch.tensor(c, dtype=F64)
    x = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=F64)
    v = signs(4).view(1, 16, 2, 2)
    spec = Spec((dense(2, 2, bias=False, linear=True),), fleet=(16,), dtype=F64)
    probe, variate = Probe(nodes=(v * 0.1,)), Known(Gradient(nodes=(known.expand(16, 2, 2),)))
    losses = (v * 0.1 * slopes).sum(-1, keepdim=True)
    baseline = Reading((torch.ones(16, 2, 2, dtype=F64),))
    result = ProbeResult(x, baseline, torch.zeros(16, 2, 1, dtype=F64), probe, baseline, losses)
    both, _ = estimate(NodePerturbation(0.1), spec, result, variate)
    mean, covariance = moments(both.at_knobs()[0].flatten(1))
    torch.testing.assert_close(mean, (slopes.T @ x / 2).flatten(), rtol=0, atol=5e-13)
    left = slopes - known
    wanted = sum(torch.kron(spread(left[n]), torch.outer(x[n], x[n])) for n in range(2)) / 4
    torch.testing.assert_close(covariance, wanted, rtol=0, atol=5e-12)
    torch.testing.assert_close(both.at_nodes()[0].mean(0), slopes, rtol=0, atol=5e-13)


@given(d=arrays(float, 4, elements=NUMBERS), c=arrays(float, 4, elements=NUMBERS))
def test_the_loss_of_every_part_is_predicted_by_what_its_own_nodes_are_sent(d: object, c: object) -> None:
    """Two parts of two nodes, all signs: a part's covariance is that of its own innovation alone."""
    slope, known = torch.tensor(d, dtype=F64), torch.tensor(c, dtype=F64)
    v = signs(4).view(1, 16, 1, 4)
    spec = Spec((dense(1, 4, bias=False, linear=True),), fleet=(16,), dtype=F64)
    probe, variate = Probe(nodes=(v * 0.1,)), Known(Gradient(nodes=(known.expand(16, 1, 4),)))
    losses = (v * 0.1 * slope).unflatten(-1, (2, 2)).sum(-1)
    baseline = Reading((torch.ones(16, 1, 4, dtype=F64),))
    x, low = torch.ones(1, 1, dtype=F64), torch.zeros(16, 1, 2, dtype=F64)
    result = ProbeResult(x, baseline, low, probe, baseline, losses)
    told = estimate(NodePerturbation(0.1), spec, result, variate)[0].at_nodes()[0]
    mean, covariance = moments(told.squeeze(1))
    torch.testing.assert_close(mean, slope, rtol=0, atol=5e-13)
    wanted = torch.block_diag(spread(slope[:2] - known[:2]), spread(slope[2:] - known[2:]))
    torch.testing.assert_close(covariance, wanted, rtol=0, atol=5e-12)


def lessons(count: int, rate: str = "lessons") -> list[Batch]:
    generator = stream(0, rate)
    return [
        Batch(
            torch.randn(16, 6, generator=generator, dtype=F64),
            torch.randint(0, 3, (16,), generator=generator),
        )
        for _ in range(count)
    ]


def trained(learner: Descent, steps: int, layers: Any = None) -> tuple[Chip[Any], Any]:
    chip = Chip(Ideal(), layers or (dense(6, 8), dense(8, 3, linear=True)), 1, dtype=F64)
    port, state = chip.port(), learner.init(chip.spec)
    generator = stream(0, "control")
    for batch in lessons(steps):
        state, _ = learner.step(port, batch, state, generator)
    return chip, state


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
def test_at_no_weight_of_estimates_only_predictions_count(variate: ControlVariate[Any]) -> None:
    """The first step predicts nothing, so nothing moves."""
    estimator = NodePerturbation(0.1) if variate.predicts_at == "nodes" else WeightPerturbation(0.1)
    learner = Descent(estimator, sgd(1.0), CrossEntropy(), delta_rule=False, control_variate=variate)
    chip = Chip(Ideal(), (dense(6, 8), dense(8, 3, linear=True)), 1, dtype=F64)
    before = xray.knobs(chip)
    list(fit(learner, chip.port(), lessons(1), stream(0, "nothing")))
    torch.testing.assert_close(xray.knobs(chip), before, rtol=0, atol=0)


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
    assert bool(torch.isfinite(one).all())


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
