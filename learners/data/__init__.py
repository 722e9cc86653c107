"""Data sets and batches: digits, MNIST, any four IDX files, cut and shuffled into batches."""

from .batches import batches
from .batches import drawn
from .batches import kept
from .batches import steps
from .datasets import BadData
from .datasets import Dataset
from .datasets import held_out
from .datasets import load

__all__ = [
    "BadData",
    "Dataset",
    "batches",
    "drawn",
    "held_out",
    "kept",
    "load",
    "steps",
]
