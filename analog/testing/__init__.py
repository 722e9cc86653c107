"""Tests of your own parts of analog hardware: every law of a device in your suite, and hypothesis strategies.

pytest runs `DeviceLaws`; nothing here imports it. The same for learners, estimators, losses and updates is
in `learners.testing`.
"""

from .device_laws import DeviceLaws
from .strategies import Event, chips, devices, histories, live, probes, wirings

__all__ = ["DeviceLaws", "Event", "chips", "devices", "histories", "live", "probes", "wirings"]
