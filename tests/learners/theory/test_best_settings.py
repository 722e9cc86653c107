"""The settings that closed forms call best: nothing beside them is better, by enumeration and quadrature."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from learners import antithetic, gaussian, laws, leave_one_out, one_sided, rademacher
from learners.estimators import ProbeDistribution, Scheme, paired_baseline, sparse
from learners.theory import best_settings
from tests.quadrature import cubic, hermite
from tests.signs import signs

F64 = torch.float64
NUMBERS = st.floats(-2, 2, width=32).map(lambda v: round(v, 3))


def lowest(error: Callable[[float], float], at: float) -> bool:
    """Whether an error is least there, to a thousandth of its argument: no slope beside its curvature."""
    slope = (error(at * (1 + 1e-5)) - error(at * (1 - 1e-5))) / 2e-5
    curvature = (error(at * 1.01) + error(at * 0.99) - 2 * error(at)) / 1e-4
    return curvature > 0 and abs(slope) < 1e-3 * curvature


def test_the_best_rate_is_the_best() -> None:
    """E |w - eta ghat|^2 for L = h |w|^2 / 2 falls most at `best_rate`, and not at all at twice that."""
    g = torch.tensor([1.0, -2.0, 0.5, 0.3], dtype=F64)
    for law, probes in ((gaussian, 1), (rademacher, 3), (sparse(5.0), 2)):
        rate = best_settings.best_learning_rate(law, probes, 4, 2.0)
        second = float((law.covariance(g, probes) + torch.outer(g, g)).trace())

        def gain(eta: float, second: float = second) -> float:
            return eta * float(g.square().sum()) - eta**2 * 2.0 / 2 * second

        assert gain(rate) > max(gain(0.99 * rate), gain(1.01 * rate)) and gain(2 * rate) == pytest.approx(0)


@given(
    t=arrays(float, (2, 2, 2), elements=NUMBERS),
    g=arrays(float, 2, elements=NUMBERS),
    noise=st.floats(0.01, 1.0),
)
def test_the_best_size_of_pairs(t: object, g: object, noise: float) -> None:
    """Two Gaussian directions on a cubic, by quadrature: error at the best size and a little beside it."""
    third, slope = cubic(t), torch.tensor(g, dtype=F64)
    assume(float(third.square().sum()) > 0.1)
    size = best_settings.best_size(gaussian, antithetic, slope, probes=2, reading_noise=noise, third=third)
    points, chance = hermite(5, 4)
    v = points.view(-1, 2, 2).transpose(0, 1)

    def error(s: float) -> float:
        slopes = v @ slope + torch.einsum("ijk,...i,...j,...k->...", third, v, v, v) * s**2 / 6
        made = (slopes.unsqueeze(-1) * v).mean(0)
        signal = float(chance @ (made - slope).square().sum(-1))
        return signal + 2 * noise**2 / (2 * 2 * s**2)

    assert lowest(error, size)


@pytest.mark.parametrize("scheme", [one_sided, paired_baseline, leave_one_out], ids=str)
@pytest.mark.parametrize("law", [gaussian, rademacher], ids=["gaussian", "rademacher"])
def test_the_best_size_against_curvature(law: ProbeDistribution, scheme: Scheme) -> None:
    g, hessian = torch.tensor([1.0, -0.5], dtype=F64), torch.tensor([[1.0, 0.4], [0.4, -2.0]], dtype=F64)
    know = {"probes": 3, "reading_noise": 0.2, "hessian": hessian}
    size = best_settings.best_size(law, scheme, g, **know)  # type: ignore[arg-type]

    def total(s: float) -> float:
        return laws.along_directions(law, scheme, g, size=s, **know).variance  # type: ignore[arg-type]

    assert lowest(total, size)
    if law is rademacher and scheme is not leave_one_out:  # directions of fixed length: the short form
        second = float((signs(2) @ hessian * signs(2)).sum(-1).square().mean())
        assert best_settings.size_from_curvature(scheme, 3, 0.2, second) == pytest.approx(size)


def test_the_best_size_of_pairs_of_signs_against_the_twist() -> None:
    """One pair of signs on a cubic without mean twist, all of them: the short form is the best."""
    third = cubic([[[0.0, 0, 0], [0, 0, 1], [0, 1, 0]]] * 3)[:, :, :] * 1.0
    third = third - torch.diag_embed(torch.diag_embed(torch.einsum("iii->i", third)))
    v, noise = signs(3), 0.1
    twist = torch.einsum("ijk,...i,...j,...k->...", third, v, v, v)
    size = best_settings.size_from_third_derivative(noise, float(twist.square().mean()))

    def error(s: float) -> float:
        return float((twist * s**2 / 6).square().mean()) * 3 + 3 * noise**2 / (2 * s**2)

    assert lowest(error, size)


@given(perturbation=st.floats(0.1, 1e3), others=st.floats(0.1, 10), readings=st.sampled_from([1.0, 2.0]))
def test_the_best_number_of_probes(perturbation: float, others: float, readings: float) -> None:
    def price(probes: float) -> float:
        return (1 + readings * probes) * (others + perturbation / probes)

    assert lowest(price, best_settings.best_probes(perturbation, others, readings))
    assert best_settings.best_probes(perturbation, others) == best_settings.best_probes(
        perturbation, others, 1.0
    )


def test_what_has_no_best_size_says_so() -> None:
    eye = torch.eye(3, dtype=F64)
    with pytest.raises(ValueError, match="follows from a Hessian"):
        best_settings.best_size(rademacher, one_sided, eye[0], probes=2, reading_noise=0.1)
    for law, third in ((gaussian, None), (rademacher, torch.zeros(3, 3, 3))):
        with pytest.raises(ValueError, match="pairs"):
            best_settings.best_size(law, antithetic, eye[0], probes=2, reading_noise=0.1, third=third)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("inf"), float("nan")])
def test_numbers_by_which_nothing_is_the_best_are_refused_by_name(bad: float) -> None:
    for name, ask in {
        "noise": lambda: best_settings.size_from_curvature(one_sided, 1, bad, 1.0),
        "second": lambda: best_settings.size_from_curvature(one_sided, 1, 1.0, bad),
        "third": lambda: best_settings.size_from_third_derivative(1.0, bad),
        "others": lambda: best_settings.best_probes(1.0, bad),
        "reads": lambda: best_settings.best_probes(1.0, 1.0, bad),
        "curvature": lambda: best_settings.best_learning_rate(gaussian, 1, 4, bad),
    }.items():
        with pytest.raises(ValueError, match=f": {name} is {bad}"):
            ask()
    with pytest.raises(ValueError, match="noise is"):
        best_settings.size_from_third_derivative(bad, 1.0)
    if bad:
        with pytest.raises(ValueError, match="perturbation is"):
            best_settings.best_probes(bad, 1.0)


def test_the_fewest_probes_of_a_scheme_have_a_best_size_and_fewer_have_none() -> None:
    for scheme, least in ((one_sided, 1), (leave_one_out, 2)):
        assert best_settings.size_from_curvature(scheme, least, 0.1, 1.0) > 0
        for probes in (least - 1, True, 2.5):
            with pytest.raises(ValueError, match="wants"):
                best_settings.size_from_curvature(scheme, probes, 0.1, 1.0)  # type: ignore[arg-type]
    assert best_settings.best_probes(0.0, 1.0) == 0


@pytest.mark.parametrize("a", [-3.0, 0.0, 0.2])
@pytest.mark.parametrize("b", [1e-6, 0.3, 1e4])
@pytest.mark.parametrize("c", [1e-40, 1e-9, 0.5, 1e3])
def test_the_root_that_the_size_of_pairs_follows_from_is_found_at_any_scale(
    a: float, b: float, c: float
) -> None:
    x = best_settings._root(a, b, c)
    assert x > 0 and 2 * b * x**3 + a * x**2 == pytest.approx(c, rel=1e-9, abs=1e-12 * b * x**3)
