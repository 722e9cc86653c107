"""Units that share a part of what they draw are found, whichever coordinates they draw."""

import pytest
import torch
from torch import Tensor

from analog import stream
from learners.check.independence import _tie

SAMPLES, UNITS = 4000, 4


def drawn(width: int) -> Tensor:
    return torch.randn(SAMPLES, UNITS, width, generator=stream(0, "ties", width), dtype=torch.float64)


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_units_of_their_own_are_let_pass(width: int) -> None:
    assert _tie(drawn(width)) is None
    assert _tie(torch.zeros(SAMPLES, UNITS, width, dtype=torch.float64)) is None


@pytest.mark.parametrize("pair", [(0, 1), (1, 3), (2, 3)])
@pytest.mark.parametrize("width", [1, 3, 7])
def test_two_that_share_a_part_are_named(pair: tuple[int, int], width: int) -> None:
    values = drawn(width)
    values[:, pair[1]] = 0.5 * values[:, pair[1]] + 0.5 * values[:, pair[0]]
    tie = _tie(values)
    assert tie is not None and tie[0] == pair and tie[1] > 10


def test_coordinates_that_one_unit_never_draws_do_not_hide_those_that_two_share() -> None:
    values = drawn(3)
    values[:, 1, 1:] = 0.0
    values[:, 3] = values[:, 2]
    tie = _tie(values)
    assert tie is not None and tie[0] == (2, 3)


def test_two_that_share_in_another_place_are_found_too() -> None:
    values = drawn(3)
    values[:, 2] = values[:, 1].roll(1, -1)
    tie = _tie(values)
    assert tie is not None and tie[0] == (1, 2)


def test_two_that_share_the_signs_of_products_are_found_too() -> None:
    """Each coordinate alone has nothing in common with the other's."""
    values = drawn(3).sign()
    sign = torch.randn(SAMPLES, 1, generator=stream(0, "sign"), dtype=torch.float64).sign()
    values[:, 1] = values[:, 0] * sign
    tie = _tie(values)
    assert tie is not None and tie[0] == (0, 1)
