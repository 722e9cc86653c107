"""Callbacks of a training: what is called after every step and evaluation, and two that keep a log.

    train(port, learner, data, epochs=3, seed=0, callbacks=[CSVLog("run.csv"), TensorBoardLog("runs/first")])

Both logs go on where a training goes on: what they hold of steps that are made again is replaced.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from .learner import Step
from .training_state import Run, TrainingState


@runtime_checkable
class Callback(Protocol):
    """An observer of a training: subclass it and write what is wanted; each does nothing by default.

    It is called when the chip has been pulsed, so a chip and a state that are saved then belong together.
    """

    def on_step(self, state: TrainingState, step: Step) -> None:
        """Do something after a step.

        Args:
            state: after the step, to go on from.
            step: its loss and baseline reading.
        """
        del state, step  # nothing by default

    def on_evaluation(self, run: Run) -> None:
        """Do something after an evaluation.

        Args:
            run: so far, with the accuracy just found.
        """
        del run  # nothing by default


class CSVLog(Callback):
    """A table of a training: steps, reads, chip (its row in a fleet), loss, accuracy; a line for each chip.

    A step has a loss and no accuracy, an evaluation the reverse. Every line is on disk when the call returns.

    Args:
        path: of the file; one of an earlier training is overwritten, unless this one goes on from it.
    """

    _HEADER = ("steps", "reads", "chip", "loss", "accuracy")

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._begun = False

    def on_step(self, state: TrainingState, step: Step) -> None:
        """Write the loss of each chip."""
        self._write(state, [(chip, loss, "") for chip, loss in enumerate(_chips(step.loss))])

    def on_evaluation(self, run: Run) -> None:
        """Write the accuracy of each chip."""
        assert run.accuracy is not None  # it has just been found
        self._write(run.state, [(chip, "", right) for chip, right in enumerate(_chips(run.accuracy))])

    def _write(self, state: TrainingState, lines: list[tuple[Any, ...]]) -> None:
        if not self._begun:
            self._begin(state.steps)
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerows((state.steps, state.reads, *line) for line in lines)

    def _begin(self, steps: int) -> None:
        """Keep what the file holds of steps before this one, whole lines of this header alone."""
        lines: list[list[str]] = []
        if self.path.exists():
            with self.path.open(newline="") as file:
                header, *found = [*csv.reader(file)] or [[]]
            if tuple(header) == self._HEADER:
                whole = (line for line in found if len(line) == len(header) and line[0].isdigit())
                lines = [line for line in whole if int(line[0]) < steps]
        with self.path.open("w", newline="") as file:
            csv.writer(file).writerows([self._HEADER, *lines])
        self._begun = True


class TensorBoardLog(Callback):
    """Loss and accuracy over steps for TensorBoard; of a fleet the mean, the lowest and the highest.

    Args:
        folder: that `tensorboard --logdir` is given.

    Raises:
        ImportError: tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError("TensorBoardLog: needs tensorboard; pip install tensorboard") from error
        self.folder = str(folder)
        self._make: Any = SummaryWriter
        self._writer: Any = None  # until it is known with which step the log begins

    def on_step(self, state: TrainingState, step: Step) -> None:
        """Write the loss."""
        self._write("loss", step.loss, state)

    def on_evaluation(self, run: Run) -> None:
        """Write the accuracy."""
        assert run.accuracy is not None  # it has just been found
        self._write("accuracy", run.accuracy, run.state)
        self._writer.flush()

    def _write(self, name: str, values: Tensor, state: TrainingState) -> None:  # values (*fleet,)
        if self._writer is None:
            self._writer = self._make(self.folder, purge_step=state.steps)  # made again, so shown once
        if values.numel() == 1:
            self._writer.add_scalar(name, float(values), state.steps)
            return
        scalars = {"mean": values.mean(), "lowest": values.min(), "highest": values.max()}
        for word, value in scalars.items():
            self._writer.add_scalar(f"{name}/{word}", float(value), state.steps)


def require_callbacks(callbacks: Any, user: str) -> None:
    """Refuse what is no sequence of callbacks.

    Raises:
        TypeError: saying what came.
    """
    listed = isinstance(callbacks, Sequence)
    wrong = (
        [c for c in callbacks if isinstance(c, type) or not isinstance(c, Callback)]
        if listed
        else [callbacks]
    )
    if wrong:
        raise TypeError(
            f"{user}: callbacks has {wrong[0]!r}, wanted a list of instances of subclasses of "
            "learners.callbacks.Callback"
        )


def _chips(values: Tensor) -> list[float]:
    """One number for each chip."""
    numbers: list[float] = values.reshape(-1).tolist()
    return numbers
