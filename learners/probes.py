"""Probe laws: how directions are drawn. Mean 0, E v v' = I over all coordinates of a step together.

Every law says what the estimate (1/K) sum_k (g.v_k) v_k of a linear loss's gradient g spreads by
(`covariance`); closed forms re-derived for this project and tested by enumeration.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Protocol

import torch
from torch import Generator, Tensor

from analog.port import Spec

_SIGNS = 1.0 - 2.0 * ((torch.arange(256).unsqueeze(-1) >> torch.arange(8)) & 1)  # (256, 8)


class Law(Protocol):
    """How the directions of one step are drawn."""

    def draw(
        self, count: int, lead: tuple[int, ...], bodies: Sequence[tuple[int, ...]], spec: Spec, rng: Generator
    ) -> tuple[Tensor, ...]:
        """`count` directions per index of `lead`, over all bodies together: (count, *lead, *body) each."""
        ...

    def covariance(self, g: Tensor, count: int) -> Tensor:  # (D,) -> (D, D)
        """Covariance of the mean of (g.v) v over a step's `count` directions."""
        ...


@dataclass(frozen=True)
class Independent:
    """Coordinates drawn one by one from a symmetric law of mean 0 and variance 1.

    Var = (D - 2 + kurtosis) |g|^2 / K.
    """

    coordinate: Callable[[tuple[int, ...], Spec, Generator], Tensor]
    kurtosis: float  # E v^4

    def draw(
        self, count: int, lead: tuple[int, ...], bodies: Sequence[tuple[int, ...]], spec: Spec, rng: Generator
    ) -> tuple[Tensor, ...]:
        return tuple(self.coordinate((count, *lead, *body), spec, rng) for body in bodies)

    def covariance(self, g: Tensor, count: int) -> Tensor:
        return _spread(g, self.kurtosis) / count


@dataclass(frozen=True)
class Joint:
    """Directions drawn over all coordinates together, then dealt out to the bodies."""

    directions: Callable[[int, tuple[int, ...], int, Spec, Generator], Tensor]  # -> (count, *lead, D)
    spread: Callable[[Tensor, int], Tensor]  # (g, count) -> covariance
    most: Callable[[int], int] | None = None  # D -> how many directions a step may have; None: any

    def draw(
        self, count: int, lead: tuple[int, ...], bodies: Sequence[tuple[int, ...]], spec: Spec, rng: Generator
    ) -> tuple[Tensor, ...]:
        sizes = [prod(body) for body in bodies]
        if self.most is not None and count > self.most(sum(sizes)):
            raise ValueError(
                f"probes: {count} orthogonal directions asked for in {sum(sizes)} coordinates, which hold at "
                f"most {self.most(sum(sizes))}; use fewer probes or an independent law"
            )
        together = self.directions(count, lead, sum(sizes), spec, rng)
        parts = together.split(sizes, -1)
        return tuple(part.reshape(count, *lead, *body) for part, body in zip(parts, bodies, strict=True))

    def covariance(self, g: Tensor, count: int) -> Tensor:
        return self.spread(g, count)


def _spread(g: Tensor, kurtosis: float) -> Tensor:
    """|g|^2 I + g g' + (kurtosis - 3) diag(g^2)."""
    eye = torch.eye(len(g), dtype=g.dtype, device=g.device)
    return g.square().sum() * eye + torch.outer(g, g) + (kurtosis - 3) * torch.diag(g.square())


def _normal(shape: tuple[int, ...], spec: Spec, rng: Generator) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=spec.dtype, device=spec.on)


