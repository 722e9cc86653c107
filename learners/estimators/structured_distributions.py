"""Probe distributions with a structure: blocks of coordinates in turn, and outer products of rank one."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Generator, Tensor

from analog.spec import Spec

from .distributions import Independent, ProbeDistribution, exchange, require_two
from .draws import draw_signs


@dataclass(frozen=True)
class Blocks(ProbeDistribution):
    """Each direction stays in one of `blocks` equal stretches of the coordinates; they take turns.

    It is sqrt(blocks) longer there, so that E v v' = I over a step; probes are a multiple of blocks.
    Var = sum over blocks (D/B - 2 + kurtosis) |g_b|^2 / (K/B): for K/B = 1 a B-th of one whole probe's,
    as B whole probes. At equal length per coordinate its reading noise is B times theirs.

    Raises:
        ValueError: `blocks` is no integer of at least 1.
    """

    distribution: Independent
    blocks: int

    def __post_init__(self) -> None:
        if isinstance(self.blocks, bool) or not isinstance(self.blocks, int) or self.blocks < 1:
            raise ValueError(f"Blocks: blocks is {self.blocks!r}, wanted an integer of at least 1")

    @property
    def multiple(self) -> int:
        return self.blocks

    def require_directions(self, count: int, coordinates: int) -> None:
        super().require_directions(count, coordinates)
        if self.blocks > coordinates:
            raise ValueError(f"{self!r}: {coordinates} coordinates do not fill {self.blocks} blocks")

    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        sizes = [prod(body) for body in bodies]
        self.require_directions(count, sum(sizes))
        turn = (torch.arange(count) % self.blocks).unsqueeze(-1).to(spec.on)
        here = (turn == self.block(sum(sizes)).to(spec.on)).to(spec.dtype) * self.blocks**0.5  # (count, D)
        masks = here.view(count, *(1 for _ in lead), -1).split(sizes, -1)
        drawn = self.distribution.draw(count, lead, bodies, spec, generator)
        return tuple(
            v * mask.reshape(count, *(1 for _ in lead), *body)
            for v, mask, body in zip(drawn, masks, bodies, strict=True)
        )

    def block(self, size: int) -> Tensor:  # (D,), int64
        """The block that each coordinate belongs to."""
        return torch.arange(size) * self.blocks // size

    def covariance(self, g: Tensor, count: int) -> Tensor:
        flat = g.flatten()
        self.require_directions(count, len(flat))
        within = self._exchange_within(flat)
        covariance = within + (self.distribution.kurtosis - 3) * torch.diag(flat**2)
        return covariance * self.blocks / count

    def leave_one_out_covariance(self, g: Tensor, count: int) -> Tensor:
        require_two(self, count)
        within = self._exchange_within(g.flatten())  # probes of the same block exchange less
        return self.covariance(g, count) + (exchange(g) - within * self.blocks / count) / (count - 1) ** 2

    def _exchange_within(self, flat: Tensor) -> Tensor:
        """`exchange` of coordinates of the same block, 0 of others."""
        block = self.block(len(flat)).to(flat.device)
        together = (block[:, None] == block).to(flat.dtype)
        return torch.diag(together @ flat.square()) + together * torch.outer(flat, flat)


@dataclass(frozen=True)
class RankOne(ProbeDistribution):
    """Signs of a tile's rows times signs of its columns, v = r s': p + q random bits instead of p q.

    For knobs. Var = (p q - 1) |g|^2 / K, as Rademacher; the closed form is that of one tile.
    """

    @property
    def needs_columns(self) -> bool:
        return True

    @property
    def directions_independent(self) -> bool:
        return True

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
            draw_signs((count, *lead, *body[:-1], 1), spec, generator)
            * draw_signs((count, *lead, *body[:-2], 1, body[-1]), spec, generator)
            for body in bodies
        )

    def covariance(self, g: Tensor, count: int) -> Tensor:  # (rows, cols) -> (D, D)
        if g.ndim != 2:
            raise ValueError(f"rank_one: wanted the gradient of one tile (rows, cols), got {tuple(g.shape)}")
        self.require_directions(count, g.numel())
        row = torch.eye(len(g), dtype=torch.bool, device=g.device)[:, None, :, None]
        col = torch.eye(g.shape[1], dtype=torch.bool, device=g.device)[None, :, None, :]
        straight, crossed = torch.einsum("ij,kl->ijkl", g, g), torch.einsum("il,kj->ijkl", g, g)
        # E (r'Gs)^2 r_i r_k s_j s_l: where rows are equal only the columns' signs are left, and so on
        second = torch.where(row, (g.mT @ g)[None, :, None, :], straight + crossed)
        second = 2 * torch.where(col & ~row, (g @ g.mT)[:, None, :, None], second)
        second = torch.where(row & col, g.square().sum(), second)
        return (second - straight).reshape(g.numel(), g.numel()) / count


rank_one = RankOne()
