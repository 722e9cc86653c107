"""Students of one fleet, each with a recording of its own: lessons come equally often, to nobody else."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import stream
from distill import TeacherTarget
from learners import Batch
from studies.kit.data.per_chip_batches import per_chip_batches


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), size=st.integers(1, 7))
def test_everybody_studies_the_own_recording_through_before_beginning_anew(
    lengths: list[int], size: int
) -> None:
    """Lessons are told apart by a number; answers stay with their stimuli."""
    recordings = []
    for i, n in enumerate(lengths):
        x = torch.arange(float(n))[:, None] + 100 * i
        recordings.append(Batch(x, TeacherTarget(torch.cat((x, -x), -1))))
    read = list(per_chip_batches(recordings, size, 6, stream(0, "books")))
    assert len(read) == 6 and read[0].x.shape == (len(lengths), size, 1)
    for i, (n, recording) in enumerate(zip(lengths, recordings, strict=True)):
        x = torch.cat([b.x[i] for b in read])
        assert torch.equal(torch.cat([b.target.soft[i] for b in read]), torch.cat((x, -x), -1))
        for once in x.split(n):
            assert len(once) < n or torch.equal(once.sort(0).values, recording.x)
            assert len(once.unique()) == len(once)
