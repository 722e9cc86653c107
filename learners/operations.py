"""Digital operations of any learner, counted while it steps and not by a formula for each.

What torch carries out is counted as it goes: a learner, its update and its loss need to say nothing. What a
chip does behind its wires is physics, and counts as nothing here; a `Ledger` has it.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from analog.port import Port, Probe, Reading, rewired

_MULTIPLYING: Final = (  # pointwise; divisions, roots and exponentials count as one multiplication
    *("mul", "div", "reciprocal", "sqrt", "rsqrt", "pow", "square", "exp", "expm1", "log", "log1p"),
    *("tanh", "sigmoid", "sin", "cos", "erf", "silu", "gelu"),
)
_BOTH: Final = (  # a multiplication and an addition for each element
    *("addcmul", "addcdiv", "lerp", "_softmax", "_log_softmax", "logsumexp", "dot"),
    *("norm", "linalg_vector_norm"),
)
_MOVING: Final = (  # no arithmetic: words are moved
    *("clone", "copy", "_to_copy", "cat", "stack", "gather", "scatter", "where", "masked_fill"),
    *("index_select", "index", "index_put", "index_fill", "fill", "zero", "zeros", "ones", "full"),
    *("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "arange", "eye"),
    *("repeat", "flip", "roll", "tril", "triu", "sort", "topk", "_local_scalar_dense"),
)
_ALLOCATING: Final = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")


class Operations(NamedTuple):
    """Digital operations, counted."""

    multiplications: float = 0.0
    additions: float = 0.0
    words: float = 0.0  # read from memory or written to it

    def plus(self, other: "Operations") -> "Operations":
        """Both together."""
        return Operations(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, count: float) -> "Operations":
        """All of it so many times."""
        return Operations(*(n * count for n in self))


class OperationCounter:
    """Counts of the digital operations that run within its `watch`.

    Products count as in any textbook; a division, a root and an exponential as one multiplication; a
    comparison as one addition; drawing random numbers, views and allocations as nothing. Every operation
    reads its operands from memory and writes its result there, each word once: machines that keep results
    between operations move fewer words, and ones with small caches move more.

    `operations` is the sum so far, of all chips of a fleet together.
    """

    def __init__(self) -> None:
        self.operations = Operations()
        self._paused = False

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count what this thread computes meanwhile.

        Raises:
            ValueError: there is a decomposition of matrices among it whose price is not known.
        """
        with _Watching(self):
            yield

    def behind(self, port: Port) -> Port:
        """The same wires, whose physics is not counted."""

        def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
            with self._pause():
                return port.measure(x, probe, first=first, last=last)

        def program(knobs: Any) -> None:
            with self._pause():
                port.program(knobs)

        def pulse(drive: Any) -> None:
            with self._pause():
                port.pulse(drive)

        return rewired(port, read, program=program, pulse=pulse)

    def count(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Add one operation of torch, with its arguments and its result, unless a chip is at work."""
        if not self._paused:
            self.operations = self.operations.plus(_price(operation, args, kwargs, result))

    @contextmanager
    def _pause(self) -> Iterator[None]:
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before


class _Watching(TorchDispatchMode):
    """Shows a counter every operation that torch carries out."""

    def __init__(self, counter: OperationCounter) -> None:
        super().__init__()
        self._counter = counter

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._counter.count(func, args, kwargs or {}, result)
        return result


def _price(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Operations:
    """The operations that one operation of torch takes."""
    name = operation.overloadpacket.__name__.removeprefix("_foreach_").rstrip("_")
    if name in _ALLOCATING or _is_view(operation) or torch.Tag.nondeterministic_seeded in operation.tags:
        return Operations()
    operands, results = _tensors((args, kwargs)), _tensors(result)
    words = float(sum(map(_words, operands)) + sum(map(_words, results)))
    if operation.overloadpacket in flop_registry:
        products = flop_registry[operation.overloadpacket](*args, **kwargs, out_val=result) / 2
        return Operations(products, products, words)
    largest = float(max((t.numel() for t in (*operands, *results)), default=0))
    if "linalg" in name or "cholesky" in name:
        products = _solving(name, operands, results)
        return Operations(products, products, words)
    if name in _MOVING or not any(t.is_floating_point() for t in (*operands, *results)):
        return Operations(words=words)
    if name in _MULTIPLYING:
        return Operations(largest, 0.0, words)
    if name in _BOTH:
        return Operations(largest, largest, words)
    return Operations(0.0, largest, words)


def _solving(name: str, operands: list[Tensor], results: list[Tensor]) -> float:
    """Products of solving linear equations by elimination, one each for every addition."""
    if name == "_linalg_check_errors":
        return 0.0
    n = operands[0].shape[-1]
    systems = operands[0].numel() / max(n * n, 1)
    if name in ("_linalg_solve_ex", "linalg_solve_triangular", "cholesky_solve"):
        factor = n**3 / 3 if name == "_linalg_solve_ex" else 0.0
        passes = 1 if name == "linalg_solve_triangular" else 2
        return systems * factor + passes * results[0].numel() * n / 2
    if name in ("linalg_cholesky_ex", "cholesky"):
        return systems * n**3 / 6
    if name in ("linalg_inv_ex", "linalg_inv"):
        return systems * n**3
    raise ValueError(f"what {name} costs is not known; count it by hand")


def _is_view(operation: Any) -> bool:
    """Whether an operation only looks at its operand in another way."""
    name = operation.overloadpacket.__name__
    if name in ("_unsafe_view", "detach", "_reshape_alias"):
        return True
    aliases = [value.alias_info for value in operation._schema.returns]
    return bool(aliases) and all(alias is not None and not alias.is_write for alias in aliases)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in _leaves(tree) if isinstance(leaf, Tensor)]


def _leaves(tree: Any) -> Iterable[Any]:
    leaves: list[Any] = tree_leaves(tree)
    return leaves


def _words(tensor: Tensor) -> int:
    """Words of memory that a tensor occupies; what is expanded lies there once."""
    return math.prod(n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or n < 2)
