"""Hybrids of two images: half of either, in blots."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analog import Chip, Ideal, Spec, dense, stream
from learners import Batch
from learners.local import HybridImages


def spec(pixels: int) -> Spec:
    return Spec((dense(pixels, 4), dense(4, 3)))


@settings(max_examples=40)
@given(side=st.integers(3, 9), count=st.integers(2, 6), blurs=st.integers(0, 8), salt=st.integers(0, 50))
def test_a_hybrid_is_made_of_two_different_images(side: int, count: int, blurs: int, salt: int) -> None:
    """Every pixel is that of the image or of one other, the same for the whole hybrid; half of either."""
    x = torch.arange(count).unsqueeze(-1).expand(count, side * side).double()
    ways = HybridImages(blurs)
    port = Chip(Ideal(), spec(side * side).layers, dtype=torch.float64).port()
    real, fake, _ = ways.pair(port, Batch(x), ways.init(port.spec), stream(salt, "hybrids"))
    assert torch.equal(real, x)
    for own, line in enumerate(fake):
        values, counts = line.unique(return_counts=True)
        assert len(values) == 2 and own in values.tolist()
        assert int(counts.min()) == side * side // 2


def test_masks_are_blots() -> None:
    """The more they are blurred the fewer neighbors differ; unblurred half of them do."""
    x = torch.zeros(50, 28 * 28)
    edges = []
    for blurs in (0, 2, 6):
        mask = HybridImages(blurs).masks(x, stream(0, "blots")).view(-1, 28, 28)
        edges.append(float((mask[:, 1:] != mask[:, :-1]).double().mean()))
        across = float((mask[..., 1:] != mask[..., :-1]).double().mean())
        assert abs(across - edges[-1]) < 0.02  # alike in both directions
    assert abs(edges[0] - 0.5) < 0.02 and edges[0] > 2 * edges[1] > 2.5 * edges[2]


X = torch.zeros(1, 16)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda port: HybridImages().init(spec(15)), "no square"),
        (lambda port: HybridImages(-1), "blurs is -1"),
        (lambda port: HybridImages().pair(port, Batch(X), (), stream(0)), "at least 2"),
    ],
)
def test_bad_input_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(Chip(Ideal(), spec(16).layers).port())
