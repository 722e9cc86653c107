"""Panels of a device's figure: pulse response, single steps, retention and noise of readings."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from ..device import Device
from .cells import LEVELS as STATES
from .cells import Column, StepResponse, average_readings, respond_to_pulses, respond_to_steps, retain
from .style import DOWN, GRAY, LEVELS, UP, axes_of, say, unit_of


def pulse_response(device: Device[Any], axes: Axes | None = None, *, cells: int = 20, seed: int = 0) -> Axes:
    """Draw the state against the number of pulses, up from the lower bound and down again.

    Thin lines are cells; the band is their mean and sd, from cell to cell.

    Args:
        device: whose cells are pulsed; where one shaped pulse makes any change, each asks for a little one.
        axes: to draw on; by default those of a new figure.
        cells: how many.
        seed: of who they are, and of their noise.
    """
    axes, column = axes_of(axes), Column(device, cells, seed)
    found = respond_to_pulses(column)
    pulses, states = found.pulses.numpy(), found.states.numpy()
    mean, sd = states.mean(1), states.std(1)
    turn = len(pulses) // 2 + 1
    axes.plot(pulses, states, color=GRAY, lw=0.4, alpha=0.6)
    for part, color, label in ((slice(turn), UP, "up"), (slice(turn - 1, None), DOWN, "down")):
        axes.fill_between(pulses[part], (mean - sd)[part], (mean + sd)[part], color=color, alpha=0.25, lw=0)
        axes.plot(pulses[part], mean[part], color=color, lw=1.8, label=label)
    drive = "" if device.costs.step else f", each asks for {column.step:g} full scale"
    axes.set(
        title=f"pulse response, {cells} cells",
        xlabel=f"pulses sent{drive}",
        ylabel=f"state, {unit_of(device, 'w_max', 'full scale')}",
    )
    axes.legend(frameon=False)
    return axes


def step_response(device: Device[Any], axes: Axes | None = None, *, cells: int = 1800, seed: int = 0) -> Axes:
    """Draw the change by a few pulses against the state before, with its noise from cycle to cycle.

    As many pulses are sent as go 2 % of full scale, one where steps are large. Dots are means; bars are
    sds from time to time at one state of one cell, bands those of the cells' means.

    Args:
        device: whose cells are pulsed.
        axes: to draw on; by default those of a new figure.
        cells: how many, spread over the states; at least two for each of nine.
        seed: of who they are, and of their noise.

    Raises:
        ValueError: there are too few cells.
    """
    if cells < 2 * STATES:
        raise ValueError(f"step_response: {cells} cells, wanted at least {2 * STATES}")
    axes, column = axes_of(axes), Column(device, cells, seed)
    for way, color, label in ((1, UP, "up"), (-1, DOWN, "down")):
        _draw_steps(axes, respond_to_steps(column, way), color, label)
    axes.axhline(0, color=GRAY, lw=0.6)
    unit = unit_of(device, "step", "full scale")
    axes.set(
        title=f"{_count(column.few)}; bars: cycle to cycle, bands: cells",
        xlabel=f"state before, {unit_of(device, 'w_max', 'full scale')}",
        ylabel=f"change by {_count(column.few)} of {column.step:.3g}, {unit}",
    )
    axes.legend(frameon=False)
    return axes


def _count(pulses: int) -> str:
    return "1 pulse" if pulses == 1 else f"{pulses} pulses"


def _draw_steps(axes: Axes, found: StepResponse, color: str, label: str) -> None:
    order = found.states.argsort()
    states, means, cycle, cell = (column[order].numpy() for column in found)
    axes.fill_between(states, means - cell, means + cell, color=color, alpha=0.2, lw=0)
    axes.errorbar(states, means, cycle, color=color, fmt="o-", ms=3, lw=1, capsize=2, label=label)


def retention(device: Device[Any], axes: Axes | None = None, *, cells: int = 100, seed: int = 0) -> Axes:
    """Draw the state against the time since it was written, on a logarithmic axis; bands are sds over cells.

    Args:
        device: whose cells are left alone.
        axes: to draw on; by default those of a new figure.
        cells: how many, spread over five states; at least two for each.
        seed: of who they are, and of their noise.

    Raises:
        ValueError: there are too few cells.
    """
    if cells < 2 * len(LEVELS):
        raise ValueError(f"retention: {cells} cells, wanted at least {2 * len(LEVELS)}")
    axes = axes_of(axes)
    found = retain(Column(device, cells, seed), len(LEVELS))
    if bool((found.states == found.states[0]).all()):
        return say(axes, "retention", "does not age: states are the same\nafter a microsecond and ten years")
    seconds, shown = found.seconds.numpy(), found.states.numpy()
    mean, sd = shown.mean(-1), shown.std(-1)
    for level, color in enumerate(LEVELS):
        low, high = (mean - sd)[:, level], (mean + sd)[:, level]
        axes.fill_between(seconds, low, high, color=color, alpha=0.2, lw=0)
        axes.plot(seconds, mean[:, level], color=color, lw=1.5)
    axes.set(
        title="retention, mean and sd over cells",
        xscale="log",
        xlabel="time since the write, s",
        ylabel=f"state, {unit_of(device, 'w_max', 'full scale')}",
    )
    return axes


def read_noise(device: Device[Any], axes: Axes | None = None, *, cells: int = 50, seed: int = 0) -> Axes:
    """Draw the sd of a mean of readings against how many are averaged; white noise falls along the dashes.

    Args:
        device: whose cells are read, again and again at full input.
        axes: to draw on; by default those of a new figure.
        cells: how many.
        seed: of who they are, and of their noise.
    """
    axes = axes_of(axes)
    found = average_readings(Column(device, cells, seed))
    if not bool((found.sd > 1e-12).all()):
        return say(axes, "read noise", "reads without noise: a cell that is read again\nshows the same")
    averaged, sd = found.averaged.numpy(), found.sd.numpy()
    white = sd[0] / averaged**0.5
    axes.plot(averaged, white, "--", color=GRAY, lw=1, label="white noise")
    axes.plot(averaged, sd, "o-", color=UP, ms=3, lw=1.2, label=f"{cells} cells, rms")
    axes.set(
        title=f"read noise, {sd[0]:.3g} {unit_of(device, 'read_noise', 'V rms')} a reading",
        xscale="log",
        yscale="log",
        xlabel="readings averaged",
        ylabel=f"sd of their mean, {unit_of(device, 'read_noise', 'V rms')}",
    )
    axes.set_xticks(averaged, [str(count) for count in averaged])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()
    axes.legend(frameon=False)
    return axes
