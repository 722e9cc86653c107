"""Batches of any shape become rows: never probe readings, and refused where that has no meaning."""

from typing import Any

import pytest
import torch

from analog import BadInput, Chip, Mismatched, mlp, stream, xray
from learners import Batch, CrossEntropy, Descent, NodePerturbation, evaluate, fit, sgd

LEARNER = Descent(NodePerturbation(0.1), sgd(0.1), CrossEntropy())
X = torch.rand(6, 8, generator=stream(0, "x"))
Y = torch.arange(6) % 3


def trained(x: Any, target: Any = Y, identity: Any = 1) -> tuple[torch.Tensor, ...]:
    chip = Chip(Mismatched(), mlp(8, 5, 3), identity)
    list(fit(LEARNER, chip.port(), [(x, target)], stream(0)))
    return xray.knobs(chip)


def equal(one: tuple[torch.Tensor, ...], other: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("shape", [(6, 1, 8), (6, 2, 2, 2), (6, 8, 1, 1)])
@pytest.mark.parametrize("identity", [1, range(2), range(6)])
def test_images_are_the_rows_that_they_hold(shape: tuple[int, ...], identity: Any) -> None:
    """Also for a fleet of six, whose batches of one example each would be (6, 1, 8)."""
    assert equal(trained(X.view(shape), identity=identity), trained(X, identity=identity))


def test_chips_with_batches_of_their_own_keep_them() -> None:
    x, target = torch.stack((X, X.flip(0))), torch.stack((Y, Y.flip(0)))
    rows = trained(x, target, range(2))
    assert equal(rows, trained(x.view(2, 6, 2, 4), target, range(2)))
    assert equal(tuple(k[1] for k in rows), tuple(k[1] for k in trained(X.flip(0), Y.flip(0), range(2))))
    one_each = trained(X[:2].unsqueeze(1), Y[:2].unsqueeze(1), range(2))
    assert equal(tuple(k[:1] for k in one_each), tuple(k[:1] for k in trained(X[:1], Y[:1], range(2))))


@pytest.mark.parametrize(
    ("batch", "error", "says"),
    [
        (
            (X.view(2, 3, 8), Y),
            BadInput,
            r"fit: x is \(2, 3, 8\), examples of 3 x 8 = 24 numbers; the chip wants 8",
        ),
        ((X.view(6, 2, 2, 2)[:, :1], Y), BadInput, "examples of 1 x 2 x 2 = 4 numbers; the chip wants 8"),
        ((X[:, :7], Y), BadInput, r"measure: x is \(6, 7\), layer 0 wants"),
        ({"x": X}, TypeError, r"fit: a batch is a dict, wanted a pair \(x, target\)"),
        ((X, Y, Y), TypeError, r"fit: a batch is a tuple of 3, wanted a pair"),
    ],
)
def test_what_no_chip_can_take_is_refused(batch: Any, error: type[Exception], says: str) -> None:
    chip = Chip(Mismatched(), mlp(8, 5, 3), 1)
    with pytest.raises(error, match=says):
        list(fit(LEARNER, chip.port(), [batch], stream(0)))
    assert chip.clock == 0.0


def test_images_are_judged_as_rows() -> None:
    port = Chip(Mismatched(read_noise=0.0), mlp(8, 5, 3), range(6)).port()
    assert torch.equal(evaluate(port, Batch(X.view(6, 1, 8), Y)), evaluate(port, Batch(X, Y)))
