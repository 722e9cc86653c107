"""Subclasses: the sum stands for the class, and an example's own share keeps it apart from its like."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from analog import stream
from distill.formats import SubclassLoss
from learners import CrossEntropy
from tests.distill.slopes import slope_gap

F64 = torch.float64
LABELS = torch.tensor([0, 2, 1, 1, 0, 1])


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(0, "subclasses", *shape), dtype=F64)


@given(each=st.integers(1, 4), apart=st.floats(0, 3), width=st.floats(0.2, 2))
def test_the_slope_is_each_examples_own(each: int, apart: float, width: float) -> None:
    """Others as they read: moved alone, an example's own loss changes as its slope says."""
    loss = SubclassLoss(3, apart, width)
    assert slope_gap(loss, draw(2, 6, 3 * each), LABELS) < 1e-5


def test_a_class_is_the_sum_of_its_subclasses() -> None:
    out = draw(6, 12)
    chances = out.softmax(-1).unflatten(-1, (3, 4)).sum(-1)
    wanted = -chances.gather(-1, LABELS[:, None]).squeeze(-1).log()
    torch.testing.assert_close(SubclassLoss(3, auxiliary_weight=0.0)(out, LABELS), wanted)
    torch.testing.assert_close(
        SubclassLoss(3, auxiliary_weight=0.0)(out[:, ::4], LABELS), CrossEntropy()(out[:, ::4], LABELS)
    )


def test_how_alike_the_choices_are() -> None:
    """All alike: 1. Opposite: -1. Alone of its class: nothing. Two subclasses still can turn round."""
    labels = torch.tensor([0, 0, 1])
    out = torch.zeros(3, 4, dtype=F64)

    def alike(first: list[float], second: list[float]) -> Tensor:
        out[0, :2], out[1, :2] = torch.tensor(first), torch.tensor(second)
        return SubclassLoss(2, 1.0)(out, labels) - SubclassLoss(2, auxiliary_weight=0.0)(out, labels)

    near: dict[str, float] = {"rtol": 1e-4, "atol": 0}  # large outputs; smaller ones are less alike
    torch.testing.assert_close(
        alike([300.0, 100.0], [900.0, -200.0]), torch.tensor([1.0, 1.0, 0.0]).double(), **near
    )
    torch.testing.assert_close(
        alike([300.0, 100.0], [0.0, 200.0]), torch.tensor([-1.0, -1.0, 0.0]).double(), **near
    )


def test_the_share_of_each_is_half_the_slope_of_all() -> None:
    """Were the others' part not taken as read, likeness of a pair would count for both: twice the slope."""
    labels, width = torch.zeros(2, dtype=torch.int64), 0.5
    out = draw(2, 3).requires_grad_()
    r = out - out.mean(-1, keepdim=True)
    r = r / (r.square().sum(-1, keepdim=True) + 1).sqrt()
    whole = 2 * (r[0] @ r[1])  # two examples: each has the other alone, whatever the width
    (wanted,) = torch.autograd.grad(whole, out)
    share = [SubclassLoss(2, a, width) for a in (1.0, 0.0)]
    wide = torch.cat((out.detach(), torch.zeros(2, 3, dtype=F64)), -1)
    got = share[0].gradient(wide, labels) - share[1].gradient(wide, labels)
    torch.testing.assert_close(2 * got[:, :3], wanted)
    assert float(got[:, 3:].abs().max()) == 0


@given(order=st.permutations(range(6)), shift=st.floats(-5, 5))
def test_order_and_common_shifts_change_nothing(order: list[int], shift: float) -> None:
    loss, out = SubclassLoss(3), draw(6, 12)
    torch.testing.assert_close(loss(out[order], LABELS[order]), loss(out, LABELS)[order])
    torch.testing.assert_close(loss(out + shift, LABELS), loss(out, LABELS))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="10 outputs cannot be shared among 3"):
        SubclassLoss(3)(draw(6, 10), LABELS)
    with pytest.raises(ValueError, match="has 3 outputs, and the labels need 4"):
        SubclassLoss(3)(draw(6, 12), LABELS + 1)
    for classes, apart, width in ((1, 1.0, 0.5), (3, -1.0, 0.5), (3, 1.0, 0.0)):
        with pytest.raises(ValueError, match="SubclassLoss"):
            SubclassLoss(classes, apart, width)
