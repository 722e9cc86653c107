"""Short texts that say who a chip is."""

from collections.abc import Sequence
from dataclasses import MISSING
from dataclasses import fields
from dataclasses import is_dataclass


def device_summary(device: object) -> str:
    """The device as one would write it: its class and the fields that differ from their defaults."""
    if not is_dataclass(device) or isinstance(device, type):
        return repr(device)
    values = [(f, getattr(device, f.name)) for f in fields(device) if f.init]
    changed = [(f.name, value) for f, value in values if f.default is MISSING or value != f.default]
    return f"{type(device).__name__}({', '.join(f'{name}={device_summary(v)}' for name, v in changed)})"


def identity_summary(identities: Sequence[int]) -> str:
    """The first few identities, e.g. `3, 4, 5, ...`."""
    return ", ".join(map(str, identities[:8])) + (", ..." if len(identities) > 8 else "")
