"""Assertions pass what is within their tolerance, and say by how much the rest is not."""

import pytest
import torch
from torch import Tensor

from analog import Chip, ContractError, Ideal, dense
from analog.check.assertions import cell_fields, clone_fields, require, require_close, require_equal

INF, NAN = float("inf"), float("nan")
KINDS = [torch.float64, torch.float32, torch.int64, torch.uint8, torch.bool, torch.complex64]


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_what_differs_is_told_by_how_much_whatever_its_dtype(dtype: torch.dtype) -> None:
    a, b = torch.tensor([0, 1, 1]).to(dtype), torch.tensor([1, 1, 1]).to(dtype)
    require_equal(a, a.clone(), "the law")
    with pytest.raises(ContractError, match=r"^the law \(by up to 1\)$"):
        require_equal(a, b, "the law")
    with pytest.raises(ContractError, match=r"^the law \(\(3,\), \(2,\)\)$"):
        require_equal(a, b[:2], "the law")
    require_close(a, a.clone(), 0.0, "the law")
    require_close(a, b, 1.0, "the law")
    with pytest.raises(ContractError, match=r"^the law: differs by 1 at a scale of 1, tolerated 0.5 of it$"):
        require_close(a, b, 0.5, "the law")


@pytest.mark.parametrize(
    ("a", "b", "kept"),
    [
        ([1.0, 100.0], [1.9, 100.0], True),  # a hundredth of the largest
        ([1.0, 100.0], [2.1, 100.0], False),
        ([0.0], [0.9e-5], True),  # at least of a thousandth
        ([0.0], [1.1e-5], False),
        ([INF, 1.0], [INF, 1.0], True),
        ([INF, 1.0], [-INF, 1.0], False),
        ([NAN, 1.0], [1.0, 1.0], False),
        ([], [], True),
    ],
)
def test_a_share_of_the_largest_is_tolerated(a: list[float], b: list[float], kept: bool) -> None:
    one, other = (torch.tensor(each, dtype=torch.float64) for each in (a, b))
    if kept:
        return require_close(one, other, 0.01, "the law")
    with pytest.raises(ContractError, match="^the law: differs by"):
        require_close(one, other, 0.01, "the law")


def test_imaginary_parts_count_too() -> None:
    a, b = torch.tensor([1 + 1j, 2.0]), torch.tensor([1 + 0j, 2.0])
    with pytest.raises(ContractError, match=r"by up to 1\)"):
        require_equal(a, b, "the law")
    with pytest.raises(ContractError, match="differs by 1 at a scale of 2"):
        require_close(a, b, 0.1, "the law")


def test_a_law_is_told_just_if_it_is_broken() -> None:
    require(True, "the law")
    with pytest.raises(ContractError, match="^the law$"):
        require(False, "the law")


def test_copies_of_fields_have_memory_of_their_own() -> None:
    chip = Chip(Ideal(), (dense(3, 2), dense(2, 2)), 1)
    fields = cell_fields(chip, 1)
    copies: dict[str, Tensor] = clone_fields(fields)
    assert list(fields) == ["knobs"] and fields["knobs"] is chip._cells[1].knobs
    copies["knobs"].zero_()
    assert bool(fields["knobs"].any())
