"""A device's parameters come out of a table of measurements, with intervals that mean what they say.

Without --coverage: one table (--data FILE.csv, by default the example beside this file: 150 simulated
`SoftBoundsRRAM` cells of other parameters than the datasheet's) and one device from which the search starts.
The table gives each parameter with its standard error and 95 % interval, what the table cannot tell, and
whether the residuals are such as the fitted device would leave; the figure shows data, fit and residuals.
With --coverage N: for every device, N tables are simulated along `device.default_plan()`, each
is calibrated, and the true parameters should lie within their intervals in 95 % of the repeats. The truth is
there the device itself; the study `coverage` draws truths from all over the parameters' ranges.

Beside ours: we know of no public simulator of analog hardware that says how well its parameters are known.
"""

import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analog import Mismatched
from analog.calibrate import Calibration, Scale, calibrate, read_table, simulate_table, simulated_moments
from analog.calibrate.identifiability import UNTOLD
from analog.devices import ZOO, SoftBoundsRRAM
from analog.measurement import MeasurementTable
from analog.settings import settings

from ..kit.report.figures import GRAY, PALETTE, legend, looks, note, panels
from ..kit.run.arguments import AnyDevice
from ..kit.run.ranges import Count, NonNegative, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row

EXAMPLE = Path(__file__).parent / "pulses.csv"
BLOCK = 25  # repeats that share one set of simulated moments; the next ones draw theirs anew


@dataclass(frozen=True)
class Args:
    data: Path | None = None  # CSV file, as analog.calibrate.parsing describes it; by default the example
    zero: NonNegative | None = None  # S or A, of knob 0, where the file has conductances or currents
    full_scale: Positive | None = None  # S or A, the difference that counts as 1 there
    device: AnyDevice = SoftBoundsRRAM()  # where the search starts
    copies: Count = 20  # simulated cells for each measured one
    coverage: Count | None = None  # repeats for each of --devices, instead of calibrating one table
    devices: tuple[AnyDevice, ...] = (Mismatched(), *ZOO)
    cells: Count = 500  # in each table of a coverage run
    seed: int = 0  # of simulated moments and tables


TOY = Args(copies=4)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice | None = None  # None: calibrate the table
    first: int = 0  # repeat
    last: int = 0  # repeat

    @property
    def name(self) -> str:
        if self.device is None:
            return "calibrate"
        return f"{reference(self.device)}, repeats {self.first} to {self.last}"


def plan(args: Args) -> list[Trial]:
    if args.coverage is None:
        _table(args)  # a bad table is refused before anything is kept of it
        return [Trial(args)]
    blocks = [(first, min(first + BLOCK, args.coverage) - 1) for first in range(0, args.coverage, BLOCK)]
    return [Trial(args, device, *block) for block in blocks for device in args.devices]


def _table(args: Args) -> MeasurementTable:
    if (args.zero is None) != (args.full_scale is None):
        raise ValueError("calibrate: a scale wants both --zero and --full-scale, in S or A")
    scale = None if args.zero is None or args.full_scale is None else Scale(args.zero, args.full_scale)
    return read_table(args.data or EXAMPLE, scale=scale)


def run(trial: Trial) -> Iterator[Row]:
    if trial.device is None:
        yield from _calibrate(trial.args)
    else:
        yield from _cover(trial.args, trial.device, trial.first, trial.last)


def _calibrate(args: Args) -> Iterator[Row]:
    table = _table(args)
    fit = calibrate(args.device, table, copies=args.copies, seed=args.seed, progress=_say)
    known = settings(type(args.device))
    for p in fit.parameters:
        numbers = {"value": p.value, "error": p.error, "low": p.low, "high": p.high}
        yield {"what": "parameter", "name": p.name, **numbers, "comment": known[p.name].comment, "done": 0.5}
    for warning in fit.warnings:
        yield {"what": "warning", "comment": warning}
    for t in fit.diagnostics.tests:
        yield {"what": "residuals", "name": t.name, "value": t.value, "predicted": t.predicted, "z": t.z}
    yield from _picture(fit, table.readings, table.plan.histories[1])
    yield {"what": "device", "comment": reference(fit.device), "done": 1.0}


