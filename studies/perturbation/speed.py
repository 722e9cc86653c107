"""The simulator costs little more than the plain matrix products that it contains.

Every figure is a ratio inside one run: a time divided by the time of the plain torch products of the same
shapes, timed in turn with it. What bounds a figure is told by timing its random numbers alone.

A chip acting in 512 CartPoles (gymnasium's own vector environment) makes 2.4 M environment steps/s: reading
it takes 36 % of the time, the environments 30 %, observations, choices and copies the rest (2 threads,
shared).

Beside ours: aihwkit 1.2.0 pays 17 to 145 matmuls for a forward pass of 784 -> 256 at batch 256 on 2 cores
(4.8 for its pure-torch tile), and 43 to 101 for a training step.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import gymnasium
import torch
from matplotlib.figure import Figure

from analog import Chip, Ideal, Mismatched, dense, stream
from analog.devices import ZOO
from learners import Batch, CrossEntropy, Descent, NodePerturbation, fit, sgd
from learners.rl import Argmax, ObservationNormalizer

from ..kit.report.figures import PALETTE, note, panels
from ..kit.report.tables import fixed, short_number
from ..kit.run.arguments import AnyDevice
from ..kit.run.ranges import Count
from ..kit.run.references import reference
from ..kit.run.study import Row

KINDS = dict.fromkeys((Ideal, Mismatched, *map(type, ZOO)))  # each technology once, whatever its variants


@dataclass(frozen=True)
class Args:
    devices: tuple[AnyDevice, ...] = tuple(kind() for kind in KINDS)  # each takes a reading
    repeats: Count = 200  # timings of each figure, interleaved with its yardstick
    chips: Count = 1000  # of the fleet
    seed: int = 0  # of the noise


TOY = Args(repeats=1, chips=3)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()

    @property
    def name(self) -> str:
        return "speed"


def plan(args: Args) -> list[Trial]:
    return [Trial(args)]


def run(trial: Trial) -> Iterator[Row]:
    args = trial.args
    for i, device in enumerate(args.devices):
        yield {**_reading(device, args), "done": 0.5 * (i + 1) / len(args.devices)}
    yield {**_step(args), "done": 0.7}
    yield {**_acting(args), "done": 0.8}
    yield {**_fleet(args), "done": 1.0}


def _reading(device: Any, args: Args) -> Row:
    x, w = _normal(256, 784), _normal(256, 784)
    port = Chip(device, (dense(784, 256),)).port()
    u, generator = torch.empty(256, 256), stream(args.seed, "speed")
    ours, plain, draws = _timed(
        args.repeats, lambda: port.measure(x), lambda: x @ w.T, lambda: u.normal_(generator=generator)
    )
    noiseless = torch.equal(port.measure(x).out, port.measure(x).out)
    return _row(
        f"reading 784 -> 256, batch 256: {reference(device).rpartition(':')[2]}",
        ours,
        plain,
        0.0 if noiseless else draws,
    )


def _step(args: Args) -> Row:
    """A clean reading, one probe, the estimate and a noisy pulse, against two passes and outer products."""
    x, target = _normal(512, 784), torch.arange(512) % 10
    a, b, h, d = _normal(256, 784), _normal(10, 256), _normal(512, 256), _normal(512, 10)
    port = Chip(Mismatched(), (dense(784, 256), dense(256, 10, linear=True))).port()
    learner = Descent(NodePerturbation(0.1, mask=False), sgd(1e-3), CrossEntropy(), delta_rule=False)
    state, batch, generator = learner.init(port.spec), Batch(x, target), stream(args.seed, "speed", "probes")

    def plain() -> None:
        for _ in range(2):
            (x @ a.T) @ b.T
        h.T @ x
        d.T @ h

    u, w, generator = torch.empty(2 * 512, 266), torch.empty(266, 784), stream(args.seed, "speed")
    ours, products, draws = _timed(
        args.repeats,
        lambda: learner.step(port, batch, state, generator),
        plain,
        lambda: (u.normal_(generator=generator), w.normal_(generator=generator)),
    )
    return _row("node-perturbation step 784-256-10, batch 512", ours, products, draws)


def _acting(args: Args) -> Row:
    """A chip acts for a step: normalization, reading, choice, and the environments' own step."""
    env = gymnasium.make_vec("CartPole-v1", num_envs=COPIES, vectorization_mode="vector_entry_point")
    port = Chip(Mismatched(), (dense(4, 2, linear=True),)).port()
    known = ObservationNormalizer(torch.tensor([9.0]), torch.zeros(4), torch.full((4,), 9.0))
    first_observation, _ = env.reset(seed=args.seed)
    x, generator = torch.as_tensor(first_observation), stream(args.seed, "speed", "acting")
    action = Argmax().select(port.measure(x).out, generator).numpy()

    def choose(observation: Any) -> Any:
        return (
            Argmax()
            .select(port.measure(known.normalize(torch.as_tensor(observation))).out, generator)
            .numpy()
        )

    def together() -> None:
        latest["observation"] = env.step(choose(latest["observation"]))[0]

    latest = {"observation": first_observation}
    ours, world, chip = _timed(args.repeats, together, lambda: env.step(action), lambda: port.measure(x))
    return {
        "what": f"chip acting in {COPIES} CartPoles, one step",
        "us": 1e6 * ours,
        "yardstick_us": 1e6 * world,
        "ratio": ours / world,
        "bound": f"{COPIES / ours:,.0f} environment steps/s; the chip takes {100 * chip / ours:.0f} %, "
        f"the environments {100 * world / ours:.0f} %",
    }


