"""Data sets and batches: digits, MNIST, any four IDX files, your own, cut and shuffled into batches."""

from .batches import batches, count_steps, draw_batches, take
from .datasets import Dataset, held_out, load_data
from .idx import BadData

__all__ = [
    "BadData",
    "Dataset",
    "batches",
    "count_steps",
    "draw_batches",
    "held_out",
    "load_data",
    "take",
]
