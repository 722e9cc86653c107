"""Chips in files, and (in `analog.io.remote`) ports that live in another process."""

from .store import BadFile

__all__ = [
    "BadFile",
]
