"""The contract of an answer format, for users' own: `check_answer_format(MyFormat())`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from analog.contract import (
    ContractError,
    first_sentence,
    refuse_global_generators,
    reseed_global_generators,
)
from analog.streams import stream
from analog.tree import tree_leaves
from learners.losses import Loss

from .answer_format import AnswerFormat


def check_answer_format(answers: AnswerFormat, outputs: int = 10) -> tuple[str, ...]:
    """Check that a format keeps its contract on made-up outputs of a fleet of two.

    Targets are finite and have the outputs' leading axes; they depend on the outputs and on the format's
    generator alone, which only a format that draws asks for, and the outputs are left as they are; the loss
    has a gradient, which is that of automatic differentiation; bits are a positive integer.

    Args:
        answers: the format.
        outputs: of the teacher.

    Returns:
        The laws that were tried, each as a sentence.

    Raises:
        ContractError: saying which law the format breaks.
    """
    if isinstance(answers, type):
        raise ContractError(f"got the class {answers.__name__}, wanted a format: write {answers.__name__}()")
    for name in ("loss", "needs_label", "draws", "encode", "bits"):
        _require(hasattr(answers, name), answers, f"it has no {name}; see AnswerFormat")
    for name in ("needs_label", "draws"):
        _require(isinstance(getattr(answers, name), bool), answers, f"{name} is no bool")
    is_loss = isinstance(answers.loss, Loss) and not isinstance(answers.loss, type)
    _require(is_loss, answers, f"loss is {answers.loss!r}, wanted an instance of a subclass of learners.Loss")
    laws = (_check_encoding, _check_bits, _check_gradient)
    for law in laws:
        with refuse_global_generators(str(answers), "draw from the one that `encode` is handed"):
            law(answers, *_made_up(outputs))
    return tuple(map(first_sentence, laws))


def _made_up(outputs: int) -> tuple[Tensor, Tensor]:
    """Outputs of a fleet of two for six examples, and these examples' labels."""
    out = torch.randn(2, 6, outputs, generator=stream(0, "check", "out"), dtype=torch.float64)
    return out, (torch.arange(6) % 2).expand(2, 6)


def _check_encoding(answers: AnswerFormat, out: Tensor, label: Tensor) -> None:
    """A target is finite, one for each example, and hangs on the outputs and its own generator alone."""
    before = out.clone()
    targets = []
    for seed in (1, 2):
        with reseed_global_generators(seed), refuse_global_generators(str(answers), "draw from your own"):
            targets.append(_call(answers, "encode", answers.encode, out, label, _generator(answers)))
        _require(torch.equal(out, before), answers, "encode altered the outputs; work on a copy")
        _check_shapes(answers, targets[-1], out)
    target, again = targets
    _require(_equal(target, again), answers, "encode gave two targets for one state of the generator")
    if answers.draws:
        _check_refuses_no_generator(answers, out, label)


def _check_bits(answers: AnswerFormat, out: Tensor, label: Tensor) -> None:
    """The bits of an answer are a positive integer."""
    del label  # no answer is encoded
    bits = _call(answers, "bits", answers.bits, out.shape[-1])
    is_count = isinstance(bits, int) and not isinstance(bits, bool) and bits > 0
    _require(is_count, answers, f"bits are {bits!r}, wanted a positive integer")


def _call(answers: AnswerFormat, name: str, method: Callable[..., Any], *arguments: Any) -> Any:
    """What a method gives; an error of its breaks the contract.

    Raises:
        ContractError: it raised something.
    """
    try:
        return method(*arguments)
    except ContractError:
        raise
    except Exception as error:
        raise ContractError(f"{answers}: {name} raised {type(error).__name__}: {error}") from error


def _generator(answers: AnswerFormat) -> Any:
    return stream(0, "check", "answers") if answers.draws else None


def _check_shapes(answers: AnswerFormat, target: Any, out: Tensor) -> None:
    leaves = tree_leaves(target, "target")
    _require(bool(leaves), answers, "encode gave no tensor")
    for name, leaf in leaves.items():
        came = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
        fits = isinstance(leaf, Tensor) and leaf.shape[: out.ndim - 1] == out.shape[:-1]
        _require(fits, answers, f"{name} is {came}, wanted the leading axes {tuple(out.shape[:-1])}")
        _require(bool(torch.isfinite(leaf).all()), answers, f"{name} is not finite")


def _check_refuses_no_generator(answers: AnswerFormat, out: Tensor, label: Tensor) -> None:
    try:
        answers.encode(out, label, None)
    except ValueError:
        return
    _require(False, answers, "it draws, and encode does not refuse to without a generator")


def _check_gradient(answers: AnswerFormat, out: Tensor, label: Tensor) -> None:
    """The loss of a format knows its gradient, which is that of automatic differentiation."""
    target = _call(answers, "encode", answers.encode, out, label, _generator(answers))
    student = torch.randn(out.shape, generator=stream(0, "check", "student"), dtype=out.dtype)
    losses = _call(answers, "loss", answers.loss, student, target)
    _require(
        losses.shape == out.shape[:-1], answers, f"losses are {tuple(losses.shape)}, wanted one an example"
    )
    live = student.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(answers.loss(live, target).sum(), live)
    if answers.loss.gradient is None:
        raise ContractError(f"{answers}: {answers.loss!r} has no gradient, which the delta rule wants")
    found = _call(answers, "the loss's gradient", answers.loss.gradient, student, target)
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    _require(
        shape == tuple(wanted.shape), answers, f"the loss's gradient is {shape}, wanted {tuple(wanted.shape)}"
    )
    gap = float((found - wanted).abs().max())
    _require(
        gap < 1e-8 * (1 + float(wanted.abs().max())), answers, f"the loss's gradient is off by {gap:.2g}"
    )


def _equal(one: Any, other: Any) -> bool:
    leaves = tree_leaves(one), tree_leaves(other)
    return leaves[0].keys() == leaves[1].keys() and all(
        torch.equal(leaves[0][k], leaves[1][k]) for k in leaves[0]
    )


def _require(holds: bool, answers: AnswerFormat, law: str) -> None:
    if not holds:
        raise ContractError(f"{answers}: {law}")
