"""Competition of classes: the slope of the loss, whose neurons are whose, and learning in one pass."""

import pytest
import torch

from analog import Chip, Ideal, dense, stream
from learners import Batch, adam, fit
from learners.local import Block, ClassGoodness, Greedy, Hebbian, class_goodness, normalize

F64 = torch.float64
LOSS = ClassGoodness(3, sharpness=4.0)


def test_the_slope_is_the_losss_own() -> None:
    """Two neurons of eleven are left over, and have none."""
    out = torch.randn(2, 6, 11, generator=stream(0, "out"), dtype=F64).requires_grad_()
    target = torch.arange(6) % 3
    (exact,) = torch.autograd.grad(LOSS(out, target.expand(2, 6)).sum(), out)
    torch.testing.assert_close(LOSS.gradient(out.detach(), target.expand(2, 6)), exact)
    assert not bool(exact[..., 9:].any())


def test_a_class_is_as_good_as_its_own_neurons_are_active() -> None:
    out = torch.tensor([[3.0, 4.0, 0.0, 0.0, 1.0, 1.0, 9.0]], dtype=F64)
    assert LOSS.goodness(out).tolist() == [[12.5, 0.0, 1.0]]


def test_layers_learn_to_name_classes_in_one_pass() -> None:
    """Four clusters that are apart; chance is three in four wrong."""
    loss, drawn = ClassGoodness(4), stream(0, "clusters")
    centers = torch.randn(4, 10, generator=drawn)
    target = torch.arange(400) % 4
    x = centers[target] + 0.3 * torch.randn(400, 10, generator=drawn)
    chip = Chip(Ideal(), (dense(10, 16), dense(16, 16)), range(2))
    learner = Greedy((Block(1, Hebbian(adam(1e-2), loss), interlayer=normalize),) * 2)
    list(fit(learner, chip.port(), [Batch(normalize(x), target)] * 60, stream(0, "none")))
    wrong = class_goodness(chip.port(), x, loss).argmax(-1) != target
    assert float(wrong.double().mean()) < 0.05


@pytest.mark.parametrize(("classes", "sharpness"), [(1, 1.0), (3, 0.0), (3, float("nan"))])
def test_numbers_that_make_no_sense_are_refused(classes: int, sharpness: float) -> None:
    with pytest.raises(ValueError, match="wanted 2 or more classes"):
        ClassGoodness(classes, sharpness)


def test_fewer_neurons_than_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="2 neurons for 3 classes"):
        LOSS.goodness(torch.zeros(1, 2))
