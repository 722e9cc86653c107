"""One figure of a device: what every paper on one shows as its figure 2."""

from textwrap import shorten
from typing import Any

from matplotlib.figure import Figure

from ..chip import Chip
from ..device import Device
from ..identity import device_summary
from ..layers.crossbar import dense
from .maps import chip_map
from .panels import pulse_response, read_noise, retention, step_response


def device_figure(device: Device[Any], *, cells: int = 20, seed: int = 0) -> Figure:
    """Draw a device: pulse response, steps from each state, retention, noise of readings, a chip's map.

    The chip of the map has all its cells programmed to half of full scale, so that it shows how they differ.

    Args:
        device: anybody's.
        cells: of the pulse response; the others have more.
        seed: of who the cells are, and of their noise.
    """
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    figure.suptitle(shorten(device_summary(device), 120))
    top, bottom = figure.subfigures(2, 1, squeeze=False)[:, 0]
    first, second, third = top.subplots(1, 3)
    left, right = bottom.subfigures(1, 2, width_ratios=(1, 2), squeeze=False)[0]
    pulse_response(device, first, cells=cells, seed=seed)
    step_response(device, second, cells=90 * cells, seed=seed)
    retention(device, third, cells=5 * cells, seed=seed)
    read_noise(device, left.subplots(), cells=cells, seed=seed)
    chip = Chip(device, (dense(16, 12), dense(12, 8, linear=True)), seed)
    chip.port().program(tuple(zero + 0.5 for zero in chip.spec.zeros()))
    chip_map(chip, right)
    right.suptitle("a chip programmed to .5", fontsize="medium")
    return figure
