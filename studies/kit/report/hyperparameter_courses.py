"""Figures of tuned trainings: where they end by where they began, and hyper-parameters on the way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ..run.study import Row
from .figures import INTERVAL, course, legend, looks, note, panels


def ends_by_start(ends: Sequence[Row], value: Callable[[Row], float], **axis_settings: Any) -> Figure:
    """Draw what trainings came to by the learning rate they began with, a line for each "tuned by".

    Args:
        ends: rows of ends, each with "tuned by", "start" and "seed".
        value: of such a row, what is drawn.
        axis_settings: of the axis, as `ylabel` and `yscale`.
    """
    figure, (axis,) = panels(1, width=4.2, height=3.2)
    for way, look in looks(r["tuned by"] for r in ends).items():
        values: dict[float, list[float]] = {}
        for r in ends:
            if r["tuned by"] == way:
                values.setdefault(r["start"], []).append(value(r))
        course(axis, values, label=f"set by {way}", **look)
    axis.set(xlabel="learning rate at the start", xscale="log", **axis_settings)
    legend(figure)
    note(figure, f"mean of {len({r['seed'] for r in ends})} networks; bands: {INTERVAL}")
    return figure


def hyperparameter_courses(rows: Sequence[Row], names: Mapping[str, str]) -> Figure:
    """Draw hyper-parameters by step: a row of panels for each, a column for each "tuned by".

    Args:
        rows: those of curves, each with "tuned by", "start", "seed", "step" and the hyper-parameters.
        names: of hyper-parameters, and what their axes say; that of a learning rate is logarithmic.
    """
    ways, look = list(dict.fromkeys(r["tuned by"] for r in rows)), looks(sorted({r["start"] for r in rows}))
    figure, axes = panels(len(ways), len(names))
    for at, (name, label) in enumerate(names.items()):
        of_name = axes[at * max(1, len(ways)) :][: max(1, len(ways))]
        for axis, way in zip(of_name, ways, strict=False):
            for start, style in look.items():
                values: dict[int, list[float]] = {}
                for r in rows:
                    if (r["tuned by"], r["start"]) == (way, start):
                        values.setdefault(r["step"], []).append(r[name])
                course(axis, values, label=f"begun at {start:g}", **style | {"marker": ""})
            axis.set(title=way)
        for axis in of_name:
            axis.set(xlabel="steps", ylabel=label, yscale="log" if name == "learning_rate" else "linear")
    legend(figure)
    count = len({r["seed"] for r in rows})
    note(figure, f"mean of {count} networks; what is below 0 is not drawn; bands: {INTERVAL}")
    return figure
