"""Data sets and batches: digits, MNIST, pictures, arrays and torch data sets of your own, in batches."""

from .bad_data import BadData
from .batches import batches, count_steps, draw_batches, take
from .dataset import Dataset
from .loading import held_out, load_data

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
