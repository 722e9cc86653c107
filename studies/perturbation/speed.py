"""The simulator costs little more than the plain matrix products that it contains.

Every figure is a ratio inside one run: a time divided by the time of the plain torch products of the same
shapes, timed in turn with it; of each the least of many timings, on as many threads as torch has (set
OMP_NUM_THREADS). Products of a step are those of its passes, baseline and probes, and of its outer products;
a chip makes that of the first layer once for both passes. What bounds a figure is told by timing its random
numbers alone.

How the cost of the published learner's step grows with the batch, the width, the depth and the number of
probes, and that of a fleet's with its chips, is an exponent fitted to the logarithms of a few sizes each.

A chip that relaxes is timed against a feed-forward chip of the same layers: its sweeps repeat all products
but that of the first layer, whose input is clamped.

A chip acting in 512 CartPoles is timed against gymnasium's own vector environment alone.

Beside ours, in the same run: torch's own training step by backpropagation, and aihwkit's reading and step
where it is installed (extra "peers").
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any, Literal, get_args

import gymnasium
import torch
from matplotlib.figure import Figure

from analog import Chip, Device, Ideal, Layer, Mismatched, Reading, conv2d, dense, mlp, stream
from analog.devices import ZOO, Hopfield, Resistive
from analog.layers import Paired, prepared
from learners import Batch, CrossEntropy, Descent, NodePerturbation, recipes, sgd
from learners.learner import Learner
from learners.local import Hebbian
from learners.rl import Argmax, ObservationNormalizer

from ..kit.metrics.peers import READING, STEP, peer_calls
from ..kit.metrics.timings import growth_exponent, normal, peak_memory, step_times, stepping, timed
from ..kit.report.figures import PALETTE, note, panels
from ..kit.report.tables import fixed, short_number
from ..kit.run.arguments import AnyDevice
from ..kit.run.ranges import Count
from ..kit.run.references import reference
from ..kit.run.study import Row

KINDS = dict.fromkeys((Ideal, Mismatched, *map(type, ZOO)))  # each technology once, whatever its variants


Part = Literal["readings", "steps", "growth", "fleets", "other libraries", "agents"]


@dataclass(frozen=True)
class Args:
    parts: tuple[Part, ...] = get_args(Part)  # each a trial
    devices: tuple[AnyDevice, ...] = tuple(kind() for kind in KINDS)  # each takes a reading
    repeats: Count = 200  # timings of each figure, interleaved with its yardstick
    chips: Count = 1000  # of the fleet that is timed against chips one by one
    fleets: tuple[Count, ...] = (250, 500, 1000)  # chips of fleets timed one after the other
    seed: int = 0  # of the noise


TOY = Args(repeats=1, chips=3, fleets=(2, 4))


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    part: Part = "readings"

    @property
    def name(self) -> str:
        return self.part


def plan(args: Args) -> list[Trial]:
    return [Trial(args, part) for part in args.parts]


def run(trial: Trial) -> Iterator[Row]:
    calls = _calls(trial.args)[trial.part]
    for number, call in enumerate(calls, 1):
        rows = call()
        for row in rows if isinstance(rows, list) else [rows]:
            yield {**row, "done": number / len(calls)}


def _calls(args: Args) -> dict[Part, list[Callable[[], Row | list[Row]]]]:
    """What each part times, in order."""
    return {
        "readings": [
            *(partial(_reading, device, args) for device in args.devices),
            partial(_reading, Mismatched(), args, torch.bfloat16),
            partial(_convolution, args),
            *(partial(_relaxing_reading, device, layers, args) for device, layers in RELAXING),
        ],
        "steps": [
            partial(_local_step, args),
            partial(_step, args),
            partial(_step, args, torch.bfloat16),
            partial(_published_step, args),
        ],
        "growth": [partial(_growth, args, *growth) for growth in GROWTHS],
        "fleets": [partial(_fleet, args), partial(_fleets, args)],
        "other libraries": [partial(_peers, args)],
        "agents": [partial(_acting, args)],
    }


def _reading(device: Any, args: Args, precision: torch.dtype | None = None) -> Row:
    x, w = normal(256, 784), normal(256, 784)
    others = cycle((x, -x))  # a chip that sees the same again need not make the product anew
    port = Chip(device, (dense(784, 256),), precision=precision).port()
    u, generator = torch.empty(256, 256), stream(args.seed, "speed")
    ours, plain, draws = timed(
        args.repeats,
        lambda: port.measure(next(others)),
        lambda: x @ w.T,
        lambda: u.normal_(generator=generator),
    )
    noiseless = torch.equal(port.measure(x).out, port.measure(x).out)
    return _row(
        f"reading 784 -> 256, batch 256: {reference(device).rpartition(':')[2]}{_of(precision)}",
        ours,
        plain,
        0.0 if noiseless else draws,
    )


RELAXING: tuple[tuple[Device, tuple[Layer, ...]], ...] = (
    (Hopfield(sweeps=8), mlp(784, 256, 10)),
    (
        Resistive(sweeps=8),
        (
            prepared(dense(2 * 785, 256, bias=False), Paired(30.0)),
            dense(256, 10, bias=False, linear=True),
        ),
    ),
)


def _relaxing_reading(device: Device, layers: tuple[Layer, ...], args: Args) -> Row:
    """A reading of a chip that relaxes, against that of a feed-forward chip of the same layers."""
    x = normal(128, 784)

    def reading(kind: Device) -> Callable[[], Reading]:
        port, others = Chip(kind, layers).port(), cycle((x, -x))
        return lambda: port.measure(next(others))

    ours, one_way = timed(args.repeats, reading(device), reading(Mismatched()))
    cols = layers[0].cols
    return {
        "what": f"reading {cols}-256-10 that relaxes, batch 128: {reference(device).rpartition(':')[2]}",
        "us": 1e6 * ours,
        "yardstick_us": 1e6 * one_way,
        "ratio": ours / one_way,
        "bound": f"{device.settling} sweeps of the layers above the first; "
        f"{1e6 * (ours - one_way) / device.settling:.0f} us a sweep more than one way",
    }


def _convolution(args: Args) -> Row:
    """A reading of a convolution, against torch's own of the same images."""
    layer = conv2d((3, 32, 32), 32, 5, stride=2, padding=2)
    x, kernel = normal(64, 3 * 32 * 32), normal(32, 3, 5, 5)
    port, others = Chip(Mismatched(), (layer,)).port(), cycle((x, -x))
    u, generator = torch.empty(64, layer.features), stream(args.seed, "speed")
    times = timed(
        args.repeats,
        lambda: port.measure(next(others)),
        lambda: torch.nn.functional.conv2d(x.view(64, 3, 32, 32), kernel, stride=2, padding=2),
        lambda: u.normal_(generator=generator),
    )
    return _row("reading of a convolution, 3 x 32 x 32 by 32 of 5 x 5, stride 2, batch 64", *times)


