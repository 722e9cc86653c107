"""Grids and derivatives for exact tests of smooth losses."""

import itertools

import torch
from torch import Tensor

F64 = torch.float64


def hermite(nodes: int, size: int) -> tuple[Tensor, Tensor]:
    """Gauss-Hermite grid for `size` standard normals: points (n, size) and weights (n,). Golub and Welsch."""
    off = torch.arange(1.0, nodes, dtype=F64).sqrt()
    values, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    grid = torch.cartesian_prod(*[torch.arange(nodes)] * size).view(-1, size)
    return values[grid], vectors[0].square()[grid].prod(-1)


def cubic(t: object) -> Tensor:
    third = torch.tensor(t, dtype=F64)
    orders = [third.permute(*order) for order in itertools.permutations(range(3))]
    return sum(orders, torch.zeros_like(third)) / 6
