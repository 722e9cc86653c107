"""PEPITA: two readings of each batch, and an update that is the formula of their taps."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Ledger, Mismatched, dense, metered, stream
from learners import CrossEntropy, alternatives, evaluate, fit, sgd
from learners.alternatives import PEPITA
from learners.data import batches, load_data
from tests.learners.alternatives.rule import F64, TINY, labeled, told

LAYERS = (dense(9, 6), dense(6, 5), dense(5, 3, linear=True))


@pytest.mark.parametrize("fleet", [1, (1, 2)])
@pytest.mark.parametrize("layers", [LAYERS, LAYERS[2:]], ids=["three", "one"])
def test_its_update_is_the_formula_of_its_taps(layers: Any, fleet: Any) -> None:
    chip = Chip(Mismatched(), layers, fleet, dtype=F64)
    batch = labeled(chip)
    gradient, (first, second), state = told(PEPITA(sgd(TINY), CrossEntropy(), 2.0), chip, batch)
    error = CrossEntropy().gradient(first.out, batch.target)
    changed = batch.x + error @ state.feedback[0].mT
    nodes = (*(a - b for a, b in zip(first.taps[:-1], second.taps[:-1], strict=True)), error)
    bias = batch.x.new_ones(*changed.shape[:-1], 1)
    for ours, at_nodes, inputs in zip(gradient, nodes, (changed, *second.taps[:-1]), strict=True):
        wanted = at_nodes.mT @ torch.cat((inputs, bias), -1) / 16
        torch.testing.assert_close(ours.squeeze(-3), wanted, rtol=1e-6, atol=1e-9)


def test_the_second_reading_is_of_the_batch_with_its_errors_added() -> None:
    """On a chip without noise, the tape's second reading is what anybody reads of those inputs."""
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    batch = labeled(chip)
    _, (first, second), state = told(PEPITA(sgd(TINY), CrossEntropy()), chip, batch)
    error = CrossEntropy().gradient(first.out, batch.target)
    again = chip.port().measure(batch.x + error @ state.feedback[0].mT)
    for ours, wanted in zip(second.taps, again.taps, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-9)


def test_what_an_input_hears_falls_with_their_number() -> None:
    """sd of F is scale sqrt(2 / inputs): 20,000 entries, and 5 standard errors of their sd."""
    chip = Chip(Ideal(), (dense(2000, 10, linear=True),), 1)
    ((state, _),) = fit(PEPITA(sgd(TINY), CrossEntropy(), 0.5), chip.port(), [labeled(chip)], stream(0))
    assert state.feedback is not None
    assert float(state.feedback[0].std()) == pytest.approx(0.5 * (2 / 2000) ** 0.5, rel=5 / 200)


def test_it_teaches_digits_by_twice_the_reads() -> None:
    """Above the 65 % that its read-out alone comes to on 16 hidden neurons that stay as they were made."""
    data = load_data("digits")
    chip = Chip(Mismatched(), (dense(64, 16), dense(16, 10, linear=True)), (0, 1))
    ledger, learner = Ledger(chip.spec), alternatives.pepita(CrossEntropy(), steps=184)
    shown = list(batches(data.train, 64, 8, stream(0, "data")))
    list(fit(learner, metered(chip.port(), ledger), shown, stream(0)))
    assert max(ledger.reads) == 2 * sum(len(batch.x) for batch in shown)
    assert float(evaluate(chip.port(), data.test).min()) > 0.7
