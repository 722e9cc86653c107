"""Copies of one network of tanh trained digitally, side by side, by exact gradients.

One hidden layer, tanh at the outputs too (as in the source of `towers`), softmax cross-entropy. Copies come
as seeds x variants: copies of one seed begin alike and see the same batches, so one product serves them all.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from analog import Knobs
from learners import Batch
from learners.data import Dataset, batches


class Sizes(NamedTuple):
    """The sizes of one network, and how many copies of it there are."""

    seeds: int
    variants: int
    inputs: int
    hidden: int
    classes: int

    @property
    def copies(self) -> int:
        return self.seeds * self.variants


def initial_knobs(sizes: Sizes, generators: list[Generator]) -> Knobs:
    """Fresh weights (copies, 1, rows, cols) of each layer, uniform within 1/sqrt(fan-in), as torch has it.

    Args:
        generators: one for each seed; its variants, which lie side by side, begin alike.
    """
    knobs = []
    for rows, fan_in in ((sizes.hidden, sizes.inputs), (sizes.classes, sizes.hidden)):
        uniform = [torch.rand(rows, fan_in + 1, generator=g) * 2 - 1 for g in generators]
        of_seeds = torch.stack(uniform) / fan_in**0.5
        knobs.append(of_seeds.repeat_interleave(sizes.variants, 0).unsqueeze(1))
    return tuple(knobs)


def seed_batches(data: Dataset, size: int, epochs: float, generators: list[Generator]) -> Iterator[Batch]:
    """Batches (seeds, size, ...), each seed in an order of its own."""
    for each in zip(*(batches(data.train, size, epochs, g) for g in generators), strict=True):
        yield Batch(torch.stack([b.x for b in each]), torch.stack([b.target for b in each]))


def gradient(sizes: Sizes, knobs: Knobs, batch: Batch) -> Knobs:
    """The gradient of every copy's mean loss over its batch.

    Args:
        knobs: (copies, 1, rows, cols) of each layer.
        batch: x (seeds, examples, inputs), target (seeds, examples).
    """
    count = batch.x.shape[1]
    x, hidden = _with_ones(batch.x), _hidden(sizes, knobs, batch.x)  # hidden: (copies, examples, units)
    with_bias = _with_ones(hidden)
    out = (with_bias @ knobs[1][:, 0].mT).tanh_()
    labels = batch.target.repeat_interleave(sizes.variants, 0).unsqueeze(-1)
    at_out = out.softmax(-1)
    at_out.scatter_add_(-1, labels, at_out.new_full(labels.shape, -1.0))
    at_out = torch.addcmul(at_out, at_out.mul(out), out, value=-1).div_(count)
    back = at_out @ knobs[1][:, 0, :, :-1]
    node = torch.addcmul(back, back.mul(hidden), hidden, value=-1)
    beside = (
        node.unflatten(0, (sizes.seeds, -1)).transpose(1, 2).flatten(2)
    )  # (seeds, examples, variants x units)
    first = (beside.mT @ x).view(sizes.copies, 1, sizes.hidden, sizes.inputs + 1)
    return first, (at_out.mT @ with_bias).unsqueeze(1)


def error_rates(sizes: Sizes, knobs: Knobs, data: Batch) -> Tensor:  # (copies,), float64
    """The share of examples (examples, inputs) that each copy names wrongly."""
    wrong = torch.zeros(sizes.copies, dtype=torch.float64)
    for x, label in zip(data.x.split(1000), data.target.split(1000), strict=True):
        hidden = _hidden(sizes, knobs, x.expand(sizes.seeds, -1, -1))
        answers = (_with_ones(hidden) @ knobs[1][:, 0].mT).argmax(-1)
        wrong += (answers != label).double().sum(-1)
    return wrong / len(data.x)


def _hidden(
    sizes: Sizes, knobs: Knobs, x: Tensor
) -> Tensor:  # (seeds, examples, inputs) -> (copies, examples, units)
    rows = knobs[0].view(sizes.seeds, sizes.variants * sizes.hidden, sizes.inputs + 1)
    beside = (_with_ones(x) @ rows.mT).tanh_()
    return beside.unflatten(-1, (sizes.variants, -1)).transpose(1, 2).flatten(0, 1)


def _with_ones(x: Tensor) -> Tensor:
    return torch.cat((x, x.new_ones(*x.shape[:-1], 1)), -1)
