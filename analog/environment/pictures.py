"""Pictures of a chip that is taught: what was sent to its knobs, what its taps showed, how the loss fell.

They show what went through the wires and nothing else, so that an agent that looks at pictures
(`gymnasium.wrappers.AddRenderObservation`) learns nothing of its chip that it may not know: of the knobs, the
sum of all drives since the chip was fabricated, which is not where a cell has got to.
"""

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 480, 360  # pixels, even as video codecs want them
_MARGIN: Final = 12  # pixels
_LINE: Final = 14  # pixels, of a line of words
_MIDDLE: Final = 216  # pixels, where the curve begins
_INK, _GRID, _CURVE = (30, 30, 30), (200, 200, 200), (0, 114, 178)
_NEGATIVE, _POSITIVE = np.array((0, 114, 178.0)), np.array((213, 94, 0.0))  # told apart by the color-blind
_FONT: Final = ImageFont.load_default_imagefont()  # the same pixels wherever it is drawn

Picture = np.ndarray[Any, np.dtype[np.uint8]]  # (HEIGHT, WIDTH, 3)


class View(NamedTuple):
    """The wires of one chip, as they are drawn."""

    sent: Sequence[Any]  # of each layer the sum of all drives, (tiles * rows, cols), full scale
    taps: Sequence[Any]  # of each layer (stimuli, features), V
    losses: Sequence[float]  # of each reading of the episode
    reads: int  # since the episode began
    left: float  # share of the scarcest budget
    alive: bool


def draw(view: View) -> Picture:
    """A picture of one chip, (HEIGHT, WIDTH, 3); the same view gives the same pixels."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    canvas = ImageDraw.Draw(image)
    state = "" if view.alive else ", dead"
    _write(canvas, _MARGIN, 4, f"step {len(view.losses) - 1}: loss {view.losses[-1]:.4g}{state}")
    _write(canvas, WIDTH // 2, 4, f"{view.reads} reads, {view.left:.0%} of the budget left")
    half = WIDTH // 2
    largest = _round_up(max(float(np.abs(np.nan_to_num(t)).max()) for t in view.taps))
    _mosaic(image, canvas, _MARGIN, view.sent, 1.0, "drive sent, -1 to 1 full scale")
    _mosaic(image, canvas, half, view.taps, largest, f"taps, stimuli down, -{largest:g} to {largest:g} V")
    _curve(canvas, view.losses)
    if not view.alive:
        canvas.rectangle((0, 0, WIDTH - 1, HEIGHT - 1), outline=_INK, width=4)
    return np.asarray(image).copy()


def _mosaic(
    image: Image.Image,
    canvas: ImageDraw.ImageDraw,
    left: int,
    parts: Sequence[Any],
    largest: float,
    says: str,
) -> None:
    """Draw the matrices of all layers side by side, each as large as its share of the width allows."""
    top = 4 + 2 * _LINE
    _write(canvas, left, top, says)
    top += _LINE
    wide, tall = WIDTH // 2 - 2 * _MARGIN, _MIDDLE - _MARGIN - top
    gaps = 6 * (len(parts) - 1)
    scale = min((wide - gaps) / sum(p.shape[1] for p in parts), tall / max(p.shape[0] for p in parts), 24.0)
    for part in parts:
        size = tuple(max(1, round(scale * n)) for n in part.shape[::-1])
        way = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
        tile = Image.fromarray(_colored(part / largest)).resize(size, way)
        image.paste(tile, (left, top))
        canvas.rectangle((left - 1, top - 1, left + size[0], top + size[1]), outline=_GRID)
        left += size[0] + 6


def _colored(values: Any) -> Picture:  # (rows, cols) from -1 to 1 -> (rows, cols, 3)
    """Blue below zero, white at zero, orange above."""
    share = np.clip(np.nan_to_num(values), -1, 1)[..., None]
    ends = np.where(share < 0, _NEGATIVE, _POSITIVE)
    colored: Picture = (255 + np.abs(share) * (ends - 255)).round().astype(np.uint8)
    return colored


def _curve(canvas: ImageDraw.ImageDraw, losses: Sequence[float]) -> None:
    """Draw the loss over the steps of the episode, from zero to the largest."""
    _write(canvas, _MARGIN, _MIDDLE, "loss, by step")
    left, right, top, bottom = _MARGIN + 44, WIDTH - _MARGIN, _MIDDLE + _LINE + 4, HEIGHT - _LINE - 8
    losses = np.nan_to_num(losses).tolist()
    most, least = _round_up(max(losses)), -_round_up(-min(losses)) if min(losses) < 0 else 0.0
    last = max(len(losses) - 1, 1)
    for value in (least, most):
        y = bottom - (bottom - top) * (value - least) / (most - least)
        canvas.line((left, y, right, y), fill=_GRID)
        _write(canvas, _MARGIN, int(y) - 6, f"{value:g}")
    _write(canvas, left, bottom + 4, "0")
    _write(canvas, right - 6 * len(str(last)), bottom + 4, str(last))
    points = [
        (left + (right - left) * k / last, bottom - (bottom - top) * (loss - least) / (most - least))
        for k, loss in enumerate(losses)
    ]
    canvas.line(points, fill=_CURVE, width=2)
    x, y = points[-1]
    canvas.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_CURVE)


def _round_up(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten; 1 for what is not above 0."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * k for k in (1, 2, 5, 10) if power * k >= value * (1 - 1e-9))


def _write(canvas: ImageDraw.ImageDraw, x: int, y: int, words: str) -> None:
    canvas.text((x, y), words, fill=_INK, font=_FONT)