def _local_step(args: Args) -> Row:
    """A reading of one layer, its own rule and a noisy pulse, against a pass and the outer product."""
    x, w, h = normal(512, 784), normal(256, 784), normal(512, 256)
    port = Chip(Mismatched(), (dense(784, 256),)).port()
    target = 1.0 - 2.0 * (torch.arange(512) % 2)
    step = stepping(Hebbian(sgd(1e-3)), port, Batch(x, target), args.seed)
    u, generator = torch.empty(512 * 256 + 256 * 784), stream(args.seed, "speed")
    times = timed(args.repeats, step, lambda: (x @ w.T, h.T @ x), lambda: u.normal_(generator=generator))
    return _row("local step of one layer 784-256, batch 512", *times)


def _of(precision: torch.dtype | None) -> str:
    """How a row says that its products are not of single precision, while those beside it are."""
    return "" if precision is None else ", in bfloat16"


def _step(args: Args, precision: torch.dtype | None = None) -> Row:
    """A clean reading, one probe, the estimate and a noisy pulse."""
    learner = Descent(NodePerturbation(0.1, mask=False), sgd(1e-3), CrossEntropy(), delta_rule=False)
    times = step_times(args.repeats, args.seed, learner, precision=precision)
    return _row(f"node-perturbation step 784-256-10, batch 512{_of(precision)}", *times)


