"""Broken devices, and odd ones, that `check_device` does not yet judge rightly; there should be none."""

ESCAPES: tuple[str, ...] = ()
