"""Vocabularies: the characters of a text, or these and the pairs that it repeats most.

Byte-pair encoding for text is due to Sennrich, Haddow and Birch, "Neural machine translation of rare words
with subword units" (2016), https://arxiv.org/abs/1508.07909. Where we differ: the smallest units are the
characters of the text, and no merge crosses from one word to the next, a word being a run of letters, of
digits or of other marks with the space before it, or a run of white space.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from .bad_data import BadData

_WORDS: Final = re.compile(r" ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
Pair = tuple[int, int]


@dataclass(frozen=True)
class Vocabulary:
    """Symbols by their numbers, and the pairs that were merged to make those behind the characters."""

    characters: tuple[str, ...]
    merges: tuple[Pair, ...] = ()  # of numbers, in the order in which they were learned

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The text of every symbol."""
        symbols = [*self.characters]
        for first, second in self.merges:
            symbols.append(symbols[first] + symbols[second])
        return tuple(symbols)

    def __len__(self) -> int:
        return len(self.characters) + len(self.merges)

    def encode(self, text: str) -> Tensor:
        """The numbers of a text's symbols, (symbols,) int64; `decode` gives the text again.

        Raises:
            BadData: a character is none of the vocabulary.
        """
        if unknown := {*text} - {*self.characters}:
            raise BadData(f"text: {min(unknown)!r} is none of the vocabulary's characters")
        words = _WORDS.findall(text)
        encoded = {word: self._encode_word(word) for word in dict.fromkeys(words)}
        return torch.tensor([number for word in words for number in encoded[word]], dtype=torch.int64)

    def decode(self, numbers: Tensor) -> str:
        """The text of symbols by their numbers, (symbols,) int64."""
        return "".join(self.symbols[number] for number in numbers.tolist())

    def _encode_word(self, word: str) -> list[int]:
        numbers = [self._numbers[character] for character in word]
        while len(numbers) > 1:
            best = min(pairwise(numbers), key=lambda pair: self._ranks.get(pair, len(self)))
            if best not in self._ranks:
                break
            numbers = _merged(numbers, best, self._ranks[best])
        return numbers

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {character: number for number, character in enumerate(self.characters)}

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        """The number of the symbol that each pair becomes; lower ones were learned earlier."""
        return {pair: number for number, pair in enumerate(self.merges, len(self.characters))}


def byte_pairs(characters: tuple[str, ...], text: str, size: int) -> Vocabulary:
    """Learn a vocabulary of so many symbols: characters, and whatever pair a text has most, again and again.

    Of pairs that are as frequent the one with the lower numbers is merged first.

    Args:
        characters: of the smallest units, which a text to be encoded may have.
        text: that the pairs are counted in.
        size: of the vocabulary.

    Raises:
        BadData: there are more characters than that, or the text has too few different pairs.
    """
    if size < len(characters):
        raise BadData(f"vocabulary: {size} symbols are fewer than the {len(characters)} characters")
    numbers = {character: number for number, character in enumerate(characters)}
    counts = Counter(_WORDS.findall(text))
    pairs = _PairCounts([[numbers[c] for c in word] for word in counts], [*counts.values()])
    merges: list[Pair] = []
    for number in range(len(characters), size):
        best = pairs.most_frequent()
        if best is None:
            raise BadData(f"vocabulary: the text has pairs for {number} symbols only, asked for {size}")
        pairs.merge(best, number)
        merges.append(best)
    return Vocabulary(characters, tuple(merges))


class _PairCounts:
    """How often each pair of neighbors stands in the words of a text, kept while pairs are merged."""

    def __init__(self, words: list[list[int]], counts: list[int]) -> None:
        self._words, self._counts = words, counts
        self._total: Counter[Pair] = Counter()
        self._homes: dict[Pair, set[int]] = {}  # words that have, or once had, a pair
        for place in range(len(words)):
            self._count(place, 1)
        self._queue = [(-count, pair) for pair, count in self._total.items()]
        heapify(self._queue)

    def most_frequent(self) -> Pair | None:
        """The pair to be merged next; None where words are single symbols."""
        while self._queue:
            count, pair = heappop(self._queue)
            if self._total[pair] == -count > 0:  # others were counted anew since
                return pair
        return None

    def merge(self, pair: Pair, number: int) -> None:
        """Put one symbol in the place of a pair, wherever it stands."""
        changed: set[Pair] = set()
        for place in self._homes.pop(pair):
            changed.update(self._count(place, -1))
            self._words[place] = _merged(self._words[place], pair, number)
            changed.update(self._count(place, 1))
        for other in changed:
            heappush(self._queue, (-self._total[other], other))

    def _count(self, place: int, sign: int) -> Iterator[Pair]:
        neighbors = [*pairwise(self._words[place])]
        for pair in neighbors:
            self._total[pair] += sign * self._counts[place]
            if sign > 0:
                self._homes.setdefault(pair, set()).add(place)
        return iter(neighbors)


def _merged(numbers: list[int], pair: Pair, number: int) -> list[int]:
    """The same symbols with one in the place of each pair, from the left."""
    merged: list[int] = []
    for following in numbers:
        if merged and (merged[-1], following) == pair:
            merged[-1] = number
        else:
            merged.append(following)
    return merged
