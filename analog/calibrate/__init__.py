"""A device's parameters from measured data: `calibrate(device, read_table("pulses.csv"))`.

What 500 cells tell to within 20 % by `device.default_plan()`, found by `calibrate` and not stated in code:
| device | identified | not identified, kept as it was |
|---|---|---|
| `SoftBoundsRRAM` | all the others | up_down_dtod |
| `ExponentialRRAM` | steps, bounds, noise, scale, offset | up_down_dtod; steepness, heights |
| `LinearECRAM` | steps, bounds, softness, read_noise | both other dtod; lithium: cycle_to_cycle_std |
| `CapacitorCell` | steps, bounds, lifetime with dtod, read_noise | softness with dtod, cycle_to_cycle_std |
| `ConstantStep` | steps, bounds, read_noise | up_down_dtod, cycle_to_cycle_std |
| `RRAMArray` | all the others, the dead included | up_down_dtod, stuck_within |
| `PCMPair` | all the others | reset_mean |
| `WanRRAM`, `MiloRRAM` | read_noise, programming_error_scale | |
| `CMOHfOxRRAM` | read_noise, relaxation_scale; at 2 % also programming_error_scale | at .2 %: that |
| `SONOS` | read_noise, current_spread_scale | |
| `PCM` | read_noise, programming_error_scale, drift_scale, flicker_scale | |
| `ModulatorBank`, `UnknownNeurons` | all | |
| `Mismatched` | cells, amplifier offsets, read_noise, write_noise | amplifier gains, curvature |
What a controller chooses (`setting(..., fitted=False)`) is never estimated. Noise that is 0 in the device to
start from stays there. The neurons' curvature shows in a table of `activity`.
"""

from .estimate import calibrate
from .moments import MomentModel, Moments, simulate_table, simulated_moments
from .parsing import BadTable, read_table, table_from_columns, write_table
from .report import Calibration, Diagnostic, Diagnostics, Parameter

__all__ = [
    "BadTable",
    "Calibration",
    "Diagnostic",
    "Diagnostics",
    "MomentModel",
    "Moments",
    "Parameter",
    "calibrate",
    "read_table",
    "simulate_table",
    "simulated_moments",
    "table_from_columns",
    "write_table",
]
