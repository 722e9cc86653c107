"""Laws of contracts, the error that a broken one raises, and the watch over global generators."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

import numpy
import torch

T = TypeVar("T")


class ContractError(AssertionError):
    """A part breaks the contract of its protocol; the message says which law, and by how much."""


class Law(NamedTuple):
    """A law of a contract: a sentence, and the check that raises ContractError of a part that breaks it."""

    sentence: str
    check: Callable[..., Any]


def first_sentence(check: Callable[..., object]) -> str:
    """The first line of a docstring, which of the check of a law says the law."""
    return (check.__doc__ or "").strip().partition("\n")[0]


class OncePerPart(Generic[T]):
    """A cache of what the laws of a contract try on a part: made of it once, and kept from law to law.

    Args:
        make: makes it of a part.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._kept: tuple[object, T] | None = None

    def __call__(self, part: object) -> T:
        if self._kept is None or self._kept[0] is not part:
            self._kept = part, self._make(part)
        return self._kept[1]


class LawTests(ABC):
    """A test class for pytest in which every law of a contract is a test of its own, named by its sentence.

    It needs no import of pytest, which calls `pytest_generate_tests` by its name.
    """

    @abstractmethod
    def laws(self) -> Sequence[Law]:
        """The laws, in the order in which they are tried."""
        ...

    def part(self, name: str) -> Any:
        """The part that is tested, which the test class has under that name.

        Raises:
            ContractError: it has none.
        """
        part = getattr(self, name)
        if part is None:
            raise ContractError(f"{type(self).__name__} has no {name}; write {name} = ... in its body")
        return part

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Tell pytest that each law is a test, called by its sentence."""
        if "law" in metafunc.fixturenames:
            metafunc.parametrize("law", self.laws(), ids=[law.sentence for law in self.laws()])


@contextmanager
def refuse_global_generators(user: str, remedy: str) -> Iterator[None]:
    """Refuse whatever draws from a global generator (torch's, numpy's or Python's own) or seeds it.

    They are left as they were. What fails for another reason fails for this one if it did this besides.

    Args:
        user: who is watched, as the message says it.
        remedy: what to draw from instead, as the message says it.

    Raises:
        ContractError: a global generator's state is not what it was.
    """
    before = _states()
    try:
        yield
    finally:
        after = _states()
        touched = [name for name, state in before.items() if state != after.get(name, state)]
        if touched:
            _restore(before)
            names = " and ".join(touched)
            raise ContractError(f"{user}: the global {names} generator was drawn from or seeded; {remedy}")


@contextmanager
def reseed_global_generators(seed: int) -> Iterator[None]:
    """Seed the global generators for a while, so that what secretly depends on them shows; then undo it."""
    before = _states()
    torch.manual_seed(seed)
    numpy.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        _restore(before)


def _states() -> dict[str, Any]:
    """The state of each global generator, by its owner's name."""
    words: Any = numpy.random.get_state(legacy=True)
    states: dict[str, Any] = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (words[0], words[1].tobytes(), *words[2:]),
        "Python": random.getstate(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["CUDA"] = [state.numpy().tobytes() for state in torch.cuda.get_rng_state_all()]
    return states


def _restore(states: dict[str, Any]) -> None:
    torch.set_rng_state(_tensor(states["torch"]))
    kind, words, *rest = states["numpy"]
    numpy.random.set_state((kind, numpy.frombuffer(words, numpy.uint32), *rest))
    random.setstate(states["Python"])
    if "CUDA" in states:
        torch.cuda.set_rng_state_all([_tensor(state) for state in states["CUDA"]])


def _tensor(state: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)
