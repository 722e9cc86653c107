import pytest
import torch

from analog import Spec, dense, stream
from learners import antithetic, gaussian, one_sided, rademacher

SPEC = Spec((dense(2, 2),), dtype=torch.float64)


@pytest.mark.parametrize(("law", "kurtosis"), [(gaussian, 3.0), (rademacher, 1.0)])
def test_laws_have_mean_0_variance_1_and_their_kurtosis(law: object, kurtosis: float) -> None:
    """Over 400,000 draws; z below 6 for the mean and variance, 2 % (over 6 standard errors) for kurtosis."""
    v = law((400, 1000), SPEC, stream(0, "law"))  # type: ignore[operator]
    assert v.dtype == torch.float64
    assert abs(float(v.mean())) * 632 < 6
    assert abs(float(v.square().mean()) - 1) <= 6 * ((kurtosis - 1) / 4e5) ** 0.5 + 1e-12
    assert float(v.pow(4).mean()) == pytest.approx(kurtosis, rel=0.04)


def test_signs_are_signs_and_every_bit_is_used() -> None:
    v = rademacher((64, 4096), SPEC, stream(0, "bits"))
    assert torch.equal(v.abs(), torch.ones_like(v))
    assert float(v.mean(0).abs().max()) < 6 / 8  # no column is stuck: each is a sum of 64 fair signs
    assert float((v[:, 1:] * v[:, :-1]).mean().abs()) < 6 / 512  # neighbouring bits are independent
    assert not torch.equal(v, rademacher((64, 4096), SPEC, stream(1, "bits")))


@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (9,), (3, 21), (5, 64)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert tuple(rademacher(shape, SPEC, stream(0)).shape) == shape


def test_schemes_send_and_get_back() -> None:
    v = gaussian((3, 2, 4), SPEC, stream(0))
    assert torch.equal(one_sided.directions(one_sided.send(v)), v)
    sent = antithetic.send(v)
    assert sent.shape == (6, 2, 4) and torch.equal(antithetic.directions(sent), v)
    assert torch.equal(sent[::2], -sent[1::2])  # pairs side by side


def test_schemes_measure_the_slope() -> None:
    """On L = b.v + c |v|^2: pairs see b.v exactly, one side adds size * c |v|^2."""
    v, b, size = gaussian((5, 4), SPEC, stream(0)), torch.arange(4.0, dtype=torch.float64), 0.1
    for scheme, curvature in ((one_sided, 1.0), (antithetic, 0.0)):
        u = scheme.send(v) * size
        losses = u @ b + 3 * u.square().sum(-1) + 7
        slopes = scheme.slopes(losses, torch.tensor(7.0, dtype=torch.float64), size)
        torch.testing.assert_close(slopes, v @ b + curvature * size * 3 * v.square().sum(-1))
