"""Mixtures of two images, beside each image with itself."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analog import Chip, Ideal, dense, stream
from learners import Batch
from learners.local import MixedImages


@settings(max_examples=20)
@given(count=st.integers(2, 9), salt=st.integers(0, 50))
def test_a_fake_is_the_mean_of_its_image_and_one_other(count: int, salt: int) -> None:
    """Images are powers of two, whose sums tell who met whom: each meets each other image once."""
    x = 2.0 ** torch.arange(count, dtype=torch.float64).unsqueeze(-1).expand(count, 5)
    port = Chip(Ideal(), (dense(5, 4),), dtype=torch.float64).port()
    real, fake, _ = MixedImages().pair(port, Batch(x), MixedImages().init(port.spec), stream(salt, "mixed"))
    other = 2 * fake - x
    assert torch.equal(real, x) and not bool((other == x).any())
    assert torch.equal(other.sort(0).values, x)


def test_one_image_cannot_be_mixed() -> None:
    port = Chip(Ideal(), (dense(5, 4),)).port()
    with pytest.raises(ValueError, match="at least 2"):
        MixedImages().pair(port, Batch(torch.zeros(1, 5)), (), stream(0))
