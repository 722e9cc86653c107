"""The state of a training in a file: going on from it is bitwise going on, and what is not it is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from analog import Chip, Mismatched, load, mlp, save, stream, xray
from learners import (
    CrossEntropy,
    Descent,
    NodePerturbation,
    WeightPerturbation,
    accumulate,
    adam,
    load_state,
    recipes,
    rmsprop,
    save_state,
    sgd,
    train,
)
from learners.checkpoints import BadState, restore_state
from learners.data import load_data

DATA = load_data("digits")
LAYERS = mlp(64, 12, 10)
LEARNERS: dict[str, Any] = {
    "recipe": recipes.learned_feedback(CrossEntropy()),
    "owed writes": Descent(WeightPerturbation(0.003), accumulate(adam(0.01), 0.05), CrossEntropy()),
    "tuned": Descent(NodePerturbation(0.1), rmsprop(0.01, tuned_by=sgd(0.1)), CrossEntropy()),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_chip_and_state_in_files_go_on_bitwise(name: str, tmp_path: Path) -> None:
    learner, settings = LEARNERS[name], {"epochs": 2, "seed": 3}
    whole, parted = Chip(Mismatched(), LAYERS, [1, 2]), Chip(Mismatched(), LAYERS, [1, 2])
    at_once = train(whole.port(), learner, DATA, **settings)
    first = train(parted.port(), learner, DATA, max_steps=30, **settings)
    save(parted, tmp_path / "chip")
    save_state(first.state, tmp_path / "state")
    again = load(tmp_path / "chip", Mismatched(), LAYERS)
    state = load_state(tmp_path / "state", learner, again.port())
    assert state.steps == 30
    second = train(again.port(), learner, DATA, state=state, **settings)
    assert all(torch.equal(a, b) for a, b in zip(xray.knobs(whole), xray.knobs(again), strict=True))
    assert at_once.accuracy is not None and second.accuracy is not None
    assert torch.equal(at_once.accuracy, second.accuracy)


def test_what_is_no_state_of_this_training_is_refused(tmp_path: Path) -> None:
    port = Chip(Mismatched(), LAYERS, 1).port()
    run = train(port, LEARNERS["recipe"], DATA, epochs=0.1, seed=0)
    save_state(run.state, tmp_path / "state")
    whole = (tmp_path / "state").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "words").write_bytes(b"not a state")
    for name in ("cut", "words", "nothing"):
        with pytest.raises(BadState, match=rf"{name}: no whole state of a training"):
            load_state(tmp_path / name, LEARNERS["recipe"], port)
    others = (
        (LEARNERS["tuned"], port),
        (LEARNERS["recipe"], Chip(Mismatched(), mlp(64, 13, 10), 1).port()),
        (LEARNERS["recipe"], Chip(Mismatched(), LAYERS, range(2)).port()),
    )
    for learner, other in others:
        with pytest.raises(BadState, match="state of another learner, or of a chip of another shape"):
            load_state(tmp_path / "state", learner, other)


def test_a_state_of_ones_own_comes_back_with_its_generators(tmp_path: Path) -> None:
    """Also where what it begins with is not filled yet; what begins is left as it is."""
    order, probes = stream(0, "order"), stream(0, "probes")
    torch.rand(5, generator=order)
    save_state((3, (torch.ones(2).double(), None), None, order, probes), tmp_path / "state")
    start = (0, (torch.zeros(2).double(), None), None, stream(1), stream(1))
    made, (tensor, nothing), empty, *generators = restore_state(tmp_path / "state", start)
    assert made == 3 and nothing is None and empty is None and torch.equal(tensor, torch.ones(2).double())
    for restored, kept in zip(generators, (order, probes), strict=True):
        assert torch.equal(torch.rand(3, generator=restored), torch.rand(3, generator=kept))
    assert torch.equal(torch.rand(3, generator=start[3]), torch.rand(3, generator=stream(1)))
    others = (
        (0, 0),
        (start[0], (stream(0), None), *start[2:]),
        (torch.zeros(1), *start[1:]),
        (0, *start[:4]),
    )
    for other in others:
        with pytest.raises(BadState, match="state of another learner"):
            restore_state(tmp_path / "state", other)


def test_a_state_that_a_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    run = train(Chip(Mismatched(), LAYERS, 1).port(), LEARNERS["recipe"], DATA, epochs=0.1, seed=0)
    with pytest.raises(
        TypeError, match="save_state: learner is 'words', wanted a tensor, a number or a generator"
    ):
        save_state(run.state._replace(learner="words"), tmp_path / "state")
    assert not list(tmp_path.iterdir())
