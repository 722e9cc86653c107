"""Timings of steps, each beside the plain products that it contains."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from math import log, nan
from statistics import linear_regression
from typing import Any, TypeVar

import torch

from analog import Chip, Mismatched, Port, mlp, stream
from learners import Batch
from learners.learner import Learner

T = TypeVar("T")


def timed(repeats: int, *calls: Callable[[], Any]) -> list[float]:
    """The least seconds of each call out of so many, all taken in turn; on one thread, those it worked."""
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter  # others may be at work
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats + 3):
        for call, seconds in zip(calls, times, strict=True):
            began = clock()
            call()
            if turn >= 3:  # the first ones warm up
                seconds.append(clock() - began)
    return [min(seconds) for seconds in times]


class Timed(Iterator[T]):
    """An iterator that clocks another one, and not what is done between its items."""

    def __init__(self, items: Iterator[T]) -> None:
        self.items = items
        self.wall_seconds = 0.0  # by the clock, others at work or not
        self.cpu_seconds = 0.0  # of all threads together

    def __next__(self) -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return next(self.items)
        finally:
            self.wall_seconds += time.perf_counter() - wall
            self.cpu_seconds += time.process_time() - cpu


def step_times(
    repeats: int,
    seed: int,
    learner: Learner,
    *,
    batch: int = 512,
    hidden: int = 256,
    depth: int = 1,
    probes: int = 1,
    precision: torch.dtype | None = None,
) -> list[float]:
    """Seconds of a learner's step on a `Mismatched` chip, of the products that it contains, and of its noise.

    Args:
        repeats: timings of each.
        seed: of the learner's probes and of the noise beside it.
        learner: one that reads a batch, probes it, and pulses once.
        batch: examples of a step.
        hidden: neurons of each layer between 784 inputs and 10 outputs.
        depth: hidden layers.
        probes: directions of a step.
        precision: of the chip's and the learner's products; those beside them are of single precision.
    """
    x, target = normal(batch, 784), torch.arange(batch) % 10
    a, b, h, d = normal(hidden, 784), normal(10, hidden), normal(batch, hidden), normal(batch, 10)
    between = [normal(hidden, hidden)] * (depth - 1)
    probed, generator = h.expand(probes, batch, hidden).clone(), stream(seed, "speed")
    port = Chip(Mismatched(), mlp(784, *[hidden] * depth, 10), precision=precision).port()
    u = torch.empty((1 + probes) * batch, depth * hidden + 10)
    w = torch.empty(hidden * 784 + (depth - 1) * hidden**2 + 10 * hidden)

    def products() -> None:
        (x @ a.T, h @ b.T, x @ a.T, probed @ b.T, h.T @ x, d.T @ h)
        for c in between:
            (h @ c, probed @ c, h.T @ h)

    def draws() -> None:
        (u.normal_(generator=generator), w.normal_(generator=generator))

    return timed(repeats, stepping(learner, port, Batch(x, target), seed), products, draws)


def stepping(learner: Learner, port: Port, batch: Batch, seed: int) -> Callable[[], None]:
    """A call that steps a learner of these wires once more, with the same batch."""
    generator = stream(seed, "speed", "probes")
    latest = {"state": learner.init(port.spec)}

    def step() -> None:
        latest["state"], _ = learner.step(port, batch, latest["state"], generator)

    return step


def growth_exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The exponent by which a time grows with a size: the slope of its logarithm."""
    return linear_regression([log(size) for size in sizes], [log(t) for t in seconds]).slope


def peak_memory() -> float:
    """GiB that this process has held at most so far; nan where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return nan
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def normal(*shape: int) -> torch.Tensor:
    """Standard normal numbers (*shape), the same ones whenever they are asked for."""
    return torch.randn(shape, generator=stream(0, "speed", *shape))
