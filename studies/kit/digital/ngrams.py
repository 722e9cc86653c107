"""N-gram models of text, by interpolated Kneser-Ney smoothing: what counting alone knows of the next symbol.

Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1999),
https://doi.org/10.1006/csla.1999.0128, section 3.1 after Kneser and Ney (1995): of every count a discount
n1 / (n1 + 2 n2) is taken (n1 and n2 n-grams were seen once and twice), and goes to the model of the context
that is a symbol shorter, which counts different contexts and not occurrences. Below unigrams all symbols are
alike.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class _Order(NamedTuple):
    """The counts of one length of n-grams, each by the number that stands for it, rising."""

    grams: Tensor  # int64
    counts: Tensor
    contexts: Tensor  # int64
    totals: Tensor  # of the counts behind each context
    kinds: Tensor  # how many symbols followed it
    discount: float


class NGrams:
    """The interpolated Kneser-Ney models of a text, of one symbol up to `order` symbols.

    Args:
        text: (symbols,), int64.
        symbols: of the vocabulary.
        order: symbols of the longest n-grams, the predicted one included.

    Raises:
        ValueError: there are more n-grams of that order than 64 bits tell apart, or no text that long.
    """

    def __init__(self, text: Tensor, symbols: int, order: int) -> None:
        if order < 1 or symbols**order >= 2**63 or len(text) < order:
            raise ValueError(f"NGrams: no n-grams of {order} of {symbols} symbols in a text of {len(text)}")
        self._symbols = symbols
        windows = _numbers(text.unfold(0, order, 1), symbols)
        grams, counts = windows.unique(return_counts=True)
        self._orders = [self._counted(grams, counts)]
        for length in range(order - 1, 0, -1):  # a shorter one counts the longer ones that end in it
            grams, counts = (grams % symbols**length).unique(return_counts=True)
            self._orders.insert(0, self._counted(grams, counts))

    def log_probabilities(self, contexts: Tensor, following: Tensor, order: int) -> Tensor:
        """The log of the probability of each following symbol, nats, by the models up to an order.

        Only at the order of the longest n-grams are occurrences counted; fit another model for a shorter one.

        Args:
            contexts: (examples, length), int64, of at least order - 1 symbols.
            following: (examples,), int64.
            order: of the n-grams used.

        Returns:
            (examples,), float64.
        """
        chance = torch.full(following.shape, 1 / self._symbols, dtype=torch.float64)
        for length, counted in enumerate(self._orders[:order]):
            context = _numbers(contexts[:, contexts.shape[1] - length :], self._symbols)
            count = _look_up(counted.grams, counted.counts, context * self._symbols + following)
            total = _look_up(counted.contexts, counted.totals, context)
            kinds = _look_up(counted.contexts, counted.kinds, context)
            own = (count - counted.discount).clamp(min=0) + counted.discount * kinds * chance
            chance = torch.where(total > 0, own / total.clamp(min=1), chance)
        return chance.log()

    def _counted(self, grams: Tensor, counts: Tensor) -> _Order:
        contexts, which = (grams // self._symbols).unique(return_inverse=True)
        totals = torch.zeros(len(contexts), dtype=torch.float64).index_add(0, which, counts.double())
        kinds = torch.bincount(which, minlength=len(contexts)).double()
        once, twice = (int((counts == times).sum()) for times in (1, 2))
        return _Order(grams, counts.double(), contexts, totals, kinds, once / max(1, once + 2 * twice))


def ngram_losses(text: Tensor, contexts: Tensor, following: Tensor, symbols: int, orders: int) -> list[float]:
    """The mean loss of n-gram models of 1, 2, ... symbols, nats a symbol.

    Args:
        text: (symbols,), int64, that they count.
        contexts: (examples, length), int64, of at least orders - 1 symbols.
        following: (examples,), int64.
        symbols: of the vocabulary.
        orders: up to how many symbols.
    """
    return [
        -float(NGrams(text, symbols, order).log_probabilities(contexts, following, order).mean())
        for order in range(1, orders + 1)
    ]


def _numbers(windows: Tensor, symbols: int) -> Tensor:
    """One number for each row of symbols, (rows,) int64."""
    numbers = windows.new_zeros(len(windows))
    for column in windows.unbind(-1):
        numbers = numbers * symbols + column
    return numbers


def _look_up(keys: Tensor, values: Tensor, wanted: Tensor) -> Tensor:
    """The values of keys, float64; 0 of those that there are none of."""
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[place] == wanted, values[place], 0.0)
