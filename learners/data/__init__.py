"""Data sets and batches: digits, MNIST, pictures, arrays, torch data sets and texts of your own."""

from .augmentation import flip_and_shift, flip_images, shift_images
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
    "flip_and_shift",
    "flip_images",
    "held_out",
    "load_data",
    "load_text",
    "shift_images",
    "take",
]
