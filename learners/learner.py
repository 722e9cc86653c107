"""A learner steps a port: measure, estimate, pulse. It is a function of what it measured."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor
from typing_extensions import TypeVar

from analog.port import Port, Reading, require_port
from analog.spec import Spec
from analog.tree import tree_map

from .access import require_access
from .flattening import as_pair, flatten_examples

L = TypeVar("L", default=Any)


class Batch(NamedTuple):
    """Examples and what is wanted of them; the target's form is the loss's business."""

    x: Tensor  # (batch, features_in), or (*fleet, batch, features_in)
    target: Any = None

    @property
    def unlabeled(self) -> "Batch":
        """The examples without their target, as stimuli for a teacher."""
        return self._replace(target=None)

    def to(self, on: str, dtype: torch.dtype) -> "Batch":
        """The same examples where a chip lives, their inputs in its dtype."""
        target = tree_map(lambda leaf: leaf.to(on) if isinstance(leaf, Tensor) else leaf, self.target)
        return self._replace(x=self.x.to(on, dtype), target=target)

    def __repr__(self) -> str:
        return f"Batch(x {_form(self.x)}, target {_form(self.target)})"


class Step(NamedTuple):
    """The result of one learning step: its loss and its baseline reading."""

    loss: Tensor  # (*fleet,), mean loss of the baseline reading
    baseline: Reading  # taps (*fleet, batch, features)

    def __repr__(self) -> str:
        count = self.loss.numel()
        mean = f", mean of {count} chips" if count > 1 else ""
        return f"Step(loss={float(self.loss.mean()):.4g}{mean}, baseline={self.baseline!r})"


class Learner(Protocol[L]):
    """Turns batches into pulses. It is immutable; what it remembers is the state that `step` hands on.

    A state is made of tuples, lists, None, tensors, numbers, strings, or what else `copy.deepcopy` copies; a
    file takes tuples of None, tensors and numbers alone (`save_state`). A step leaves the state that it is
    handed as it was, a dictionary or an object in it too, and returns another.
    """

    def init(self, spec: Spec) -> L:
        """The state before the first step; nothing is sent to the chip.

        Args:
            spec: the datasheet of the chip that will be taught.

        Returns:
            The learner's state, whatever it is.

        Raises:
            ValueError: the learner does not fit the chip.
        """
        ...

    def step(self, port: Port, batch: Batch, state: L, generator: Generator) -> tuple[L, Step]:
        """Measure, and pulse the chip once.

        Args:
            port: the chip's wires, all that is known of it.
            batch: examples and their targets.
            state: as `init` or the last step gave it.
            generator: of everything that is drawn by lot.

        Returns:
            The next state, and what the step showed.
        """
        ...


@runtime_checkable
class ForSteps(Protocol):
    """A learner that is made for the length of a training, such as a recipe with a falling learning rate."""

    def for_steps(self, steps: int) -> Learner:
        """The learner for a training of so many steps."""
        ...


@runtime_checkable
class TwoPorts(Protocol):
    """A learner that pulses and reads a second chip beside the one that `step` hands to it."""

    @property
    def second(self) -> Port:
        """The wires of the second chip."""
        ...

    def with_second(self, port: Port) -> Learner:
        """The same learner on other wires of the second chip, such as taped ones."""
        ...


def for_steps(learner: Learner, steps: int) -> Learner:
    """The learner itself, or that for a training of so many steps, if it asks how many."""
    return learner.for_steps(steps) if isinstance(learner, ForSteps) else learner


def fit(
    learner: Learner[L],
    port: Port,
    batches: Iterable[Batch],
    generator: Generator,
    state: L | None = None,
) -> Iterator[tuple[L, Step]]:
    """Step a learner once per batch, lazily: nothing happens until the steps are iterated.

    Args:
        learner: what turns batches into pulses.
        port: the wires of the chips that learn.
        batches: pairs (x, target), such as `Batch` or what a `torch.utils.data.DataLoader` yields. Images
            (batch, planes, height, width) become rows, and all goes to where the chip is.
        generator: of the probes.
        state: to go on from, as an earlier fit left it; None begins anew.

    Returns:
        An iterator over pairs: the learner's state after a step, and what the step showed.

    Raises:
        TypeError: what came is no port, or no generator; a batch is no pair.
        BadInput: examples have not as many numbers as the chip wants.
        NoAccess: the learner needs more than these wires show.
    """
    require_port(port, "fit")
    require_generator(generator, "fit")
    require_access(learner, port, "fit")
    return _fit(learner, port, batches, generator, state)


def _fit(
    learner: Learner[L], port: Port, batches: Iterable[Batch], generator: Generator, state: L | None
) -> Iterator[tuple[L, Step]]:
    current = learner.init(port.spec) if state is None else state
    for batch in batches:
        current, step = learner.step(port, as_batch(batch, port.spec, "fit"), current, generator)
        yield current, step


def as_batch(batch: Any, spec: Spec, user: str) -> Batch:
    """The batch of rows, where the chip is, that a learner is handed.

    Args:
        batch: a pair (x, target) as a user or a DataLoader gives it, x (batch, ...) or (*fleet, batch, ...).
        spec: the datasheet of the chip.
        user: whom messages name.

    Raises:
        TypeError: it is no pair.
        BadInput: examples have not as many numbers as the chip wants.
    """
    x, target = as_pair(batch, user)
    x = flatten_examples(x, target, spec, user)
    return Batch(*(tree_map(lambda part: _moved(part, spec), part) for part in (x, target)))


def _moved(part: Any, spec: Spec) -> Any:
    return part.to(spec.place) if isinstance(part, Tensor) else part


def _form(part: Any) -> str:
    """The shape and type of a tensor, or of each part of a target that has several."""
    if isinstance(part, Tensor):
        return f"{tuple(part.shape)} {str(part.dtype).removeprefix('torch.')}"
    if isinstance(part, tuple | list):
        return f"[{', '.join(map(_form, part))}]"
    return "None" if part is None else type(part).__name__


def require_generator(generator: object, user: str) -> None:
    """Refuse what is not a generator of random numbers.

    Raises:
        TypeError: saying what came, and how a generator is made.
    """
    if not isinstance(generator, Generator):
        raise TypeError(
            f'{user}: generator is {generator!r}, wanted a torch.Generator such as stream(0, "probes")'
        )