def _say(stage: str) -> None:
    """Tell somebody who waits at a terminal; a pipe gets the table alone."""
    if sys.stderr.isatty():
        print(f"calibrate: {stage}", file=sys.stderr)


def _picture(fit: Calibration, readings: torch.Tensor, which: torch.Tensor) -> Iterator[Row]:
    """Means and spread of each history, and quantiles of the residuals."""
    for history in range(min(int(which.max()) + 1, 8)):  # more would hide each other
        cells = which == history
        for k in range(readings.shape[1]):
            yield {
                "what": "row",
                "history": history,
                "row": k,
                "mean": float(readings[cells, k].mean()),
                "sd": float(readings[cells, k].std()),
                "fitted": float(fit.diagnostics.fitted[cells, k][0]),
                "fitted_sd": float(fit.diagnostics.spread[cells, k][0]),
            }
    ordered = fit.diagnostics.residuals.flatten().sort().values
    for k in range(1, 100):
        place = min(int(len(ordered) * k / 100), len(ordered) - 1)
        normal = statistics.NormalDist().inv_cdf(k / 100)
        yield {"what": "quantile", "normal": normal, "residual": float(ordered[place])}


@lru_cache(64)
def _names(args: Args, device: Any) -> tuple[str, ...]:
    """What such tables can tell, which does not depend on their readings."""
    table = simulate_table(device, device.default_plan(args.cells), args.seed, args.seed)
    fit = calibrate(device, table, copies=args.copies, seed=args.seed)
    return tuple(p.name for p in fit.parameters if not any(d.startswith(UNTOLD) for d in p.doubts))


def _cover(args: Args, device: Any, first: int, last: int) -> Iterator[Row]:
    """Repeats on tables of their own, from the true parameters as start; moments drawn for this block."""
    plan = device.default_plan(args.cells)
    model, weight_model = (
        lru_cache(128)(simulated_moments(args.copies, args.seed - far - first)) for far in (0, 2**39)
    )
    names = _names(args, device)
    gaps: dict[str, list[float]] = {n: [] for n in names}
    within = dict.fromkeys(names, 0)
    for repeat in range(first, last + 1):
        identity = args.seed + 1 + repeat
        table = simulate_table(device, plan, identity, identity)
        fit = calibrate(device, table, free=names, model=model, weight_model=weight_model)
        for p in fit.parameters:
            truth = getattr(device, p.name)
            within[p.name] += p.low <= truth <= p.high
            gaps[p.name].append((p.value - truth) / p.error)
    for number, name in enumerate(names, 1):
        yield {
            "what": "coverage",
            "device": reference(device).rpartition(":")[2],
            "name": name,
            "repeats": last + 1 - first,
            "within": within[name],
            "z_sum": sum(gaps[name]),
            "z_squares": sum(z * z for z in gaps[name]),
            "done": number / len(names),
        }


def table(rows: Sequence[Row]) -> list[Row]:
    if any(r["what"] == "coverage" for r in rows):
        return _coverage_table(rows)
    lines: list[Row] = []
    for r in rows:
        if r["what"] == "parameter":
            interval = f"{r['low']:.4g} to {r['high']:.4g}"
            lines.append(_line(r["name"], f"{r['value']:.4g}", f"{r['error']:.2g}", interval, r["comment"]))
        if r["what"] == "residuals":
            verdict = "as predicted" if abs(r["z"]) < 4 else "the device's law does not suit the table"
            beside = f"predicted {r['predicted']:.3g}"
            lines.append(
                _line(f"residuals: {r['name']}", f"{r['value']:.3g}", f"z {r['z']:+.1f}", beside, verdict)
            )
        if r["what"] in ("warning", "device"):
            lines.append(_line(r["what"], "", "", "", r["comment"]))
    return lines


