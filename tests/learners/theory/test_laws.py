"""`learners.laws` against enumeration: every sign vector of every direction, in float64, no sampling."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from analog import stream
from learners import (
    NodePerturbation,
    WeightPerturbation,
    antithetic,
    gaussian,
    laws,
    leave_one_out,
    one_sided,
    rademacher,
)
from learners.estimators import (
    Blocks,
    OneSided,
    ProbeDistribution,
    Scheme,
    coordinates,
    haar,
    hadamard,
    paired_baseline,
    rank_one,
    sparse,
    sphere,
)
from learners.estimators.distributions import Independent
from tests.quadrature import cubic, hermite
from tests.signs import moments, signs
from tests.twostage import kept
from tests.users_parts import DrawsOnly, Richardson, Thirds

F64 = torch.float64
NUMBERS = st.floats(-2, 2, width=32).map(lambda v: round(v, 3))
SCHEMES = [one_sided, OneSided(2), paired_baseline, antithetic, leave_one_out]


def estimates(scheme: Scheme, g: Tensor, hessian: Tensor, probes: int, size: float) -> Tensor:
    """All estimates of g.w + w'Hw/2 at 0 from `probes` directions of signs: (2^(K D), D)."""
    v = signs(probes * len(g)).view(-1, probes, len(g)).transpose(0, 1)
    u = scheme.perturbations(v) * size
    losses = u @ g + 0.5 * torch.einsum("...i,ij,...j->...", u, hessian, u)
    slopes = scheme.differences(losses, torch.zeros(v.shape[1], dtype=F64), size)
    return (slopes.unsqueeze(-1) * v).mean(0)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("probes", [2, 3])
@given(
    g=arrays(float, 3, elements=NUMBERS),
    h=arrays(float, (3, 3), elements=NUMBERS),
    size=st.floats(0.1, 1.0),
    curved=st.booleans(),
)
def test_mean_and_covariance_of_signs(
    scheme: Scheme, probes: int, g: object, h: object, size: float, curved: bool
) -> None:
    slope, hessian = torch.tensor(g, dtype=F64), torch.tensor(h, dtype=F64)
    hessian = (hessian + hessian.T) / 2 * curved
    all_of_them = estimates(scheme, slope, hessian, probes, size)
    predicted = laws.along_directions(rademacher, scheme, slope, probes=probes, size=size, hessian=hessian)
    mean = all_of_them.mean(0)
    covariance = (all_of_them - mean).T @ (all_of_them - mean) / len(all_of_them)
    torch.testing.assert_close(mean, predicted.mean, rtol=0, atol=2e-12)
    torch.testing.assert_close(covariance, predicted.covariance, rtol=1e-10, atol=5e-12)


@given(
    g=arrays(float, 2, elements=NUMBERS), h=arrays(float, (2, 2), elements=NUMBERS), size=st.floats(0.1, 1.0)
)
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_mean_and_covariance_of_gaussians(scheme: Scheme, g: object, h: object, size: float) -> None:
    """Gauss-Hermite quadrature with 4 nodes per coordinate: exact up to degree 7, the law needs 6."""
    off = torch.tensor([1.0, 2.0, 3.0], dtype=F64).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))  # Golub and Welsch
    chance = vectors[0].square()
    slope, hessian = torch.tensor(g, dtype=F64), torch.tensor(h, dtype=F64)
    hessian = (hessian + hessian.T) / 2
    grid = torch.cartesian_prod(*[torch.arange(4)] * 4).view(-1, 2, 2)  # K = 2 directions of D = 2
    v, p = nodes[grid].transpose(0, 1), chance[grid].prod(-1).prod(-1)
    u = scheme.perturbations(v) * size
    losses = u @ slope + 0.5 * torch.einsum("...i,ij,...j->...", u, hessian, u)
    slopes = scheme.differences(losses, torch.zeros(len(p), dtype=F64), size)
    made = (slopes.unsqueeze(-1) * v).mean(0)
    predicted = laws.along_directions(gaussian, scheme, slope, probes=2, size=size, hessian=hessian)
    mean = (p.unsqueeze(-1) * made).sum(0)
    covariance = torch.einsum("n,ni,nj->ij", p, made - mean, made - mean)
    torch.testing.assert_close(mean, predicted.mean, rtol=0, atol=1e-10)
    torch.testing.assert_close(covariance, predicted.covariance, rtol=1e-9, atol=1e-10)


