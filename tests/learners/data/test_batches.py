"""Batches visit everything, in a fresh order each epoch."""

import torch

from analog import stream
from learners import Batch
from learners.data import batches, count_steps


def test_batches_visit_everything_once_an_epoch() -> None:
    data = Batch(torch.arange(10.0).unsqueeze(-1), torch.arange(10))
    made = list(batches(data, 3, 2, stream(0)))
    assert len(made) == count_steps(data, 3, 2) == 6
    for epoch in (made[:3], made[3:]):
        seen = torch.cat([b.target for b in epoch]).tolist()
        assert len(set(seen)) == 9
    assert all(torch.equal(b.x[:, 0].long(), b.target) for b in made)
    assert len(list(batches(data, 3, 0.5, stream(0)))) == count_steps(data, 3, 0.5) == 2
    assert len(list(batches(data, 100, 1, stream(0)))) == 1
