"""What a teacher says, at which cost: exact counts, limits, and losses that vanish when all is learnt."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from analog import stream
from distill import Label, Quantised, Raw, Samples, Soft

F64 = torch.float64


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(0, "answers", *shape), dtype=F64)


@given(classes=st.integers(2, 2000), count=st.integers(1, 8), bits=st.integers(1, 12))
def test_bits_are_counted_exactly(classes: int, count: int, bits: int) -> None:
    """A fixed code tells apart exactly what can be said, and one bit less would not."""
    assert Soft(2.0).bits(classes) == 32 * (classes - 1) and Raw().bits(classes) == 32 * classes
    assert Quantised(bits).bits(classes) == bits * classes
    for cost, choices in (
        (Label().bits(classes), classes),
        (Samples(count).bits(classes), classes**count),
    ):
        assert 2**cost >= choices > 2 ** (cost - 1)


def test_hintons_count() -> None:
    assert Label().bits(1024) == 10 and Soft(1.0).bits(1024) == 1023 * 32


def test_many_bits_are_the_soft_answer() -> None:
    """Rounding errs by half a step, span / (2^b - 1) / 2, in each output."""
    out = draw(50, 10)
    for bits in (4, 8, 12):
        gap = Quantised(bits, span=16.0, temperature=1.0).said(out, None, stream(0)).soft.log()
        gap = gap - Soft(1.0).said(out, None, stream(0)).soft.log()
        assert 0 < float(gap.abs().max()) <= 16.0 / (2**bits - 1)
