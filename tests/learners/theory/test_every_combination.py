"""Every distribution x scheme x Hessian x K x D that `laws` admits, against all directions there are.

Sets of directions are enumerated, or laid on a quadrature grid that is exact for the polynomials asked of
it; nothing is sampled. What has no closed form, and what a chip could not be asked, raises.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

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
    uniform,
)
from learners.theory import best_settings
from tests.quadrature import hermite
from tests.signs import signs
from tests.users_parts import Thirds

F64 = torch.float64
MOST = 5_000  # sets of directions that are laid out at most
SCHEMES: list[Scheme] = [one_sided, OneSided(2), paired_baseline, antithetic, leave_one_out]
ONE_LINE = r"\A[^\n]+\Z"
Sets = tuple[Tensor, Tensor]  # directions (n, K, D), chance (n,)


def legendre() -> Sets:
    """Four nodes in [-sqrt 3, sqrt 3], exact up to degree 7."""
    k = torch.arange(1.0, 4.0, dtype=F64)
    off = k / (4 * k**2 - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return nodes * 3**0.5, vectors[0].square()


def one_coordinate(law: ProbeDistribution) -> Sets:
    if law == uniform:
        return legendre()
    if law == gaussian:
        nodes, chance = hermite(4, 1)
        return nodes.flatten(), chance
    rarity = law.kurtosis or 1.0
    if rarity == 1:
        return torch.tensor([1.0, -1.0], dtype=F64), torch.full((2,), 0.5, dtype=F64)
    return (
        torch.tensor([-(rarity**0.5), 0.0, rarity**0.5], dtype=F64),
        torch.tensor([0.5 / rarity, 1 - 1 / rarity, 0.5 / rarity], dtype=F64),
    )


def power(single: Sets, count: int) -> Sets:
    """All sets of `count` independent draws, (n, count, ...)."""
    values, chance = single
    grid = torch.cartesian_prod(*[torch.arange(len(values))] * count).view(-1, count)
    return values[grid], chance[grid].prod(-1)


def angles(count: int = 8) -> Tensor:
    return torch.arange(count, dtype=F64) * 2 * math.pi / count


def on_the_sphere(size: int) -> Sets:
    """Directions of length sqrt D, exact up to degree 7."""
    if size == 1:
        return signs(1), torch.full((2,), 0.5, dtype=F64)
    if size == 2:
        return torch.stack((angles().cos(), angles().sin()), -1) * 2**0.5, torch.full((8,), 0.125, dtype=F64)
    z, chance = legendre()
    z = z / 3**0.5
    if size == 4:  # two circles, whose squared radii share a uniform number
        share = (torch.stack((1 + z, 1 - z)) / 2).sqrt()
        turns = torch.stack((angles().cos(), angles().sin()), -1)
        near, far = (
            r.view(4, 1, 1, 1) * t for r, t in zip(share, (turns[:, None], turns[None]), strict=True)
        )
        whole = torch.cat((near.expand(4, 8, 8, 2), far.expand(4, 8, 8, 2)), -1).flatten(0, 2)
        return whole * 2, chance.repeat_interleave(64) / 64
    level = (1 - z.square()).sqrt().unsqueeze(-1)
    ring = torch.stack((level * angles().cos(), level * angles().sin(), z.unsqueeze(-1).expand(4, 8)), -1)
    return ring.flatten(0, 1) * 3**0.5, (chance.unsqueeze(-1) / 8).expand(4, 8).flatten()


def frames(size: int, count: int) -> Sets:
    """Haar's first `count` columns: around each direction of the sphere all angles, both hands."""
    first, chance = on_the_sphere(size)
    if size == 1:
        return first.unsqueeze(1), chance
    if size == 2:
        whole = torch.stack((first, torch.stack((-first[:, 1], first[:, 0]), -1)), 1)
    else:
        unit = first / 3**0.5
        helper = torch.linalg.cross(unit, torch.tensor([1.0, 0.3, 0.2], dtype=F64).expand_as(unit))
        a = helper / helper.norm(dim=-1, keepdim=True)
        b = torch.linalg.cross(unit, a)
        turned = [t.cos() * torch.stack((a, b), 1) + t.sin() * torch.stack((b, -a), 1) for t in angles()]
        whole = torch.cat([torch.cat((unit.unsqueeze(1), t), 1) for t in turned]) * 3**0.5
        chance = chance.repeat(8) / 8
    other = torch.cat((whole[:, :-1], -whole[:, -1:]), 1)
    return torch.cat((whole, other))[:, :count], chance.repeat(2) / 2


