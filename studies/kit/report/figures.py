"""The style of all figures, the marks that they are made of, and how they are kept as PNG and SVG.

A study returns figures by name; `draw_figures` gives them the style, their caption, ticks that can be read,
a word where there are no rows yet, and a mark where there is one point only. The same rows give the same
files. Colors are those of Okabe and Ito without yellow, which colour-blind readers tell apart
(https://jfly.uni-koeln.de/color/); with each goes a marker of its own, and a line style after the last.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import numpy as np
from matplotlib import style as styles
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from ..metrics.mean_interval import cluster_means, mean_interval
from ..run.study import Row, Study

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRAY: Final = "#6B6B6B"
FEW: Final = 5  # chips, from which on an interval says more than a dot for each
INTERVAL: Final = f"95 % interval of the mean; of fewer than {FEW} chips each is a dot"
STYLE: Final[dict[str, Any]] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "svg.hashsalt": "studies",
    "svg.fonttype": "path",
}
_MARKERS, _DASHES = ("o", "s", "D", "^", "v", "P", "X"), ("-", "--", "-.", ":")
_EMPTY = "no rows yet"


@contextmanager
def style() -> Iterator[None]:
    """The style of all figures, whatever matplotlib was told elsewhere."""
    with styles.context(["default", STYLE]):
        yield


def looks(names: Iterable[object]) -> dict[Any, dict[str, Any]]:
    """The color, marker and line style of each name, for `plot`; no two have the same."""
    shown = {}
    for number, name in enumerate(dict.fromkeys(names)):
        lap, place = divmod(number, len(PALETTE))
        marker = _MARKERS[(place + lap) % len(_MARKERS)]
        shown[name] = {"color": PALETTE[place], "marker": marker, "ls": _DASHES[lap % len(_DASHES)]}
    return shown


def panels(
    columns: int = 1, rows: int = 1, *, width: float = 3.2, height: float = 2.8, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure and its panels, row by row; there is at least one.

    Args:
        columns, rows: of panels.
        width, height: of each, inches.
        sharey: whether all have the same y axis.
    """
    columns, rows = max(1, columns), max(1, rows)
    figure = Figure(figsize=(0.6 + width * columns, 0.4 + height * rows), layout="constrained")
    return figure, [*figure.subplots(rows, columns, squeeze=False, sharey=sharey).flat]


def course(axis: Axes, values: Mapping[Any, Sequence[float]], **look: Any) -> None:
    """Draw the mean over chips by place, with a band for its 95 % interval, or a dot for each of few chips.

    Args:
        axis: the panel.
        values: of each place along x, one of each chip.
        look: for `plot`, such as `looks` gives.
    """
    known = {place: of_place for place, of_place in sorted(values.items()) if of_place}
    if not known:
        return
    intervals = [mean_interval(of_place) for of_place in known.values()]
    axis.plot([*known], [i.mean for i in intervals], **look)
    if min(map(len, known.values())) >= FEW:
        low, high = ([i.mean + sign * i.half_width for i in intervals] for sign in (-1, 1))
        axis.fill_between([*known], low, high, color=look.get("color"), alpha=0.2, lw=0)
    elif max(map(len, known.values())) > 1:
        dots = [(place, value) for place, of_place in known.items() for value in of_place]
        axis.plot(*zip(*dots, strict=True), ".", color=look.get("color"), ms=3, alpha=0.4)


def chip_dots(
    axis: Axes,
    place: float,
    values: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    sideways: bool = False,
    **look: Any,
) -> None:
    """Draw a dot for each chip at a place, and beside them the mean, of several with its 95 % interval.

    Args:
        axis: the panel.
        place: along the axis of categories.
        values: one of each chip.
        clusters: which each belongs to, if the interval is over them, as `cluster_means` takes them.
        sideways: the categories are along y.
        look: for `plot`, such as `looks` gives.
    """
    if not values:
        return
    across = [place + 0.3 * ((i + 0.5) / len(values) - 0.5) for i in range(len(values))]
    points = (values, across) if sideways else (across, values)
    axis.plot(*points, **{**look, "ls": "", "alpha": 0.6})
    means = values if clusters is None else cluster_means(values, clusters)
    mean, half_width = mean_interval(means)
    bar = half_width if len(means) >= FEW else 0.0
    style: dict[str, Any] = {"color": "black", "ms": 7, "capsize": 2, "lw": 1}
    if sideways:
        axis.errorbar(mean, place + 0.24, xerr=bar, fmt="|", **style)
    else:
        axis.errorbar(place + 0.24, mean, yerr=bar, fmt="_", **style)


