"""Who chips are, and which run of noise is theirs."""

from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass

from torch import Generator

from .streams import stream


def integers(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    """One integer or several, as a tuple.

    Raises:
        ValueError: it is none.
    """
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if not values or any(isinstance(v, bool) or not isinstance(v, int) for v in values):
        hint = "; give its .tolist()" if hasattr(value, "tolist") else ""
        raise ValueError(f"chip: {name} is an integer or a sequence of them, got {value!r}{hint}")
    return values


def noise_generators(
    identities: tuple[int, ...], fleet: tuple[int, ...], noise_seed: int | Sequence[int], on: str
) -> list[Generator]:
    """One generator of the whole chip's noise, or one for each chip of a fleet.

    Raises:
        ValueError: the noise seeds are no integers, or not as many as the fleet has chips.
    """
    seeds = integers("noise_seed", noise_seed)
    if isinstance(noise_seed, int):
        return [stream(noise_seed, "noise", *identities, on=on)]
    if len(seeds) != len(identities) or not fleet:
        raise ValueError(
            f"chip: {len(seeds)} noise seeds for {len(identities)} chips; a fleet takes one for each"
        )
    return [stream(seed, "noise", who, on=on) for seed, who in zip(seeds, identities, strict=True)]


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
