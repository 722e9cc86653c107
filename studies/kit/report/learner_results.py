"""The table and the figure of learners at equal reads."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from ..run.references import short_reference
from ..run.study import Row
from .figures import INTERVAL, course, legend, looks, note, panels
from .tables import mean_of, percent_with_interval, points_between, short_number


def learner_table(rows: Sequence[Row]) -> list[Row]:
    """A line for each device and learner at its end, beside the first learner on the same chips.

    Args:
        rows: of `train_within_reads`.
    """
    lines, ends = [], [row for row in rows if row["what"] == "end"]
    for device in dict.fromkeys(row["device"] for row in ends):
        of_device = [row for row in ends if row["device"] == device]
        first = of_device[0]["accuracy"]
        for row in of_device:
            is_paired = row is not of_device[0] and len(row["accuracy"]) == len(first)
            lines.append(
                {
                    "device": short_reference(device),
                    "learner": row["learner"],
                    "accuracy %": percent_with_interval(row["accuracy"]) or "died",
                    "less the first's": points_between(row["accuracy"], first) if is_paired else "",
                    "chips": len(row["accuracy"]),
                    "reads": row.get("reads", ""),
                    "pulses/cell": short_number(mean_of([row], "pulses_per_cell")),
                    "chip J, by guessed Costs": short_number(mean_of([row], "joules")),
                    "access": row["access"],
                }
            )
    return lines


def learner_figure(rows: Sequence[Row], by: str = "learner") -> Figure:
    """Test error against reads, a panel for each device.

    Args:
        rows: of `train_within_reads`, or others with "device", "reads" and "accuracy".
        by: the field that says which curve a row belongs to.
    """
    rows = [row for row in rows if row.get("accuracy")]
    devices = list(dict.fromkeys(row["device"] for row in rows))
    figure, axes = panels(len(devices), width=3.6, height=3.2, sharey=True)
    look = looks(row[by] for row in rows)
    for axis, device in zip(axes, devices, strict=False):
        for name in dict.fromkeys(row[by] for row in rows if row["device"] == device):
            points = [row for row in rows if (row["device"], row[by]) == (device, name)]
            errors = {row["reads"]: [100 - 100 * a for a in row["accuracy"]] for row in points}
            course(axis, errors, label=name, **look[name])
        axis.set(title=short_reference(device), xscale="log", yscale="log")
    for axis in axes:
        axis.set(xlabel="reads of each chip", ylabel="test error, %")
    legend(figure)
    chips = max((len(row["accuracy"]) for row in rows), default=0)
    note(figure, f"mean of {chips} chips; bands: {INTERVAL}")
    return figure
