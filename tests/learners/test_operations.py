"""Digital operations are counted as textbooks count them, for every learner alike; chips are not counted."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Mismatched, dense, mlp, stream
from learners import Batch, CrossEntropy, Descent, NodePerturbation, adam, recipes, sgd
from learners.operations import OperationCounter, Operations

CHIP = Chip(Mismatched(), mlp(6, 5, 3), 0)
CHANCE = stream(0, "drawn")
BATCH = Batch(torch.rand(8, 6, generator=stream(0)), torch.arange(8) % 3)


def counted(work: Any, *tensors: Tensor) -> Operations:
    counter = OperationCounter()
    with counter.watch():
        work(*tensors)
    return counter.operations


def step(learner: Any, chip: Chip[Any] = CHIP, batch: Batch = BATCH) -> Operations:
    counter = OperationCounter()
    state, port = learner.init(chip.spec), counter.behind(chip.port())
    with counter.watch():
        learner.step(port, batch, state, stream(0, "step"))
    return counter.operations


@pytest.mark.parametrize(
    ("work", "shapes", "wanted"),
    [
        (lambda a, b: a @ b, [(3, 4), (4, 5)], Operations(60, 60, 12 + 20 + 15)),
        (lambda a, b: a @ b, [(2, 3, 4), (2, 4, 5)], Operations(120, 120, 24 + 40 + 30)),
        (lambda a, b: a * b, [(3, 4), (4,)], Operations(12, 0, 12 + 4 + 12)),
        (lambda a, b: a.sub_(b), [(3, 4), (3, 1)], Operations(0, 12, 12 + 3 + 12)),
        (lambda a: a.sum(1), [(3, 4)], Operations(0, 12, 12 + 3)),
        (lambda a: a.mT.unsqueeze(0)[:, :2], [(3, 4)], Operations()),
        (lambda a: torch.cat((a, a)), [(3, 4)], Operations(0, 0, 24 + 24)),
        (lambda a: a.relu(), [(3, 4)], Operations(0, 12, 24)),
        (lambda a: a.expand(7, 3, 4).clone(), [(1, 3, 4)], Operations(0, 0, 12 + 84)),
        (lambda a: torch.randn(3, 4, generator=CHANCE), [(1,)], Operations()),
        (lambda a: a.addcmul_(a, a), [(3, 4)], Operations(12, 12, 48)),
    ],
)
def test_an_operation_counts_as_by_hand(work: Any, shapes: list[tuple[int, ...]], wanted: Operations) -> None:
    found = counted(work, *(torch.ones(shape) for shape in shapes))
    assert found == wanted


def test_solving_takes_a_third_of_the_cube_and_the_square_for_each_right_hand_side() -> None:
    matrix, right = torch.eye(9).expand(2, 9, 9).clone(), torch.ones(2, 9, 4)
    found = counted(torch.linalg.solve, matrix, right)
    assert found.multiplications == pytest.approx(2 * (9**3 / 3 + 9**2 * 4))


def test_what_a_decomposition_costs_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="linalg_eigh costs is not known"):
        counted(torch.linalg.eigh, torch.eye(3))


def test_what_a_chip_does_behind_its_wires_is_not_counted() -> None:
    counter = OperationCounter()
    port, drive = counter.behind(CHIP.port()), tuple(torch.zeros(s) for s in CHIP.spec.shapes)
    with counter.watch():
        port.measure(BATCH.x)
        port.pulse(drive)
        port.program(drive)
    assert counter.operations == Operations()
    with counter.watch():
        CHIP.port().measure(BATCH.x)
    assert counter.operations.multiplications > 0


def test_outer_products_and_the_update_of_every_cell_are_counted() -> None:
    few, many = (
        step(Descent(NodePerturbation(0.1, 2), sgd(0.1), CrossEntropy()), batch=b) for b in _sizes(1, 5)
    )
    cells = sum(layer.rows * layer.cols for layer in CHIP.spec.layers)
    grown = many.multiplications - few.multiplications
    assert grown >= 4 * len(BATCH.x) * cells and grown < 4 * len(BATCH.x) * (cells + 200)
    with_adam = step(Descent(NodePerturbation(0.1, 2), adam(0.1), CrossEntropy()))
    with_sgd = step(Descent(NodePerturbation(0.1, 2), sgd(0.1), CrossEntropy()))
    assert with_adam.multiplications - with_sgd.multiplications >= 4 * cells
    assert with_adam.words - with_sgd.words >= 8 * cells


def _sizes(*times: int) -> list[Batch]:
    return [Batch(BATCH.x.repeat(n, 1), BATCH.target.repeat(n)) for n in times]


def test_a_fleet_computes_what_its_chips_do_and_shares_the_words_of_its_batches() -> None:
    layers = (dense(6, 5), dense(5, 3, linear=True))
    fleet, one = Chip(Mismatched(), layers, range(4)), Chip(Mismatched(), layers, [0])
    learner = recipes.node_perturbation(CrossEntropy(), update=sgd(0.1))
    of_fleet, of_one = step(learner, fleet), step(learner, one)
    assert of_fleet[:2] == of_one.times(4)[:2] and of_one.words < of_fleet.words < 4 * of_one.words


def test_counting_changes_nothing() -> None:
    learner = recipes.learned_feedback(CrossEntropy(), update=adam(0.1))
    answers = []
    for watched in (False, True):
        chip, counter = Chip(Mismatched(), mlp(6, 5, 3), 0), OperationCounter()
        port, state, probes = counter.behind(chip.port()), learner.init(chip.spec), stream(0, "probes")
        for _ in range(3):
            if watched:
                with counter.watch():
                    state, _ = learner.step(port, BATCH, state, probes)
            else:
                state, _ = learner.step(port, BATCH, state, probes)
        answers.append(chip.port().measure(BATCH.x).taps[-1])
    assert answers[0].equal(answers[1])
