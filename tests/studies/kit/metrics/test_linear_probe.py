"""The digital read-out: what it makes small is at its minimum, and what it is given is what was asked for."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, dense, grouped, stream
from learners import Batch
from studies.kit.metrics.linear_probe import logistic, representations, sample_per_class

F64 = torch.float64


def clouds(count: int, apart: float) -> tuple[Tensor, Tensor]:
    labels = torch.arange(count) % 3
    centers = apart * torch.eye(3, 5, dtype=F64)
    return centers[labels] + torch.randn(count, 5, generator=stream(0, "clouds"), dtype=F64), labels


def test_clouds_far_apart_are_told_apart() -> None:
    x, labels = clouds(90, 20.0)
    assert torch.equal(logistic(x[:30], labels[:30], 3, 1.0)(x), labels)


def test_scale_and_origin_of_the_features_do_not_matter() -> None:
    x, labels = clouds(60, 2.0)
    named, other = logistic(x, labels, 3, 1.0)(x), logistic(5 * x + 7, labels, 3, 1.0)(5 * x + 7)
    assert torch.equal(named, other)


def test_it_names_what_the_minimum_names() -> None:
    """Plain gradient descent on the stated objective, run to its end, names the same classes."""
    x, labels = clouds(60, 1.0)
    scaled = (x - x.mean(0)) / x.std(correction=0)
    weights, origin = torch.zeros(5, 3, dtype=F64), torch.zeros(3, dtype=F64)
    wanted = torch.nn.functional.one_hot(labels, 3)
    for _ in range(3000):
        error = (scaled @ weights + origin).softmax(-1) - wanted
        weights -= 0.02 * (scaled.mT @ error + 2.0 * weights)
        origin -= 0.02 * error.sum(0)
    assert torch.equal(logistic(x, labels, 3, 2.0)(x), (scaled @ weights + origin).argmax(-1))


def test_a_heavy_penalty_leaves_only_how_often_a_class_comes() -> None:
    x, labels = clouds(60, 5.0)
    labels[:40] = 1
    assert (logistic(x, labels, 3, 1e9)(x) == 1).all()


def test_labels_are_drawn_alike_for_each_class() -> None:
    pool = Batch(torch.arange(50.0).unsqueeze(-1), torch.arange(50) % 5)
    some, again, other = (sample_per_class(pool, 20, 5, stream(s, "labels")) for s in (0, 0, 1))
    assert torch.equal(some.target.bincount(), torch.full((5,), 4)) and len(some.x.unique()) == 20
    assert torch.equal(some.x.squeeze(-1) % 5, some.target.float())
    assert torch.equal(some.x, again.x) and not torch.equal(some.x, other.x)


def test_what_layers_show_comes_in_parts_of_length_one() -> None:
    chip = Chip(Ideal(), (dense(4, 6, linear=True), grouped(6, 4, 2, linear=True)), [0, 1], dtype=F64)
    x = torch.randn(2600, 4, generator=stream(0, "x"), dtype=F64)
    shown = representations(chip.port(), x, (3, 2))
    lengths = shown.unflatten(-1, (5, 2)).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    torch.testing.assert_close(representations(chip.port(), 3 * x[-5:] / 3, (3, 2)), shown[:, -5:])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: sample_per_class(Batch(torch.zeros(9, 1), torch.arange(9) % 3), 10, 3, stream(0, "l")),
            "multiple",
        ),
        (
            lambda: sample_per_class(Batch(torch.zeros(9, 1), torch.arange(9) % 3), 12, 3, stream(0, "l")),
            "wanted 4",
        ),
        (lambda: logistic(torch.zeros(4, 2), torch.zeros(3, dtype=torch.int64), 2, 1.0), "3 labels"),
    ],
    ids=["count", "few", "labels"],
)
def test_bad_input_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
