"""Finite differences: one knob at a time, all of them the exact gradient, some of them without bias."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Reading, conv2d, dense, stream, xray
from learners import CrossEntropy, ProbeResult, alternatives, antithetic, check_estimator, one_sided, sgd
from learners.alternatives import FiniteDifferences
from learners.estimators import coordinates
from tests.learners.alternatives.rule import F64, TINY, labeled, told

LAYERS: dict[str, Any] = {
    "dense": (dense(4, 3), dense(3, 2, linear=True)),
    "convolution": (conv2d((1, 3, 3), 2, 2), dense(8, 2, linear=True)),
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=[*LAYERS])
@pytest.mark.parametrize("fleet", [1, (1, 2)])
@pytest.mark.parametrize(("central", "error"), [(False, 1e-4), (True, 1e-8)])
def test_all_knobs_together_tell_the_exact_gradient(
    layers: Any, fleet: Any, central: bool, error: float
) -> None:
    """But for what curvature leaves of forward differences, and the third derivative of central ones."""
    chip = Chip(Ideal(), layers, fleet, dtype=F64)
    batch = labeled(chip)
    exact = xray.knob_gradient(chip, batch.x, batch.target, CrossEntropy())
    learner = alternatives.finite_differences(CrossEntropy(), size=1e-5, central=central, update=sgd(TINY))
    for ours, wanted in zip(told(learner, chip, batch)[0], exact, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=error)


@pytest.mark.parametrize("scheme", [one_sided, antithetic])
def test_each_measurement_moves_one_knob_by_its_size(scheme: Any) -> None:
    spec = Chip(Ideal(), LAYERS["dense"], range(2), dtype=F64).spec
    probe, _ = FiniteDifferences(0.3, 5, scheme).ask(spec, torch.zeros(1, 4), Reading(()), stream(0))
    assert probe.knobs is not None
    moved = torch.cat([part.flatten(-3) for part in probe.knobs if part is not None], -1)
    assert moved.shape == (5 * (2 if scheme is antithetic else 1), 2, 23)
    assert torch.equal((moved != 0).sum(-1), torch.ones(moved.shape[:2], dtype=torch.int64))
    torch.testing.assert_close(moved.abs().sum(-1), torch.full(moved.shape[:2], 0.3, dtype=F64))


@pytest.mark.parametrize("knobs", [1, 4])
def test_some_knobs_have_the_variance_of_the_closed_form(knobs: int) -> None:
    """For 6,000 chips beside each other: each entry within 6 standard errors of a fourth moment."""
    count, generator = 6_000, stream(0, "finite differences", knobs)
    spec = Chip(Ideal(), (dense(3, 2, bias=False, linear=True),), 0, dtype=F64).spec
    spec = type(spec)(spec.layers, fleet=(count,), dtype=F64)
    estimator, x = FiniteDifferences(0.2, knobs), torch.zeros(1, 3, dtype=F64)
    probe, _ = estimator.ask(spec, x, Reading(()), generator)
    assert probe.knobs is not None and probe.knobs[0] is not None
    gradient = torch.tensor([1.0, -2.0, 0.5, 0.0, 1.5, -1.0], dtype=F64)
    losses = (probe.knobs[0].flatten(-3) @ gradient)[..., None, None]
    result = ProbeResult(x, Reading(()), losses[0] * 0, probe, Reading(()), losses)
    found = estimator.tell(spec, result).knobs
    assert found is not None and found[0] is not None
    estimates = found[0].flatten(-3)
    covariance = coordinates.covariance(gradient, knobs)
    errors = (covariance.diagonal() / count).sqrt()
    assert bool(((estimates.mean(0) - gradient).abs() <= 6 * errors).all())
    products = (estimates - gradient).unsqueeze(-1) * (estimates - gradient).unsqueeze(-2)
    allowed = 6 * products.std(0) / count**0.5
    assert bool(((products.mean(0) - covariance).abs() <= allowed + 1e-12).all())


def test_it_keeps_the_laws_of_unbiased_estimates() -> None:
    check_estimator(FiniteDifferences(0.1, 6, antithetic), stream(0, "finite differences"))


@pytest.mark.parametrize(
    ("settings", "says"), [({"size": 0.0}, "size is 0.0"), ({"knobs": 0}, "probes is 0")]
)
def test_settings_that_make_no_sense_are_refused(settings: Any, says: str) -> None:
    with pytest.raises(ValueError, match=rf"^FiniteDifferences: {says}, wanted"):
        FiniteDifferences(**{"size": 0.1, **settings})
