"""Students of the autoencoder benchmark: how each of them learns, all from the same weights."""

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import Literal
from typing import NamedTuple

import torch
from torch import Tensor

from analog import Chip
from analog import Layer
from analog import dense
from analog import stream
from analog import xray
from learners import Batch
from learners import BinaryCrossEntropy
from learners import adam
from learners import with_schedule
from learners.data import batches
from learners.learner import Learner
from learners.local import LocoProp
from learners.local import TargetPropagation
from learners.local import identity
from learners.local import sigmoid
from learners.local import tanh

from .baselines import BASELINES
from .baselines import Backprop
from .baselines import numbers
from .baselines import sandglass
from .digits import Digital
from .digits import ExactSlopes
from .digits import heavy_rmsprop
from .digits import paced

Way = Literal[
    "LocoProp-M as published",
    "SGD",
    "Momentum",
    "Nesterov",
    "AdaGrad",
    "RMSProp",
    "Adam",
    "Shampoo",
    "K-FAC",
    "LocoProp-S",
    "LocoProp-M",
    "target propagation",
]
Products = Literal["float32", "bfloat16"]
LOSS = BinaryCrossEntropy()
INNER = 10  # steps of LocoProp
GAMMA = {"LocoProp-M": 0.01, "LocoProp-S": 1.0}  # M's as published; both by training losses after 300 batches
MOMENTUM = 0.997  # of LocoProp, an inner step; likewise
GUESS = {"LocoProp-M": 3e-5, "LocoProp-S": 3e-5, "target propagation": 1e-3}


class Setting(NamedTuple):
    """What a student is made of and how long it learns."""

    way: Way
    rate: float
    sizes: tuple[int, ...]
    batch: int
    epochs: int
    seed: int
    products: Products = "float32"  # of matrices; sums of bfloat16 products are float32


def as_published(way: Way) -> bool:
    return way == "LocoProp-M as published"


def guess(way: Way) -> float:
    """Where the search for a rate begins; as published, where it ends."""
    if as_published(way):
        return 1e-5
    return BASELINES[way].guess if way in BASELINES else GUESS[way]


def passes(way: Way) -> float | None:
    """Work of a batch in passes of backprop, where it is made of passes."""
    if way in ("Shampoo", "K-FAC"):
        return None
    if way == "target propagation":
        return 7 / 3  # of three thirds each: forward, slopes, gradient
    return (2 + 2 * INNER) / 3 if way.startswith("LocoProp") else 1.0


def epochs(given: Setting, train: Tensor) -> Iterator[tuple[Callable[[Tensor], Tensor], float]]:
    """Train; after each epoch what answers, and how many numbers per weight are kept."""
    chip = Chip(Digital(), layers(given.sizes, train.shape[-1]), given.seed)
    weights = sum(la.rows * la.cols for la in chip.spec.layers)
    steps = max(1, len(train) // given.batch)
    order = stream(0, "autoencoder", given.seed, "data")
    lessons = batches(Batch(train, train), given.batch, given.epochs, order)
    student = _backprop if given.way in BASELINES else _local
    with_each = student(given, chip, steps)
    for number, lesson in enumerate(lessons, 1):
        with multiplied(given.products):
            answer, kept = with_each(lesson)
        if number % steps == 0:
            yield answer, kept() / weights


Taught = tuple[Callable[[Tensor], Tensor], Callable[[], int]]  # what answers, how many numbers it keeps


def _backprop(given: Setting, chip: Chip[Any], steps: int) -> Callable[[Batch], Taught]:
    student = Backprop(xray.knobs(chip), [la.linear for la in chip.spec.layers], given.way)
    made = itertools.count()

    def teach(lesson: Batch) -> Taught:
        student.lesson(given.rate * paced(next(made), steps, given.epochs), lesson.x, LOSS)
        return student.answer, lambda: student.kept

    return teach


def _local(given: Setting, chip: Chip[Any], steps: int) -> Callable[[Batch], Taught]:
    learner, port = _learner(given, chip, steps), chip.port()
    generator, state = stream(0, "autoencoder", given.seed, "noise"), learner.init(chip.spec)

    def teach(lesson: Batch) -> Taught:
        nonlocal state
        state, _ = learner.step(port, lesson, state, generator)
        return lambda x: port.measure(x).out, lambda: numbers(state)

    return teach


def layers(sizes: tuple[int, ...], pixels: int) -> tuple[Layer, ...]:
    """A sandglass; code and read-out are linear."""
    half = len(sizes)
    pairs = enumerate(sandglass(pixels, sizes), 1)
    return tuple(dense(a, b, linear=i in (half, 2 * half)) for i, (a, b) in pairs)


def _learner(given: Setting, chip: Chip[Any], steps: int) -> Learner[Any]:
    if given.way == "target propagation":
        ahead = with_schedule(adam(given.rate), lambda made: paced(made, steps, given.epochs))
        return TargetPropagation(ahead, adam(1e-3), LOSS, 0.1, tanh, sigmoid)
    published = as_published(given.way)

    def now(made: int) -> float:
        lesson, inner = divmod(made, INNER)
        outer = _published_pace(lesson // steps) if published else paced(lesson, steps, given.epochs)
        return given.rate * outer * max(1 - inner / INNER, 0.25)

    momentum = 0.999 if published else MOMENTUM
    gamma = 10 / given.batch if published else GAMMA[given.way]
    update = heavy_rmsprop(now, momentum, epsilon=1e-5 / given.batch**2)
    return LocoProp(ExactSlopes(chip), update, LOSS, gamma, INNER, _transfer(given.way, chip.spec.layers))


def _transfer(way: Way, layers: tuple[Layer, ...]) -> tuple[Callable[[Tensor], Tensor], ...]:
    """M compares outputs, S the sums in front of them."""
    if way == "LocoProp-S":
        assert tanh.inverse is not None
        return tuple(identity.forward if la.linear else tanh.inverse for la in layers)
    return (*(identity.forward for _ in layers[1:]), sigmoid.forward)


def _published_pace(epoch: int) -> float:
    """5 epochs of warm-up from 0, then linearly to 0 at 100."""
    return epoch / 5 if epoch < 5 else 1 - (epoch + 1 - 5) / (100 - 5)


@contextmanager
def multiplied(products: Products) -> Iterator[None]:
    """Multiply matrices so, within."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if products == "bfloat16" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
