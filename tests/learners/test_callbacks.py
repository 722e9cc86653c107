"""Logs of a training: what they hold, and that they go on where a training goes on."""

import csv
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from analog import Chip, Mismatched, mlp
from learners import Batch, CrossEntropy, Run, recipes, train
from learners.callbacks import Callback, CSVLog, TensorBoardLog
from learners.data import Dataset

X = torch.eye(8).repeat(4, 1)
HALF = Batch(X, X[:, :3].argmax(1))
DATA = Dataset.from_batches("corners", HALF, HALF)
RECIPE = recipes.learned_feedback(CrossEntropy())
SETTINGS: dict[str, Any] = {"epochs": 3, "seed": 0, "batch_size": 8, "evaluate_every": 1}


def port(identity: Any = range(2)) -> Any:
    return Chip(Mismatched(), mlp(8, 5, 3), identity).port()


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return [*csv.reader(file)]


def test_a_callback_sees_every_step_and_evaluation_in_order() -> None:
    class Seen(Callback):
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def on_step(self, state: Any, step: Any) -> None:
            self.calls.append((state.steps, float(step.loss.mean())))

        def on_evaluation(self, run: Run) -> None:
            self.calls.append((run.state.steps, run.accuracy))

    both = [Seen(), Seen()]
    run = train(
        port(), RECIPE, DATA, callbacks=[*both, Callback.__new__(type("Idle", (Callback,), {}))], **SETTINGS
    )
    steps = [call[0] for call in both[0].calls]
    assert steps == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12]
    assert [c[1] for c in both[0].calls if isinstance(c[1], float)] == run.losses.mean(1).tolist()
    assert both[0].calls[4][1] is run.curve[0][1] and len(both[1].calls) == len(both[0].calls)


def test_a_table_has_a_line_for_each_chip_and_ends_as_if_never_stopped(tmp_path: Path) -> None:
    run = train(port(), RECIPE, DATA, callbacks=[CSVLog(tmp_path / "whole.csv")], **SETTINGS)
    header, *rows = lines(tmp_path / "whole.csv")
    assert header == ["steps", "reads", "chip", "loss", "accuracy"] and len(rows) == 2 * (12 + 3)
    losses = [float(row[3]) for row in rows if row[3]]
    assert losses == run.losses.flatten().tolist()
    assert run.accuracy is not None and [float(row[4]) for row in rows[-2:]] == run.accuracy.tolist()
    wires = port()
    first = train(wires, RECIPE, DATA, callbacks=[CSVLog(tmp_path / "parted.csv")], max_steps=6, **SETTINGS)
    with (tmp_path / "parted.csv").open("a") as file:
        file.write("7,3,0,0.5,\n7,3,")  # of a step that was made and not saved, the last line cut short
    train(wires, RECIPE, DATA, callbacks=[CSVLog(tmp_path / "parted.csv")], state=first.state, **SETTINGS)
    assert (tmp_path / "parted.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    train(port(), RECIPE, DATA, callbacks=[CSVLog(tmp_path / "parted.csv")], max_steps=1, **SETTINGS)
    assert len(lines(tmp_path / "parted.csv")) == 1 + 2


@pytest.mark.parametrize("identity", [1, range(2)])
def test_tensorboard_is_told_losses_and_accuracies(identity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            told.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, value, step))

        def flush(self) -> None: ...

    module: Any = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    run = train(port(identity), RECIPE, DATA, callbacks=[TensorBoardLog("runs")], max_steps=4, **SETTINGS)
    assert told[0] == ("runs", 1) and run.accuracy is not None
    if identity == 1:
        assert told[1:5] == [("loss", loss, i + 1) for i, loss in enumerate(run.losses.tolist())]
        assert told[5:] == [("accuracy", float(run.accuracy), 4)]
    else:
        assert [t[0] for t in told[1:4]] == ["loss/mean", "loss/lowest", "loss/highest"]
        assert ("accuracy/highest", float(run.accuracy.max()), 4) in told


def test_tensorboard_that_is_not_there_is_asked_for_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="^TensorBoardLog: needs tensorboard; pip install tensorboard$"):
        TensorBoardLog("runs")
