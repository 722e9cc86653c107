"""Bridges to torch: its optimizers as updates, its networks as teachers, as layers and knobs, and back."""

from .networks import layers_of, module_of
from .optimizers import from_torch
from .teachers import port_of

__all__ = ["from_torch", "layers_of", "module_of", "port_of"]
