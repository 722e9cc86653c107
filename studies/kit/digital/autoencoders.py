"""The autoencoder benchmark: how each method learns, all from the same weights."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from analog import Chip, Knobs, Layer, dense, stream, xray
from learners import Batch, BinaryCrossEntropy, Learner, adam, sgd, with_schedule
from learners.data.batches import batches
from learners.local import LocoProp, TargetPropagation, identity, sigmoid, tanh

from .baselines import BASELINES, Backprop, autoencoder_sizes, count_numbers
from .sign_targets import SignTargets
from .tanh_networks import Digital, ExactNodeGradients, heavy_rmsprop, warmup_then_decay

Method = Literal[
    "LocoProp-M as published",
    "SGD",
    "Momentum",
    "Nesterov",
    "AdaGrad",
    "RMSProp",
    "Adam",
    "Shampoo",
    "K-FAC",
    "K-FAC, curvlinops",
    "LocoProp-S",
    "LocoProp-M",
    "target propagation",
    "target propagation 1986",
]
Precision = Literal["float32", "bfloat16"]  # of products of matrices; sums of bfloat16 products are float32
LOSS = BinaryCrossEntropy()
INNER_STEPS = 10  # of LocoProp
GAMMA = {  # where a search begins; LocoProp-M's as published
    "LocoProp-M": 0.01,
    "LocoProp-S": 1.0,
    "target propagation": 0.1,
    "target propagation 1986": 0.1,
}
MOMENTUM = 0.997  # of LocoProp, an inner step; likewise
GUESS = {
    "LocoProp-M": 3e-5,
    "LocoProp-S": 3e-5,
    "target propagation": 1e-3,
    "target propagation 1986": 1e-4,
}


class Recipe(NamedTuple):
    """A method with its sizes, and how long it learns."""

    method: Method
    learning_rate: float
    sizes: tuple[int, ...]  # of the encoder
    batch: int
    epochs: int
    seed: int
    precision: Precision = "float32"
    second: float | None = None  # gamma, or what is added to matrices; by default the guess
    squared: tuple[int, ...] = ()  # layers, from 0, at which LocoProp-M has the squared loss instead
    proximal: float = 0.0  # LocoProp's regularizer


class _Model(NamedTuple):
    """A network as it stands after a step."""

    outputs: Callable[[Tensor], Tensor]  # images (batch, pixels) -> the same
    memory_size: Callable[[], int]  # how many numbers its learner keeps


def as_published(method: Method) -> bool:
    """Whether this is the published run, which is laid beside the published numbers."""
    return method == "LocoProp-M as published"


def guess(method: Method) -> float:
    """The learning rate where a search begins; as published, where it ends."""
    if as_published(method):
        return 1e-5
    return BASELINES[method].guess if method in BASELINES else GUESS[method]


def second_guess(method: Method) -> float | None:
    """Where a search for the setting next in weight to the rate begins; None: there is none."""
    return BASELINES[method].second if method in BASELINES else GAMMA.get(method)


def passes(method: Method) -> float | None:
    """The work of a batch in passes of backprop, where it is made of passes."""
    if method.startswith(("Shampoo", "K-FAC")):
        return None
    if method == "target propagation 1986":
        return 1.0
    if method == "target propagation":
        return 7 / 3  # of three thirds each: forward, gradients at nodes, gradient at weights
    return (2 + 2 * INNER_STEPS) / 3 if method.startswith("LocoProp") else 1.0


def train_epochs(recipe: Recipe, train: Tensor) -> Iterator[tuple[Callable[[Tensor], Tensor], float]]:
    """Train on images, pausing after each epoch.

    Args:
        train: (images, pixels).

    Yields:
        the network, and how many numbers per weight its learner keeps.
    """
    chip = Chip(Digital(), layers(recipe.sizes, train.shape[-1]), recipe.seed)
    weights = sum(la.rows * la.cols for la in chip.spec.layers)
    steps = max(1, len(train) // recipe.batch)
    order = stream(0, "autoencoder", recipe.seed, "data")
    training_batches = batches(Batch(train, train), recipe.batch, recipe.epochs, order)
    stepper = _backprop if recipe.method in BASELINES else _local
    step = stepper(recipe, chip, steps)
    for number, batch in enumerate(training_batches, 1):
        with matmul_precision(recipe.precision):
            model = step(batch)
        if number % steps == 0:
            yield model.outputs, model.memory_size() / weights


def _backprop(recipe: Recipe, chip: Chip, steps: int) -> Callable[[Batch], _Model]:
    network = Backprop(xray.knobs(chip), [la.linear for la in chip.spec.layers], recipe.method, recipe.second)
    number = itertools.count()

    def step(batch: Batch) -> _Model:
        share = warmup_then_decay(next(number), steps, recipe.epochs)
        network.step(recipe.learning_rate * share, batch.x, LOSS)
        return _Model(network.outputs, lambda: network.memory_size)

    return step


def _local(recipe: Recipe, chip: Chip, steps: int) -> Callable[[Batch], _Model]:
    learner, port = _learner(recipe, chip, steps), chip.port()
    generator, state = stream(0, "autoencoder", recipe.seed, "noise"), learner.init(chip.spec)

    def step(batch: Batch) -> _Model:
        nonlocal state
        state, _ = learner.step(port, batch, state, generator)
        return _Model(lambda x: port.measure(x).out, lambda: count_numbers(state))

    return step


class Move(NamedTuple):
    """What one batch does to the weights of a network, beside what gradients would, of each layer.

    Knobs-shaped, (1, rows, cols) each.
    """

    moved: Knobs
    gradient: Knobs
    natural: Knobs  # the gradient times the inverse of the inputs' second moments


def move_after(recipe: Recipe, train: Tensor, damping: float = 1e-2) -> Move:
    """Train a local learner, and then have it take one batch by plain descent, to see where it goes.

    Plain descent steps by the inverse of the greatest mean square of a layer's inputs, so that the inner
    steps of LocoProp neither run away nor stay where they began.

    Args:
        train: (images, pixels), whose first batch is taken.
        damping: what is added to second moments, as a share of their mean.
    """
    chip = Chip(Digital(), layers(recipe.sizes, train.shape[-1]), recipe.seed)
    steps = max(1, len(train) // recipe.batch)
    learner, port = _learner(recipe, chip, steps), chip.port()
    generator, state = stream(0, "autoencoder", recipe.seed, "noise"), learner.init(chip.spec)
    order = stream(0, "autoencoder", recipe.seed, "data")
    for batch in batches(Batch(train, train), recipe.batch, recipe.epochs, order):
        state, _ = learner.step(port, batch, state, generator)
    x = train[: recipe.batch]
    inputs = (x, *port.measure(x).taps[:-1])
    plain = sgd(1 / max(float(each.square().sum(-1).mean()) for each in inputs))
    before, gradient = xray.knobs(chip), xray.knob_gradient(chip, x, x, LOSS)
    state = state._replace(update=plain.init(chip.spec.zeros()))
    replace(learner, update=plain).step(port, Batch(x, x), state, generator)  # type: ignore[type-var]
    moved = tuple(now - then for now, then in zip(xray.knobs(chip), before, strict=True))
    natural = []
    for layer, each, g in zip(chip.spec.layers, inputs, gradient, strict=True):
        wired = layer.gather(each)
        moments = wired.mT @ wired / len(x)
        added = damping * moments.diagonal(dim1=-2, dim2=-1).mean() * torch.eye(layer.cols)
        natural.append(torch.linalg.solve(moments + added, g.mT).mT)
    return Move(moved, gradient, tuple(natural))


def layers(sizes: tuple[int, ...], pixels: int) -> tuple[Layer, ...]:
    """The layers of an autoencoder whose encoder has these sizes; code and read-out are linear."""
    half = len(sizes)
    pairs = enumerate(autoencoder_sizes(pixels, sizes), 1)
    return tuple(dense(a, b, linear=i in (half, 2 * half)) for i, (a, b) in pairs)


def _learner(recipe: Recipe, chip: Chip, steps: int) -> Learner:
    gamma = GAMMA.get(recipe.method, 0.0) if recipe.second is None else recipe.second
    if recipe.method.startswith("target propagation"):
        update = with_schedule(
            adam(recipe.learning_rate), lambda step: warmup_then_decay(step, steps, recipe.epochs)
        )
        if recipe.method == "target propagation 1986":
            return SignTargets(chip, update, LOSS, gamma, sigmoid)
        return TargetPropagation(update, adam(1e-3), LOSS, gamma, tanh, sigmoid)
    published = as_published(recipe.method)

    def learning_rate(step: int) -> float:
        batch, inner = divmod(step, INNER_STEPS)
        ours = warmup_then_decay(batch, steps, recipe.epochs)
        outer = _published_share(batch // steps) if published else ours
        return recipe.learning_rate * outer * max(1 - inner / INNER_STEPS, 0.25)

    momentum = 0.999 if published else MOMENTUM
    gamma = 10 / recipe.batch if published else gamma
    update = heavy_rmsprop(learning_rate, momentum, epsilon=1e-5 / recipe.batch**2)
    transfer = _transfer(recipe, chip.spec.layers)
    return LocoProp(
        ExactNodeGradients(chip), update, LOSS, gamma, INNER_STEPS, transfer, proximal=recipe.proximal
    )


def _transfer(recipe: Recipe, layers: tuple[Layer, ...]) -> tuple[Callable[[Tensor], Tensor], ...]:
    """M compares outputs, by each layer's matching loss; S the sums in front of them, by the squared one."""
    assert tanh.inverse is not None
    matching = (*(identity.forward for _ in layers[1:]), sigmoid.forward)
    sums = tuple(identity.forward if la.linear else tanh.inverse for la in layers)
    squared = range(len(layers)) if recipe.method == "LocoProp-S" else recipe.squared
    return tuple(sums[k] if k in squared else matching[k] for k in range(len(layers)))


def _published_share(epoch: int) -> float:
    """The share of the full rate: 5 epochs of warm-up from 0, then linearly to 0 at 100."""
    return epoch / 5 if epoch < 5 else 1 - (epoch + 1 - 5) / (100 - 5)


@contextmanager
def matmul_precision(precision: Precision) -> Iterator[None]:
    """Within this context products of matrices are of such a precision."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if precision == "bfloat16" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
