"""Pupils of one fleet, each with a book of its own: every lesson comes equally often, and to nobody else."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import stream
from distill import TeacherTarget
from learners import Batch
from studies.kit.data.per_chip_batches import side_by_side


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), size=st.integers(1, 7))
def test_everybody_reads_the_own_book_through_before_beginning_anew(lengths: list[int], size: int) -> None:
    """Lessons are told apart by a number; answers stay with their stimuli."""
    books = []
    for i, n in enumerate(lengths):
        x = torch.arange(float(n))[:, None] + 100 * i
        books.append(Batch(x, TeacherTarget(torch.cat((x, -x), -1))))
    read = list(side_by_side(books, size, 6, stream(0, "books")))
    assert len(read) == 6 and read[0].x.shape == (len(lengths), size, 1)
    for i, (n, book) in enumerate(zip(lengths, books, strict=True)):
        x = torch.cat([b.x[i] for b in read])
        assert torch.equal(torch.cat([b.target.soft[i] for b in read]), torch.cat((x, -x), -1))
        for once in x.split(n):
            assert len(once) < n or torch.equal(once.sort(0).values, book.x)
            assert len(once.unique()) == len(once)
