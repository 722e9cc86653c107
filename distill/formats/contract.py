"""The contract of an answer format, for users' own: `check_answer_format(MyFormat())`."""

from typing import Any

import torch
from torch import Tensor

from analog.contract import ContractError
from analog.streams import stream
from analog.tree import tree_leaves
from learners.losses import known_gradient

from .answer_format import AnswerFormat


def check_answer_format(answers: AnswerFormat, outputs: int = 10) -> None:
    """Check that a format keeps its contract on made-up outputs of a fleet of two.

    Targets have the outputs' leading axes; they depend on the outputs and on the format's generator alone,
    which only a format that draws asks for; the loss has a gradient, which is that of automatic
    differentiation; bits are a positive integer.

    Args:
        answers: the format.
        outputs: of the teacher.

    Raises:
        ContractError: saying which law the format breaks.
    """
    out = torch.randn(2, 6, outputs, generator=stream(0, "check", "out"), dtype=torch.float64)
    label = (torch.arange(6) % 2).expand(2, 6)
    before = torch.get_rng_state()
    target = answers.encode(out, label, _generator(answers))
    _require(torch.equal(torch.get_rng_state(), before), answers, "encode drew from torch's global generator")
    _check_shapes(answers, target, out)
    again = answers.encode(out, label, _generator(answers))
    _require(_equal(target, again), answers, "encode gave two targets for one state of the generator")
    if answers.draws:
        _check_refuses_no_generator(answers, out, label)
    bits = answers.bits(outputs)
    is_count = isinstance(bits, int) and not isinstance(bits, bool) and bits > 0
    _require(is_count, answers, f"bits are {bits!r}, wanted a positive integer")
    _check_gradient(answers, target, out)


def _generator(answers: AnswerFormat) -> Any:
    return stream(0, "check", "answers") if answers.draws else None


def _check_shapes(answers: AnswerFormat, target: Any, out: Tensor) -> None:
    leaves = tree_leaves(target, "target")
    _require(bool(leaves), answers, "encode gave no tensor")
    for name, leaf in leaves.items():
        came = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
        fits = isinstance(leaf, Tensor) and leaf.shape[: out.ndim - 1] == out.shape[:-1]
        _require(fits, answers, f"{name} is {came}, wanted the leading axes {tuple(out.shape[:-1])}")


def _check_refuses_no_generator(answers: AnswerFormat, out: Tensor, label: Tensor) -> None:
    try:
        answers.encode(out, label, None)
    except ValueError:
        return
    _require(False, answers, "it draws, and encode does not refuse to without a generator")


def _check_gradient(answers: AnswerFormat, target: Any, out: Tensor) -> None:
    student = torch.randn(out.shape, generator=stream(0, "check", "student"), dtype=out.dtype)
    losses = answers.loss(student, target)
    _require(
        losses.shape == out.shape[:-1], answers, f"losses are {tuple(losses.shape)}, wanted one an example"
    )
    live = student.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(answers.loss(live, target).sum(), live)
    gap = float((known_gradient(answers.loss, str(answers))(student, target) - wanted).abs().max())
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
