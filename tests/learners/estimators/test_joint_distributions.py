"""Directions drawn together: orthogonal sets, exact when complete."""

import pytest
import torch
from torch import Generator, Tensor

from analog import Spec, dense, stream
from learners.estimators import ProbeDistribution, hadamard, sphere
from learners.estimators.joint_distributions import _parity
from studies.perturbation.laws import DISTRIBUTIONS

SPEC = Spec((dense(2, 2),), dtype=torch.float64)


ORTHOGONAL = ("haar", "hadamard", "coordinates")


def directions(
    distribution: ProbeDistribution, count: int, size: int, n: int, generator: Generator
) -> Tensor:  # (count, n, size)
    bodies = [(size - 2,), (2,)] if size > 2 else [(size,)]
    return torch.cat(distribution.draw(count, (n,), bodies, SPEC, generator), -1)


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_orthogonal_sets_are_orthogonal_and_exact_when_complete(name: str) -> None:
    v = directions(DISTRIBUTIONS[name], 8, 8, 5, stream(0, name))
    gram = torch.einsum("kni,lni->nkl", v, v)
    torch.testing.assert_close(gram, 8 * torch.eye(8, dtype=torch.float64).expand(5, 8, 8))
    g = torch.arange(8.0, dtype=torch.float64)
    estimate = torch.einsum("kn,kni->ni", v @ g, v) / 8
    torch.testing.assert_close(estimate, g.expand(5, 8))
    assert float(DISTRIBUTIONS[name].covariance(g, 8).abs().max()) < 1e-12


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_more_orthogonal_directions_than_coordinates_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="orthogonal directions asked for"):
        DISTRIBUTIONS[name].draw(9, (), [(8,)], SPEC, stream(0))


def test_a_padded_hadamard_set_is_not_exact_and_says_so() -> None:
    """D = 5 in a matrix of order 8: Var = (D - 1)(8 - K) / (7 K) |g|^2, at K = D too."""
    g = torch.tensor([1.0, -0.5, 0.25, 2.0, 0.7], dtype=torch.float64)
    wanted = 4 * 3 / (7 * 5) * float(g.square().sum())
    assert float(hadamard.covariance(g, 5).trace()) == pytest.approx(wanted)


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_directions_on_the_sphere_have_the_length_of_a_sign_vector(size: int) -> None:
    v = directions(sphere, 3, size, 4, stream(0, "length", size))
    torch.testing.assert_close(v.square().sum(-1), torch.full((3, 4), float(size), dtype=torch.float64))


@pytest.mark.parametrize("bits", [4, 5, 6, 9, 13, 17])
def test_rows_of_large_hadamard_matrices_are_orthogonal(bits: int) -> None:
    size = 2**bits
    (v,) = hadamard.draw(16, (), [(size,)], SPEC, stream(0, "large", bits))
    torch.testing.assert_close(v @ v.mT, size * torch.eye(16, dtype=torch.float64))


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("name", ORTHOGONAL)
def test_each_chip_and_example_has_an_orthogonal_set_of_its_own(name: str, lead: tuple[int, ...]) -> None:
    (v,) = DISTRIBUTIONS[name].draw(3, lead, [(4,)], SPEC, stream(0, "lead", name))
    assert v.shape == (3, *lead, 4)
    gram = torch.einsum("k...i,l...i->...kl", v, v)
    torch.testing.assert_close(gram, 4 * torch.eye(3, dtype=torch.float64).expand_as(gram))
    sets = {tuple(one.flatten().tolist()) for one in v.movedim(0, -2).reshape(-1, 3, 4)}
    assert len(sets) == max(1, v[0, ..., 0].numel())


def test_parity_is_whether_the_bits_are_odd() -> None:
    numbers = [0, 5, *(1 << bit for bit in range(63)), *((1 << bit) + 3 for bit in range(2, 62)), 2**63 - 1]
    wanted = [number.bit_count() % 2 for number in numbers]
    assert _parity(torch.tensor(numbers)).tolist() == wanted
