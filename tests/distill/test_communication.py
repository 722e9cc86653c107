"""Communication: bits and lessons are counted exactly, recounted from what chips were driven with."""

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill import Codistillation, HardLabels, QuantizedLogits, SampledLabels, SoftLabels
from distill.communication import CommunicationLog
from tests.distill.noted_rounds import noted, numbered


@settings(max_examples=60, deadline=None)
@given(
    chips=st.integers(2, 5),
    examples=st.integers(2, 9),
    rounds=st.integers(1, 8),
    answers=st.sampled_from([HardLabels(), SoftLabels(2.0), QuantizedLogits(3), SampledLabels(2)]),
    labeled=st.booleans(),
    data=st.data(),
)
def test_bits_are_counted_exactly(
    chips: int, examples: int, rounds: int, answers: Any, labeled: bool, data: st.DataObject
) -> None:
    """Recounted from the stimuli that chips were driven with: lessons, and each stimulus once to each."""
    own = data.draw(st.integers(1, examples))
    shown, peers = data.draw(st.integers(1, own)), data.draw(st.none() | st.integers(1, chips - 1))
    log = CommunicationLog()
    notes, _ = noted(
        numbered(chips, examples), Codistillation(own, shown, answers, peers, labeled), rounds, log
    )
    each = answers.bits(5) + 3 * labeled + (chips * examples - 1).bit_length()
    came = torch.cat([b.x[:, own:, 0] for b in notes.batches], -1).long()  # (chips, lessons of all rounds)
    got = [set(row) for row in came.tolist()]
    for who in range(chips):
        assert log.received[who].lessons == came.shape[-1]
        assert log.received[who].bits == came.shape[-1] * each + len(got[who]) * 16
        if peers is None:
            times, kinds = rounds * shown, sum(n // examples == who for n in set.union(*got))
        else:
            times = int((came // examples == who).sum())
            kinds = sum(n // examples == who for row in got for n in row)
        assert (log.sent[who].lessons, log.sent[who].bits) == (times, times * each + kinds * 16)
    both = zip(log.sent, log.received, strict=True)
    assert log.bits == [up.bits + down.bits for up, down in both] and len(log.bits) == chips
