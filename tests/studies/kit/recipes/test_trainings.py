"""Laws of the trainings that studies share: what they spend, and where they pause."""

from collections.abc import Iterator

from analog import Chip, Dead, Ideal, Ledger, metered, stream
from learners import NodePerturbation
from learners.data import load_data
from studies.kit.recipes.training_size import network, training_size
from studies.kit.recipes.trainings import log_spaced, run_until_death, train_within_budget


def test_pauses_lie_a_like_factor_apart_and_the_training_ends_with_one() -> None:
    training = iter(range(1000))
    pauses = list(log_spaced(training, 1000, points=3))
    assert pauses == [1, 10, 100, 1000]
    assert list(training) == []


def test_a_training_within_a_budget_spends_no_more_than_it() -> None:
    data = load_data("digits")
    size = training_size(data, hidden=4)
    chip = Chip(Ideal(), network(data, size.hidden))
    ledger = Ledger(chip.spec)
    port, budget = metered(chip.port(), ledger), 1000
    steps = train_within_budget(budget, port, NodePerturbation(0.1, 4), data, size, stream(0), stream(1))
    assert steps == budget // (5 * size.batch)
    assert max(ledger.reads) <= budget


def test_the_words_of_a_dying_chip_are_what_a_training_returns() -> None:
    def training(dies: bool) -> Iterator[None]:
        yield
        if dies:
            raise Dead("the chip wore out")

    assert run_until_death(training(dies=True)) == "the chip wore out"
    assert run_until_death(training(dies=False)) is None
