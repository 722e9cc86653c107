"""Estimates with a control variate: the mean stays, and the variance is that of the innovation."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from analog import Chip, Ideal, Probe, Reading, Spec, dense, stream
from learners import (
    Gradient,
    Loss,
    NodePerturbation,
    ProbeResult,
    SquaredError,
    WeightPerturbation,
    antithetic,
    leave_one_out,
    one_sided,
)
from learners.estimators.control_variates import ControlVariate
from learners.estimators.estimate import Estimate, estimate, judge_baseline, probe_span
from tests.signs import moments, signs

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


class Inverse(Loss):
    """1/out, infinite at 0, whose gradient nobody wrote."""

    def value(self, out: Tensor, target: object) -> Tensor:
        return 1 / out


def test_a_baseline_knows_the_gradient_at_the_outputs_just_where_its_loss_does() -> None:
    x, out = torch.ones(2, 1), torch.full((2, 1), 2.0)
    assert judge_baseline(Inverse(), x, None, Reading((out,))).output_gradient is None
    known = judge_baseline(SquaredError(), x, torch.zeros(2, 1), Reading((out,)))
    assert known.output_gradient is not None
    assert torch.equal(known.output_gradient, SquaredError().gradient(out, torch.zeros(2, 1)))


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ([1.0, 0.0, 2.0], "1 of 3 losses are NaN or infinite, of finite outputs"),
        ([float("nan"), 0.0, 2.0], "2 of 3 losses are NaN or infinite, of a reading that is not finite"),
    ],
)
def test_a_loss_that_is_not_finite_is_counted_and_laid_to_itself_or_to_the_reading(
    outputs: list[float], says: str
) -> None:
    reading = Reading((torch.tensor(outputs).unsqueeze(-1),))
    with pytest.raises(ValueError, match=says):
        _ = judge_baseline(Inverse(), torch.ones(3, 1), None, reading).losses


def test_finite_losses_whose_sum_overflows_are_taken() -> None:
    huge = judge_baseline(Inverse(), torch.ones(4, 1), None, Reading((torch.full((4, 1), 5e-39),)))
    assert not torch.isfinite(huge.losses.sum()) and torch.isfinite(huge.losses).all()


class Sloped(Inverse):
    """Whose gradient is what it is told to be."""

    def __init__(self, told: Tensor) -> None:
        self.told = told

    def gradient(self, out: Tensor, target: object) -> Tensor:
        return self.told


def test_a_gradient_is_refused_that_is_not_like_the_outputs_or_not_finite() -> None:
    reading = Reading((torch.ones(3, 2),))
    for told, says in (
        (torch.ones(3, 1), r"\(3, 1\) for outputs torch.float32 \(3, 2\); wanted the same"),
        (torch.ones(3, 2, dtype=F64), "gave a gradient torch.float64"),
        (torch.ones(3, 2) / 0, "6 of 6 entries of the gradient are NaN or infinite, of finite outputs"),
    ):
        with pytest.raises(ValueError, match=says):
            _ = judge_baseline(Sloped(told), torch.ones(3, 1), None, reading).output_gradient


@pytest.mark.parametrize("span", [(0, 0), (0, 2), (1, 1), (1, 2), (2, 2)], ids=str)
def test_what_probes_showed_is_of_the_layers_that_were_probed(span: tuple[int, int]) -> None:
    chip = Chip(Ideal(), (dense(3, 4), dense(4, 5), dense(5, 2, linear=True)), 1, dtype=F64)
    x = torch.randn(6, 3, generator=stream(0, "span"), dtype=F64)
    reading, (first, last) = chip.port().measure(x), span
    baseline = judge_baseline(SquaredError(), x, torch.zeros(6, 2, dtype=F64), reading)
    result = probe_span(NodePerturbation(0.1, 2), chip.port(), baseline, span, stream(0, "probes"))
    widths = [layer.features for layer in chip.spec.layers[first : last + 1]]
    assert [tuple(tap.shape) for tap in result.probed.taps] == [(2, 6, width) for width in widths]
    assert result.baseline.taps == reading.taps[first : last + 1] and result.out is reading.taps[last]
    assert result.x is (reading.taps[first - 1] if first else x)
    assert result._replace(baseline=Reading(())).out is None


def test_at_nodes_of_which_nothing_is_known_the_gradient_is_zero() -> None:
    spec = Spec((dense(3, 4), dense(4, 2)), fleet=(2,), dtype=F64)
    inputs, known = (torch.zeros(2, 5, 3), torch.zeros(2, 5, 4)), torch.ones(2, 5, 2, dtype=F64)
    for estimated, predicted in (
        (Gradient(nodes=(None, known)), None),
        (Gradient(), Gradient(nodes=(None, known))),
    ):
        told = Estimate(spec, inputs, None, estimated, 0.5, predicted).at_nodes()
        torch.testing.assert_close(told, (torch.zeros(2, 5, 4, dtype=F64), known))
