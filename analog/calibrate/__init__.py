"""A device's parameters from measured data: `calibrate(device, read_table("pulses.csv"))`.

What 500 cells of the datasheet's device tell by `device.default_plan()`, found by `calibrate` and not stated
in code; of all other devices in the ranges of their parameters, `python -m studies coverage` says it:
| device | vouched for | not |
|---|---|---|
| `SoftBoundsRRAM` | all the others | up_down_dtod |
| `ExponentialRRAM` | steps, up_down, bounds, noise | up_down_dtod; steepness, heights, scale, offset |
| `LinearECRAM` | steps, up_down, bounds, softness, read_noise | the other dtod, cycle_to_cycle_std |
| `CapacitorCell` | steps, up_down, bounds, lifetime, read_noise | softness, cycle_to_cycle_std |
| `ConstantStep` | steps, up_down, bounds, read_noise | up_down_dtod, cycle_to_cycle_std |
| `RRAMArray` | all the others; dead at one of two | up_down_dtod, stuck_within |
| `PCMPair` | all the others | reset_mean |
| `WanRRAM`, `MiloRRAM` | read_noise, programming_error_scale | |
| `CMOHfOxRRAM` | read_noise, relaxation_scale; at 2 % also programming_error_scale | at .2 %: that |
| `SONOS` | read_noise, current_spread_scale | |
| `PCM` | read_noise, programming_error_scale, drift_scale, flicker_scale | |
| `ModulatorBank` | crosstalk, programming_error, read_noise | offset_dtod: a long tail |
| `UnknownNeurons` | write_noise, read_noise | strangeness: a long tail |
| `Mismatched` | amplifier offsets, read_noise, write_noise | gains, cell offsets, curvature |
What a controller chooses (`setting(..., fitted=False)`) is never estimated. Noise that is 0 in the device to
start from stays there. The neurons' curvature shows in a table of `activity`. Where a parameter is known
otherwise, name the others in `free`: two gains that multiply show only together, and neither is vouched for.
"""

from ..measurement import Scale
from .columns import BadTable
from .confidence import ConfidenceDistribution
from .estimate import calibrate
from .moments import MomentModel, Moments, simulate_table, simulated_moments
from .parsing import read_table, table_from_columns, write_table
from .prior import Prior, draw_device, prior
from .report import Calibration, Diagnostic, Diagnostics, Parameter

__all__ = [
    "BadTable",
    "Calibration",
    "ConfidenceDistribution",
    "Diagnostic",
    "Diagnostics",
    "MomentModel",
    "Moments",
    "Parameter",
    "Prior",
    "Scale",
    "calibrate",
    "draw_device",
    "prior",
    "read_table",
    "simulate_table",
    "simulated_moments",
    "table_from_columns",
    "write_table",
]
