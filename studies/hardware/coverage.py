"""What a calibration says of parameters holds wherever in their ranges the truth lies, or it says so.

Simulation-based calibration (Talts et al., https://arxiv.org/abs/1804.06788): devices are drawn over the
whole range that stands beside each of their parameters (`analog.calibrate.prior`), a table of each is
simulated along the plan that one would make knowing only the datasheet, and `calibrate` starts from that
datasheet. The probability that it then gives to values below the truth must be uniform over truths. A fit
that cannot keep this names its doubts; what is counted are the parameters that it vouches for, and how many
these are. The table has one line for each device with its worst parameter, and a line for each parameter
behind these.

`within bands`: the empirical distribution of these probabilities lies within simultaneous bands (Säilynoja,
Bürkner and Vehtari, https://arxiv.org/abs/2103.10522) at 95 % for all parameters of a device together.
"""

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analog import Mismatched, stream
from analog.calibrate import Calibration, calibrate, draw_device, simulate_table
from analog.calibrate.scales import estimated_by_default
from analog.devices import ZOO, WanRRAM

from ..kit.metrics.uniformity import uniformity_band, uniformity_p
from ..kit.report.figures import GRAY, looks, note, panels
from ..kit.run.arguments import AnyDevice
from ..kit.run.ranges import Count, Range
from ..kit.run.references import public_reference, reference, short_reference
from ..kit.run.study import Row

BLOCK = 5  # truths of one trial
LEVEL = 0.95  # of the bands, over all parameters of a device
INTERVALS = (50, 90, 95)  # per cent
IDENTITIES = 2**38  # of tables; simulated moments have theirs apart
ACROSS = 4  # panels of the figure


@dataclass(frozen=True)
class Args:
    devices: tuple[AnyDevice, ...] = (Mismatched(), *ZOO)
    truths: Count = 100  # of each device
    cells: Count = 500  # of each table
    copies: Count = 10  # simulated cells for each measured one
    factor: Annotated[float, Range(1, above=True)] = (
        4.0  # how far from the datasheet a parameter lies whose range has no end
    )
    seed: int = 0  # of truths, tables and simulated moments


TOY = Args(devices=(WanRRAM(),), truths=2, cells=50, copies=2)


@dataclass(frozen=True)
class Trial:
    args: Args
    device: AnyDevice
    first: int
    last: int

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, truths {self.first} to {self.last}"


def plan(args: Args) -> list[Trial]:
    blocks = [(first, min(first + BLOCK, args.truths) - 1) for first in range(0, args.truths, BLOCK)]
    return [Trial(args, device, *block) for block in blocks for device in args.devices]


def run(trial: Trial) -> Iterator[Row]:
    args, datasheet = trial.args, trial.device
    protocol = datasheet.default_plan(args.cells)
    for truth in range(trial.first, trial.last + 1):
        # of each device its own, so that one unlucky draw is not counted once for each of them
        chance = stream(args.seed, "coverage", reference(datasheet), truth)
        device = draw_device(datasheet, chance, args.factor)
        identity = int(torch.randint(IDENTITIES, (), generator=chance))
        table = simulate_table(device, protocol, identity, identity)
        common = {"what": "truth", "device": device_name(datasheet), "truth": truth}
        done = {"done": (truth + 1 - trial.first) / (trial.last + 1 - trial.first)}
        try:
            found = calibrate(datasheet, table, copies=args.copies, seed=identity)
        except ValueError as error:  # it says so of all parameters at once
            for name in estimated_by_default(datasheet):
                lost = {
                    "value": _short(getattr(device, name)),
                    "doubts": f"refused: {error}"[:200],
                    "vouched": False,
                }
                yield {**common, "name": name, **lost, **done}
            continue
        yield from ({**common, **row, **done} for row in _compare(found, device))


def _compare(found: Calibration, truth: Any) -> Iterator[Row]:
    for p in found.parameters:
        value, law = getattr(truth, p.name), p.distribution
        yield {
            "name": p.name,
            "value": _short(value),
            "estimate": _short(p.value),
            "error": _short(law.error),
            "below": _short(law.cdf(value)),
            "vouched": not p.doubts,
            "doubts": "; ".join(doubt.split(" (")[0] for doubt in p.doubts),
        }


def _short(value: float) -> float:
    """A number with as many digits as these rows have a use for; there are very many of them."""
    return float(f"{value:.4g}")


def device_name(device: Any) -> str:
    """A device as a reader knows it: by the class method that makes it, or by its reference."""
    kind = type(device)
    for name, member in vars(kind).items():
        makes = isinstance(member, classmethod) and not name.startswith("_")
        if makes and _makes_itself(getattr(kind, name)) and getattr(kind, name)() == device:
            return f"{kind.__name__}.{name}"
    return public_reference(device)


