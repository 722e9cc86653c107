"""Scenes: which picture stands where, and that none to judge by is learned from."""

import pytest
import torch

from analog import stream
from learners.data import load_data
from studies.kit.data.scenes import scenes


def test_a_scene_is_two_pictures_and_its_class_their_pair() -> None:
    digits = load_data("digits")
    both = scenes(digits, 300, 80, stream(0, "scenes"))
    assert both.shape == (1, 8, 16) and both.classes == 100 and len(both.test.x) == 80
    for made, pool in ((both.train, digits.train), (both.test, digits.test)):
        named = {tuple(x): int(y) for x, y in zip(pool.x.tolist(), pool.target.tolist(), strict=True)}
        wide = made.x.unflatten(-1, (8, 16))
        left, right = (half.flatten(1).tolist() for half in (wide[..., :8], wide[..., 8:]))
        pairs = [10 * named[tuple(a)] + named[tuple(b)] for a, b in zip(left, right, strict=True)]
        assert pairs == made.target.tolist()


def test_what_has_no_shape_of_a_picture_is_refused() -> None:
    digits = load_data("digits")._replace(shape=(64,))
    with pytest.raises(ValueError, match="wanted .planes, height, width."):
        scenes(digits, 10, 10, stream(0))
    again = [scenes(load_data("digits"), 10, 10, stream(0)).train.x for _ in range(2)]
    assert torch.equal(*again)
