"""Test examples that are held out of all, class by class where there are classes."""

from collections.abc import Sequence

import torch

from analog.streams import stream

from ..learner import Batch
from .bad_data import BadData
from .batches import take

SHARE = 5  # one in so many is held out


def split(name: str, examples: Batch, seed: int, class_names: Sequence[str] = ()) -> tuple[Batch, Batch]:
    """Hold a fifth of every class out, at least one example, in the order in which the examples came.

    Args:
        name: of the data set, by which and by the seed it is drawn.
        examples: x (examples, ...), target (examples,) int64 or values (examples, values).
        seed: of the choice.
        class_names: of class 0, 1, ..., for messages.

    Returns:
        Those to learn from, and those to judge by.

    Raises:
        BadData: a class has one example only.
    """
    generator, is_test = stream(seed, "data", "split", name), torch.zeros(len(examples.x), dtype=torch.bool)
    groups = examples.target if examples.target.ndim == 1 else torch.zeros_like(is_test)  # values: all alike
    for number in groups.unique().tolist():
        members = (groups == number).nonzero()[:, 0]
        if len(members) < 2:
            word = class_names[number] if class_names else number
            raise BadData(f"{name}: class {word} has one example; to hold some out it takes two or more")
        order = torch.randperm(len(members), generator=generator)
        is_test[members[order[: max(1, len(members) // SHARE)]]] = True
    return take(examples, ~is_test), take(examples, is_test)
