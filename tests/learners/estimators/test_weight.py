"""Laws of weight perturbation, exactly: every sign vector is enumerated, in float64, with no sampling.

The trick: a fleet of 2^D identical "chips", each probed along its own sign vector, gives every possible
estimate in one call. Losses are made here from the probes, so no chip is needed either.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from analog import Chip, Ideal, Layer, Reading, conv2d, dense, grouped, stream
from learners import ProbeResult, WeightPerturbation, antithetic, one_sided
from tests.estimates import Dealt, estimated, estimated_by, fleet_spec, sign_covariance
from tests.signs import moments, signs

F64 = torch.float64
NUMBERS = st.floats(-2, 2, width=32).map(lambda v: round(v, 3))
RNG = stream(0, "unused")
NOTHING = Reading(())


def weight_estimates(g: Tensor, hessian: Tensor, scheme: object, size: float) -> Tensor:
    """All estimates of L(w) = g.w + w'Hw/2 at w = 0; the knobs are 2 x 2 and 1 x 2."""
    rows = signs(6)
    spec = fleet_spec(rows, dense(2, 2, bias=False), dense(2, 1, bias=False, linear=True))
    estimator = WeightPerturbation(size, distribution=Dealt(rows), scheme=scheme)  # type: ignore[arg-type]
    probe, _ = estimator.ask(spec, torch.zeros(1, 2, dtype=F64), NOTHING, RNG)
    assert probe.knobs is not None
    w = torch.cat([k.flatten(-3) for k in probe.knobs if k is not None], -1)  # (probes, fleet, 6)
    losses = (w @ g + 0.5 * torch.einsum("...i,ij,...j->...", w, hessian, w)).unsqueeze(-1)
    told = estimated_by(
        estimator, spec, probe, torch.zeros(1, 2, dtype=F64), Reading(()), losses, losses[0] * 0
    )
    return torch.cat([k.flatten(-3) for k in told], -1)


@given(g=arrays(float, 6, elements=NUMBERS), size=st.floats(0.01, 1.0), both=st.booleans())
def test_weight_perturbation_of_a_linear_loss(g: object, size: float, both: bool) -> None:
    """Mean g and covariance |g|^2 I + g g' - 2 diag(g^2); total variance (D - 1)|g|^2."""
    slope = torch.tensor(g, dtype=F64)
    scheme = antithetic if both else one_sided
    mean, covariance = moments(weight_estimates(slope, torch.zeros(6, 6, dtype=F64), scheme, size))
    torch.testing.assert_close(mean, slope, rtol=0, atol=5e-14)
    torch.testing.assert_close(covariance, sign_covariance(slope), rtol=0, atol=5e-13)
    assert float(covariance.trace()) == pytest.approx(5 * float(slope.square().sum()), abs=5e-13)


@given(
    g=arrays(float, 6, elements=NUMBERS), h=arrays(float, (6, 6), elements=NUMBERS), size=st.floats(0.1, 1.0)
)
def test_weight_perturbation_of_a_quadratic_loss(g: object, h: object, size: float) -> None:
    """No bias at any size. One-sided adds (s^2/4) D [(tr H)^2 + 2(|H|^2 - sum H_ii^2)], pairs nothing."""
    slope, hessian = torch.tensor(g, dtype=F64), torch.tensor(h, dtype=F64)
    hessian = (hessian + hessian.T) / 2
    linear = sign_covariance(slope).trace()
    for scheme in (one_sided, antithetic):
        mean, covariance = moments(weight_estimates(slope, hessian, scheme, size))
        torch.testing.assert_close(mean, slope, rtol=0, atol=1e-12)
        curved = hessian.trace() ** 2 + 2 * (hessian.square().sum() - hessian.diagonal().square().sum())
        added = size**2 / 4 * 6 * curved if scheme is one_sided else 0.0
        assert float(covariance.trace()) == pytest.approx(float(linear + added), rel=1e-10, abs=1e-11)


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("layer", [grouped(6, 8, 2), conv2d((1, 4, 4), 2, 2, stride=2)], ids=str)
def test_knobs_are_laid_the_losses_of_just_the_parts_that_they_drive(layer: Layer, parts: int) -> None:
    spec, generator = Chip(Ideal(), (layer,), dtype=F64).spec, stream(0, "parts")
    x = torch.ones(1, spec.layers[0].features_in, dtype=F64)
    estimator = WeightPerturbation(0.1)
    probe, _ = estimator.ask(spec, x, NOTHING, generator)
    for part in range(parts):
        losses = torch.zeros(1, 1, parts, dtype=F64)
        losses[..., part] = 1.0
        result = ProbeResult(x, NOTHING, 0 * losses[0], probe, NOTHING, losses)
        (told,) = estimated(estimator, spec, result)
        nodes = torch.arange(layer.features) * parts // layer.features == part
        driving = layer.unscatter(nodes.to(F64).unsqueeze(0)).sum(-2) > 0  # (tiles, rows)
        assert torch.equal((told != 0).all(-1), driving) and torch.equal((told != 0).any(-1), driving)