def ordered(rows: Tensor, count: int) -> Sets:  # (sets, rows, D)
    """Every choice of `count` rows in every order, each row with both signs."""
    picked = torch.stack([rows[:, list(p)] for p in itertools.permutations(range(rows.shape[1]), count)])
    v = (picked.unsqueeze(2) * signs(count).view(1, 1, -1, count, 1)).flatten(0, 2)
    return v, torch.full((len(v),), 1 / len(v), dtype=F64)


def walsh(size: int) -> Tensor:  # (2^size, rows, size)
    """The rows of a Hadamard matrix of the next power of two, cut to `size` columns of every sign."""
    rows = torch.ones(1, 1, dtype=F64)
    while len(rows) < size:
        rows = torch.cat((torch.cat((rows, rows), 1), torch.cat((rows, -rows), 1)))
    return rows[:, :size] * signs(size).unsqueeze(1)


def outer(rows: int, cols: int) -> Sets:
    sides = signs(rows + cols)
    v = (sides[:, :rows].unsqueeze(-1) * sides[:, rows:].unsqueeze(-2)).flatten(1)
    return v, torch.full((len(v),), 1 / len(v), dtype=F64)


def all_sets(law: ProbeDistribution, body: tuple[int, ...], count: int) -> Sets | None:
    """Every set of `count` directions over a body; None where there are too many to lay out."""
    size = math.prod(body)
    if law == haar and size > 3:
        return None
    if law in (haar, coordinates, hadamard):
        axes = torch.eye(size, dtype=F64).unsqueeze(0) * size**0.5
        return (
            frames(size, count)
            if law == haar
            else ordered(axes if law == coordinates else walsh(size), count)
        )
    if law in (sphere, rank_one):
        single = on_the_sphere(size) if law == sphere else outer(*body)
        return power(single, count) if len(single[0]) ** count <= MOST else None
    live, length = torch.ones(count, size, dtype=torch.bool), 1.0
    if isinstance(law, Blocks):
        turn, block = torch.arange(count) % law.blocks, torch.arange(size) * law.blocks // size
        live, length, law = turn.unsqueeze(-1) == block, law.blocks**0.5, law.distribution
    nodes = one_coordinate(law)
    if len(nodes[0]) ** int(live.sum()) > MOST:
        return None
    values, chance = power(nodes, int(live.sum()))
    v = torch.zeros(len(values), count, size, dtype=F64)
    v[:, live] = values * length
    return v, chance


