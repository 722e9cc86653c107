"""Checks of numbers that live on an accelerator: gathered, and judged together before a chip is changed.

To look at a number there is to wait for all that the accelerator was asked to do before. So whatever is
checked on the way (inputs, probes, taps, losses, estimates) waits beside what it would refuse; a chip that is
to be pulsed asks for all verdicts at once, and does nothing if one refuses. That is one wait for a step.
Numbers on the CPU are judged where they are checked.
"""

import math
import threading
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MOST = 64  # checks that wait at most, so that a loop which only reads is judged too


class _Waiting(threading.local):
    """What waits for a verdict in one thread: whether it holds, and what is raised otherwise."""

    def __init__(self) -> None:
        self.checks: list[tuple[Tensor, Callable[[], Exception]]] = []


_waiting = _Waiting()


def require(holds: Tensor, refusal: Callable[[], Exception]) -> None:
    """Refuse something unless a condition holds: at once on the CPU, at the next `settle` elsewhere.

    Args:
        holds: a truth value, of shape ().
        refusal: makes what is raised, and is called only then.

    Raises:
        Exception: what `refusal` makes.
    """
    if not holds.is_cpu:
        _waiting.checks.append((holds, refusal))
    elif not holds:
        raise refusal()


def require_finite(tensor: Tensor, refusal: Callable[[], Exception]) -> None:
    """Refuse numbers of which one is NaN or infinite, as `require` does.

    Args:
        tensor: of any shape, (...).
        refusal: makes what is raised, and is called only then.
    """
    if tensor.is_cpu and math.isfinite(tensor.sum().item()):  # else a sum may have overflowed honestly
        return
    require(torch.isfinite(tensor).all(), refusal)


def settle(numbers: Sequence[Tensor] = ()) -> list[float]:
    """Judge all that waits, and read some numbers on the same way.

    Args:
        numbers: of shape () each, on the CPU or where the checked ones live.

    Returns:
        The numbers.

    Raises:
        Exception: the first refusal of those that waited.
    """
    checks, _waiting.checks = _waiting.checks, []
    if not checks:
        return [number.item() for number in numbers] if all(n.is_cpu for n in numbers) else _read(numbers)
    found = _read([*(holds for holds, _ in checks), *numbers])
    for (_, refusal), verdict in zip(checks, found, strict=False):
        if not verdict:
            raise refusal()
    return found[len(checks) :]


def settle_many() -> None:
    """Judge all that waits if it has become much."""
    if len(_waiting.checks) >= MOST:
        settle()


def _read(numbers: Sequence[Tensor]) -> list[float]:
    """Numbers () of any place, by one transfer."""
    place = numbers[0].device
    return torch.stack([number.to(place, torch.float32) for number in numbers]).cpu().tolist()