@given(
    gradients=arrays(float, (3, 3), elements=NUMBERS),
    scheme=st.sampled_from([one_sided, antithetic, leave_one_out]),
)
def test_weight_perturbation_of_a_batch(gradients: object, scheme: Scheme) -> None:
    """All batches of two out of three examples, all signs of two directions: the total law."""
    each = torch.tensor(gradients, dtype=F64)
    zero = torch.zeros(3, 3, dtype=F64)
    pairs = [(each[a] + each[b]) / 2 for a in range(3) for b in range(3)]
    made = torch.cat([estimates(scheme, g, zero, 2, 1.0) for g in pairs])
    mean = made.mean(0)
    covariance = (made - mean).T @ (made - mean) / len(made)
    predicted = laws.weights(WeightPerturbation(1.0, probes=2, scheme=scheme), each, batch=2)
    torch.testing.assert_close(mean, predicted.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(covariance, predicted.covariance, rtol=0, atol=1e-11)
    if scheme is one_sided:  # the table of Ren et al.: (pq + 2)V/N + (pq + 1)S with k = 1, K = 1
        single = laws.weights(WeightPerturbation(1.0, scheme=scheme), each, batch=2)
        v, s = float(each.var(0, correction=0).mean()), float(each.mean(0).square().mean())
        assert single.variance == pytest.approx(3 * ((3 - 1 + 1) * v / 2 + (3 - 2 + 1) * s), abs=1e-12)


@given(
    d=arrays(float, (2, 2), elements=NUMBERS),
    x=arrays(float, (2, 2), elements=NUMBERS),
    other=st.floats(0, 3),
)
@pytest.mark.parametrize("scheme", [one_sided, antithetic, leave_one_out], ids=str)
def test_node_perturbation_of_a_layer(scheme: Scheme, d: object, x: object, other: float) -> None:
    """Two examples, two units, K = 2, all signs; a further perturbed unit elsewhere leaks in."""
    slopes, inputs = torch.tensor(d, dtype=F64), torch.tensor(x, dtype=F64)
    leak = 0.0 if scheme is leave_one_out else other
    units = 3 if leak else 2  # the third is another layer's
    whole = torch.cat((slopes, torch.full((2, 1), leak**0.5, dtype=F64)), -1)[:, :units]
    mean, covariance = torch.zeros(4, dtype=F64), torch.zeros(4, 4, dtype=F64)
    for n in range(2):  # examples are independent, so their moments add
        each = estimates(scheme, whole[n], torch.zeros(units, units, dtype=F64), 2, 1.0)[:, :2]
        rows = torch.einsum("mi,j->mij", each, inputs[n]).flatten(1) / 2
        mean += rows.mean(0)
        covariance += (rows - rows.mean(0)).T @ (rows - rows.mean(0)) / len(rows)
    estimator = NodePerturbation(1.0, probes=2, scheme=scheme)
    predicted = laws.nodes(estimator, slopes, inputs, torch.full((2,), leak, dtype=F64))
    torch.testing.assert_close(mean, predicted.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(covariance, predicted.covariance, rtol=0, atol=1e-11)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@given(g=arrays(float, (2, 2), elements=NUMBERS))
def test_rank_one_and_blocks_with_every_scheme(scheme: Scheme, g: object) -> None:
    """All signs of two directions: mean and covariance of the estimate of a linear loss."""
    slope = torch.tensor(g, dtype=F64)
    sides = signs(8).view(-1, 2, 2, 2)  # directions, row or column, sign
    rank = (sides[:, :, 0].unsqueeze(-1) * sides[:, :, 1].unsqueeze(-2)).flatten(2)
    halves = signs(8).view(-1, 2, 4) * torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]], dtype=F64) * 2**0.5
    for law, drawn in ((rank_one, rank), (Blocks(rademacher, 2), halves)):
        v = drawn.transpose(0, 1)
        losses = scheme.perturbations(v) @ slope.flatten()
        slopes = scheme.differences(losses, torch.zeros(len(drawn), dtype=F64), 1.0)
        made = (slopes.unsqueeze(-1) * v).mean(0)
        predicted = laws.along_directions(law, scheme, slope, probes=2)
        mean = made.mean(0)
        covariance = (made - mean).T @ (made - mean) / len(made)
        torch.testing.assert_close(mean, predicted.mean, rtol=0, atol=2e-12)
        torch.testing.assert_close(covariance, predicted.covariance, rtol=1e-10, atol=5e-12)


