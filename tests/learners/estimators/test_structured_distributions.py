"""Directions with a structure: blocks that take turns, and outer products of rank one."""

import pytest
import torch
from torch import Generator, Tensor

from analog import stream
from learners import gaussian, rademacher
from learners.estimators import Blocks, rank_one
from tests.twostage import kept

from .directions import SPEC, directions


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_blocks_take_turns(blocks: int) -> None:
    """Over a step every coordinate is probed equally often; E v v' = I on average, by exact counting."""
    distribution = Blocks(rademacher, blocks)
    v = directions(distribution, 6, 7, 3, stream(0, "blocks"))
    assert torch.equal((v != 0).sum(0), torch.full((3, 7), 6 // blocks))
    torch.testing.assert_close(v.square().mean(0), torch.ones(3, 7, dtype=torch.float64))
    for k in range(6):
        assert len(set(distribution.block(7)[v[k, 0] != 0].tolist())) == 1


@pytest.mark.parametrize("count", [2, 4])
def test_blocks_spread_as_the_law_says(count: int) -> None:
    g = torch.tensor([1.0, -0.5, 0.25, 2.0, 0.7], dtype=torch.float64)
    distribution = Blocks(gaussian, 2)

    def sample(n: int, generator: Generator) -> Tensor:
        v = directions(distribution, count, 5, n, generator)
        gap = torch.einsum("kn,kni->ni", v @ g, v) / count - g
        return torch.cat((gap, torch.einsum("ni,nj->nij", gap, gap).flatten(1)), -1)

    assert kept(
        sample, torch.cat((0 * g, distribution.covariance(g, count).flatten())), 6000, "blocks spread", count
    )


def test_block_by_block_is_a_bth_of_one_whole_probe() -> None:
    """One probe per block: (D/B - 2 + k)|g|^2, against (D - 2 + k)|g|^2 / B for B whole probes."""
    g = torch.tensor([1.0, -0.5, 0.25, 2.0, 0.7, -1.0], dtype=torch.float64)
    square = float(g.square().sum())
    for distribution in (gaussian, rademacher):
        total = float(Blocks(distribution, 3).covariance(g, 3).trace())
        assert total == pytest.approx((6 / 3 - 2 + distribution.kurtosis) * square)


def test_rank_one_directions_are_outer_products_of_fair_signs() -> None:
    def sample(n: int, generator: Generator) -> Tensor:
        (v,) = rank_one.draw(1, (n,), [(1, 2, 3)], SPEC, generator)
        flat = v[0].flatten(1)
        return torch.cat((flat, torch.einsum("ni,nj->nij", flat, flat).flatten(1)), -1)

    (v,) = rank_one.draw(2, (5,), [(2, 4, 3)], SPEC, stream(0, "rank"))
    assert bool((v.abs() == 1).all()) and int(torch.linalg.matrix_rank(v).max()) == 1
    (lone,) = rank_one.draw(2, (5,), [(4, 3)], SPEC, stream(0, "rank"))  # one tile, as `covariance` takes it
    assert lone.shape == (2, 5, 4, 3) and int(torch.linalg.matrix_rank(lone).max()) == 1
    wanted = torch.cat((torch.zeros(6), torch.eye(6).flatten())).double()
    assert kept(sample, wanted, 4000, "rank one")


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (1, 3)])
def test_rank_one_spreads_as_the_law_says(shape: tuple[int, int]) -> None:
    """All signs of rows and columns: the covariance of (G.V) V, exactly; total (p q - 1)|G|^2."""
    g = torch.randn(shape, generator=stream(0, "rank one", *shape), dtype=torch.float64)
    rows, cols = (torch.cartesian_prod(*[torch.tensor([1.0, -1.0]).double()] * k).view(-1, k) for k in shape)
    v = torch.einsum("ai,bj->abij", rows, cols).flatten(0, 1)
    made = (torch.einsum("nij,ij->n", v, g)[:, None, None] * v).flatten(1)
    gap = made - g.flatten()
    torch.testing.assert_close(made.mean(0), g.flatten())
    covariance = rank_one.covariance(g, 1)
    torch.testing.assert_close(covariance, gap.T @ gap / len(gap))
    assert float(covariance.trace()) == pytest.approx((g.numel() - 1) * float(g.square().sum()))
