"""Training: the published number, going on bitwise, early stopping, and errors in one line."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from analog import BadInput, Budget, Chip, Ledger, Mismatched, OverBudget, budgeted, metered, mlp, xray
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    NodePerturbation,
    Run,
    SquaredError,
    adam,
    evaluate,
    load_state,
    recipes,
    save_state,
    train,
)
from learners.callbacks import Callback
from learners.data import Dataset, load_data
from learners.learner import Step
from learners.training_state import TrainingState


class Kept(Callback):
    """Keeps every run that it is shown."""

    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs

    def on_evaluation(self, run: Run) -> None:
        self.runs.append(run)


DATA = load_data("digits")
RECIPE = recipes.learned_feedback(CrossEntropy())


def chip(identity: Any = 7) -> Chip:
    return Chip(Mismatched(), mlp(64, 16, 10), identity)


def same(one: Chip, other: Chip) -> bool:
    return all(torch.equal(a, b) for a, b in zip(xray.knobs(one), xray.knobs(other), strict=True))


def test_a_short_training_already_reads_digits() -> None:
    """Three epochs of the README's first example, which gives 96.7 % after 45."""
    fleet = Chip(Mismatched(), mlp(64, 64, 10), range(4))
    ledger = Ledger(fleet.spec)
    run = train(metered(fleet.port(), ledger), RECIPE, DATA, epochs=3, seed=0)
    assert run.accuracy is not None and run.accuracy.shape == (4,) and float(run.accuracy.min()) > 0.85
    assert run.losses.shape == (66, 4) and run.state.steps == 66 and len(run.curve) == 1
    shown = f"Run(accuracy={float(run.accuracy.mean()):.4f}, mean of 4 chips, steps=66, reads=21120)"
    assert repr(run) == shown and repr(run.state) == "TrainingState(steps=66, reads=21120)"
    assert run.reads == 66 * 64 * 5 and max(ledger.reads) == run.reads + 360


@pytest.mark.parametrize("pause", [1, 21, 22, 23, 44, 50])
def test_a_training_goes_on_bitwise_where_it_stopped(pause: int) -> None:
    """In the middle of an epoch, at its end and beyond; every evaluation moves the noise of the chip."""
    whole, parted = chip([3, 4]), chip([3, 4])
    settings = {"epochs": 2.5, "seed": 5, "evaluate_every": 0.5}
    at_once = train(whole.port(), RECIPE, DATA, **settings)  # type: ignore[arg-type]
    first = train(parted.port(), RECIPE, DATA, max_steps=pause, **settings)  # type: ignore[arg-type]
    assert first.state.steps == pause
    second = train(parted.port(), RECIPE, DATA, state=first.state, **settings)  # type: ignore[arg-type]
    assert same(whole, parted) and second.state.steps == 55
    assert torch.equal(at_once.losses, torch.cat((first.losses, second.losses)))
    assert at_once.accuracy is not None and second.accuracy is not None
    assert torch.equal(at_once.accuracy, second.accuracy) and at_once.reads == second.reads
    both = (*first.curve, *second.curve)
    assert [made for made, _ in both] == [made for made, _ in at_once.curve] == [11, 22, 33, 44, 55]


@pytest.mark.parametrize("stop", ["last step", "patience", "before the evaluation"])
def test_a_training_that_is_over_comes_back_as_it_ended_and_says_so(stop: str, tmp_path: Path) -> None:
    """As does one that was killed after its last step, before it was evaluated; files keep all of it."""
    one, again = chip([3, 4]), chip([3, 4])
    settings: dict[str, Any] = {"epochs": 0.5, "seed": 5}
    if stop == "patience":
        settings |= {"evaluate_every": 0.1, "patience": 1}
    states: list[TrainingState] = []
    learner = RECIPE if stop != "patience" else Descent(NodePerturbation(0.1), adam(1e-12), CrossEntropy())
    run = train(one.port(), learner, DATA, callbacks=[States(states)], **settings)
    state = run.state if stop != "before the evaluation" else states[-1]
    save_state(state, tmp_path / "state")
    if stop == "before the evaluation":
        with pytest.raises(KeyboardInterrupt):
            train(again.port(), learner, DATA, callbacks=[Killed(run.state.steps)], **settings)
    else:
        train(again.port(), learner, DATA, **settings)
    state = load_state(tmp_path / "state", learner, again.port())
    with pytest.warns(UserWarning, match="train: nothing was trained, for .*; to train longer, plan") as told:
        over = train(again.port(), learner, DATA, state=state, **settings)
    assert ("patience" in str(told[0].message)) is (stop == "patience") and told[0].filename == __file__
    assert run.accuracy is not None and over.accuracy is not None and torch.equal(run.accuracy, over.accuracy)
    assert over.state.steps == run.state.steps and over.reads == run.reads and not len(over.losses)
    x = DATA.test.x[:3]
    assert torch.equal(one.port().measure(x).out, again.port().measure(x).out)  # read no more often


