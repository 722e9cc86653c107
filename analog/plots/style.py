"""Colors that the color-blind tell apart, words on axes, and panels that say why they are empty."""

import dataclasses
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..settings import settings

UP: Final = "#0072B2"  # the palette of Okabe and Ito
DOWN: Final = "#D55E00"
LEVELS: Final = ("#D55E00", "#E69F00", "#009E73", "#56B4E9", "#0072B2")
GRAY: Final = "#777777"


def axes_of(axes: Axes | None) -> Axes:
    """The axes to draw on: those given, or those of a new figure, which nobody else knows."""
    return Figure(figsize=(4.5, 3.4), layout="constrained").subplots() if axes is None else axes


def unit_of(device: Any, name: str, otherwise: str) -> str:
    """The unit that a device's setting of this name states."""
    if not dataclasses.is_dataclass(device):
        return otherwise
    known = settings(type(device)).get(name)
    return known.unit if known is not None and known.unit else otherwise


def say(axes: Axes, title: str, words: str) -> Axes:
    """Say in an empty panel why it is empty."""
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, ha="center", va="center", wrap=True, color=GRAY, transform=axes.transAxes)
    return axes
