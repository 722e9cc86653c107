"""What a learner told of one batch, from the tape of a step that hardly moves the chip."""

from typing import Any

import torch

from analog import Chip, Knobs, Reading, Tape, stream, taped
from learners import Batch, fit

F64 = torch.float64
TINY = 1e-12  # learning rate of a chip that hardly moves


def labeled(chip: Chip, examples: int = 16) -> Batch:
    """Random examples, and classes drawn by lot."""
    generator, layers = stream(0, "alternatives"), chip.spec.layers
    x = torch.randn(examples, layers[0].features_in, generator=generator, dtype=chip.spec.dtype)
    return Batch(x, torch.randint(layers[-1].features, (examples,), generator=generator))


def told(learner: Any, chip: Chip, batch: Batch, state: Any = None) -> tuple[Knobs, list[Reading], Any]:
    """The gradient by which `sgd(TINY)` pulsed, the readings of that step, and the next state."""
    tape = Tape(chip.spec)
    ((after, _),) = fit(learner, taped(chip.port(), tape), [batch], stream(0, "told"), state)
    readings = [back for wire, _, back in tape.events if wire == "measure" and back is not None]
    (drive,) = [sent for wire, sent, _ in tape.events if wire == "pulse"]
    return tuple(part / -TINY for part in drive), readings, after
