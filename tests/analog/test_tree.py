"""Maps over nested tuples of tensors."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from analog.tree import tree_leaves, tree_map, tree_unflatten


class Inner(NamedTuple):
    knobs: Tensor
    worn: Tensor | None = None


class Outer(NamedTuple):
    inner: Inner
    pair: tuple[Tensor, ...]


def tree(value: float) -> Outer:
    return Outer(Inner(torch.tensor([value])), (torch.tensor(2 * value), torch.tensor(3 * value)))


def test_every_tensor_is_mapped_and_every_type_and_none_stays() -> None:
    total = tree_map(torch.add, tree(1.0), tree(10.0))
    assert isinstance(total, Outer) and isinstance(total.inner, Inner) and type(total.pair) is tuple
    assert total.inner.worn is None
    assert [float(leaf) for leaf in tree_leaves(total).values()] == [11, 22, 33]


def test_a_bare_tensor_is_a_tree_and_so_is_nothing() -> None:
    assert float(tree_map(torch.neg, torch.tensor(1.0))) == -1
    assert tree_map(torch.neg, None) is None
    assert tree_leaves(None) == {}


def test_leaves_have_dotted_names_and_lead_back_to_the_tree() -> None:
    leaves = tree_leaves(tree(1.0), "cells")
    assert list(leaves) == ["cells.inner.knobs", "cells.pair.0", "cells.pair.1"]
    back = tree_unflatten(tree(5.0), leaves, "cells")
    assert isinstance(back, Outer) and back == tree(1.0)
    assert list(tree_leaves((tree(1.0).inner,))) == ["0.knobs"]


@pytest.mark.parametrize("other", [None, torch.ones(()), (torch.ones(()),), (None, torch.ones(()))])
def test_trees_of_other_structure_are_refused(other: Any) -> None:
    with pytest.raises(ValueError, match="structures differ"):
        tree_map(torch.add, (torch.ones(()), torch.ones(())), other)
