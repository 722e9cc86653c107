"""The board of the league: a line for each device and learner, ranked in every column, and its figure."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Final

from matplotlib.figure import Figure

from ..run.references import short_reference
from ..run.study import Row
from .figures import legend, looks, note, panels
from .tables import fixed, mean_of, percent_with_interval, short_number

COLUMNS: Final = {  # what is ranked: the field of the rows, and what the table calls it
    "accuracy": "at all reads",
    "within_pulses": "within the pulses",
    "within_joules": "within the joules",
    "after_a_day": "after a day",
}
FORWARD: Final = "(feed-forward)"  # all devices through which signals go one way
RELAXING: Final = "(relaxing)"  # all that relax


def board_table(rows: Sequence[Row]) -> list[Row]:
    """What each learner comes to over devices of a kind; then a line for each device and learner, best first.

    Behind each accuracy stands its rank on the device, and over devices the mean rank on those that it
    could be run on; those that relax stand apart, for some learners need signals that go one way. A chip
    that explains less than nothing of the values of a regression counts as 0. Then a line for each thing
    that could not be run, with the reason.

    Args:
        rows: of the study `league`.
    """
    ends, ranks = _ends(rows), _ranks(rows)
    lines = [_line(row, ranks) for row in sorted(ends, key=lambda row: _order(row, ends))]
    relaxing = [row for row in ends if row["class"] == "relaxing"]
    forward = [row for row in ends if row not in relaxing]
    means = [*_over_devices(FORWARD, forward, ranks), *_over_devices(RELAXING, relaxing, ranks)]
    return [*means, *lines, *_not_run(rows)]


def _ends(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["what"] == "end"]


def _order(row: Row, ends: Sequence[Row]) -> tuple[int, float]:
    """Devices as they came, on each the best learner first."""
    devices = list(dict.fromkeys(end["device"] for end in ends))
    return devices.index(row["device"]), -_mean(row, "accuracy")


def _mean(row: Row, key: str) -> float:
    return fmean(_scores(row, key) or [0.0])  # what died knows nothing


def _scores(row: Row, key: str) -> list[float]:
    return [max(0.0, score) for score in row.get(key) or []]


def _ranks(rows: Sequence[Row]) -> dict[tuple[str, str, str], int]:
    """The rank of each device and learner in each column: one more than how many do better."""
    ranked = [row for row in _ends(rows) if row["access"] != "x-ray"]
    found = {}
    for row in ranked:
        beside = [other for other in ranked if other["device"] == row["device"]]
        for key in COLUMNS:
            better = sum(_mean(other, key) > _mean(row, key) for other in beside)
            found[row["device"], row["learner"], key] = 1 + better
    return found


def _line(row: Row, ranks: dict[tuple[str, str, str], int]) -> Row:
    def cell(key: str) -> str:
        rank = ranks.get((row["device"], row["learner"], key))
        words = percent_with_interval(_scores(row, key)) or "died"
        return f"{words} ({rank})" if rank else f"{words} (-)"

    return {
        "class": row["class"],
        "device": short_reference(row["device"]),
        "learner": short_reference(row["learner"]),
        **{name: cell(key) for key, name in COLUMNS.items()},
        "chips": len(row["accuracy"]),
        "access": row["access"],
        "update": row["update"] + (", read-out by delta rule" if row["delta_rule"] else ""),
        "learning rate": short_number(row["learning_rate"]),
        "size": short_number(row["size"]),
        "reads": row.get("reads", ""),
        "pulses/cell": short_number(mean_of([row], "pulses_per_cell")),
        "chip J, by guessed Costs": short_number(mean_of([row], "joules")),
        "why not": row.get("died", ""),
    }


def _over_devices(kind: str, ends: Sequence[Row], ranks: dict[tuple[str, str, str], int]) -> list[Row]:
    """A line for each learner with means over devices, by mean rank at all reads, where there are several."""
    if len({row["device"] for row in ends}) < 2:
        return []
    lines: list[tuple[float, Row]] = []
    for learner in dict.fromkeys(row["learner"] for row in ends):
        own = [row for row in ends if row["learner"] == learner]
        devices = f"{len(own)} device{'s' * (len(own) > 1)}"
        line = {"class": kind, "device": devices, "learner": short_reference(learner)}
        means = {}
        for key, name in COLUMNS.items():
            found = [ranks[place] for row in own if (place := (row["device"], learner, key)) in ranks]
            means[key] = fmean(found) if found else None
            right = fixed(100 * fmean(_mean(row, key) for row in own), 1)
            line[name] = f"{right} ({fixed(means[key], 1) or '-'})"
        lines.append((means["accuracy"] or 0.0, line))
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def _not_run(rows: Sequence[Row]) -> list[Row]:
    """A line for each learner and class that could not be run, devices with the same reason in one."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        if row["what"] == "not run":
            alike.setdefault((row["class"], row["learner"], row["why"]), []).append(row["device"])
    return [
        {
            "class": kind,
            "device": ", ".join(map(short_reference, devices)),
            "learner": learner,
            "at all reads": "not run",
            "why not": why,
        }
        for (kind, learner, why), devices in alike.items()
    ]


def board_figure(rows: Sequence[Row]) -> Figure:
    """Test errors of learners, a panel for each class of device, a mark for each device.

    Args:
        rows: of the study `league`.
    """
    ends = [row for row in _ends(rows) if row["accuracy"]]
    classes = list(dict.fromkeys(row["class"] for row in ends))
    learners = list(dict.fromkeys(row["learner"] for row in ends))
    figure, axes = panels(max(1, len(classes)), width=3.4, height=1.2 + 0.26 * len(learners), sharey=True)
    look = looks(row["device"] for row in ends)
    for axis, kind in zip(axes, classes, strict=False):
        for device in dict.fromkeys(row["device"] for row in ends if row["class"] == kind):
            own = [row for row in ends if row["device"] == device]
            errors = [max(100 - 100 * _mean(row, "accuracy"), 0.1) for row in own]
            places = [learners.index(row["learner"]) for row in own]
            style = {**look[device], "ls": "", "alpha": 0.8}
            axis.plot(errors, places, **style, label=short_reference(device))
        axis.set(title=kind, xscale="log")
    for axis in axes:
        axis.set_xlabel("test error at all reads, %")
        axis.set_yticks(range(len(learners)), [short_reference(learner) for learner in learners])
    if axes and learners:
        axes[0].set_ylim(len(learners) - 0.5, -0.5)
    legend(figure)
    chips = max((len(row["accuracy"]) for row in ends), default=0)
    note(
        figure,
        f"a mark for each device, mean of {chips} chips at equal reads; errors below 0.1 % stand there",
    )
    return figure