COPIES = 512  # of an environment that a chip acts in


def _fleet(args: Args) -> Row:
    """A node-perturbation step of every chip, one by one and all in one."""
    layers = (dense(64, 64), dense(64, 10, linear=True))
    learner = Descent(NodePerturbation(0.1, mask=False), sgd(1e-3), CrossEntropy(), delta_rule=False)
    batch = Batch(_normal(16, 64), torch.arange(16) % 10)
    generator = stream(args.seed, "speed", "fleet")
    few = min(args.chips, 100)  # timed, then counted up
    lone = [Chip(Mismatched(), layers, i).port() for i in range(few)]
    fleet = Chip(Mismatched(), layers, range(args.chips)).port()

    def one_by_one() -> None:
        for port in lone:
            list(fit(learner, port, [batch], generator))

    repeats = max(3, args.repeats // 20)
    each, together = _timed(repeats, one_by_one, lambda: list(fit(learner, fleet, [batch], generator)))
    each *= args.chips / few
    return {
        "what": f"step of {args.chips} chips of 64-64-10, batch 16, one fleet",
        "us": 1e6 * together,
        "yardstick_us": 1e6 * each,
        "ratio": together / each,
        "bound": f"{each / together:.1f} times faster than one by one, which is bound by calls",
    }


def _timed(repeats: int, *calls: Callable[[], Any]) -> list[float]:
    """Median seconds of each call, all taken in turn."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats + 3):
        for call, seconds in zip(calls, times, strict=True):
            began = time.perf_counter()
            call()
            if turn >= 3:  # the first ones warm up
                seconds.append(time.perf_counter() - began)
    return [median(seconds) for seconds in times]


def _row(what: str, ours: float, plain: float, draws: float) -> Row:
    shares = {"products": plain / ours, "random numbers": draws / ours}
    shares["the rest (memory, calls)"] = max(0.0, 1 - sum(shares.values()))
    return {
        "what": what,
        "us": 1e6 * ours,
        "yardstick_us": 1e6 * plain,
        "ratio": ours / plain,
        "bound": ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items()),
    }


def _normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "speed", *shape))


def table(rows: Sequence[Row]) -> list[Row]:
    return [
        {
            "what": r["what"],
            "time, us": fixed(r["us"], 0),
            "yardstick, us": fixed(r["yardstick_us"], 0),
            "ratio": short_number(r["ratio"], 3),
            "bound by": r["bound"],
        }
        for r in rows
    ]


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (axis,) = panels(width=6)
    same_yardstick = rows[:-2]  # acting and the fleet have other yardsticks
    axis.barh([r["what"] for r in same_yardstick], [r["ratio"] for r in same_yardstick], color=PALETTE[0])
    axis.axvline(1.0, color="black", linewidth=0.8)
    axis.set(xlabel="time / that of the plain products")
    axis.invert_yaxis()
    note(figure, "median of many repeats; the line: the plain products alone")
    return {"speed": figure}
