"""Pictures of a device, as papers on devices show it: `plots.device_figure(MyDevice())`.

Each takes a device (`chip_map` a chip) and gives back matplotlib's axes; nothing here touches pyplot. Cells
are simulated in one column, as calibration measures them, and depend on `seed` alone.
"""

from .figure import device_figure
from .maps import chip_map
from .panels import pulse_response, read_noise, retention, step_response

__all__ = ["chip_map", "device_figure", "pulse_response", "read_noise", "retention", "step_response"]
