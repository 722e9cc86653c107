"""Dice of a learner's parts: the same again from the same seed, and not one another's."""

import torch

from analog import stream
from learners.randomness import split


def test_parts_have_dice_of_their_own() -> None:
    first, again = ([torch.rand(4, generator=g) for g in split(stream(0, "x"), 3)] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({tuple(t.tolist()) for t in first}) == 3


def test_the_next_dice_do_not_depend_on_how_often_these_were_thrown() -> None:
    seen = []
    for throws in (1, 100):
        generator = stream(0, "x")
        torch.rand(throws, generator=split(generator, 2)[0])
        seen.append(torch.rand(3, generator=split(generator, 2)[0]))
    assert torch.equal(*seen)
