"""Probe distributions over all coordinates together: of fixed length, or orthogonal to one another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Generator, Tensor

from analog.spec import Spec

from .distributions import ProbeDistribution, exchange, independent_covariance, require_two
from .draws import draw_normal, draw_signs
from .quadratic_moments import QuadraticMoments, require_symmetric, sphere_moments


@dataclass(frozen=True)
class Sphere(ProbeDistribution):
    """Independent Gaussian directions of length sqrt(D)."""

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
        size = sum(prod(body) for body in bodies)
        v = draw_normal((count, *lead, size), spec, generator)
        return _split(v * (size**0.5 / v.norm(dim=-1, keepdim=True)), bodies)

    def covariance(self, g: Tensor, count: int) -> Tensor:
        self.require_directions(count, g.numel())
        return _sphere_covariance(g.flatten(), count)

    def quadratic_moments(self, hessian: Tensor) -> QuadraticMoments:
        return sphere_moments(hessian)

    def bias(self, third: Tensor) -> Tensor:
        require_symmetric(f"{self!r}: the third derivative", third)
        gradient = torch.einsum("ijj->i", third)  # of the Laplacian
        return len(gradient) / (len(gradient) + 2) / 2 * gradient


@dataclass(frozen=True)
class Orthogonal(ProbeDistribution):
    """A step's directions are members of an orthogonal set of `order` directions, drawn without replacement.

    The covariance is (order - K) / (K (order - 1)) of a single direction's, 0 where the set is complete.
    """

    name: str
    directions: Callable[[int, tuple[int, ...], int, Spec, Generator], Tensor] = field(repr=False)
    single: Callable[[Tensor], Tensor] = field(repr=False)  # g (D,) -> covariance (D, D) of one direction
    order: Callable[[int], int] = field(repr=False)  # D -> how many directions the set has

    def max_directions(self, coordinates: int) -> int:
        return self.order(coordinates)

    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        size = sum(prod(body) for body in bodies)
        self.require_directions(count, size)
        return _split(self.directions(count, lead, size, spec, generator), bodies)

    def covariance(self, g: Tensor, count: int) -> Tensor:
        flat = g.flatten()
        self.require_directions(count, len(flat))
        total = self.order(len(flat))
        return self.single(flat) * ((total - count) / (count * max(1, total - 1)))

    def leave_one_out_covariance(self, g: Tensor, count: int) -> Tensor:
        require_two(self, count)
        flat = g.flatten()
        total = self.order(len(flat))
        twice = 2 * (self.covariance(flat, 1) + torch.outer(flat, flat))  # no two directions are alike
        exchanged = (total * exchange(flat) - twice) / ((total - 1) * count * (count - 1))
        return self.covariance(flat, count) + exchanged


def _split(directions: Tensor, bodies: Sequence[tuple[int, ...]]) -> tuple[Tensor, ...]:
    """(count, *lead, D) -> (count, *lead, *body) for each body."""
    parts = directions.split([prod(body) for body in bodies], -1)
    return tuple(part.reshape(*part.shape[:-1], *body) for part, body in zip(parts, bodies, strict=True))


def _sphere_covariance(g: Tensor, count: int) -> Tensor:
    """[D |g|^2 I + (D - 2) g g'] / (D + 2), a K-th of it."""
    size = len(g)
    eye = torch.eye(size, dtype=g.dtype, device=g.device)
    return (size * g.square().sum() * eye + (size - 2) * torch.outer(g, g)) / ((size + 2) * count)


def _haar(count: int, lead: tuple[int, ...], size: int, spec: Spec, generator: Generator) -> Tensor:
    """Columns of a random orthogonal matrix. The factorization fixes signs, which R's diagonal undoes."""
    q, r = torch.linalg.qr(draw_normal((*lead, size, count), spec, generator))
    fair = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    return fair.movedim(-1, 0) * size**0.5


def _walsh(count: int, lead: tuple[int, ...], size: int, spec: Spec, generator: Generator) -> Tensor:
    """Distinct rows of a Walsh-Hadamard matrix with random signs on its columns and on the rows.

    Without signs on the rows the constant column would never be told from the mean of all probes.
    """
    chance = torch.rand((*lead, _power_of_two(size)), generator=generator, device=spec.on)
    row = chance.topk(count, -1).indices.movedim(-1, 0).unsqueeze(-1)  # (count, *lead, 1)
    shared = row & torch.arange(size, device=spec.on)
    signs = 1 - 2 * _parity(shared).to(spec.dtype)
    return (
        signs * draw_signs((1, *lead, size), spec, generator) * draw_signs((count, *lead, 1), spec, generator)
    )


def _parity(numbers: Tensor) -> Tensor:
    """1 where a number below 2^63 has an odd number of bits set, else 0."""
    for half in (32, 16, 8, 4, 2, 1):
        numbers = numbers ^ (numbers >> half)
    return numbers & 1


def _axes(count: int, lead: tuple[int, ...], size: int, spec: Spec, generator: Generator) -> Tensor:
    """Distinct coordinate axes of random sign."""
    chance = torch.rand((*lead, size), generator=generator, device=spec.on)
    axis = chance.topk(count, -1).indices.movedim(-1, 0).unsqueeze(-1)
    v = torch.zeros(count, *lead, size, dtype=spec.dtype, device=spec.on)
    return v.scatter_(-1, axis, size**0.5) * draw_signs((count, *lead, 1), spec, generator)


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _as_many_as_coordinates(size: int) -> int:
    return size


sphere = Sphere()
haar = Orthogonal("haar", _haar, lambda g: _sphere_covariance(g, 1), _as_many_as_coordinates)
hadamard = Orthogonal("hadamard", _walsh, lambda g: independent_covariance(g, 1.0), _power_of_two)
coordinates = Orthogonal(
    "coordinates",
    _axes,
    lambda g: len(g) * torch.diag(g.square()) - torch.outer(g, g),
    _as_many_as_coordinates,
)
