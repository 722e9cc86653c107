"""Probe laws: how directions are drawn. Mean 0, E v v' = I over all coordinates of a step together.

Every law says what the estimate (1/K) sum_k (g.v_k) v_k of a linear loss's gradient g spreads by
(`covariance`); closed forms re-derived for this project and tested by enumeration.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Protocol

import torch
from torch import Generator
from torch import Tensor

from analog.spec import Spec

_SIGNS = 1.0 - 2.0 * ((torch.arange(256).unsqueeze(-1) >> torch.arange(8)) & 1)  # (256, 8)


class Law(Protocol):
    """How the directions of one step are drawn."""

    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        """`count` directions per index of `lead`, over all bodies together: (count, *lead, *body) each."""
        ...

    def covariance(self, g: Tensor, count: int) -> Tensor:  # (D,) or a body -> (D, D)
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
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        return tuple(self.coordinate((count, *lead, *body), spec, generator) for body in bodies)

    def covariance(self, g: Tensor, count: int) -> Tensor:
        return _spread(g.flatten(), self.kurtosis) / count


@dataclass(frozen=True)
class Joint:
    """Directions drawn over all coordinates together, then dealt out to the bodies."""

    directions: Callable[[int, tuple[int, ...], int, Spec, Generator], Tensor]  # -> (count, *lead, D)
    spread: Callable[[Tensor, int], Tensor]  # (g, count) -> covariance
    most: Callable[[int], int] | None = None  # D -> how many directions a step may have; None: any

    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        sizes = [prod(body) for body in bodies]
        if self.most is not None and count > self.most(sum(sizes)):
            raise ValueError(
                f"probes: {count} orthogonal directions asked for in {sum(sizes)} coordinates, which hold at "
                f"most {self.most(sum(sizes))}; use fewer probes or an independent law"
            )
        together = self.directions(count, lead, sum(sizes), spec, generator)
        parts = together.split(sizes, -1)
        return tuple(part.reshape(count, *lead, *body) for part, body in zip(parts, bodies, strict=True))

    def covariance(self, g: Tensor, count: int) -> Tensor:
        return self.spread(g.flatten(), count)


@dataclass(frozen=True)
class Blocks:
    """Each direction stays in one of `blocks` equal stretches of the coordinates; they take turns.

    It is sqrt(blocks) longer there, so that E v v' = I over a step; probes are a multiple of blocks.
    Var = sum over blocks (D/B - 2 + kurtosis) |g_b|^2 / (K/B): for K/B = 1 a B-th of one whole probe's,
    as B whole probes. At equal length per coordinate its reading noise is B times theirs.
    """

    law: Independent
    blocks: int

    def __post_init__(self) -> None:
        if isinstance(self.blocks, bool) or not isinstance(self.blocks, int) or self.blocks < 1:
            raise ValueError(f"Blocks: blocks is {self.blocks!r}, wanted an integer of at least 1")

    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        sizes = [prod(body) for body in bodies]
        if count % self.blocks or self.blocks > sum(sizes):
            raise ValueError(
                f"Blocks: {count} probes in {sum(sizes)} coordinates; wanted a multiple of {self.blocks} "
                "probes and at least as many coordinates as blocks"
            )
        turn = (torch.arange(count) % self.blocks).unsqueeze(-1).to(spec.on)
        here = (turn == self.block(sum(sizes)).to(spec.on)).to(spec.dtype) * self.blocks**0.5  # (count, D)
        masks = here.view(count, *(1 for _ in lead), -1).split(sizes, -1)
        drawn = self.law.draw(count, lead, bodies, spec, generator)
        return tuple(
            v * mask.reshape(count, *(1 for _ in lead), *body)
            for v, mask, body in zip(drawn, masks, bodies, strict=True)
        )

    def block(self, size: int) -> Tensor:  # (D,), int64
        """The block that each coordinate belongs to."""
        return torch.arange(size) * self.blocks // size

    def covariance(self, g: Tensor, count: int) -> Tensor:
        flat = g.flatten()
        block = self.block(len(flat)).to(g.device)
        together = (block.unsqueeze(-1) == block).to(g.dtype)
        own = torch.diag(together @ flat.square())
        spread = own + together * torch.outer(flat, flat) + (self.law.kurtosis - 3) * torch.diag(flat**2)
        return spread * self.blocks / count


@dataclass(frozen=True)
class RankOne:
    """Signs of a tile's rows times signs of its columns, v = r s': p + q random bits instead of p q.

    For knobs. Var = (p q - 1) |g|^2 / K, as Rademacher; the closed form is that of one tile.
    """

    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        if any(len(body) < 2 for body in bodies):
            raise ValueError("rank_one: directions are outer products over rows and columns of knobs")
        return tuple(
            _signs((count, *lead, *body[:-1], 1), spec, generator)
            * _signs((count, *lead, *body[:-2], 1, body[-1]), spec, generator)
            for body in bodies
        )

    def covariance(self, g: Tensor, count: int) -> Tensor:  # (rows, cols) -> (D, D)
        if g.ndim != 2:
            raise ValueError(f"rank_one: wanted the gradient of one tile (rows, cols), got {tuple(g.shape)}")
        row = torch.eye(len(g), dtype=torch.bool, device=g.device)[:, None, :, None]
        col = torch.eye(g.shape[1], dtype=torch.bool, device=g.device)[None, :, None, :]
        straight, crossed = torch.einsum("ij,kl->ijkl", g, g), torch.einsum("il,kj->ijkl", g, g)
        # E (r'Gs)^2 r_i r_k s_j s_l: where rows are equal only the columns' signs are left, and so on
        second = torch.where(row, (g.mT @ g)[None, :, None, :], straight + crossed)
        second = 2 * torch.where(col & ~row, (g @ g.mT)[:, None, :, None], second)
        second = torch.where(row & col, g.square().sum(), second)
        return (second - straight).reshape(g.numel(), g.numel()) / count


def _spread(g: Tensor, kurtosis: float) -> Tensor:
    """|g|^2 I + g g' + (kurtosis - 3) diag(g^2)."""
    eye = torch.eye(len(g), dtype=g.dtype, device=g.device)
    return g.square().sum() * eye + torch.outer(g, g) + (kurtosis - 3) * torch.diag(g.square())


