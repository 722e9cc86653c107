"""The reference that no real hardware allows: descent of the exact gradient of a chip."""

from dataclasses import dataclass
from typing import Any

from torch import Generator

from analog import Chip, Port, Spec, xray
from learners import Batch, Loss, Step, Update


@dataclass(frozen=True)
class ExactGradient:
    """A learner that descends the exact gradient of this very chip, by x-ray."""

    chip: Chip
    update: Update
    loss: Loss
    first: int = 0  # the layers whose port it is handed; None is the read-out
    last: int | None = None

    def init(self, spec: Spec) -> Any:
        return self.update.init(spec.zeros())

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> tuple[Any, Step]:
        del generator  # nothing is probed
        baseline = port.measure(batch.x)
        target = self.loss.freeze(baseline.out, batch.target)
        gradient = xray.knob_gradient(self.chip, batch.x, target, self.loss, first=self.first, last=self.last)
        drive, state = self.update.step(gradient, state)
        port.pulse(drive)
        return state, Step(self.loss(baseline.out, target).mean(-1), baseline)
