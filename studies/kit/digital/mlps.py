"""Copies of one network of tanh trained digitally, side by side, by exact gradients.

One hidden layer, tanh at the outputs too (as in the source of `towers`), softmax cross-entropy. Copies come
as seeds x variants: copies of one seed begin alike and see the same batches, so one product serves them all.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog import Knobs
from learners import Batch
from learners.data import Dataset
from learners.data import batches


class Shape(NamedTuple):
    """How many copies there are, of what."""

    seeds: int
    variants: int
    inputs: int
    hidden: int
    classes: int

    @property
    def copies(self) -> int:
        return self.seeds * self.variants


def born(shape: Shape, generators: list[Generator]) -> Knobs:
    """(copies, 1, rows, cols) each, variants side by side; uniform within 1/sqrt(fan-in), as torch has it."""
    made = []
    for rows, fan_in in ((shape.hidden, shape.inputs), (shape.classes, shape.hidden)):
        drawn = [torch.rand(rows, fan_in + 1, generator=g) * 2 - 1 for g in generators]
        each = torch.stack(drawn) / fan_in**0.5
        made.append(each.repeat_interleave(shape.variants, 0).unsqueeze(1))
    return tuple(made)


def lessons(data: Dataset, size: int, epochs: float, generators: list[Generator]) -> Iterator[Batch]:
    """Batches with an axis of seeds, each in an order of its own."""
    for each in zip(*(batches(data.train, size, epochs, g) for g in generators), strict=True):
        yield Batch(torch.stack([b.x for b in each]), torch.stack([b.target for b in each]))


def gradient(shape: Shape, knobs: Knobs, batch: Batch) -> Knobs:
    """Of every copy's mean loss over its batch, (seeds, examples, ...) of examples and labels."""
    count = batch.x.shape[1]
    x, hidden = _with_ones(batch.x), _hidden(shape, knobs, batch.x)  # hidden: (copies, examples, units)
    fired = _with_ones(hidden)
    out = (fired @ knobs[1][:, 0].mT).tanh_()
    labels = batch.target.repeat_interleave(shape.variants, 0).unsqueeze(-1)
    slope = out.softmax(-1)
    slope.scatter_add_(-1, labels, slope.new_full(labels.shape, -1.0))
    slope = torch.addcmul(slope, slope.mul(out), out, value=-1).div_(count)
    back = slope @ knobs[1][:, 0, :, :-1]
    node = torch.addcmul(back, back.mul(hidden), hidden, value=-1)
    beside = (
        node.unflatten(0, (shape.seeds, -1)).transpose(1, 2).flatten(2)
    )  # (seeds, examples, variants x units)
    first = (beside.mT @ x).view(shape.copies, 1, shape.hidden, shape.inputs + 1)
    return first, (slope.mT @ fired).unsqueeze(1)


def errors(shape: Shape, knobs: Knobs, data: Batch) -> Tensor:  # (copies,), float64
    """Share of examples named wrongly."""
    wrong = torch.zeros(shape.copies, dtype=torch.float64)
    for x, label in zip(data.x.split(1000), data.target.split(1000), strict=True):
        hidden = _hidden(shape, knobs, x.expand(shape.seeds, -1, -1))
        named = (_with_ones(hidden) @ knobs[1][:, 0].mT).argmax(-1)
        wrong += (named != label).double().sum(-1)
    return wrong / len(data.x)


def _hidden(
    shape: Shape, knobs: Knobs, x: Tensor
) -> Tensor:  # (seeds, examples, inputs) -> (copies, examples, units)
    rows = knobs[0].view(shape.seeds, shape.variants * shape.hidden, shape.inputs + 1)
    beside = (_with_ones(x) @ rows.mT).tanh_()
    return beside.unflatten(-1, (shape.variants, -1)).transpose(1, 2).flatten(0, 1)


def _with_ones(x: Tensor) -> Tensor:
    return torch.cat((x, x.new_ones(*x.shape[:-1], 1)), -1)
