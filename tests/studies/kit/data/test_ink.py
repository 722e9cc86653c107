"""Regions of an image share its ink among them."""

import pytest
import torch

from learners.data import load_data
from studies.kit.data.ink import mean_ink


def test_regions_share_an_image_among_them() -> None:
    """Mean ink of each 2 x 2 of 8 x 8; together the ink of the image."""
    digits = load_data("digits")
    ink = mean_ink(digits, 4)
    images = digits.train.x.unflatten(-1, (8, 8))
    torch.testing.assert_close(ink[:, 6], images[:, 2:4, 4:6].mean((-2, -1)))
    torch.testing.assert_close(ink.mean(-1), digits.train.x.mean(-1))
    for across in (3, 8):
        assert mean_ink(digits, across).shape == (1437, across**2)
    with pytest.raises(ValueError, match="no square of at least 9 x 9"):
        mean_ink(digits, 9)
