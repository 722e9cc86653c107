"""Every loss of ours keeps its contract, and each way to break it is named."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import ContractError
from distill import DistillationLoss, TeacherTarget
from distill.codistillation import CodistillationLoss, CodistillationTarget
from distill.formats import (
    CaptionDistillationLoss,
    CaptionLoss,
    CaptionTarget,
    SoftCaptionTarget,
    SubclassLoss,
)
from learners import BinaryCrossEntropy, CrossEntropy, Loss, SquaredError, check_loss
from learners.check.loss import loss_laws
from learners.local.contrastive import InfoNCE, PatchInfoNCE
from learners.local.goodness import GoodnessLoss
from learners.local.groups import PerGroupLoss
from studies.handing_on.rehearsal import RehearsalLoss, RehearsalTarget
from tests.sampled import sampled

F64 = torch.float64
LABELS = torch.tensor([0, 2, 1, 1, 0, 2])
SOFT = torch.linspace(0, 2, 36, dtype=F64).sin().view(6, 6).softmax(-1)
OURS: list[tuple[Loss, Any, int]] = [
    (CrossEntropy(), None, 6),
    (SquaredError(), None, 6),
    (BinaryCrossEntropy(), None, 6),
    (GoodnessLoss(), torch.tensor([1.0, -1, 1, 1, -1, -1], dtype=F64), 6),
    (PerGroupLoss(CrossEntropy(), 2), LABELS, 6),
    (InfoNCE(), LABELS, 6),
    (InfoNCE(parts=3), LABELS, 6),
    (PatchInfoNCE(3), LABELS, 6),
    (PatchInfoNCE(3, views=2), LABELS, 6),
    (DistillationLoss(2.0), TeacherTarget(SOFT), 6),
    (DistillationLoss(3.0, 0.7, 0.3), TeacherTarget(SOFT, LABELS), 6),
    (
        CodistillationLoss(2, DistillationLoss(2.0)),
        CodistillationTarget(LABELS[:2], TeacherTarget(SOFT[2:])),
        6,
    ),
    (RehearsalLoss(2.0), RehearsalTarget(TeacherTarget(SOFT), torch.eye(6, dtype=F64)), 6),
    (CaptionLoss(4), CaptionTarget(LABELS, (SOFT[:, :2] > 0.15).double()), 6),
    (CaptionDistillationLoss(4, 2.0), SoftCaptionTarget(SOFT[:, :4].softmax(-1), SOFT[:, 4:]), 6),
]


@pytest.mark.parametrize(("loss", "target", "outputs"), sampled(OURS, 4), ids=lambda part: repr(part)[:40])
def test_our_losses_keep_their_contract(loss: Loss, target: Any, outputs: int) -> None:
    check_loss(loss, target, outputs=outputs)


class Silent(SubclassLoss):
    couples_examples = False


class Half(SubclassLoss):
    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        return 0.5 * super().gradient(out, target)


def test_a_loss_that_compares_examples_says_so_and_is_told_what_was_left_out() -> None:
    """`SubclassLoss` looks at the other examples as they read, not as `freeze` would keep them."""
    laws = tuple(law.sentence for law in loss_laws())
    assert check_loss(CrossEntropy(), LABELS) == laws
    *tried, left_out = check_loss(SubclassLoss(3), LABELS)
    assert tuple(tried) == laws and "the loss couples examples" in left_out
    with pytest.raises(ContractError, match="the value of an example hangs on other examples"):
        check_loss(Silent(3), LABELS)
    with pytest.raises(ContractError, match="gradient is 0.5 times that of central differences"):
        check_loss(Half(3), LABELS)


@dataclass(frozen=True, repr=False)
class Broken(SquaredError):
    """Squared error with one thing wrong."""

    what: str

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        value = 0.5 * (out - target).square().sum(-1, keepdim=True)
        changes = {
            "averaged and expanded": lambda: value.mean(-2, keepdim=True).expand(value.shape),
            "averaged": lambda: value.mean(-2),
            "no axis for parts": lambda: value.squeeze(-1),
            "examples mixed": lambda: value + 0.01 * value.roll(1, -2),
            "probes mixed": lambda: value + 0.01 * value.flatten(0, -3).mean(0) if value.ndim > 3 else value,
            "double": value.double,
            "not finite": lambda: (value - 1e3).log(),
            "infinite at 0": lambda: value / out.square().sum(-1, keepdim=True),
            "draws": lambda: value + 0 * torch.rand(()).to(value),
            "remembers": lambda: value + next(_COUNT),
            "six examples": lambda: value * 6 / out.shape[-2],
            "a batch of one swallowed": lambda: value.squeeze(-2),
            "two axes of probes": lambda: value * (1 if out.ndim < 5 else 2),
            "no lone chip": lambda: value + 0 * out.select(-3, 0).mean(),
            "by place": lambda: value * (1 + torch.arange(out.shape[-2]).to(out).unsqueeze(-1)),
            "not finite above 1e3": lambda: (
                value + 0 * torch.where(out.abs() > 1e3, torch.inf, 0.0).sum(-1, True)
            ),
            "not finite where it fits": lambda: value / (out - target).norm(dim=-1, keepdim=True),
            "asks for a graph": lambda: value * (1 + torch.is_grad_enabled()),
            "saturated": lambda: value.clamp(max=300),
            "alters": lambda: value + out.mul_(2).sum(-1, keepdim=True),
        }
        return changes.get(self.what, lambda: value)()

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        found = out - target
        changes = {
            "negated": lambda: -found,
            "half": lambda: found / 2,
            "over the batch": lambda: found / found.shape[-2],
            "misshapen": lambda: found.sum(-1, keepdim=True),
            "float64 gradient": found.double,
            "one coordinate": lambda: found.index_fill(-1, torch.tensor([2]), 0.0),
            "gradients mixed": lambda: found + 0.01 * found.roll(1, -2),
        }
        return changes.get(self.what, lambda: found)()

    def freeze(self, out: Tensor, target: Tensor) -> Any:
        fleet = out.mean(0, keepdim=True) if out.ndim > 2 else out
        changes = {
            "frozen fleet": lambda: target + 0.1 * fleet,
            "frozen with a graph": lambda: target.clone().requires_grad_(),
            "target altered": lambda: target.add_(1),
        }
        return changes.get(self.what, lambda: target)()

    def __call__(self, out: Tensor, target: Any) -> Tensor:
        return (2 if self.what == "call is no sum" else 1) * super().__call__(out, target)


_COUNT = iter(range(1000))
BREACHES = {
    "averaged and expanded": "an example hangs on other examples",
    "averaged": "wanted torch.float64 .*not averaged",
    "no axis for parts": "wanted torch.float64 .*a number for each part of each example",
    "examples mixed": "an example hangs on other examples",
    "probes mixed": "the same for a chip alone|the same for each probe alone",
    "double": "wanted torch.float32",
    "not finite": "value is not finite",
    "infinite at 0": "value is not finite at 0 times",
    "draws": "global torch generator",
    "remembers": "value of .* gave two answers",
    "six examples": "central differences|in a batch of 1",
    "a batch of one swallowed": "in a batch of 1|value gave .* wanted",
    "two axes of probes": "under two axes of probes",
    "no lone chip": r"value of outputs \[\(6, 6\)\] .* raised IndexError",
    "by place": "central differences|in a batch of 1",
    "not finite above 1e3": "value is not finite at 1000 times",
    "not finite where it fits": "not finite at out == target|central differences",
    "asks for a graph": "value of .* two answers",
    "saturated": "central differences .* at outputs of size 30",
    "alters": "value of .* altered what it was given",
    "negated": "gradient is -1 times",
    "half": "gradient is 0.5 times",
    "over the batch": "gradient of an example is the same in a batch of 1",
    "misshapen": "gradient is .* wanted .* like the outputs",
    "float64 gradient": "gradient is torch.float64 .*, wanted torch.float32",
    "one coordinate": "gradient is 0.* times .* off by",
    "gradients mixed": "the gradient of an example hangs on other examples",
    "frozen fleet": "freeze and value are the same for a chip alone",
    "frozen with a graph": "freeze gave a target with a graph",
    "target altered": "freeze of .* altered",
    "call is no sum": "the call is the sum of the parts",
}


@pytest.mark.parametrize("what", sampled(BREACHES, 2))
def test_every_breach_is_named(what: str) -> None:
    with pytest.raises(ContractError, match=BREACHES[what]):
        check_loss(Broken(what), SOFT.clone())


class HalvesOnly(CrossEntropy):
    """Says that it has two parts, and gives one."""

    parts = 2


def test_parts_are_as_many_as_are_stated() -> None:
    with pytest.raises(ContractError, match=r"wanted torch.float64 \(.*2\)"):
        check_loss(HalvesOnly())


@pytest.mark.parametrize("parts", [0, -1, True, 1.5])
def test_parts_are_an_integer_of_at_least_one(parts: Any) -> None:
    loss = CrossEntropy()
    loss.parts = parts
    with pytest.raises(ContractError, match=f"parts is {parts}, wanted an integer of at least 1"):
        check_loss(loss)


class Shifted(SquaredError):
    """Whose value is far from 0, of some examples: differences round more, and no gradient is wrong."""

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        far = 1e9 * (target.sum(-1, keepdim=True) > target.sum(-1).median())
        return super().value(out, target) + far


def test_what_differences_round_is_let_pass() -> None:
    check_loss(Shifted(), SOFT.clone())


class OfAFleet(SquaredError):
    """Wants one more number beside the target."""

    def value(self, out: Tensor, target: Any) -> Tensor:
        return 0.5 * (out - target[0]).square().sum(-1, keepdim=True)

    def gradient(self, out: Tensor, target: Any) -> Tensor:
        return out - target[0]


def test_other_batches_are_tried_where_each_example_has_its_row_of_the_target() -> None:
    check_loss(OfAFleet(), (SOFT, torch.ones(2)))
    check_loss(OfAFleet(), (SOFT, 3.0))
    for target in ((SOFT, torch.ones(6)), (SOFT, None)):
        with pytest.raises(ContractError, match="in a batch of 1"):
            check_loss(SixRows(), target)


class SixRows(OfAFleet):
    """Doubles the loss of batches that are not of six."""

    def value(self, out: Tensor, target: Any) -> Tensor:
        return super().value(out, target) * (1 + (out.shape[-2] != 6))


class SharpValue(SquaredError):
    """No number where it fits, and no gradient that anybody knows."""

    gradient: Any = None

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        gap = (out - target).norm(dim=-1, keepdim=True)
        return gap * gap / gap


class SharpGradient(SquaredError):
    """Whose gradient is no number where it fits."""

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        return 0.5 * (out - target).square().sum(-1, keepdim=True)

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        gap = out - target
        return gap * gap / gap


def test_what_is_no_number_where_it_fits_is_named() -> None:
    for loss, name in ((SharpValue(), "value"), (SharpGradient(), "gradient")):
        with pytest.raises(ContractError, match=f"{name} is not finite at out == target"):
            check_loss(loss, SOFT.clone())


def test_another_count_of_outputs_is_tried_without_a_target() -> None:
    counts: set[int] = set()

    class Counting(SquaredError):
        def gradient(self, out: Tensor, target: Tensor) -> Tensor:
            counts.add(out.shape[-1])
            return super().gradient(out, target)

    check_loss(Counting())
    assert counts == {6, 18}
    counts.clear()
    check_loss(Counting(), SOFT.clone())
    assert counts == {6}


def test_a_target_that_freezes_what_was_read_is_lawful() -> None:
    check_loss(Settled(), SOFT.clone())


class Settled(SquaredError):
    """Judges by the sign of what was read at first."""

    def freeze(self, out: Tensor, target: Tensor) -> Tensor:
        return target * out.sign()


class NoTarget(CrossEntropy):
    """Takes no target that anyone could guess."""

    def value(self, out: Tensor, target: Any) -> Tensor:
        return super().value(out, target["label"])


def test_slips_have_clear_errors() -> None:
    with pytest.raises(ContractError, match="got the class CrossEntropy"):
        check_loss(CrossEntropy)  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="no instance"):
        check_loss(lambda out, target: out.sum())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give a target="):
        check_loss(NoTarget())
    with pytest.raises(ValueError, match="do not fall into 4 parts"):
        check_loss(PerGroupLoss(CrossEntropy(), 4))


class WrongWhenWide(SquaredError):
    """Whose gradient is another one beyond ten outputs."""

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        return super().gradient(out, target) * (1.0 if out.shape[-1] < 10 else 1.1)

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        return 0.5 * (out - target).square().sum(-1, keepdim=True)


def test_a_gradient_that_is_wrong_when_outputs_are_more_is_refused() -> None:
    with pytest.raises(ContractError, match="gradient"):
        check_loss(WrongWhenWide())
    check_loss(WrongWhenWide(), torch.zeros(6, 6, dtype=F64))
