"""Chips in files, and (in `analog.io.remote`) ports that live in another process."""

from .store import BadFile
from .store import load
from .store import save

__all__ = [
    "BadFile",
    "load",
    "save",
]
