"""The figure of hyper-parameters over a training, a panel for each way of setting them."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ..run.study import Row
from .figures import INTERVAL, course, legend, looks, note, panels


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
