"""What the rows of a study say of energy and time on the chips, and what the devices assume that it costs."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from ..run.references import BadReference, resolve
from ..run.study import Row
from .spread import NO_SETTINGS, mean_numbers

UNITS: Final = {"joules": "J", "seconds": "s", "reads": "", "pulses_per_cell": ""}
ASSUMPTION: Final = (
    "Energy and time are those of a device's Costs: guesses of the right order for converters of 8 bits, "
    "held to published chips in analog/costs.py. Injecting probes and moving activity between chips is "
    "not charged."
)


def energy_table(rows: Sequence[Row], settings: Mapping[str, Any] = NO_SETTINGS) -> list[Row]:
    """Means of joules, and of the seconds, reads and pulses beside them; empty if no row tells of energy."""
    priced = [row for row in rows if "joules" in row]
    return mean_numbers(priced, [*UNITS], settings)


def costs_table(devices: Collection[str]) -> list[Row]:
    """The prices that devices assume, by their references; of a device that cannot be imported, that."""
    lines: list[Row] = []
    for device in dict.fromkeys(devices):
        try:
            costs: Any = resolve(device).costs
            lines.append({"device": device, **{k: _text(v) for k, v in dataclasses.asdict(costs).items()}})
        except (BadReference, AttributeError, TypeError) as error:
            lines.append({"device": device, "cannot be told": " ".join(str(error).split())})
    return lines


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
