"""SPSA: the estimate of Spall under every sign vector, its mean and its variance by the closed form."""

from dataclasses import replace
from typing import Any

import torch

from analog import Reading, dense, stream
from learners import CrossEntropy, alternatives, rademacher, sgd
from tests.estimates import Dealt, estimated_by, fleet_spec
from tests.signs import moments, signs

F64 = torch.float64


def test_its_mean_on_a_quadratic_is_the_gradient_and_its_variance_the_closed_form() -> None:
    """All 2^6 sign vectors, one for each of as many chips; c is large, and curvature leaves no trace."""
    rows, generator = signs(6), stream(0, "spsa")
    spec = fleet_spec(rows, dense(2, 2, bias=False), dense(2, 1, bias=False, linear=True))
    gradient = torch.randn(6, generator=generator, dtype=F64)
    hessian = torch.randn(6, 6, generator=generator, dtype=F64)
    learner: Any = alternatives.spsa(CrossEntropy(), size=0.7, probes=1, update=sgd(0.1))
    estimator = replace(learner.estimator, distribution=Dealt(rows))
    x, nothing = torch.zeros(1, 2, dtype=F64), Reading(())
    probe, _ = estimator.ask(spec, x, nothing, generator)
    w = torch.cat([k.flatten(-3) for k in probe.knobs], -1)  # (2, 64, 6)
    assert torch.equal(w, 0.7 * torch.stack((rows, -rows)))
    losses = (w @ gradient + torch.einsum("...i,ij,...j->...", w, hessian, w)).unsqueeze(-1)
    told = estimated_by(estimator, spec, probe, x, nothing, losses, losses[0] * 0)
    estimates = torch.cat([k.flatten(-3) for k in told], -1)
    torch.testing.assert_close(estimates, (losses[0] - losses[1]) / (2 * 0.7 * rows))  # Spall's own words
    mean, covariance = moments(estimates)
    torch.testing.assert_close(mean, gradient)
    torch.testing.assert_close(covariance, rademacher.covariance(gradient, 1))
    assert learner.estimator.distribution is rademacher and not learner.delta_rule