def _line(what: str, value: str, error: str, interval: str, comment: str) -> Row:
    return {"what": what, "value": value, "standard error": error, "95 % interval": interval, "": comment}


def _coverage_table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for device in dict.fromkeys(r["device"] for r in rows):
        repeats = [r for r in rows if r["device"] == device]
        names = list(dict.fromkeys(r["name"] for r in repeats))
        each = {n: _share([r for r in repeats if r["name"] == n]) for n in names}
        lowest, highest = min(each, key=lambda n: each[n]), max(each, key=lambda n: each[n])
        count = sum(r["repeats"] for r in repeats)
        lines.append(
            {
                "device": device,
                "repeats": count // len(names),
                "within, %": f"{100 * _share(repeats):.1f}",
                "sd of z": f"{(sum(r['z_squares'] for r in repeats) / count) ** 0.5:.2f}",
                "lowest": f"{lowest} {100 * each[lowest]:.1f}",
                "highest": f"{highest} {100 * each[highest]:.1f}",
                "parameters": ", ".join(names),
            }
        )
    return lines


def _share(rows: Sequence[Row]) -> float:
    return sum(r["within"] for r in rows) / sum(r["repeats"] for r in rows)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    coverage = [r for r in rows if r["what"] == "coverage"]
    return {"calibrate": _draw_coverage(coverage) if coverage else _draw_fit(rows)}


def _draw_coverage(rows: Sequence[Row]) -> Figure:
    devices = list(dict.fromkeys(r["device"] for r in rows))
    figure, (axis,) = panels(width=4.5, height=1 + 0.3 * len(devices))
    for place, device in enumerate(devices):
        repeats = [r for r in rows if r["device"] == device]
        names = dict.fromkeys(r["name"] for r in repeats)
        each = [100 * _share([r for r in repeats if r["name"] == n]) for n in names]
        label = (None, None) if place else ("each parameter", "all of them")
        axis.plot(each, [place] * len(each), "o", ms=3, color=GRAY, label=label[0])
        axis.plot([100 * _share(repeats)], [place], "D", ms=6, color=PALETTE[0], label=label[1])
    axis.set_yticks(range(len(devices)), devices)
    axis.axvspan(93, 97, color=PALETTE[2], alpha=0.2)
    axis.set(xlabel="true value within the 95 % interval, %")
    axis.invert_yaxis()
    legend(figure)
    note(figure, "the band: from 93 to 97 %")
    return figure


def _draw_fit(rows: Sequence[Row]) -> Figure:
    figure, (left, middle, right) = panels(3)
    history_rows = [r for r in rows if r["what"] == "row"]
    for history, look in looks(sorted({r["history"] for r in history_rows})).items():
        points = [r for r in history_rows if r["history"] == history]
        steps, label = [r["row"] for r in points], f"history {history}"
        for axis, measured, fitted in ((left, "mean", "fitted"), (middle, "sd", "fitted_sd")):
            axis.plot(steps, [r[measured] for r in points], **{**look, "ls": ""}, label=label)
            axis.plot(steps, [r[fitted] for r in points], color=look["color"], lw=1)
    for axis, what in ((left, "mean of the readings of cells"), (middle, "sd between cells")):
        axis.set(xlabel="reading of the history, number", ylabel=f"{what}, of full scale")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    quantiles = [r for r in rows if r["what"] == "quantile"]
    normal = [r["normal"] for r in quantiles]
    right.plot(normal, [r["residual"] for r in quantiles], "o", ms=2, color=PALETTE[0])
    right.plot(normal, normal, color="black", lw=0.8)
    right.set(xlabel="normal quantile, sd", ylabel="whitened residual, sd")
    legend(figure)
    note(figure, "dots: measured; lines: fitted; right: on the line if residuals are as the fit predicts")
    return figure
