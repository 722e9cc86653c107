"""Weights of one chip, copied to the chips of a fleet."""

from analog import Knobs


def repeat_knobs(knobs: Knobs, count: int) -> Knobs:
    """The same knobs for each chip of a fleet."""
    return tuple(k.expand(count, *k.shape).clone() for k in knobs)
