"""What estimates are held against is the exact gradient of what was descended."""

from typing import Any

import torch
from torch import Tensor

from analog import Chip, Ideal, Mismatched, dense, stream, xray
from learners import Batch, CrossEntropy, adam, sgd
from learners.wiring import decorrelate
from studies.kit.metrics import gradient_alignment
from studies.kit.recipes.exact_gradient import ExactGradient

F64 = torch.float64
LAYERS = (dense(6, 5), dense(5, 4), dense(4, 3, linear=True))
X = torch.randn(7, 6, generator=stream(0, "depth", "x"), dtype=F64)
BATCH = Batch(X, torch.tensor([0, 1, 2, 0, 1, 2, 0]))


def made(device: Any = Mismatched()) -> Chip:
    return Chip(device, LAYERS, range(2), dtype=F64)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(1, "depth", *shape), dtype=F64)


def test_estimates_are_asked_for_without_pulsing() -> None:
    chip = made()
    before = xray.knobs(chip)
    way = ExactGradient(chip, sgd(1.0), CrossEntropy())
    kept = adam(0.1).init(chip.spec.zeros())  # another update's memory is not touched
    told = gradient_alignment.estimate(way, chip.port(), BATCH, kept, stream(0, "aims"))
    assert all(torch.equal(a, b) for a, b in zip(before, xray.knobs(chip), strict=True))
    torch.testing.assert_close(
        gradient_alignment.cosine(told[:-1], gradient_alignment.hidden_gradient(chip, BATCH), 2),
        torch.ones(2, dtype=F64),
    )


def test_a_cosine_is_that_of_all_layers_taken_together() -> None:
    a, b = (drawn(2, 1, 3, 4), drawn(2, 1, 2, 2)), (drawn(2, 1, 4, 3).mT, drawn(2, 1, 1, 4).view(2, 1, 2, 2))
    dot = sum((p * q).sum((1, 2, 3)) for p, q in zip(a, b, strict=True))
    norms = [sum(p.square().sum((1, 2, 3)) for p in g) ** 0.5 for g in (a, b)]
    torch.testing.assert_close(gradient_alignment.cosine(a, b, 2), dot / (norms[0] * norms[1]))


def test_a_local_objective_without_heads_is_the_whole() -> None:
    layers = (LAYERS[0], dense(5, 3, linear=True))
    chip = Chip(Mismatched(), layers, range(2), dtype=F64)
    for a, b in zip(
        gradient_alignment.local_gradient(chip, BATCH, dense(5, 3), ()),
        gradient_alignment.hidden_gradient(chip, BATCH),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_a_local_objective_is_that_of_a_chip_with_its_head_on_top() -> None:
    chip, head = made(Ideal()), drawn(2, 1, 3, 6)
    small = Chip(Ideal(), (LAYERS[0], dense(5, 3, linear=True)), range(2), dtype=F64)
    small.port().program((xray.knobs(chip)[0], head))
    first, second = gradient_alignment.local_gradient(chip, BATCH, dense(5, 3, linear=True), (head,))
    torch.testing.assert_close(first, gradient_alignment.hidden_gradient(small, BATCH)[0])
    torch.testing.assert_close(
        second, gradient_alignment.hidden_gradient(chip, BATCH)[1]
    )  # a loss at the outputs is the whole's


def test_matrices_in_the_wiring_are_taken_into_account_exactly() -> None:
    """On ideal chips K x^ = (K R) x, so the slope at K is that at K R, times R'."""
    chip, mixers = made(Ideal()), (drawn(2, 6, 6), drawn(2, 5, 5), drawn(2, 4, 4))
    twin = made(Ideal())
    turned = [
        torch.cat((k[..., :-1] @ r.unsqueeze(1), k[..., -1:]), -1)
        for k, r in zip(xray.knobs(chip), mixers, strict=True)
    ]
    twin.port().program(tuple(turned))
    torch.testing.assert_close(
        gradient_alignment.fully_decorrelated(chip.port(), mixers).measure(X).out, twin.port().measure(X).out
    )
    for ours, theirs, r in zip(
        gradient_alignment.decorrelated_gradient(chip, BATCH, mixers),
        gradient_alignment.hidden_gradient(twin, BATCH),
        mixers,
        strict=False,
    ):
        wanted = torch.cat((theirs[..., :-1] @ r.unsqueeze(1).mT, theirs[..., -1:]), -1)
        torch.testing.assert_close(ours, wanted)


def test_matrices_that_do_nothing_leave_the_gradient_as_it_is() -> None:
    chip = made()
    eyes = tuple(torch.eye(la.features_in, dtype=F64).expand(2, -1, -1) for la in LAYERS)
    torch.testing.assert_close(decorrelate(X, eyes[0])[0], X)
    for a, b in zip(
        gradient_alignment.decorrelated_gradient(chip, BATCH, eyes),
        gradient_alignment.hidden_gradient(chip, BATCH),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
