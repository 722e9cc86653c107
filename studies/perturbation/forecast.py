"""A chip with a state learns in place, by perturbation through time, to forecast a chaotic series by itself.

The task is NeuroBench's Mackey-Glass (`studies.kit.data.mackey_glass`): ten Lyapunov times (750 points) of a
series to learn from; then the first point of the next ten is given, and all others are forecast from what was
forecast before. Judged by sMAPE over all ten, and by the error of one step ahead, on true points. Each chip
of a fleet is a run of its own, shifted by half a Lyapunov time more.

A forecast takes the last `steps * points` points, so many at a step, through a crossbar that is driven by
them and by its own activity of the step before, carried digitally from zero; a read-out of the last step says
by how much the series will change, in units of the changes' sd. What is fed back is cut to the range that was
learned from. Learners probe all steps, and their estimates are of the last step's loss (`node perturbation`).

    echo state                    the chip's recurrent knobs stay as fabricated, and only its read-out learns,
                                  by the delta rule
    echo state, digital read-out  likewise, but its taps are read once for each example, and a read-out in
                                  digital memory is the ridge regression on them
    digital network               the same size in exact arithmetic, by backprop through time
    mean                          forecasts nothing but the mean of what was learned from

With `--held-out`, for choosing settings, the last quarter of the 750 points is forecast from those before,
and nobody is shown the rest.

Published beside ours: NeuroBench (Yik et al. 2023, https://arxiv.org/abs/2304.04640), tau = 17, the mean of
30 runs: sMAPE 13.37 by an LSTM over 50 points, 14.79 by an echo state network; both digital. Theirs learn
and forecast other stretches of the same attractor, for their points come from another solver.

Open questions: a state that goes on from forecast to forecast, on the chip or beside it, in place of one that
begins at zero; an online rule whose trace decays; losses of all steps, each laid to the nodes before it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Ideal, Layer, Ledger, Mismatched, Port, Spec, dense, metered, stream
from analog.access import Access
from analog.layers import LastStep, prepared, recurrent
from learners import Batch, Loss, SquaredError, Step, Update, adam, fit, linear_decay
from learners.access import stated_access, taps_access
from learners.estimators.estimate import judge_baseline
from learners.learner import Learner
from learners.node_descent import descend_nodes

from ..kit.data.mackey_glass import POINTS, TRAINING, smape
from ..kit.data.mackey_glass import run as series_of_run
from ..kit.data.per_chip_batches import per_chip_batches
from ..kit.recipes.methods import AnyLearner, Setup, make_learner, method_name
from ..kit.recipes.trainings import log_spaced
from ..kit.report.figures import GRAY, INTERVAL, chip_dots, course, legend, looks, note, panels
from ..kit.report.tables import fixed, mean_of, mean_with_interval, round_count, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, NonNegative, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row

DIGITAL: Final = "digital network"
ECHO: Final = "echo state"
ECHO_DIGITAL: Final = "echo state, digital read-out"
MEAN: Final = "mean"
PUBLISHED: Final = {"LSTM, NeuroBench": 13.37, "echo state network, NeuroBench": 14.79}
SHOWN: Final = 3 * POINTS  # points of a forecast that are kept for the figure
LOSS: Final = SquaredError()
Answer = Callable[[Tensor], Tensor]  # windows (chips, n, points), normalized -> (chips, n, 1), scaled changes


@dataclass(frozen=True)
class Args(SeededChips):
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    learners: tuple[AnyLearner, ...] = ("node perturbation", "learned feedback", "exact gradient")
    chips: Count = 10  # for each learner, each with a run of its own
    opponents: bool = True  # beside them: echo states, the network in exact arithmetic, the mean
    steps: Count = 10  # of the state, for one forecast
    points: Count = 5  # of the series that come in at a step
    hidden: Count = 64  # neurons
    updates: Count = 4000  # of every training
    batch: Count = 64  # examples of an update
    learning_rate: Positive = 1e-2  # of Adam at the beginning; it falls linearly to zero
    probes: Count = 4  # of an update, for learners that send probes
    repeats: Count = 1  # readings of each forecast, averaged
    ridge: NonNegative = 1e-3  # of the digital read-out, a share of the taps' mean square
    held_out: bool = False  # forecast the last quarter of what there is to learn from, from the rest


TOY = Args(chips=2, steps=2, points=3, hidden=6, updates=12, learners=("node perturbation",), held_out=True)


@dataclass(frozen=True)
class Trial:
    args: Args
    way: AnyLearner | str  # a learner, or one of the opponents

    @property
    def name(self) -> str:
        return method_name(self.way)


class Runs(NamedTuple):
    """The series of every run, as chips see it."""

    raw: Tensor  # (chips, points), float64: those learned from, one that is given, those to forecast
    learned: int  # points to learn from
    window: int  # points that a forecast takes
    mean: Tensor  # (chips, 1), of those to learn from
    sd: Tensor  # (chips, 1)
    unit: Tensor  # (chips, 1), sd of their changes, in units of sd

    def windows(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """All windows whose last point is in first..last-1, and the changes that follow, in units.

        Returns:
            (chips, n, window) and (chips, n, 1), float32.
        """
        series = (self.raw - self.mean) / self.sd
        seen = series[:, first - self.window + 1 : last].unfold(-1, self.window, 1)
        change = (series[:, first + 1 : last + 1] - series[:, first:last]) / self.unit
        return seen.float(), change.unsqueeze(-1).float()


def runs(args: Args) -> Runs:
    """The runs of a fleet."""
    raw = torch.stack([series_of_run(number) for number in range(args.chips)])
    learned = TRAINING
    if args.held_out:
        learned, raw = TRAINING * 3 // 4, raw[:, :TRAINING]
    past = raw[:, :learned]
    mean, sd = past.mean(-1, keepdim=True), past.std(-1, keepdim=True)
    unit = (past / sd).diff(dim=-1).std(-1, keepdim=True)
    return Runs(raw, learned, args.steps * args.points, mean, sd, unit)


def plan(args: Args) -> list[Trial]:
    opponents = (ECHO, ECHO_DIGITAL, DIGITAL, MEAN) if args.opponents else ()
    return [Trial(args, way) for way in (*args.learners, *opponents)]


def run(trial: Trial) -> Iterator[Row]:
    args, series = trial.args, runs(trial.args)
    about: Row = {"way": trial.name}
    if trial.way == MEAN:
        forecast = series.mean.expand(-1, series.raw.shape[-1] - 1 - series.learned)
        yield {"what": "end", **about, "smape": _rounded(smape(forecast, _future(series))), "done": 1.0}
        return
    device = Ideal() if trial.way == DIGITAL else args.device
    chip = Chip(device, layers(args), args.identities(args.chips), noise_seed=args.seed)
    ledger, port = Ledger(chip.spec), chip.port()
    answer = _by_chip(port, args.repeats)
    about |= {"device": reference(device), "access": _access(trial, chip)}
    if trial.way == ECHO_DIGITAL:
        answer = _digital_readout(metered(port, ledger), port, series, args)
    else:
        for update in log_spaced(_training(trial, chip, metered(port, ledger), series), args.updates):
            if update < args.updates:
                yield {"what": "curve", **about, "update": update, **_judged(answer, series, ledger)}
    forecast = forecasts(answer, series)
    end = {**_judged(answer, series, ledger), "smape": _rounded(smape(forecast, _future(series)))}
    yield {"what": "end", **about, "update": args.updates, **end}
    shown = {"forecast": _rounded(forecast[0, :SHOWN]), "truth": _rounded(_future(series)[0, :SHOWN])}
    yield {"what": "trace", **about, **shown, "done": 1.0}


def layers(args: Args) -> tuple[Layer, ...]:
    """The wiring of a chip that forecasts."""
    readout = prepared(dense(args.hidden, 1, linear=True), LastStep(args.steps))
    return recurrent(args.points, args.hidden, args.steps), readout


def forecasts(answer: Answer, series: Runs) -> Tensor:
    """What every chip forecasts, from what it forecast before, (chips, points)."""
    known = (series.raw[:, : series.learned + 1] - series.mean) / series.sd
    low, high = known[:, :-1].amin(-1, keepdim=True), known[:, :-1].amax(-1, keepdim=True)
    past, found = known[:, -series.window :], []
    for _ in range(series.raw.shape[-1] - 1 - series.learned):
        change = answer(past[:, None].float())[:, 0].double() * series.unit
        found.append((past[:, -1:] + change).clamp(low, high))
        past = torch.cat((past[:, 1:], found[-1]), -1)
    return torch.cat(found, -1) * series.sd + series.mean


@dataclass(frozen=True)
class ReadoutAlone:
    """A learner whose read-out learns by the delta rule, while all other layers stay as they are."""

    update: Update
    loss: Loss

    def needs(self, spec: Spec) -> Access:
        return taps_access(spec, node_probes=False)

    def init(self, spec: Spec) -> Any:
        return self.update.init(spec.zeros())

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> tuple[Any, Step]:
        del generator  # nothing is probed
        reading = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, reading)
        assert baseline.output_gradient is not None  # a squared error knows it
        nodes = (*(torch.zeros_like(tap) for tap in reading.taps[:-1]), baseline.output_gradient)
        return descend_nodes(port, baseline, nodes, (batch.x, *reading.taps[:-1]), self.update, state)


def _learner(trial: Trial, chip: Chip) -> Learner:
    args = trial.args
    update = linear_decay(adam(args.learning_rate), args.updates)
    if trial.way == ECHO:
        return ReadoutAlone(update, LOSS)
    method = "exact gradient" if trial.way == DIGITAL else trial.way
    return make_learner(method, Setup(chip, update, args.probes, loss=LOSS, steps=args.updates))


def _access(trial: Trial, chip: Chip) -> str:
    if trial.way == ECHO_DIGITAL:
        return str(taps_access(chip.spec, node_probes=False))
    exact = trial.way in ("exact gradient", DIGITAL)
    return "x-ray" if exact else stated_access(_learner(trial, chip), chip.spec)


def _training(trial: Trial, chip: Chip, port: Port, series: Runs) -> Iterator[object]:
    args = trial.args
    seen, changes = series.windows(series.window - 1, series.learned - 1)
    recordings = [Batch(*each) for each in zip(seen, changes, strict=True)]
    batches = per_chip_batches(recordings, args.batch, args.updates, stream(args.seed, "forecast", "data"))
    return fit(_learner(trial, chip), port, batches, stream(args.seed, "forecast", "probes"))


def _by_chip(port: Port, repeats: int) -> Answer:
    def answer(x: Tensor) -> Tensor:
        return torch.stack([port.measure(x).out for _ in range(repeats)]).mean(0)

    return answer


def _digital_readout(training: Port, port: Port, series: Runs, args: Args) -> Answer:
    """The ridge regression on the taps of the last step, read once for each example."""

    def features(wires: Port, x: Tensor) -> Tensor:
        last = wires.measure(x, last=0).out[..., -args.hidden :].double()
        return torch.cat((last, torch.ones_like(last[..., :1])), -1)

    seen, changes = series.windows(series.window - 1, series.learned - 1)
    taps = features(training, seen)
    square = taps.mT @ taps
    eye = torch.eye(square.shape[-1], dtype=square.dtype)
    mean = square.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    weights = torch.linalg.solve(square + args.ridge * mean * eye, taps.mT @ changes.double())

    def answer(x: Tensor) -> Tensor:
        shown = torch.stack([features(port, x) for _ in range(args.repeats)]).mean(0)
        return shown @ weights

    return answer


def _judged(answer: Answer, series: Runs, ledger: Ledger) -> Row:
    """The error one step ahead on true points, in sd of the series, and what that took until now."""
    seen, changes = series.windows(series.learned, series.raw.shape[-1] - 1)
    error = ((answer(seen) - changes).double() * series.unit.unsqueeze(-1)).square().mean((-2, -1)).sqrt()
    return {
        "ahead": _rounded(error),
        "reads": max(ledger.reads),
        "pulses_per_cell": float(ledger.pulses_per_cell.mean()),
        "joules": float(ledger.joules.mean()),
    }


def _future(series: Runs) -> Tensor:
    return series.raw[:, series.learned + 1 :]


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 5) for value in values.tolist()]


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for row in (r for r in rows if r["what"] == "end"):
        line: Row = {"way": row["way"], "n": len(row["smape"])}
        line |= {"sMAPE, 10 Lyapunov times": mean_with_interval(row["smape"], 2)}
        line |= {"one step ahead, sd": mean_with_interval(row["ahead"], 4) if "ahead" in row else ""}
        line |= {"reads": round_count(mean_of([row], "reads"))}
        line |= {"pulses/cell": short_number(mean_of([row], "pulses_per_cell"))}
        line |= {"chip J, by guessed Costs": short_number(mean_of([row], "joules"))}
        lines.append(line | {"access": row.get("access", "")})
    published = [{"way": way, "n": 30, "sMAPE, 10 Lyapunov times": fixed(e)} for way, e in PUBLISHED.items()]
    return lines + published


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (learning, ends, trace) = panels(3)
    ways = [r["way"] for r in rows if r["what"] == "end"]
    for place, (way, look) in enumerate(looks(ways).items()):
        mine = [r for r in rows if r["way"] == way]
        curve = {r["reads"]: r["ahead"] for r in mine if r.get("reads") and way != ECHO_DIGITAL}
        course(learning, curve, label=way, **look)
        for row in mine:
            if row["what"] == "end":
                chip_dots(ends, place, row["smape"], **look)
            if row["what"] == "trace" and place == 0:
                trace.plot(row["truth"], color=GRAY, lw=0.8, label="truth")
                trace.plot(row["forecast"], color=look["color"], lw=0.8)
    for way, error in PUBLISHED.items():
        ends.axhline(error, color=GRAY, ls=":" if "LSTM" in way else "--", lw=0.8, label=way)
    learning.set(xlabel="vectors read, of each chip", ylabel="one step ahead, sd", xscale="log", yscale="log")
    ends.set(ylabel="sMAPE over ten Lyapunov times", xticks=range(len(ways)))
    ends.set_xticklabels(ways, rotation=90, fontsize=6)
    trace.set(xlabel="points ahead, 75 a Lyapunov time", ylabel="series")
    legend(figure)
    chips = max((len(r["smape"]) for r in rows if r["what"] == "end"), default=0)
    note(figure, f"{chips} chips, each with a run of its own; bands and bars: {INTERVAL}")
    return {"forecast": figure}
