"""The root of all errors by which wires refuse what was sent before the hardware sees it."""


class Rejected(Exception):
    """The hardware did not see what was sent into its wires: whatever raises this has cost nothing."""
