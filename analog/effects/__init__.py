"""What any device may suffer in addition: each effect wraps a device and is a device."""

from .wear import Wearing as Wearing