def moments_of(
    scheme: Scheme, sets: Sets, g: Tensor, hessian: Tensor, size: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The exact mean, and the covariance by directions and by unit noise of every reading."""
    v, chance = sets[0].transpose(0, 1), sets[1]
    u = scheme.perturbations(v) * size
    losses = u @ g + 0.5 * torch.einsum("...i,ij,...j->...", u, hessian, u)
    slopes = scheme.differences(losses, losses.new_zeros(losses.shape[1:]), size)
    made = (slopes.unsqueeze(-1) * v).mean(0)
    mean = chance @ made
    covariance = torch.einsum("n,ni,nj->ij", chance, made - mean, made - mean)
    unit = torch.eye(len(u) + 1, dtype=F64)
    weight = scheme.differences(unit[:-1], unit[-1], size)  # (K, readings)
    shown = torch.einsum("kr,kni->nri", weight, v) / len(v)
    return mean, covariance, torch.einsum("n,nri,nrj->ij", chance, shown, shown)


def hessians(size: int) -> Iterator[tuple[str, Tensor | None]]:
    generic = torch.sin(torch.arange(1.0, size * size + 1, dtype=F64) * 1.7).view(size, size)
    h = generic + generic.T
    yield "none", None
    yield "zero", torch.zeros(size, size, dtype=F64)
    yield "diagonal", torch.diag(torch.linspace(-1.0, 2.0, size + 1, dtype=F64)[1:])
    yield "indefinite", h
    yield "definite", h @ h + torch.eye(size, dtype=F64)
    yield "traceless", h - h.trace() / size * torch.eye(size, dtype=F64)


INDEPENDENT = [gaussian, rademacher, uniform, sparse(1.0), sparse(2.5), sparse(3.0)]
LAWS: list[ProbeDistribution] = [
    *INDEPENDENT,
    sphere,
    haar,
    hadamard,
    coordinates,
    rank_one,
    *[Blocks(inner, blocks) for inner in (gaussian, rademacher, sparse(2.5)) for blocks in (1, 2, 3)],
]
BODIES = {1: (1, 1), 2: (1, 2), 3: (3, 1), 4: (2, 2)}


def known(law: ProbeDistribution, scheme: Scheme, size: int, count: int, curved: bool) -> bool:
    """Whether there is such a step, and a closed form for it."""
    most = {haar: size, coordinates: size, hadamard: (1, 2, 4, 4)[size - 1]}.get(law, math.inf)  # type: ignore[call-overload]
    if not (2 if scheme == leave_one_out else 1) <= count <= most:
        return False
    if isinstance(law, Blocks) and (count % law.blocks or size < law.blocks):
        return False
    return not curved or scheme == antithetic or law == sphere or law in INDEPENDENT


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_what_is_admitted_is_exact_and_all_else_is_refused(law: ProbeDistribution) -> None:
    admitted = refused = 0
    for (size, body), count in itertools.product(BODIES.items(), range(-1, 6)):
        g = torch.cos(torch.arange(1.0, size + 1, dtype=F64) * 2.3)
        shaped = g.view(body) if law == rank_one else g
        sets = all_sets(law, body, count) if known(law, antithetic, size, count, False) else None
        for scheme, (kind, hessian) in itertools.product(SCHEMES, hessians(size)):
            settings: dict[str, Any] = {"probes": count, "size": 0.4, "hessian": hessian}
            if not known(law, scheme, size, count, hessian is not None):
                refused += 1
                with pytest.raises(ValueError, match=ONE_LINE):
                    laws.along_directions(law, scheme, shaped, **settings)
            elif sets is not None:
                flat = torch.zeros(size, size, dtype=F64) if hessian is None else hessian
                mean, covariance, reading = moments_of(scheme, sets, g, flat, 0.4)
                for noise in (0.0, 0.3):
                    admitted += 1
                    told = laws.along_directions(law, scheme, shaped, **settings, reading_noise=noise)
                    ours = (told.mean, told.perturbation, told.reading, told.covariance)
                    exact = (mean, covariance, reading * noise**2, covariance + reading * noise**2)
                    for one, other in zip(ours, exact, strict=True):
                        close = torch.allclose(one, other, rtol=1e-9, atol=1e-10)
                        assert close, (scheme, kind, count, size)
    assert admitted >= 30
    assert refused >= 50


BAD: list[dict[str, Any]] = [
    {"probes": 0},
    {"probes": -2},
    {"probes": 2.0},
    {"probes": True},
    {"size": 0.0},
    {"size": -0.1},
    {"size": math.nan},
    {"size": math.inf},
    {"reading_noise": -0.1},
    {"reading_noise": math.nan},
    {"reading_noise": math.inf},
    {"hessian": torch.tensor([[1.0, 2.0], [0.0, 1.0]], dtype=F64)},
    {"hessian": torch.full((2, 2), math.nan, dtype=F64)},
    {"hessian": torch.ones(3, 3, dtype=F64)},
    {"hessian": torch.ones(2, dtype=F64)},
    {"hessian": torch.ones(2, 2, dtype=torch.int64)},
    {"g": torch.zeros(0, dtype=F64)},
    {"g": torch.ones(2, dtype=torch.int64)},
    {"g": torch.tensor([1.0, math.inf], dtype=F64)},
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("law", [gaussian, sphere, haar, Blocks(rademacher, 2)], ids=repr)
@pytest.mark.parametrize("bad", BAD, ids=str)
def test_what_makes_no_sense_is_refused_in_one_line(law: ProbeDistribution, scheme: Scheme, bad: Any) -> None:
    settings = {"g": torch.ones(2, dtype=F64), "probes": 2, **bad}
    with pytest.raises(ValueError, match=ONE_LINE):
        laws.along_directions(law, scheme, settings.pop("g"), **settings)


def test_degenerate_arguments_of_other_laws_are_refused_in_one_line() -> None:
    g, eye = torch.ones(2, dtype=F64), torch.eye(2, dtype=F64)
    flat, third = torch.zeros(2, 2, dtype=F64), torch.zeros(2, 2, 2, dtype=F64)
    skew = third.clone()
    skew[0, 1, 1] = 1.0
    noisy: dict[str, Any] = {"probes": 2, "reading_noise": 0.1}
    weights, nodes = WeightPerturbation(0.1), NodePerturbation(0.1)
    empty = torch.zeros(0, 2, dtype=F64)
    best, still = best_settings, laws.along_directions(rademacher, one_sided, g, probes=1)
    for question in (
        lambda: laws.weights(weights, eye, batch=0),
        lambda: laws.weights(weights, empty, batch=2),
        lambda: laws.weights(weights, eye, batch=2, reading_noise=-1.0),
        lambda: laws.weights(weights, g, batch=2),
        lambda: laws.nodes(nodes, empty, empty),
        lambda: laws.nodes(nodes, eye, eye, torch.tensor([-1.0, 1.0], dtype=F64)),
        lambda: laws.nodes(nodes, eye, eye, reading_noise=-1.0),
        lambda: laws.nodes(nodes, eye * math.nan, eye),
        lambda: laws.nodes(nodes, eye, eye * math.inf),
        lambda: laws.nodes(nodes, eye, torch.ones(3, 2, dtype=F64)),
        lambda: laws.nodes(nodes, eye, eye, -g),
        lambda: laws.nodes(nodes, eye, eye, torch.ones(3, dtype=F64)),
        lambda: laws.flipout(gaussian, eye, probes=0),
        lambda: laws.flipout(gaussian, empty, probes=1),
        lambda: laws.hypergradient(still, still, memory=1.0),
        lambda: laws.hypergradient(still, still, memory=1.5),
        lambda: laws.hypergradient(still, still, memory=-0.1),
        lambda: laws.bias(gaussian, third, 0.0),
        lambda: laws.bias(gaussian, skew, 0.1),
        lambda: laws.bias(sphere, skew, 0.1),
        lambda: laws.bias(gaussian, eye, 0.1),
        lambda: best.best_size(gaussian, one_sided, g, hessian=flat, **noisy),
        lambda: best.best_size(gaussian, one_sided, g, hessian=eye, probes=2, reading_noise=0.0),
        lambda: best.best_size(gaussian, antithetic, g, third=third, **noisy),
        lambda: best.best_size(gaussian, antithetic, g, third=skew, **noisy),
        lambda: best.best_size(gaussian, antithetic, g, third=third, probes=0, reading_noise=0.1),
        lambda: best.size_from_curvature(leave_one_out, 1, 0.1, 1.0),
        lambda: best.size_from_curvature(one_sided, 0, 0.1, 1.0),
        lambda: best.size_from_curvature(one_sided, 2, 0.1, 0.0),
        lambda: best.size_from_third_derivative(0.1, 0.0),
        lambda: best.best_probes(1.0, 0.0),
        lambda: best.best_probes(1.0, 1.0, 0.0),
        lambda: best.best_learning_rate(gaussian, 0, 4, 1.0),
        lambda: best.best_learning_rate(gaussian, 1, 0, 1.0),
        lambda: best.best_learning_rate(gaussian, 1, 4, 0.0),
        lambda: best.best_learning_rate(haar, 1, 4, 1.0),
    ):
        with pytest.raises(ValueError, match=ONE_LINE):
            question()


class Patient(OneSided):
    """A user's own, which wants three directions."""

    @property
    def min_directions(self) -> int:
        return 3


def test_a_refusal_says_what_came_and_what_was_wanted() -> None:
    g, eye, nodes = torch.ones(2, dtype=F64), torch.eye(2, dtype=F64), NodePerturbation(0.1)
    third = torch.zeros(2, 2, 2, dtype=F64)
    tall, wide = torch.ones(5, 2, dtype=F64), torch.ones(2, 5, dtype=F64)
    questions: dict[str, Any] = {
        "wants at least 3 probes, got 2": lambda: laws.along_directions(rademacher, Patient(), g, probes=2),
        r"0 directions in 2 coordinates": lambda: laws.along_directions(Thirds(), one_sided, g, probes=0),
        r"gradient \(1, 2\) torch.int64, wanted finite": lambda: laws.along_directions(
            rademacher, one_sided, torch.ones(1, 2, dtype=torch.int64), probes=1
        ),
        r"node gradients \(2,\) torch.float64, wanted 2 axes of finite": lambda: laws.nodes(nodes, g, eye),
        r"inputs \(2,\) torch.float64, wanted 2 axes of finite": lambda: laws.nodes(nodes, eye, g),
        r"gradients \(2,\) torch.float64, wanted 2 axes of finite": lambda: laws.weights(
            WeightPerturbation(0.1), g, batch=2
        ),
        "leaking layers": lambda: laws.nodes(
            NodePerturbation(0.1, 2, scheme=leave_one_out), eye, eye, torch.tensor([0.0, 1.0])
        ),
        "gradient .* wanted finite": lambda: best_settings.best_size(
            gaussian, antithetic, g * math.nan, probes=2, reading_noise=0.1, third=third
        ),
        "3 orthogonal directions asked for in 2": lambda: laws.flipout(haar, tall, probes=3),
        "flipout has a closed form for independent": lambda: laws.flipout(haar, wide, probes=3),
        "memory is 1.0, wanted": lambda: laws.hypergradient(
            *[laws.along_directions(rademacher, one_sided, g, probes=1)] * 2, memory=1.0
        ),
    }
    for says, question in questions.items():
        with pytest.raises(ValueError, match=says):
            question()
