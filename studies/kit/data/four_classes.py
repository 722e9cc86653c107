"""The first four classes of a data set, for comparison with hardware that told four apart.

Named where a study takes data: `--data studies.kit.data.four_classes:digits`.
"""

from torch import Tensor

from learners import Batch
from learners.data import Dataset, load_data

COUNT = 4


def digits() -> Dataset:
    """Handwritten digits of 8 x 8 pixels, 0 to 3."""
    return first_classes("digits")


def mnist() -> Dataset:
    """MNIST's digits 0 to 3."""
    return first_classes("mnist")


def cifar10() -> Dataset:
    """The first four classes of CIFAR-10: airplanes, automobiles, birds and cats."""
    return first_classes("cifar10")


def first_classes(name: str, count: int = COUNT) -> Dataset:
    """A data set without the examples of all but its first classes.

    Args:
        name: of the data set, as `load_data` takes it.
        count: of classes.
    """
    data = load_data(name)
    train, test = (_taken(part, part.target < count, data.shape) for part in (data.train, data.test))
    return Dataset.from_batches(f"{name}, {count} classes", train, test, class_names=data.class_names[:count])


def _taken(examples: Batch, which: Tensor, shape: tuple[int, ...]) -> Batch:
    x = examples.x[which]
    return Batch(x.unflatten(-1, shape) if shape else x, examples.target[which])