def legend(figure: Figure) -> None:
    """Give the figure one legend of all its panels, to the right of them, where it covers nothing."""
    named: dict[str, Any] = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if named:
        width, height = figure.get_size_inches()
        needed = 0.5 + 0.062 * max(map(len, named)), 0.7 + 0.175 * len(named)  # inches, of such letters
        figure.set_size_inches(width + needed[0], max(height, needed[1]))
        figure.legend([*named.values()], [*named], loc="outside right upper")


def note(figure: Figure, words: str) -> None:
    """Say under a figure what its marks are and of how many chips."""
    figure.supxlabel(words, fontsize=7.5, color=GRAY, x=0.01, ha="left")


def draw_figures(study: Study, rows: Sequence[Row], folder: Path, origin: str = "") -> list[Path]:
    """Draw the figures of a study, each as NAME.png and NAME.svg.

    Args:
        study: whose `figures` returns them by name.
        rows: of its finished trials.
        folder: to write to.
        origin: what else the caption says: device, data, seed.

    Returns:
        The files.

    Raises:
        ValueError: `figures` returned something else.
    """
    with style():
        drawn = study.figures(rows)
        if not isinstance(drawn, Mapping):
            raise ValueError(
                f"{study.__name__}: figures returns a dictionary of figures by name, got {drawn}"
            )
        return [path for name, figure in drawn.items() for path in _save(figure, folder / name, origin)]


def _save(figure: Figure, place: Path, origin: str) -> list[Path]:
    finish(figure, origin)
    paths = [place.with_name(f"{place.name}.{kind}") for kind in ("png", "svg")]
    for path, metadata in zip(paths, ({"Software": None}, {"Date": None, "Creator": None}), strict=True):
        figure.savefig(path, metadata=metadata)
    return paths


def finish(figure: Figure, origin: str = "") -> None:
    """Give a figure its caption and ticks, a mark to lone points, and a word to panels without data.

    Args:
        figure: as a study drew it.
        origin: what its caption ends in.
    """
    for axis in figure.axes:
        if not axis.axison:
            continue
        if not has_data(axis):
            middle: Any = {"ha": "center", "va": "center", "color": GRAY, "backgroundcolor": "white"}
            axis.text(0.5, 0.5, _EMPTY, transform=axis.transAxes, **middle)
            axis.tick_params(labelbottom=False, labelleft=False, which="both")
        for line in axis.lines:
            if len(_finite(line)) == 1 and line.get_marker() in (None, "", "None", " "):
                line.set_marker("o")
        axis.set_ylabel(fill(axis.get_ylabel(), max(12, int(13 * axis.bbox.height / figure.dpi))))
        for along in (axis.xaxis, axis.yaxis):
            _readable(along)
    columns = int(17 * figure.get_size_inches()[0])  # letters side by side
    words = [*figure.get_supxlabel().splitlines(), origin]
    if any(words):
        note(figure, "\n".join(fill(part, columns) for part in words if part))


def has_data(axis: Axes) -> bool:
    """Whether anything is drawn in a panel besides lines from edge to edge."""
    inside = any(len(_finite(line)) for line in axis.lines if line.get_transform() is axis.transData)
    return inside or bool(axis.collections or axis.images or axis.patches)


def _finite(line: Line2D) -> list[tuple[float, float]]:
    x: Any
    y: Any
    x, y = (np.ma.filled(np.ma.asarray(d, dtype=float), np.nan) for d in line.get_data(orig=False))
    return [(a, b) for a, b in zip(x, y, strict=True) if isfinite(a) and isfinite(b)]


def _readable(along: Axis) -> None:
    """Tick a logarithmic axis at 1, 2, 5 and the like in plain numbers, unless it spans many decades."""
    if along.get_scale() != "log" or not isinstance(along.get_major_locator(), LogLocator):
        return
    low, high = sorted(along.get_view_interval())
    is_percent = "%" in along.get_label().get_text()
    if low <= 0 or (high / low > 1e3 and not is_percent):
        return
    along.set_major_locator(_PlainLog())
    along.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if 1e3 <= value < 1e6 else f"{value:g}")
    )
    along.set_minor_locator(NullLocator())
    along.set_minor_formatter(NullFormatter())


class _PlainLog(LogLocator):
    """Ticks at round numbers of a logarithmic axis, at least three and few enough to stand side by side."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        for subs in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
            ticks = LogLocator(subs=subs).tick_values(vmin, vmax)
            inside = [float(tick) for tick in ticks if vmin <= tick <= vmax]
            if len(inside) >= 3:
                return np.array(inside)
        return MaxNLocator(4).tick_values(vmin, vmax)