def _signs(shape: tuple[int, ...], spec: Spec, rng: Generator) -> Tensor:
    """Fair signs, one random bit each."""
    count = prod(shape)
    words = torch.randint(
        -(2**63), 2**63 - 1, (count // 64 + 1,), generator=rng, device=rng.device, dtype=torch.int64
    )
    signs = _SIGNS.to(spec.on, spec.dtype).index_select(0, words.view(torch.uint8).int().to(spec.on))
    return signs.flatten()[:count].view(shape)


def _flat(shape: tuple[int, ...], spec: Spec, rng: Generator) -> Tensor:
    return (torch.rand(shape, generator=rng, dtype=spec.dtype, device=spec.on) - 0.5) * 12**0.5


def _rare(shape: tuple[int, ...], spec: Spec, rng: Generator, *, rarity: float) -> Tensor:
    hit = torch.rand(shape, generator=rng, dtype=spec.dtype, device=spec.on) * rarity < 1
    return _signs(shape, spec, rng) * hit * rarity**0.5


def _round(count: int, lead: tuple[int, ...], size: int, spec: Spec, rng: Generator) -> Tensor:
    v = _normal((count, *lead, size), spec, rng)
    return v * (size**0.5 / v.norm(dim=-1, keepdim=True))


def _round_spread(g: Tensor, count: int) -> Tensor:
    """[D |g|^2 I + (D - 2) g g'] / (D + 2), a K-th of it."""
    size = len(g)
    eye = torch.eye(size, dtype=g.dtype, device=g.device)
    return (size * g.square().sum() * eye + (size - 2) * torch.outer(g, g)) / ((size + 2) * count)


def _haar(count: int, lead: tuple[int, ...], size: int, spec: Spec, rng: Generator) -> Tensor:
    """Columns of a random orthogonal matrix. The factorisation fixes signs, which R's diagonal undoes."""
    q, r = torch.linalg.qr(_normal((*lead, size, count), spec, rng))
    fair = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    return fair.movedim(-1, 0) * size**0.5


def _walsh(count: int, lead: tuple[int, ...], size: int, spec: Spec, rng: Generator) -> Tensor:
    """Distinct rows of a Walsh-Hadamard matrix with random signs on its columns and on the rows.

    Without signs on the rows the constant column would never be told from the mean of all probes.
    """
    order = _order(size)
    chance = torch.rand((*lead, order), generator=rng, device=spec.on)
    row = chance.topk(count, -1).indices.movedim(-1, 0).unsqueeze(-1)  # (count, *lead, 1)
    shared = row & torch.arange(size, device=spec.on)
    for half in (32, 16, 8, 4, 2, 1):  # the parity of the bits that row and column share
        shared = shared ^ (shared >> half)
    signs = 1 - 2 * (shared & 1).to(spec.dtype)
    return signs * _signs((1, *lead, size), spec, rng) * _signs((count, *lead, 1), spec, rng)


def _axes(count: int, lead: tuple[int, ...], size: int, spec: Spec, rng: Generator) -> Tensor:
    """Distinct coordinate axes of random sign."""
    chance = torch.rand((*lead, size), generator=rng, device=spec.on)
    axis = chance.topk(count, -1).indices.movedim(-1, 0).unsqueeze(-1)
    v = torch.zeros(count, *lead, size, dtype=spec.dtype, device=spec.on)
    return v.scatter_(-1, axis, _signs((count, *lead, 1), spec, rng) * size**0.5)


def _order(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _without_replacement(
    one: Callable[[Tensor], Tensor], order: Callable[[int], int]
) -> Callable[[Tensor, int], Tensor]:
    """Of K orthogonal directions out of `order`: (order - K) / (K (order - 1)) of a single one's spread."""

    def spread(g: Tensor, count: int) -> Tensor:
        total = order(len(g))
        left = (total - count) / (count * (total - 1)) if total > 1 else 0.0
        return one(g) * left

    return spread


gaussian = Independent(_normal, 3.0)
rademacher = Independent(_signs, 1.0)  # fair signs: the least kurtosis there is
uniform = Independent(_flat, 9 / 5)


def sparse(rarity: float) -> Independent:
    """Each coordinate is probed with probability 1/rarity, by sqrt(rarity); kurtosis = rarity."""
    if not 1 <= rarity < float("inf"):
        raise ValueError(f"sparse: rarity is {rarity}, wanted a finite number of at least 1")
    return Independent(partial(_rare, rarity=rarity), rarity)


sphere = Joint(_round, _round_spread)  # Gaussian directions of length sqrt(D)
haar = Joint(_haar, _without_replacement(lambda g: _round_spread(g, 1), lambda size: size), lambda size: size)
hadamard = Joint(_walsh, _without_replacement(lambda g: _spread(g, 1.0), _order), _order)
coordinates = Joint(
    _axes,
    _without_replacement(lambda g: len(g) * torch.diag(g.square()) - torch.outer(g, g), lambda size: size),
    lambda size: size,
)
