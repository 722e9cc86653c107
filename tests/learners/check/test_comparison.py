"""Comparisons of trees: what counts as the same, as close, and as finite."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from analog import ContractError
from learners.check.comparison import (
    answer_of,
    clone_tree,
    equal_trees,
    finite,
    made_up,
    multiple,
    others_changed,
    refuse_changed_modes,
    require_close,
    require_form,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (torch.ones(2), torch.ones(2), True),
        (torch.ones(2), torch.ones(2).double(), False),
        (torch.ones(2), torch.ones(1, 2), False),
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, NAN]), True),
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, 2.0]), False),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, NAN]), False),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), False),
        ((torch.ones(1), None), (torch.ones(1), None), True),
        ((torch.ones(1), 3), (torch.ones(1), 4), False),
        ((torch.ones(1), 3), (torch.ones(1), 3.0), False),
        ((torch.ones(1),), (torch.ones(1), torch.ones(1)), False),
        ({"a": torch.ones(1)}, {"b": torch.ones(1)}, False),
        ((torch.ones(1), None), (torch.ones(1), torch.ones(1)), False),
    ],
)
def test_trees_are_the_same_by_structure_and_bit_by_bit(a: Any, b: Any, same: bool) -> None:
    assert equal_trees(a, b) is same


def test_a_copy_has_memory_of_its_own() -> None:
    tree = (torch.ones(2), 3)
    copy = clone_tree(tree)
    copy[0].zero_()
    assert tree[0].tolist() == [1.0, 1.0] and copy[1] == 3


class Memory:
    """Says nothing of what it equals, and holds itself."""

    def __init__(self) -> None:
        self.sums, self.this = {"sum": torch.tensor([1.0, NAN])}, self


@dataclass
class Sums:
    total: torch.Tensor


def drawn(generator: Any) -> None:
    generator.random()


ALTERED: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "dictionary": ({"n": 0}, lambda d: d.update(n=1)),
    "a dictionary of tensors": ({"a": {"n": torch.ones(2)}}, lambda d: d["a"]["n"].add_(1)),
    "a list": ([0, [1]], lambda found: found[1].append(2)),
    "a set": ({1}, lambda found: found.add(2)),
    "an object": (Memory(), lambda found: found.sums["sum"].add_(1)),
    "a dataclass": (Sums(torch.ones(2)), lambda found: found.total.add_(1)),
    "an array": (np.array([1.0, NAN]), lambda found: found.put(0, 2)),
    "numpy's generator": (np.random.default_rng(0), drawn),
    "numpy's older one": (np.random.RandomState(0), drawn),
    "torch's generator": (torch.Generator(), lambda found: torch.rand(1, generator=found)),
    "a deque of tensors": (deque([torch.ones(2)]), lambda found: found[0].add_(1)),
    "not a number": ((NAN, np.float64(NAN), [1]), lambda found: found[2].append(2)),
}


@pytest.mark.parametrize("kind", ALTERED)
def test_whatever_can_be_copied_is_told_from_what_it_was(kind: str) -> None:
    tree, alter = ALTERED[kind]
    tree = (tree, None)
    before = clone_tree(tree)
    assert equal_trees(tree, before) and type(before[0]) is type(tree[0])
    alter(tree[0])
    assert not equal_trees(tree, before)


def test_what_cannot_be_copied_is_named() -> None:
    with pytest.raises(ContractError, match=r"^x: state.1.lock is a lock, which cannot be copied") as refused:
        clone_tree((0, Locked(threading.Lock())), "x: state")
    assert "\n" not in str(refused.value)


class Locked(NamedTuple):
    lock: Any


@pytest.mark.parametrize(
    ("found", "wanted", "kept"),
    [
        ([0.9, 100.0], [0.0, 100.0], True),
        ([1.1, 100.0], [0.0, 100.0], False),
        ([0.9e-5], [0.0], True),
        ([1.1e-5], [0.0], False),
        ([NAN, 100.0], [0.0, 100.0], False),
        ([], [], True),
    ],
)
def test_a_share_of_the_largest_is_let_pass(found: list[float], wanted: list[float], kept: bool) -> None:
    a, b = (torch.tensor(each, dtype=torch.float64) for each in (found, wanted))
    if kept:
        return require_close(a, b, 0.01, "the law")
    with pytest.raises(ContractError, match="^the law; off by"):
        require_close(a, b, 0.01, "the law")


def test_slack_is_given_whatever_the_size() -> None:
    a, b = torch.tensor([100.0]), torch.tensor([102.0])
    require_close(a, b, 0.01, "the law", 1.0)
    require_close(b, b, 0.0, "the law")
    with pytest.raises(ContractError, match="^the law; off by 2 at a size of 102$"):
        require_close(a, b, 0.01, "the law", 0.9)


def test_a_tensor_of_another_form_is_told() -> None:
    require_form(torch.ones(2, 1), (2, 1), torch.float32, "it gave")
    for found, form in (
        (torch.ones(2), r"torch.float32 \(2,\)"),
        (torch.ones(2, 1).double(), r"torch.float64 \(2, 1\)"),
        (3.0, "float"),
    ):
        with pytest.raises(ContractError, match=rf"^it gave {form}, wanted torch.float32 \(2, 1\), always$"):
            require_form(found, (2, 1), torch.float32, "it gave", ", always")


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("kept", [0, 2])
def test_all_but_one_are_turned_round_larger_and_elsewhere(axis: int, kept: int) -> None:
    t = torch.randn(3, 3, 3, generator=made_up("others"))
    changed = others_changed(t, kept, axis)
    for k, (now, before) in enumerate(zip(changed.unbind(axis), t.unbind(axis), strict=True)):
        slope = multiple(now - now.mean(), before - before.mean())
        rise = float((now - slope * before).mean())
        assert torch.equal(now, before) if k == kept else slope < -2 and rise > 0.5


def asked(function: Any, *given: Any, gradients: bool = False) -> Any:
    return answer_of("x", "f", function, *given, nothing="it draws nothing", gradients=gradients)


def test_an_answer_is_asked_for_twice_and_passed_on() -> None:
    modes: list[bool] = []

    def recorded(t: torch.Tensor) -> torch.Tensor:
        modes.append(torch.is_grad_enabled())
        return 2 * t

    given = torch.ones(2)
    with torch.no_grad():
        assert torch.equal(asked(recorded, given), 2 * given) and modes == [True, False]
        assert torch.equal(asked(recorded, given, gradients=True), 2 * given)
    assert modes == [True, False, True, True]
    assert isinstance(asked(lambda: [given]), list)


def drawn_in_a_fork() -> float:
    with torch.random.fork_rng():
        return float(torch.rand(()))


def buffered(buffer: torch.Tensor) -> Any:
    return lambda: buffer.add_(1)


def failing() -> None:
    raise ArithmeticError("burnt through")


@pytest.mark.parametrize(
    ("function", "given", "says"),
    [
        (lambda t: t.add_(1), (torch.ones(2),), "^x: f altered what it was given; work on a copy$"),
        (drawn_in_a_fork, (), "^x: f gave two answers to one question"),
        (torch.is_grad_enabled, (), "^x: f gave two answers to one question"),
        (buffered(torch.ones(2)), (), "^x: f gave two answers to one question"),
        (iter([1, 2]).__next__, (), "^x: f gave two answers to one question"),
        (lambda: torch.set_grad_enabled(False), (), "^x: f: torch's gradient mode was left changed"),
        (lambda: torch.rand(()), (), "^x: the global torch generator .*; it draws nothing"),
        (failing, (), "^x: f raised ArithmeticError: burnt through$"),
    ],
    ids=range(8),
)
def test_what_is_no_pure_function_is_named(function: Any, given: Any, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        asked(function, *given)
    assert torch.is_grad_enabled()


def test_made_up_numbers_are_the_same_under_one_name() -> None:
    one, again, other = (torch.randn(4, generator=made_up(name)) for name in ("a", "a", "b"))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_another_shape_is_told() -> None:
    with pytest.raises(ContractError, match=r"^the law \(\(2,\), wanted \(1, 2\)\)$"):
        require_close(torch.ones(2), torch.ones(1, 2), 1.0, "the law")


def test_a_multiple_is_that_along_the_other() -> None:
    wanted = torch.tensor([3.0, 4.0])
    assert multiple(2 * wanted + torch.tensor([4.0, -3.0]), wanted) == pytest.approx(2)
    assert multiple(wanted, 0 * wanted) == 0


def test_one_number_that_is_not_finite_is_enough_and_integers_always_are() -> None:
    assert finite((torch.ones(2), torch.ones(2).long(), 3))
    for bad in (NAN, INF, -INF):
        assert not finite((torch.ones(2), torch.tensor([1.0, bad])))


def test_modes_that_are_left_changed_are_named_and_put_back() -> None:
    with refuse_changed_modes("x"), torch.no_grad():
        pass
    with (
        pytest.raises(ContractError, match="^x: torch's gradient mode was left changed"),
        refuse_changed_modes("x"),
    ):
        torch.set_grad_enabled(False)
    assert torch.is_grad_enabled()
    with (
        pytest.raises(ContractError, match="^x: torch's default dtype was left changed"),
        refuse_changed_modes("x"),
    ):
        torch.set_default_dtype(torch.float64)
    assert torch.get_default_dtype() == torch.float32
    with pytest.raises(ArithmeticError), refuse_changed_modes("x"):
        fail_without_gradients()
    assert torch.is_grad_enabled()


def fail_without_gradients() -> None:
    torch.set_grad_enabled(False)
    raise ArithmeticError