def _normal(shape: tuple[int, ...], spec: Spec, generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=spec.dtype, device=spec.on)


def _signs(shape: tuple[int, ...], spec: Spec, generator: Generator) -> Tensor:
    """Fair signs, one random bit each."""
    count = prod(shape)
    words = torch.randint(
        -(2**63),
        2**63 - 1,
        (count // 64 + 1,),
        generator=generator,
        device=generator.device,
        dtype=torch.int64,
    )
    signs = _SIGNS.to(spec.on, spec.dtype).index_select(0, words.view(torch.uint8).int().to(spec.on))
    return signs.flatten()[:count].view(shape)


def _flat(shape: tuple[int, ...], spec: Spec, generator: Generator) -> Tensor:
    return (torch.rand(shape, generator=generator, dtype=spec.dtype, device=spec.on) - 0.5) * 12**0.5


def _rare(shape: tuple[int, ...], spec: Spec, generator: Generator, *, rarity: float) -> Tensor:
    hit = torch.rand(shape, generator=generator, dtype=spec.dtype, device=spec.on) * rarity < 1
    return _signs(shape, spec, generator) * hit * rarity**0.5


def _round(count: int, lead: tuple[int, ...], size: int, spec: Spec, generator: Generator) -> Tensor:
    v = _normal((count, *lead, size), spec, generator)
    return v * (size**0.5 / v.norm(dim=-1, keepdim=True))


def _round_spread(g: Tensor, count: int) -> Tensor:
    """[D |g|^2 I + (D - 2) g g'] / (D + 2), a K-th of it."""
    size = len(g)
    eye = torch.eye(size, dtype=g.dtype, device=g.device)
    return (size * g.square().sum() * eye + (size - 2) * torch.outer(g, g)) / ((size + 2) * count)


def _haar(count: int, lead: tuple[int, ...], size: int, spec: Spec, generator: Generator) -> Tensor:
    """Columns of a random orthogonal matrix. The factorisation fixes signs, which R's diagonal undoes."""
    q, r = torch.linalg.qr(_normal((*lead, size, count), spec, generator))
    fair = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    return fair.movedim(-1, 0) * size**0.5


def _walsh(count: int, lead: tuple[int, ...], size: int, spec: Spec, generator: Generator) -> Tensor:
    """Distinct rows of a Walsh-Hadamard matrix with random signs on its columns and on the rows.

    Without signs on the rows the constant column would never be told from the mean of all probes.
    """
    order = _order(size)
    chance = torch.rand((*lead, order), generator=generator, device=spec.on)
    row = chance.topk(count, -1).indices.movedim(-1, 0).unsqueeze(-1)  # (count, *lead, 1)
    shared = row & torch.arange(size, device=spec.on)
    for half in (32, 16, 8, 4, 2, 1):  # the parity of the bits that row and column share
        shared = shared ^ (shared >> half)
    signs = 1 - 2 * (shared & 1).to(spec.dtype)
    return signs * _signs((1, *lead, size), spec, generator) * _signs((count, *lead, 1), spec, generator)


def _axes(count: int, lead: tuple[int, ...], size: int, spec: Spec, generator: Generator) -> Tensor:
    """Distinct coordinate axes of random sign."""
    chance = torch.rand((*lead, size), generator=generator, device=spec.on)
    axis = chance.topk(count, -1).indices.movedim(-1, 0).unsqueeze(-1)
    v = torch.zeros(count, *lead, size, dtype=spec.dtype, device=spec.on)
    return v.scatter_(-1, axis, _signs((count, *lead, 1), spec, generator) * size**0.5)


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


rank_one = RankOne()
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
