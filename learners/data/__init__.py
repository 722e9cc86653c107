"""Data sets and batches: digits, MNIST, pictures, arrays, torch data sets and texts of your own."""

from .bad_data import BadData
from .batches import batches, count_steps, draw_batches, take
from .dataset import Dataset
from .loading import held_out, load_data
from .text import Text, load_text
from .vocabulary import Vocabulary

__all__ = [
    "BadData",
    "Dataset",
    "Text",
    "Vocabulary",
    "batches",
    "count_steps",
    "draw_batches",
    "held_out",
    "load_data",
    "load_text",
    "take",
]