def _makes_itself(method: Any) -> bool:
    """Whether a class method says that it makes one of its class, of nothing."""
    about = inspect.signature(method)
    return not about.parameters and getattr(about.return_annotation, "__name__", "") == "Self"


def short_names(devices: Sequence[str]) -> dict[str, str]:
    """A short name for each of several devices; those that would share one are numbered."""
    short, seen = {}, Counter[str]()
    for device in devices:
        name = short_reference(device)
        seen[name] += 1
        short[device] = f"{name} ({seen[name]})" if seen[name] > 1 else name
    return short


def table(rows: Sequence[Row]) -> list[Row]:
    whole, details = [], []
    for device, short in short_names(_names(rows, "device")).items():
        own = [r for r in rows if r["device"] == device]
        names = _names(own, "name")
        lines = [_line(short, name, [r for r in own if r["name"] == name], len(names)) for name in names]
        worst = min(lines, key=lambda line: 2.0 if line["p"] == "-" else float(line["p"]))
        all_of_them = _line(short, "all", own, None)
        bands = {"p": worst["p"], "within bands": worst["within bands"], "worst": worst["parameter"]}
        whole.append({**all_of_them, **bands})
        details += lines
    return whole + details


def _line(device: str, name: str, rows: Sequence[Row], parameters: int | None) -> Row:
    """A line of so many parameters; None: it is of them all, and not judged, for they are not independent."""
    below = vouched(rows)
    line: Row = {
        "device": device,
        "parameter": name,
        "worst": "",
        "truths": len({r["truth"] for r in rows}),
        "estimates": len(rows),
        "vouched for": len(below),
    }
    for percent in INTERVALS:
        inside = np.abs(below - 0.5) <= percent / 200
        line[f"in {percent} %"] = f"{100 * inside.mean():.0f}" if len(below) else "-"
    line["p"] = line["within bands"] = "-"
    if len(below) and parameters is not None:
        p = uniformity_p(below)
        line["p"] = f"{p:.2g}"
        line["within bands"] = "yes" if p > (1 - LEVEL) / parameters else "NO"
    doubts = Counter(d.split(" (")[0][:40] for r in rows for d in r["doubts"].split("; ")[:1] if d)
    line["most doubts"] = ", ".join(f"{d} {count}" for d, count in doubts.most_common(1))
    return line


def vouched(rows: Sequence[Row]) -> NDArray[np.float64]:
    """The probabilities below the truth, of those estimates that the fit vouches for, (estimates,)."""
    return np.array([r["below"] for r in rows if r["vouched"]], dtype=np.float64)


def _names(rows: Sequence[Row], key: str) -> list[str]:
    return list(dict.fromkeys(r[key] for r in rows))


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    devices = short_names(_names(rows, "device"))
    figure, axes = panels(min(ACROSS, len(devices)), -(-len(devices) // ACROSS), width=3.4, height=2.6)
    for axis in axes[max(1, len(devices)) :]:
        axis.set_axis_off()
    for axis in axes:
        axis.set(xlabel="probability below the truth", ylabel="share of truths, less it")
    for axis, (device, short) in zip(axes, devices.items(), strict=False):
        _draw(axis, short, [r for r in rows if r["device"] == device])
    note(
        figure,
        "a line for each parameter, with how many estimates are vouched for; bands: where all of a "
        f"device's lines lie in {LEVEL:.0%} of studies if intervals are right",
    )
    return {"coverage": figure}


def _draw(axis: Axes, device: str, rows: Sequence[Row]) -> None:
    """Empirical distributions of the probabilities below the truth, less what they should be."""
    names, most = _names(rows, "name"), 0
    for name, look in looks(names).items():
        below = np.sort(vouched([r for r in rows if r["name"] == name]))
        if len(below) < 2:
            continue
        most = max(most, len(below))
        points = np.linspace(0, 1, 201)
        share = np.searchsorted(below, points, side="right") / len(below)
        label = f"{name} ({len(below)})"
        axis.plot(points, share - points, markevery=20, ms=2, lw=0.8, label=label, **look)
    if most:
        points, low, high = uniformity_band(most, 1 - (1 - LEVEL) / len(names))
        axis.fill_between(points, low - points, high - points, color=GRAY, alpha=0.25, linewidth=0)
        axis.legend(fontsize=5, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.25))
    axis.axhline(0, color="black", linewidth=0.5)
    axis.set(title=device, ylim=(-0.4, 0.4))