def _published_step(args: Args) -> Row:
    """The learner of the published tables: four probes, learned feedback, Adam."""
    times = step_times(args.repeats, args.seed, _published(), probes=recipes.PROBES)
    return _row("published learner's step 784-256-10, batch 512", *times)


def _published(probes: int = recipes.PROBES) -> Learner:
    return recipes.learned_feedback(CrossEntropy(), probes=probes, steps=10**9)


GROWTHS = (
    ("batch", (128, 256, 512)),
    ("hidden", (64, 128, 256)),
    ("depth", (1, 2, 4)),
    ("probes", (2, 4, 8)),
)


def _growth(args: Args, axis: str, sizes: Sequence[int]) -> Row:
    """How the published learner's step grows along one axis, the others being those of its own row."""
    repeats, times = max(3, args.repeats // 10), []
    for size in sizes:
        learner = _published(size) if axis == "probes" else _published()
        shape: dict[str, Any] = {"probes": recipes.PROBES} | {axis: size}
        times.append(step_times(repeats, args.seed, learner, **shape)[:2])
    ours, products = zip(*times, strict=True)
    exponents = [growth_exponent(sizes, seconds) for seconds in (ours, products)]
    return {
        "what": f"published learner's step, {axis} from {sizes[0]} to {sizes[-1]}",
        "us": 1e6 * ours[-1],
        "yardstick_us": 1e6 * products[-1],
        "ratio": ours[-1] / products[-1],
        "exponent": exponents[0],
        "bound": f"grows as {axis}^{exponents[0]:.2f}, its products as {axis}^{exponents[1]:.2f}",
    }


def _fleets(args: Args) -> list[Row]:
    """The step of fleets of several sizes, and how it grows with them."""
    rows: list[Row] = []
    for chips in args.fleets:
        (seconds,) = timed(max(3, args.repeats // 20), _fleet_step(chips, args.seed))
        first = rows[0]["us"] if rows else 1e6 * seconds
        peak = peak_memory()
        rows.append(
            {
                "what": f"step of {chips} chips of 64-64-10, batch 16",
                "us": 1e6 * seconds,
                "yardstick_us": first,
                "ratio": 1e6 * seconds / first,
                "us_per_chip": 1e6 * seconds / chips,
                "peak_gib": peak,  # of the process so far
                "bound": f"{1e6 * seconds / chips:.0f} us a chip; {peak:.2f} GiB at the peak",
            }
        )
    if len(set(args.fleets)) > 1:
        exponent = growth_exponent(args.fleets, [row["us"] for row in rows])
        rows[-1] |= {"exponent": exponent, "bound": f"{rows[-1]['bound']}; grows as chips^{exponent:.2f}"}
    return rows


def _peers(args: Args) -> list[Row]:
    """What other libraries take on the same network, against the same products."""
    x, fewer = normal(512, 784), normal(256, 784)
    a, b, h, d = normal(256, 784), normal(10, 256), normal(512, 256), normal(512, 10)
    plain: dict[str, Callable[[], object]] = {
        READING: lambda: fewer @ a.T,
        STEP: lambda: (x @ a.T, h @ b.T, d @ b, h.T @ x, d.T @ h),
    }
    rows: list[Row] = []
    with peer_calls() as calls:
        for name, call in calls.items():
            seconds, unit = timed(max(3, args.repeats // 10), call, plain[name.partition(": ")[2]])
            rows.append(
                {
                    "what": name,
                    "us": 1e6 * seconds,
                    "yardstick_us": 1e6 * unit,
                    "ratio": seconds / unit,
                    "bound": f"{torch.get_num_threads()} threads",
                }
            )
    return rows


def _acting(args: Args) -> Row:
    """A chip acts for a step: normalization, reading, choice, and the environments' own step."""
    env = gymnasium.make_vec("CartPole-v1", num_envs=COPIES, vectorization_mode="vector_entry_point")
    port = Chip(Mismatched(), (dense(4, 2, linear=True),)).port()
    known = ObservationNormalizer(torch.tensor([9.0]), torch.zeros(4), torch.full((4,), 9.0))
    first_observation, _ = env.reset(seed=args.seed)
    x, generator = torch.as_tensor(first_observation), stream(args.seed, "speed", "acting")
    action, others = Argmax().select(port.measure(x).out, generator).numpy(), cycle((x, -x))

    def choose(observation: Any) -> Any:
        return (
            Argmax()
            .select(port.measure(known.normalize(torch.as_tensor(observation))).out, generator)
            .numpy()
        )

    def together() -> None:
        latest["observation"] = env.step(choose(latest["observation"]))[0]

    latest = {"observation": first_observation}
    ours, world, chip = timed(
        args.repeats, together, lambda: env.step(action), lambda: port.measure(next(others))
    )
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
    few = min(args.chips, 100)  # timed, then counted up
    lone = [_fleet_step(i, args.seed, lone=True) for i in range(few)]

    def one_by_one() -> None:
        for step in lone:
            step()

    x, a, b = (
        normal(16, 64).expand(args.chips, 16, 64),
        normal(args.chips, 64, 64),
        normal(args.chips, 64, 10),
    )
    h, d = normal(args.chips, 16, 64), normal(args.chips, 16, 10)

    def products() -> None:
        (x @ a, h @ b, x @ a, h @ b, h.mT @ x, d.mT @ h)

    repeats = max(3, args.repeats // 20)
    each, together, plain = timed(repeats, one_by_one, _fleet_step(args.chips, args.seed), products)
    each *= args.chips / few
    return {
        "what": f"step of {args.chips} chips of 64-64-10, batch 16, one fleet",
        "us": 1e6 * together,
        "yardstick_us": 1e6 * each,
        "ratio": together / each,
        "us_per_chip": 1e6 * together / args.chips,
        "bound": f"{1e6 * together / args.chips:.0f} us a chip, {together / plain:.1f} times its products; "
        f"{each / together:.1f} times faster than one by one, which is bound by calls",
    }


def _fleet_step(chips: int, seed: int, *, lone: bool = False) -> Callable[[], object]:
    """A node-perturbation step of so many small chips at once, or of that one alone."""
    layers = (dense(64, 64), dense(64, 10, linear=True))
    learner = Descent(NodePerturbation(0.1, mask=False), sgd(1e-3), CrossEntropy(), delta_rule=False)
    port = Chip(Mismatched(), layers, chips if lone else range(chips)).port()
    return stepping(learner, port, Batch(normal(16, 64), torch.arange(16) % 10), seed)


def _row(what: str, ours: float, plain: float, draws: float) -> Row:
    shares = {"products": plain / ours, "random numbers": draws / ours}
    shares["the rest (memory, calls)"] = max(0.0, 1 - sum(shares.values()))
    return {
        "what": what,
        "us": 1e6 * ours,
        "yardstick_us": 1e6 * plain,
        "ratio": ours / plain,
        "products": True,  # are its yardstick
        "bound": ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items()),
    }


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
    same_yardstick = [r for r in rows if r.get("products")]
    axis.barh([r["what"] for r in same_yardstick], [r["ratio"] for r in same_yardstick], color=PALETTE[0])
    axis.axvline(1.0, color="black", linewidth=0.8)
    axis.set(xlabel="time / that of the plain products")
    axis.invert_yaxis()
    note(figure, "least of many repeats; the line: the plain products alone")
    return {"speed": figure}
