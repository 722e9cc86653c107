"""Weights copied from one chip to a fleet, blindly, and digital trims of what became of them.

Blind copies need the true knobs of the source, which no wire shows; a trim some inputs and what the source
answers to them at every tap. Weights that are written and verified are in `write_and_verify`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from analog import Knobs, Port, Probe, Reading
from analog.port import rewired


def repeat_knobs(knobs: Knobs, count: int) -> Knobs:
    """The same knobs for each chip of a fleet."""
    return tuple(k.expand(count, *k.shape).clone() for k in knobs)


class Trim(NamedTuple):
    """A digital gain and offset behind every node of one layer, each (*fleet, 1, features)."""

    gain: Tensor
    offset: Tensor


def fit_trims(port: Port, x: Tensor, taps: tuple[Tensor, ...]) -> tuple[Trim, ...]:
    """Fit a gain and an offset behind every tap to what a source answers.

    Layer by layer: what one layer's trimmed taps are is what the next is driven with, one span at a time.

    Args:
        port: a chip or a fleet.
        x: stimuli, (examples, features_in).
        taps: what the source's taps showed for them, each (examples, features).
    """
    trims: list[Trim] = []
    for i, wanted in enumerate(taps):
        found = port.measure(x, first=i, last=i).out
        mean, goal = found.mean(-2, keepdim=True), wanted.mean(-2, keepdim=True)
        spread = (found - mean).square().mean(-2, keepdim=True)
        gain = ((found - mean) * (wanted - goal)).mean(-2, keepdim=True) / spread.clamp_min(1e-9)
        gain = torch.where(spread > 1e-9, gain, 1.0)  # a node that never fires is left alone
        trims.append(Trim(gain, goal - gain * mean))
        x = gain * found + trims[-1].offset
    return tuple(trims)


def trimmed(port: Port, trims: tuple[Trim, ...]) -> Port:
    """The port with a digital gain and offset behind every tap; its layers are driven one by one."""

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps: list[Tensor] = []
        for i in range(first, last + 1):
            reading = port.measure(x, probe.part(i - first, i - first), first=i, last=i)
            x = trims[i].gain * reading.out + trims[i].offset
            taps.append(x)
        return Reading(tuple(taps))

    return rewired(port, read)
