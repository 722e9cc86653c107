"""Shards: all examples have their turn before any comes again."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import stream
from distill.shards import shard_indices
from tests.distill.noted_rounds import numbered


@given(chips=st.integers(1, 3), examples=st.integers(1, 9), own=st.integers(1, 9), rounds=st.integers(0, 12))
def test_all_examples_have_their_turn_before_any_comes_again(
    chips: int, examples: int, own: int, rounds: int
) -> None:
    if own > examples:
        with pytest.raises(ValueError, match=f"a round takes {own}, wanted 1 to {examples}"):
            next(shard_indices(numbered(chips, examples), own, rounds, stream(0)))
        return
    made = list(shard_indices(numbered(chips, examples), own, rounds, stream(0)))
    assert len(made) == rounds and all(m.shape == (chips, own) for m in made)
    lap = examples // own
    for begun in range(0, rounds, lap):
        for row in torch.cat(made[begun : begun + lap], -1).tolist():
            assert len({*row}) == len(row) and {*row} <= {*range(examples)}
