"""N-gram models are distributions, count as the textbook does, and near the entropy of a drawn text."""

import pytest
import torch

from analog import stream
from learners.data import load_text
from learners.data.text import MARKOV_ENTROPY
from studies.kit.digital.ngrams import NGrams, ngram_losses

TEXT = torch.randint(4, (60,), generator=stream(0, "ngrams"))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_chances_of_all_symbols_come_to_one(order: int) -> None:
    """Behind contexts that were seen and behind those that were not."""
    contexts = torch.cartesian_prod(*[torch.arange(4)] * 3)
    model = NGrams(TEXT, 4, order)
    chances = [model.log_probabilities(contexts, torch.full((64,), s), order).exp() for s in range(4)]
    torch.testing.assert_close(sum(chances), torch.ones(64, dtype=torch.float64))


def test_bigrams_are_discounted_and_fall_back_on_how_many_contexts_a_symbol_has() -> None:
    """By hand, of 0 1 0 1 0 2: bigrams 01 twice, 10 twice, 02 once; discounts 1/5 and, of contexts, 3/3."""
    text = torch.tensor([0, 1, 0, 1, 0, 2])
    model = NGrams(text, 3, 2)
    found = [
        float(model.log_probabilities(torch.tensor([[0]]), torch.tensor([s]), 2).exp()) for s in range(3)
    ]
    lower = [(1 - 1) / 3 + 1 * 3 / 3 / 3] * 3  # each symbol follows one other: all are discounted to nothing
    by_hand = [(max(c - 0.2, 0) + 0.2 * 2 * p) / 3 for c, p in zip((0, 2, 1), lower, strict=True)]
    assert found == pytest.approx(by_hand)


def test_the_entropy_of_a_drawn_text_is_neared_from_above() -> None:
    """Three letters are what it was drawn by; its 500 test letters have a standard error of .03 nats."""
    text = load_text("markov")
    test = text.contexts(4).test
    losses = ngram_losses(text.train, test.x.long(), test.target, len(text.vocabulary), 4)
    assert losses[0] > losses[1] > losses[2] and losses[2] == pytest.approx(MARKOV_ENTROPY, abs=0.1)


def test_what_cannot_be_counted_is_refused() -> None:
    for order, symbols in ((0, 4), (61, 2), (2, 2**32)):
        with pytest.raises(ValueError, match="no n-grams of"):
            NGrams(TEXT, symbols, order)
