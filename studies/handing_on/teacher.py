"""A teacher that has learned from labels in place, and the fresh chips that are taught by it."""

from typing import NamedTuple

from torch import Generator

from analog import Chip, Device
from learners.data import Dataset

from ..kit.recipes.training_size import TrainingSize, network
from ..kit.recipes.trainings import train_from_labels


class Teacher(NamedTuple):
    """A trained chip, and what it was trained on."""

    chip: Chip
    data: Dataset
    size: TrainingSize

    def fresh_chips(self, first: int, noise_seed: int) -> Chip:
        """Chips like the teacher's that nobody has taught, one for each heir, identities from `first`."""
        who = range(first, first + self.size.heirs)
        return Chip(self.chip.device, self.chip.spec.layers, who, noise_seed=noise_seed)


def train_teacher(
    device: Device,
    data: Dataset,
    size: TrainingSize,
    identity: int,
    *,
    noise_seed: int,
    order: Generator,
    probes: Generator,
) -> Teacher:
    """Train a teacher from labels, in place.

    Args:
        device: the hardware.
        data: its training half is learned.
        size: of network and training.
        identity: of the chip.
        noise_seed: of the chip's noise.
        order: of the examples.
        probes: of the learner.
    """
    chip = Chip(device, network(data, size.hidden), identity, noise_seed=noise_seed)
    train_from_labels(chip, data, size, order, probes)
    return Teacher(chip, data, size)
