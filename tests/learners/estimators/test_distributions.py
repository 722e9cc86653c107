"""Every probe distribution against its stated moments: sampled by the two-stage rule, 3,000 means in all."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import stream
from learners import gaussian, rademacher
from learners.estimators import Blocks, ProbeDistribution, coordinates, haar, rank_one, sparse, uniform
from learners.estimators.distributions import Independent
from learners.estimators.quadratic_moments import require_symmetric
from studies.perturbation.laws import DISTRIBUTIONS
from tests.quadrature import cubic, hermite
from tests.twostage import kept

from .directions import SPEC, directions


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_directions_have_mean_0_and_identity_covariance(name: str, count: int, size: int) -> None:
    """E v = 0, E v v' = I and, between two directions of a step, E v_1 v_2' = 0 or all orthogonal."""

    def sample(n: int, generator: Generator) -> Tensor:
        v = directions(DISTRIBUTIONS[name], count, size, n, generator)
        moments = [v[0], torch.einsum("ni,nj->nij", v[0], v[0]).flatten(1)]
        if count > 1:
            moments.append(torch.einsum("ni,nj->nij", v[0], v[1]).flatten(1))
        return torch.cat(moments, -1)

    eye = torch.eye(size, dtype=torch.float64).flatten()
    wanted = [torch.zeros(size, dtype=torch.float64), eye] + ([0 * eye] if count > 1 else [])
    assert kept(sample, torch.cat(wanted), 4000, name, count, size)


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_estimate_spreads_as_the_law_says(name: str, count: int, size: int) -> None:
    """Second moments of (1/K) sum (g.v) v about g, against `covariance`."""
    g = torch.tensor([1.0, -0.5, 0.25, 2.0, 0.7], dtype=torch.float64)[:size]
    distribution = DISTRIBUTIONS[name]

    def sample(n: int, generator: Generator) -> Tensor:
        v = directions(distribution, count, size, n, generator)
        gap = torch.einsum("kn,kni->ni", v @ g, v) / count - g
        return torch.cat((gap, torch.einsum("ni,nj->nij", gap, gap).flatten(1)), -1)

    wanted = torch.cat((0 * g, distribution.covariance(g, count).flatten()))
    assert kept(sample, wanted, 6000, name, count, size)


@pytest.mark.parametrize(
    ("name", "kurtosis"), [("gaussian", 3), ("rademacher", 1), ("uniform", 1.8), ("sparse", 4)]
)
def test_kurtosis_is_as_stated(name: str, kurtosis: float) -> None:
    def sample(n: int, generator: Generator) -> Tensor:
        return directions(DISTRIBUTIONS[name], 1, 4, n, generator)[0].pow(4)

    assert DISTRIBUTIONS[name].kurtosis == kurtosis
    assert kept(sample, torch.full((4,), float(kurtosis), dtype=torch.float64), 20_000, name, "kurtosis")


def test_moments_of_gaussian_and_uniform_directions_are_as_stated() -> None:
    points, chance = hermite(5, 1)
    even = [float(chance @ points[:, 0] ** power) for power in (4, 6, 8)]
    assert gaussian.moments == pytest.approx(even)
    assert uniform.moments == pytest.approx([3 ** (power / 2) / (power + 1) for power in (4, 6)])


@pytest.mark.parametrize(
    ("name", "total"),
    [("gaussian", 6), ("rademacher", 4), ("uniform", 4.8), ("sparse", 7), ("sphere", 4), ("haar", 4)],
)
def test_total_variances_are_the_known_ones(name: str, total: float) -> None:
    """In units of |g|^2 at D = 5: D + 1, D - 1, D - 1/5, D - 2 + q, D - 1, D - 1; orthogonal D/K - 1."""
    g = torch.tensor([1.0, -0.5, 0.25, 2.0, 0.7], dtype=torch.float64)
    square = float(g.square().sum())
    assert float(DISTRIBUTIONS[name].covariance(g, 1).trace()) == pytest.approx(total * square)
    for orthogonal in (haar, coordinates):
        assert float(orthogonal.covariance(g, 2).trace()) == pytest.approx((5 / 2 - 1) * square)


@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (9,), (3, 21), (5, 64)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    for distribution in DISTRIBUTIONS.values():
        (v,) = distribution.draw(1, (2,), [shape], SPEC, stream(0))
        assert tuple(v.shape) == (1, 2, *shape) and v.dtype == torch.float64


def test_a_wrong_law_is_caught() -> None:
    """The two-stage rule refuses a variance 4 % too large, and a mean off by 3 % of a standard deviation."""

    def stretched(n: int, generator: Generator) -> Tensor:
        return 1.02 * torch.randn(n, 1, generator=generator, dtype=torch.float64)

    assert not kept(
        lambda n, generator: stretched(n, generator) ** 2, torch.ones(1, dtype=torch.float64), 20_000, "wide"
    )
    assert not kept(
        lambda n, generator: stretched(n, generator) + 0.04,
        torch.zeros(1, dtype=torch.float64),
        20_000,
        "off",
    )
    assert kept(
        lambda n, generator: stretched(n, generator) / 1.02,
        torch.zeros(1, dtype=torch.float64),
        20_000,
        "right",
    )


@pytest.mark.parametrize("rarity", [0.5, float("nan"), float("inf")])
def test_bad_rarity_is_refused(rarity: float) -> None:
    with pytest.raises(ValueError, match="rarity"):
        sparse(rarity)


def test_sparse_directions_of_rarity_1_are_signs() -> None:
    (v,) = sparse(1.0).draw(2, (3,), [(50,)], SPEC, stream(0, "rarity"))
    assert torch.equal(v.abs(), torch.ones(2, 3, 50).double()) and sparse(1.0).kurtosis == 1


@pytest.mark.parametrize("distribution", [*DISTRIBUTIONS.values(), Blocks(rademacher, 1)], ids=repr)
def test_one_direction_cannot_be_compared_with_others(distribution: ProbeDistribution) -> None:
    refused = "leave-one-out wants at least 2|no closed form"
    with pytest.raises(ValueError, match=refused):
        distribution.leave_one_out_covariance(torch.ones(2, 2).double(), 1)
    with pytest.raises(ValueError, match=refused):
        distribution.leave_one_out_curvature(torch.eye(4).double(), 1)


@pytest.mark.parametrize("distribution", [*DISTRIBUTIONS.values(), rank_one, Blocks(rademacher, 2)], ids=repr)
@pytest.mark.parametrize("count", [0, -2, True, 1.5])
def test_no_law_is_told_of_a_number_of_directions_that_no_step_has(
    distribution: ProbeDistribution, count: int
) -> None:
    with pytest.raises(ValueError, match="directions in 4 coordinates; wanted at least 1"):
        distribution.covariance(torch.ones(2, 2).double(), count)


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_third_derivatives_are_symmetric_in_any_two_indices_or_refused(axes: tuple[int, int]) -> None:
    """Symmetric in two indices and not in the third: no derivatives of any loss."""
    (other,) = {0, 1, 2} - {*axes}
    matrix, vector = torch.eye(3).double(), torch.arange(3).double()
    third = torch.einsum("ij,k->ijk", matrix, vector).movedim((0, 1, 2), (*axes, other))
    with pytest.raises(ValueError, match="not symmetric"):
        gaussian.bias(third)
    gaussian.bias(cubic(third.tolist()))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_derivatives_may_differ_by_a_thousand_roundings_at_any_scale(scale: float) -> None:
    hessian = torch.tensor([[4.0, 1.0], [1.0, -2.0]]).double()
    skew = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).double() * 4.0 * 2.0**-52
    require_symmetric("H", scale * (hessian + 990 * skew))
    for bad, says in (
        (hessian + 1010 * skew, "not symmetric"),
        (hessian[:1], r"is \(1, 2\)"),
        (hessian[0], r"is \(2,\)"),
        (hessian / torch.tensor([[1.0, 1.0], [1.0, 0.0]]), "not finite"),
    ):
        with pytest.raises(ValueError, match=says):
            require_symmetric("H", scale * bad)
    with pytest.raises(ValueError, match="floating-point"):
        require_symmetric("H", hessian.int())


def test_curvature_and_errors_of_pairs_are_told_of_derivatives_and_directions_that_there_are() -> None:
    class Joint(Independent):
        directions_independent = False  # type: ignore[assignment]

    eye, third = torch.eye(2).double(), torch.zeros(2, 2, 2).double()
    joint = Joint("joint", gaussian.coordinate, gaussian.moments)
    for question, says in (
        (lambda: gaussian.curvature(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), 1), "Hessian is not symmetric"),
        (lambda: gaussian.curvature(eye, 0), "0 directions in 2 coordinates"),
        (lambda: gaussian.pair_error(eye[0], third, 0), "0 directions in 2 coordinates"),
        (lambda: joint.curvature(eye, 2), "no closed form is known for the curvature"),
        (lambda: rank_one.draw(1, (), [(8,), (2, 4)], SPEC, stream(0)), "outer products"),
    ):
        with pytest.raises(ValueError, match=says):
            question()


def test_laws_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 2"):
        Blocks(rademacher, 2).draw(3, (), [(8,)], SPEC, stream(0))
    with pytest.raises(ValueError, match="blocks is 0"):
        Blocks(rademacher, 0)
    with pytest.raises(ValueError, match="outer products over rows and columns"):
        rank_one.draw(1, (), [(8,)], SPEC, stream(0))
    with pytest.raises(ValueError, match="one tile"):
        rank_one.covariance(torch.ones(4), 1)


def test_a_name_tells_what_it_is_and_no_function() -> None:
    assert repr(rademacher) == "Independent(name='rademacher', moments=(1.0,))"
    assert repr(coordinates) == "Orthogonal(name='coordinates')"
    assert not any("<" in repr(distribution) for distribution in DISTRIBUTIONS.values())


def test_a_distribution_that_only_draws_knows_no_closed_form() -> None:
    class Drawn(ProbeDistribution):
        def draw(self, *asked: Any) -> tuple[Tensor, ...]:
            return gaussian.draw(*asked)

    class Apart(Drawn):
        directions_independent = True

    g, eye, third = torch.ones(2).double(), torch.eye(2).double(), torch.zeros(2, 2, 2).double()
    drawn, apart = Drawn(), Apart()
    for question, what in (
        (lambda: drawn.covariance(g, 2), "covariance"),
        (lambda: drawn.leave_one_out_covariance(g, 2), "covariance under leave-one-out"),
        (lambda: apart.leave_one_out_covariance(g, 2), "covariance"),
        (lambda: drawn.curvature(eye, 2), "curvature"),
        (lambda: apart.curvature(eye, 2), "curvature"),
        (lambda: drawn.leave_one_out_curvature(eye, 2), "curvature"),
        (lambda: drawn.bias(third), "bias"),
        (lambda: drawn.pair_error(g, third, 2), "error of pairs"),
        (lambda: uniform.pair_error(g, third, 2), "error of pairs"),
    ):
        with pytest.raises(ValueError, match=f"no closed form is known for the {what}"):
            question()
    assert drawn.multiple == 1 and drawn.kurtosis is None and not drawn.needs_columns
    with pytest.raises(ValueError, match="leave-one-out wants at least 2"):
        gaussian.leave_one_out_covariance(g, 1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pairs_err_on_a_cubic_loss_as_the_law_says(count: int) -> None:
    """Gaussian directions on a grid: E |ghat - g|^2 = tr cov + a s^2 + b s^4."""
    size = 2 if count < 3 else 1
    g = torch.tensor([0.7, -1.2], dtype=torch.float64)[:size]
    third = cubic(torch.sin(torch.arange(1.0, size**3 + 1).double() * 2).view(size, size, size).tolist())
    points, chance = hermite(5, count * size)
    v = points.view(-1, count, size).transpose(0, 1)
    a, b = gaussian.pair_error(g, third, count)
    for s in (0.5, 1.5):
        slopes = v @ g + torch.einsum("ijk,...i,...j,...k->...", third, v, v, v) * s**2 / 6
        error = chance @ ((slopes.unsqueeze(-1) * v).mean(0) - g).square().sum(-1)
        plain = float(gaussian.covariance(g, count).trace())
        assert float(error) == pytest.approx(plain + a * s**2 + b * s**4, rel=1e-9)