class States(Callback):
    """Keeps the state after every step."""

    def __init__(self, states: list[TrainingState]) -> None:
        self.states = states

    def on_step(self, state: TrainingState, step: Step) -> None:
        self.states.append(state)


class Killed(Callback):
    """Ends the training after a step, as Ctrl-C does."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step(self, state: TrainingState, step: Step) -> None:
        if state.steps == self.steps:
            raise KeyboardInterrupt


def test_seeds_move_order_and_probes_and_nothing_else_does() -> None:
    chips = [chip() for _ in range(3)]
    for c, seed in zip(chips, (0, 0, 1), strict=True):
        train(c.port(), RECIPE, DATA, epochs=0.2, seed=seed)
    assert same(*chips[:2]) and not same(*chips[1:])


def test_it_stops_early_when_nothing_gets_better() -> None:
    """A learner that only measures is evaluated four times: once, and three times in vain."""
    still = Descent(NodePerturbation(0.1), adam(1e-12), CrossEntropy())
    seen: list[Run] = []
    run = train(
        Chip(Mismatched(read_noise=0.0), mlp(64, 8, 10), 1).port(),
        still,
        DATA,
        epochs=5,
        seed=0,
        evaluate_every=0.25,
        patience=3,
        callbacks=[Kept(seen)],
    )
    assert len(run.curve) == 4 and run.state.steps == 4 * 6 and run.state.waited == 3
    assert [len(r.curve) for r in seen] == [1, 2, 3, 4] and seen[-1].state.steps == run.state.steps


def test_targets_that_are_no_classes_are_learned_and_not_judged() -> None:
    half = Batch(DATA.train.x[:128], DATA.train.x[:128, :4])
    data = Dataset("pixels", half, half, 0, "")
    run = train(
        Chip(Mismatched(), mlp(64, 8, 4), 1).port(),
        recipes.learned_feedback(SquaredError()),
        data,
        epochs=20,
        seed=0,
    )
    assert run.accuracy is None and run.curve == ()
    assert float(run.losses[-5:].mean()) < 0.7 * float(run.losses[:5].mean())


def test_a_budget_stops_it_and_leaves_a_usable_chip() -> None:
    one = chip()
    port = budgeted(one.port(), Ledger(one.spec), Budget(reads=1000))
    with pytest.raises(OverBudget):
        train(port, RECIPE, DATA, epochs=1, seed=0)
    assert evaluate(one.port(), DATA.test).shape == ()


def test_a_bar_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for shown, stream_type in ((True, Terminal), (False, io.StringIO)):
        errors = stream_type()
        monkeypatch.setattr(sys, "stderr", errors)
        train(chip().port(), RECIPE, DATA, epochs=0.1, seed=0)
        assert ("epoch" in errors.getvalue()) is shown
        train(chip().port(), RECIPE, DATA, epochs=0.1, seed=0, progress=False)


def loaders() -> tuple[DataLoader[Any], DataLoader[Any]]:
    """The digits as torch keeps them: bytes, as images, batched and shuffled by a loader."""
    halves = (DATA.train, DATA.test)
    images = [TensorDataset((h.x * 16).to(torch.uint8).view(-1, 1, 8, 8), h.target) for h in halves]
    return DataLoader(images[0], 32, shuffle=True), DataLoader(images[1], 100)


def test_a_loader_is_trained_like_a_data_set_of_its_batch_size() -> None:
    """Bytes become numbers from 0 to 1, here sixteenths of 255; a loader's order is not asked for."""
    scaled = [h._replace(x=(h.x * 16).div(255)) for h in (DATA.train, DATA.test)]
    data, one, other = Dataset.from_batches("dark", *scaled), chip(), chip()
    by_set = train(one.port(), RECIPE, data, epochs=0.6, seed=2, batch_size=32)
    by_loader = train(other.port(), RECIPE, loaders(), epochs=0.6, seed=2)
    assert same(one, other) and torch.equal(by_set.losses, by_loader.losses)
    assert by_set.accuracy is not None and by_set.accuracy == by_loader.accuracy
    assert evaluate(one.port(), loaders()[1]) == evaluate(other.port(), data.test)


