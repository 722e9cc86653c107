"""Comparisons of trees of tensors, for the checks of all contracts."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor

from analog.contract import ContractError, refuse_global_generators, reseed_global_generators
from analog.streams import stream
from analog.tree import tree_leaves


def clone_tree(tree: Any, name: str = "what was given") -> Any:
    """The same tree, all of whose leaves have memory of their own.

    Args:
        tree: tuples and lists of tensors, None, and whatever `copy.deepcopy` copies.
        name: of the tree, for messages.

    Raises:
        ContractError: a leaf cannot be copied, or not so that the copy is like it.
    """
    if isinstance(tree, tuple | list):
        fields = getattr(type(tree), "_fields", None)
        parts = [
            clone_tree(part, f"{name}.{key}")
            for key, part in zip(fields or range(len(tree)), tree, strict=True)
        ]
        return parts if isinstance(tree, list) else tuple(parts) if fields is None else type(tree)(*parts)
    if isinstance(tree, Tensor):
        return tree.clone()
    try:
        cloned = copy.deepcopy(tree)
        same = equal_trees(tree, cloned)
    except Exception as error:  # whatever a user's class does
        raise ContractError(f"{name} is {_uncopied(tree)} ({' '.join(str(error).split())})") from error
    if not same:
        raise ContractError(f"{name} is {_uncopied(tree)}")
    return cloned


def _uncopied(leaf: Any) -> str:
    return (
        f"a {type(leaf).__name__}, which cannot be copied and compared; wanted tuples, lists, None, tensors, "
        "numbers, strings, or what else copy.deepcopy copies"
    )


def equal_trees(a: Any, b: Any) -> bool:
    """Whether two trees are of one structure and all their leaves the same, bitwise for tensors.

    Of an object that does not say what it equals, or cannot of the tensors in it, all that `copy.deepcopy`
    would copy is compared.
    """
    return _equal(a, b, set())


def _equal(a: Any, b: Any, under_way: set[tuple[int, int]]) -> bool:
    if a is b or (id(a), id(b)) in under_way:  # an object may hold itself
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return _equal_tensors(a, b)
    inside = under_way | {(id(a), id(b))}
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        fields = [getattr(type(each), "_fields", len(each)) for each in (a, b)]
        return fields[0] == fields[1] and all(_equal(*pair, inside) for pair in zip(a, b, strict=True))
    if type(a) is not type(b):
        return False
    if isinstance(a, Generator):
        return _equal_tensors(a.get_state(), b.get_state())
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_equal(a[key], b[key], inside) for key in a)
    if "__eq__" in {name for kind in type(a).__mro__[:-1] for name in vars(kind)}:  # it says what it equals
        try:
            return bool(a == b) or bool(a != a and b != b)  # as NaN
        except Exception:  # tensors or arrays in it say of each number whether it is the same
            pass
    return _equal(_contents(a), _contents(b), inside)


def _equal_tensors(a: Tensor, b: Tensor) -> bool:
    return (
        a.dtype == b.dtype and a.shape == b.shape and bool((a == b).logical_or(a.isnan() & b.isnan()).all())
    )


def _contents(leaf: Any) -> list[Any]:
    """What an object is made anew from."""
    made = leaf.__reduce_ex__(4)
    return [made] if isinstance(made, str) else [[*p] if isinstance(p, Iterator) else p for p in made]


def require(kept: bool, statement: str) -> None:
    """Pass on if a law is kept.

    Raises:
        ContractError: it is broken.
    """
    if not kept:
        raise ContractError(statement)


@contextmanager
def refuse_changed_modes(user: str) -> Iterator[None]:
    """Refuse whatever leaves torch's gradient mode or its default dtype other than it found them.

    They are left as they were. What fails for another reason fails for that.

    Args:
        user: who is watched, as the message says it.

    Raises:
        ContractError: one was changed.
    """
    gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    changed = ""
    try:
        yield
    finally:
        if torch.is_grad_enabled() != gradients:
            torch.set_grad_enabled(gradients)
            changed = "gradient mode"
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
            changed = "default dtype"
    require(not changed, f"{user}: torch's {changed} was left changed; change it in a with block")


def answer_of(
    user: str, name: str, function: Callable[..., Any], *arguments: Any, nothing: str, gradients: bool = False
) -> Any:
    """Ask a pure function twice, in two worlds, and give its answer, which is the same in both.

    The global generators are seeded otherwise the second time, and gradients are no longer recorded.

    Args:
        user: whose function it is, as messages say it.
        name: of the function, as messages say it.
        arguments: what it is given, and leaves as it is.
        nothing: that it draws nothing, as a message says it.
        gradients: whether gradients are recorded the second time too, for one that may use them itself.

    Raises:
        ContractError: it raised, altered an argument or a mode, used a generator, or gave another answer.
    """
    before, answers = clone_tree(arguments), []
    for seed, recorded in ((2, True), (3, gradients)):
        with (
            torch.set_grad_enabled(recorded),
            refuse_changed_modes(f"{user}: {name}"),
            reseed_global_generators(seed),
            refuse_global_generators(user, nothing),
        ):
            try:
                found = function(*arguments)
            except Exception as error:
                raise ContractError(f"{user}: {name} raised {type(error).__name__}: {error}") from error
        answers.append((found, clone_tree(found, f"what {name} gave")))  # lest it give the same memory twice
        require(equal_trees(arguments, before), f"{user}: {name} altered what it was given; work on a copy")
    (answer, kept), (_, again) = answers
    require(
        equal_trees(kept, again),
        f"{user}: {name} gave two answers to one question; keep all memory in what it is given",
    )
    return answer


def made_up(*path: str | int) -> Generator:
    """The generator of the numbers with which a contract is tried, the same at every call."""
    return stream(0, "check", *path)


def others_changed(t: Tensor, kept: int, axis: int) -> Tensor:
    """A tensor of any shape of which all but one along an axis are turned round, larger and elsewhere."""
    at = [1] * t.ndim
    at[axis] = -1
    here = (torch.arange(t.shape[axis]) == kept).view(at)
    return torch.where(here, t, -2.3 * t + 0.7)


def require_close(found: Tensor, wanted: Tensor, rounding: float, statement: str, slack: float = 0.0) -> None:
    """Pass on if two tensors of one shape differ by no more than a share of the size of the second.

    Args:
        rounding: the share.
        slack: by how much more they may differ, of whatever size.

    Raises:
        ContractError: they differ by more.
    """
    require(found.shape == wanted.shape, f"{statement} ({tuple(found.shape)}, wanted {tuple(wanted.shape)})")
    if not found.numel():
        return
    gap, size = float((found - wanted).abs().max()), float(wanted.abs().max())
    if not gap <= rounding * (size + 1e-3) + slack:
        raise ContractError(f"{statement}; off by {gap:.3g} at a size of {size:.3g}")


def require_form(found: object, shape: Sequence[int], dtype: torch.dtype, what: str, hint: str = "") -> None:
    """Pass on if something is a tensor of that shape and dtype.

    Args:
        what: gave or is the tensor, as the message begins.
        hint: how the message ends.

    Raises:
        ContractError: it is something else.
    """
    form = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
    fits = isinstance(found, Tensor) and found.shape == tuple(shape) and found.dtype == dtype
    require(fits, f"{what} {form}, wanted {dtype} {tuple(shape)}{hint}")


def multiple(found: Tensor, wanted: Tensor) -> float:
    """The factor by which the first of two tensors of one shape is the second, along it; 0 if that is 0."""
    power = float((wanted * wanted).sum())
    return float((found * wanted).sum()) / power if power else 0.0


def finite(tree: Any) -> bool:
    """Whether all floating tensors of a tree are finite."""
    tensors = (leaf for leaf in tree_leaves(tree).values() if isinstance(leaf, Tensor))
    return all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())
