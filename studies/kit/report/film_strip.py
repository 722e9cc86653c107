"""A film strip of a chip at work, drawn from what it saw."""

from collections.abc import Callable, Sequence
from math import cos, hypot, sin
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import GRAY, PALETTE, note

Observation = Sequence[float]


def _cart(axis: Axes, observation: Observation) -> None:
    place, _, angle, _ = observation
    axis.plot([-2.4, 2.4], [0, 0], color=GRAY, lw=0.8)
    axis.plot([place - 0.25, place + 0.25], [0.1, 0.1], color="black", lw=5, solid_capstyle="butt")
    axis.plot([place, place + sin(angle)], [0.1, 0.1 + cos(angle)], color=PALETTE[1], lw=3)
    axis.set(xlim=(-2.4, 2.4), ylim=(-0.4, 1.4))


def _links(axis: Axes, observation: Observation) -> None:
    c, s, c2, s2, *_ = observation
    elbow = (s, -c)
    hand = (elbow[0] + s * c2 + c * s2, elbow[1] - (c * c2 - s * s2))
    axis.plot([-2, 2], [1, 1], color=GRAY, lw=0.8)
    axis.plot([0, elbow[0], hand[0]], [0, elbow[1], hand[1]], "o-", color=PALETTE[0], lw=3, ms=4)
    axis.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))


def _hills(axis: Axes, observation: Observation) -> None:
    places = [-1.2 + 1.8 * k / 60 for k in range(61)]
    axis.plot(places, [0.45 * sin(3 * x) + 0.55 for x in places], color=GRAY, lw=1)
    axis.plot(observation[0], 0.45 * sin(3 * observation[0]) + 0.62, "o", color="black", ms=6)
    axis.plot([0.45, 0.45], [1.0, 1.2], color=PALETTE[2], lw=2)
    axis.set(xlim=(-1.3, 0.7), ylim=(-0.2, 1.4))


def _rod(axis: Axes, observation: Observation) -> None:
    c, s, _ = observation
    length = hypot(c, s)
    axis.plot([0, -s / length], [0, c / length], color=PALETTE[1], lw=4)
    axis.plot(0, 0, "o", color="black", ms=4)
    axis.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))


DRAWINGS: Final[dict[str, Callable[[Axes, Observation], None]]] = {
    "CartPole-v1": _cart,
    "Acrobot-v1": _links,
    "MountainCarContinuous-v0": _hills,
    "Pendulum-v1": _rod,
}


def film_strip(films: Sequence[dict[str, Any]]) -> Figure:
    """One row for each film: its task, and frames of (step, observation)."""
    wide = max(len(f["frames"]) for f in films)
    figure = Figure(figsize=(1.5 * wide, 1.6 * len(films)), layout="constrained")
    rows = figure.subplots(len(films), wide, squeeze=False)
    for axes, film in zip(rows, films, strict=True):
        for axis in axes:
            axis.set_axis_off()
        for axis, (step, observation) in zip(axes, film["frames"], strict=False):
            DRAWINGS[film["task"]](axis, observation)
            axis.set_aspect("equal")
            axis.set_title(f"{film['task']} {step}" if axis is axes[0] else str(step), fontsize=7)
    note(figure, "numbers: environment steps since the episode began")
    return figure