def test_a_training_by_loaders_goes_on_bitwise_and_is_judged_by_the_second_alone() -> None:
    whole, parted = chip(), chip()
    settings: dict[str, Any] = {"epochs": 0.5, "seed": 5, "learner": RECIPE}
    at_once = train(whole.port(), data=loaders()[0], **settings)
    first = train(parted.port(), data=loaders()[0], max_steps=9, **settings)
    train(parted.port(), data=loaders()[0], state=first.state, **settings)
    assert same(whole, parted) and at_once.accuracy is None and len(at_once.losses) == 22


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"port": chip()}, TypeError, r"train: port is a Chip, wanted a Port; give its wires, chip.port\(\)"),
        ({"learner": recipes.learned_feedback}, TypeError, r"wanted a Learner; call it with a loss, as in"),
        ({"learner": 3}, TypeError, r"train: learner is 3, wanted a Learner$"),
        ({"data": DATA.train}, TypeError, r"train: data is a Batch, wanted a Dataset, as load_data"),
        ({"data": (DataLoader([1]), DATA)}, TypeError, r"train: data is a tuple, wanted a Dataset, .*or two"),
        (
            {"data": DataLoader([1], sampler=WeightedRandomSampler([1.0], 1))},
            ValueError,
            r"this DataLoader has an order of its own .*; step through it by `fit`",
        ),
        ({"callbacks": Kept}, TypeError, r"train: callbacks has <class .*Kept'>, wanted a list of instances"),
        (
            {"callbacks": [Kept]},
            TypeError,
            r"train: callbacks has <class .*Kept'>, wanted a list of instances",
        ),
        ({"callbacks": [print]}, TypeError, r"train: callbacks has <built-in function print>, wanted a list"),
        (
            {"data": Dataset.from_batches("wide", *[Batch(torch.zeros(2, 3, 8, 8), torch.arange(2))] * 2)},
            BadInput,
            r"measure: x is \(2, 192\), layer 0 wants \(..., batch, 64\)",
        ),
        (
            {"port": Chip(Mismatched(), mlp(64, 4)).port()._replace(measure=None)},  # refused before any read
            ValueError,
            r"train: the last layer has 4 outputs, and the labels need 10",
        ),
        ({"seed": 0.5}, ValueError, r"a seed is an integer, got 0.5"),
        ({"epochs": 0}, ValueError, r"epochs above 0"),
        ({"max_steps": 0}, ValueError, r"train: max_steps is 0, wanted a finite number above 0, or None"),
        ({"patience": 3}, ValueError, r"train: patience wants evaluate_every"),
    ],
)
def test_misuse_is_refused_in_one_line(change: dict[str, Any], error: type[Exception], says: str) -> None:
    settings = {"port": chip().port(), "learner": RECIPE, "data": DATA, "epochs": 1, "seed": 0, **change}
    port, learner, data = (settings.pop(name) for name in ("port", "learner", "data"))
    with pytest.raises(error, match=says):
        train(port, learner, data, **settings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epochs": 2}, r"\(epochs was 1.0, is 2.0\); wanted .*; to train longer, plan all epochs"),
        ({"seed": 1, "batch_size": 32}, r"\(seed was 0, is 1, batch_size was 64, is 32\)"),
        ({"learner": recipes.learned_feedback(CrossEntropy(), probes=8)}, r"\(the learner is another\)"),
    ],
    ids=["epochs", "seed and batch size", "learner"],
)
def test_a_state_goes_on_with_its_own_arguments_only(change: dict[str, Any], says: str) -> None:
    settings: dict[str, Any] = {"learner": RECIPE, "epochs": 1, "seed": 0, "progress": False}
    port = chip().port()
    first = train(port, data=DATA, max_steps=3, **settings)
    with pytest.raises(ValueError, match=f"train: state is of another training {says}"):
        train(port, data=DATA, state=first.state, **{**settings, **change})
    again = {**settings, "learner": recipes.learned_feedback(CrossEntropy())}
    assert train(port, data=DATA, state=first.state, max_steps=1, **again).state.steps == 4


def test_a_learner_at_another_address_is_the_same_learner() -> None:
    """As in another process: what has no repr of its own shows where it lies in memory."""

    def loss() -> CrossEntropy:
        class Plain(CrossEntropy):
            __repr__ = object.__repr__

        return Plain()

    settings: dict[str, Any] = {"data": DATA, "epochs": 1, "seed": 0, "max_steps": 1}
    port, losses = chip().port(), (loss(), loss())
    first = train(port, recipes.learned_feedback(losses[0]), **settings)
    assert train(port, recipes.learned_feedback(losses[1]), state=first.state, **settings).state.steps == 2
