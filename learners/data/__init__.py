"""Data sets and batches: digits, MNIST, any four IDX files, your own, cut and shuffled into batches."""

from .batches import batches
from .batches import count_steps
from .batches import draw_batches
from .batches import take
from .datasets import Dataset
from .datasets import held_out
from .datasets import load_data
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