@given(g=arrays(float, 4, elements=NUMBERS))
def test_leave_one_out_with_orthogonal_sets(g: object) -> None:
    """Every ordered pair of axes, or of Hadamard rows with every sign of columns, and all signs of both."""
    slope, eye = torch.tensor(g, dtype=F64), torch.eye(4, dtype=F64)
    walsh = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=F64)
    sets = {coordinates: eye.unsqueeze(0) * 2, hadamard: walsh * signs(4).unsqueeze(1)}  # (sets, rows, D)
    for law, rows in sets.items():
        pairs = torch.stack([rows[:, [a, b]] for a, b in itertools.permutations(range(4), 2)])
        v = (pairs.unsqueeze(2) * signs(2).view(4, 2, 1)).flatten(0, 2).transpose(0, 1)  # (K, n, D)
        slopes = leave_one_out.differences(v @ slope, torch.zeros(v.shape[1], dtype=F64), 1.0)
        mean, covariance = moments((slopes.unsqueeze(-1) * v).mean(0))
        predicted = laws.along_directions(law, leave_one_out, slope, probes=2)
        torch.testing.assert_close(mean, slope, rtol=0, atol=1e-12)
        torch.testing.assert_close(covariance, predicted.covariance, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("probes", [1, 2])
@given(a=arrays(float, 3, elements=NUMBERS), b=arrays(float, 3, elements=NUMBERS))
def test_the_hypergradient_of_two_estimates(probes: int, a: object, b: object) -> None:
    """Every pair of estimates there is, each from all signs of its own directions."""
    now, before = torch.tensor(a, dtype=F64), torch.tensor(b, dtype=F64)
    flat = torch.zeros(3, 3, dtype=F64)
    told = estimates(one_sided, now, flat, probes, 1.0) @ estimates(one_sided, before, flat, probes, 1.0).T
    made = [laws.along_directions(rademacher, one_sided, g, probes=probes) for g in (now, before)]
    mean, variance = laws.hypergradient(*made)
    assert mean == pytest.approx(float(now @ before), abs=1e-12)
    assert float(told.mean()) == pytest.approx(mean, abs=1e-11)
    assert float(told.var(correction=0)) == pytest.approx(variance, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("memory", [0.0, 0.3, 0.8])
def test_the_hypergradient_of_a_memory_sums_what_it_remembers(memory: float) -> None:
    """Means and covariances of the past add, each by its weight; of independent factors moments multiply."""
    now, before = (
        laws.along_directions(rademacher, antithetic, torch.tensor(g, dtype=F64), probes=2, reading_noise=0.3)
        for g in ([1.0, -0.5, 0.25], [0.5, 2.0, -1.0])
    )
    worth = memory ** torch.arange(200, dtype=F64)
    a, b = now.mean, worth.sum() * before.mean
    second = [
        p + torch.outer(m, m) for p, m in ((now.covariance, a), (worth.square().sum() * before.covariance, b))
    ]
    told = laws.hypergradient(now, before, memory=memory)
    assert told == pytest.approx((float(a @ b), float((second[0] * second[1]).sum() - (a @ b) ** 2)))


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_the_hypergradient_of_a_memory(memory: float) -> None:
    """Sampled, with noisy readings; 2 means at 1e-9 each. What is older than 40 steps is worth 1e-12."""
    g, noise, past = torch.tensor([1.0, -0.5, 0.25], dtype=F64), 0.3, 40 if memory else 1
    worth = memory ** torch.arange(past, dtype=F64)
    made = laws.along_directions(rademacher, antithetic, g, probes=2, reading_noise=noise)
    mean, variance = laws.hypergradient(made, made, memory=memory)

    def sample(count: int, generator: torch.Generator) -> Tensor:
        v = torch.randint(0, 2, (2, count * (past + 1), 3), generator=generator).to(F64) * 2 - 1
        losses = antithetic.perturbations(v) @ g
        losses += noise * torch.randn(losses.shape, generator=generator, dtype=F64)
        slopes = antithetic.differences(losses, torch.zeros(v.shape[1], dtype=F64), 1.0)
        each = (slopes.unsqueeze(-1) * v).mean(0).view(count, past + 1, 3)
        told = (each[:, 0] * (worth @ each[:, 1:])).sum(-1)
        return torch.stack((told, (told - mean).square()), -1)

    assert kept(sample, torch.tensor([mean, variance], dtype=F64), 4000, "hypergradient", str(memory))


@given(t=arrays(float, (2, 2, 2), elements=NUMBERS), size=st.floats(0.1, 1.0))
def test_bias_of_a_cubic_loss(t: object, size: float) -> None:
    """One- and two-sided differences are biased alike; by enumeration and quadrature."""
    third = cubic(t)
    for law, (v, chance) in (
        (rademacher, (signs(2), torch.full((4,), 0.25, dtype=F64))),
        (gaussian, hermite(4, 2)),
        (sphere, on_the_circle(8)),
    ):
        losses = torch.einsum("ijk,...i,...j,...k->...", third, *[scheme_sent(v, size)] * 3) / 6
        for scheme, at in ((one_sided, losses[:1]), (antithetic, losses)):
            slopes = scheme.differences(at, torch.zeros(len(v), dtype=F64), size)
            mean = (chance * slopes[0]) @ v
            torch.testing.assert_close(mean, laws.bias(law, third, size), rtol=1e-9, atol=1e-12)


def scheme_sent(v: Tensor, size: float) -> Tensor:
    return torch.stack((v, -v)) * size


def on_the_circle(count: int) -> tuple[Tensor, Tensor]:
    """Equally spaced directions of length sqrt 2: exact for polynomials below that degree."""
    angle = torch.arange(count, dtype=F64) * 2 * torch.pi / count
    return torch.stack((angle.cos(), angle.sin()), -1) * 2**0.5, torch.full((count,), 1 / count, dtype=F64)


def test_parts_are_what_they_say() -> None:
    g = torch.tensor([1.0, -2.0, 0.5], dtype=F64)
    baseline = laws.along_directions(sphere, antithetic, g, probes=4, size=0.1)
    noisy = laws.along_directions(sphere, antithetic, g, probes=4, size=0.1, reading_noise=0.2)
    assert float((noisy.perturbation - baseline.perturbation).abs().max()) == 0
    assert noisy.variance - baseline.variance == pytest.approx(3 * 0.04 / (2 * 4 * 0.01))
    complete = laws.along_directions(haar, one_sided, g, probes=3)
    assert complete.variance == pytest.approx(0, abs=1e-12)


def test_what_has_no_closed_form_says_so() -> None:
    eye = torch.eye(3, dtype=F64)
    with pytest.raises(ValueError, match="no closed form is known for the curvature"):
        laws.along_directions(haar, one_sided, eye[0], probes=2, hessian=eye)
    with pytest.raises(ValueError, match="no closed form is known for the bias"):
        laws.bias(haar, torch.zeros(3, 3, 3), 0.1)
    with pytest.raises(ValueError, match="leaking layers"):
        laws.nodes(NodePerturbation(1.0, distribution=haar), eye, eye, torch.ones(3, dtype=F64))


def exactly(law: ProbeDistribution, v: Tensor, slope: Tensor) -> None:
    """Leave-one-out over all sets of directions (K, n, D): the mean and the whole covariance."""
    slopes = leave_one_out.differences(v @ slope, torch.zeros(v.shape[1], dtype=F64), 1.0)
    mean, covariance = moments((slopes.unsqueeze(-1) * v).mean(0))
    predicted = laws.along_directions(law, leave_one_out, slope, probes=len(v))
    torch.testing.assert_close(mean, slope, rtol=0, atol=1e-12)
    torch.testing.assert_close(covariance, predicted.covariance, rtol=1e-10, atol=1e-12)


def test_leave_one_out_of_more_than_two() -> None:
    """Every ordered triple of axes with all signs, and two turns of two blocks with all signs."""
    slope = torch.tensor([1.0, -0.5, 0.25, 2.0], dtype=F64)
    axes = torch.eye(4, dtype=F64) * 2
    triples = torch.stack([axes[list(t)] for t in itertools.permutations(range(4), 3)])
    exactly(coordinates, (triples.unsqueeze(1) * signs(3).unsqueeze(-1)).flatten(0, 1).transpose(0, 1), slope)
    turns = torch.eye(2, dtype=F64).repeat(2, 1) * 2**0.5  # blocks 0, 1, 0, 1 of one coordinate each
    exactly(Blocks(rademacher, 2), (turns * signs(4).unsqueeze(-1)).transpose(0, 1), slope[:2])


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_reading_noise_reaches_nodes_and_weights(scheme: Scheme) -> None:
    """Per coordinate c m^2 / s^2: times |x|^2 / N^2 summed over examples at nodes, an N-th at knobs."""
    slopes = torch.tensor([[1.0, -0.5], [0.3, 2.0], [0.0, 1.0]], dtype=F64)
    inputs = torch.tensor([[0.5, 1.5, 1.0], [-1.0, 0.7, 1.0], [2.0, 0.1, 1.0]], dtype=F64)
    c = scheme.reading_noise(4) * 0.3**2 / 0.2**2
    nodes = laws.nodes(NodePerturbation(0.2, 4, scheme=scheme), slopes, inputs, reading_noise=0.3)
    wanted = c * torch.kron(torch.eye(2, dtype=F64), inputs.T @ inputs) / 9
    torch.testing.assert_close(nodes.reading, wanted)
    each = torch.einsum("ni,nj->nij", slopes, inputs).flatten(1)
    knobs = laws.weights(WeightPerturbation(0.2, 4, scheme=scheme), each, batch=5, reading_noise=0.3)
    torch.testing.assert_close(knobs.reading, c / 5 * torch.eye(6, dtype=F64))
    around = each - each.mean(0)
    torch.testing.assert_close(knobs.minibatch, around.T @ around / 15)


def test_more_probes_divide_flipouts_covariance() -> None:
    each = torch.tensor([[1.0, -0.5], [0.3, 2.0], [1.0, 1.0]], dtype=F64)
    one, four = (laws.flipout(gaussian, each, probes=k).covariance for k in (1, 4))
    torch.testing.assert_close(one, 4 * four)


@pytest.mark.parametrize("scheme", [*SCHEMES, Richardson()], ids=str)
@given(g=arrays(float, 2, elements=NUMBERS))
def test_a_users_distribution_keeps_its_law_with_every_scheme(scheme: Scheme, g: object) -> None:
    """Every pair of directions of two coordinates of three values, by enumeration."""
    gradient = torch.tensor(g, dtype=F64)
    values = torch.tensor([-1.0, 0.0, 1.0], dtype=F64) * 1.5**0.5
    v = torch.cartesian_prod(*[values] * 4).view(-1, 2, 2).transpose(0, 1)  # (K, n, D)
    losses = scheme.perturbations(v) @ gradient
    differences = scheme.differences(losses, torch.zeros(v.shape[1], dtype=F64), 1.0)
    mean, covariance = moments((differences.unsqueeze(-1) * v).mean(0))
    predicted = laws.along_directions(Thirds(), scheme, gradient, probes=2)
    torch.testing.assert_close(mean, predicted.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(covariance, predicted.covariance, rtol=1e-10, atol=1e-12)


@given(
    g=arrays(float, 3, elements=NUMBERS),
    h=arrays(float, (3, 3), elements=NUMBERS),
    size=st.floats(0.1, 1.0),
    noise=st.floats(0.0, 1.0),
)
def test_a_users_scheme_keeps_the_laws(g: object, h: object, size: float, noise: float) -> None:
    """All signs: curvature leaves no trace, and the noise is what its coefficients make of the readings'."""
    gradient, hessian = torch.tensor(g, dtype=F64), torch.tensor(h, dtype=F64)
    hessian = (hessian + hessian.T) / 2
    mean, covariance = moments(estimates(Richardson(), gradient, hessian, 2, size))
    predicted = laws.along_directions(
        rademacher, Richardson(), gradient, probes=2, size=size, reading_noise=noise, hessian=hessian
    )
    torch.testing.assert_close(mean, predicted.mean, rtol=0, atol=2e-12)
    torch.testing.assert_close(covariance, predicted.perturbation, rtol=1e-10, atol=5e-12)
    unit = torch.eye(8, dtype=F64)  # readings of two directions
    weight = Richardson().differences(unit, torch.zeros(8, dtype=F64), size) / 2
    wanted = float(weight.square().sum()) * noise**2
    assert float(predicted.reading[0, 0]) == pytest.approx(wanted)
    assert Richardson().reads(2) == 8


def test_a_distribution_that_says_nothing_of_itself_gets_no_formula() -> None:
    """No law of independent directions is taken for granted."""
    g, eye = torch.ones(3, dtype=F64), torch.eye(3, dtype=F64)
    for scheme in (one_sided, leave_one_out):
        with pytest.raises(ValueError, match=r"^DrawsOnly\(\): no closed form is known for the covariance"):
            laws.along_directions(DrawsOnly(), scheme, g, probes=2)
    with pytest.raises(ValueError, match="no closed form is known for the curvature"):
        laws.along_directions(Thirds(), one_sided, g, probes=2, hessian=eye)
    with pytest.raises(ValueError, match="no closed form is known for the bias"):
        laws.bias(DrawsOnly(), torch.zeros(3, 3, 3), 0.1)
    with pytest.raises(ValueError, match="flipout"):
        laws.flipout(DrawsOnly(), eye, probes=1)


def test_curvature_of_a_sparse_distribution_of_the_same_kurtosis_is_not_that_of_gaussians() -> None:
    """At D = 1 and H = 1 it is E v^6 = 9 for sparse(3) and 15 for Gaussian directions."""
    one = torch.ones(1, 1, dtype=F64)
    assert float(gaussian.curvature(one, 1)) == pytest.approx(15)
    assert float(sparse(3.0).curvature(one, 1)) == pytest.approx(9)
    zero = torch.zeros(1, dtype=F64)
    told = laws.along_directions(sparse(3.0), one_sided, zero, probes=1, hessian=one)
    assert told.variance == pytest.approx(9 / 4)
    unknown = Independent("of unknown sixth moment", gaussian.coordinate, (3.0,))
    with pytest.raises(ValueError, match="no closed form is known for the curvature"):
        unknown.curvature(one, 1)


def test_a_batch_of_one_is_one_example_after_another() -> None:
    """Perturbation as of each example's own gradient, on average; beside it they scatter."""
    gradients = torch.randn(3, 4, generator=stream(0, "batch of one"), dtype=F64)
    told = laws.weights(WeightPerturbation(0.1, 2), gradients, 1)
    torch.testing.assert_close(
        told.perturbation, torch.stack([rademacher.covariance(g, 2) for g in gradients]).mean(0)
    )
    torch.testing.assert_close(told.minibatch, gradients.T.cov(correction=0))
    torch.testing.assert_close(told.mean, gradients.mean(0))


@pytest.mark.parametrize("law", [rademacher, sparse(2.5)], ids=repr)
def test_flipouts_law_holds_for_any_number_of_examples(law: Independent) -> None:
    """Three examples at two knobs of one row: all bases, and all flips of each example."""
    each = torch.tensor([[1.0, -0.5], [0.3, 2.0], [-1.0, 0.7]], dtype=F64)
    rare = law.kurtosis
    values = torch.tensor([-(rare**0.5), 0.0, rare**0.5], dtype=F64)
    chances = torch.tensor([0.5 / rare, 1 - 1 / rare, 0.5 / rare], dtype=F64)
    grid = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    base, chance = values[grid], chances[grid].prod(-1).repeat_interleave(64) / 64
    v = (base[:, None, None] * signs(6).view(64, 3, 2)).flatten(0, 1)  # (bases * flips, examples, knobs)
    made = ((v * each).sum(-1, keepdim=True) * v).mean(1)
    mean = chance @ made
    told = laws.flipout(law, each, probes=2)
    torch.testing.assert_close(told.mean, mean)
    around = made - mean
    torch.testing.assert_close(told.covariance, torch.einsum("n,ni,nj->ij", chance, around, around) / 2)
