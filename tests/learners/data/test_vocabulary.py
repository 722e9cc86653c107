"""Vocabularies lose nothing of a text, and merge what it repeats most."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.data import BadData, Vocabulary
from learners.data.vocabulary import byte_pairs

CHARACTERS = tuple(sorted({*"ab 1_.\n\té"}))
TEXTS = st.text("".join(CHARACTERS), min_size=1, max_size=60)


@given(TEXTS, TEXTS)
def test_what_is_encoded_is_decoded_again(learned: str, text: str) -> None:
    """Whatever was learned, of whatever other text."""
    words = byte_pairs(CHARACTERS, learned * 3 + " abab abab ab a1", len(CHARACTERS) + 2)
    assert words.decode(words.encode(text)) == text and len(words) == len(words.symbols)


def test_the_most_frequent_pair_is_merged_first_by_counting_anew_each_time() -> None:
    """A second implementation, which keeps no books: it counts all pairs of all words at every merge."""
    text, characters = " low low lower newest newest newest widest aaa aaaa" * 2, tuple(" adeilnorstw")
    words = [[characters.index(c) for c in word] for word in [" low"] * 4 + [" lower"] * 2]
    words += [[characters.index(c) for c in w] for w in [" newest"] * 6 + [" widest"] * 2 + [" aaa"] * 2]
    words += [[characters.index(c) for c in " aaaa"]] * 2
    merges = []
    for number in range(len(characters), len(characters) + 9):
        counts = Counter(pair for word in words for pair in pairwise(word))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for word in words:
            place = 0
            while place < len(word) - 1:
                if (word[place], word[place + 1]) == best:
                    word[place : place + 2] = [number]
                place += 1
    assert byte_pairs(characters, text, len(characters) + 9).merges == tuple(merges)


def test_a_learned_symbol_is_used_wherever_its_pair_stands() -> None:
    words = byte_pairs(tuple(" abc"), " abc abc abc ab", 6)
    assert words.symbols[4:] == ("ab", " ab") or words.symbols[4:] == (" a", " ab")
    assert len(words.encode(" abc ab")) == 3


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(BadData, match="'c' is none of the vocabulary's characters"):
        Vocabulary(("a", "b")).encode("abc")
    with pytest.raises(BadData, match="1 symbols are fewer than the 2"):
        byte_pairs(("a", "b"), "ab", 1)
    with pytest.raises(BadData, match="pairs for 3 symbols only, asked for 9"):
        byte_pairs(("a", "b"), "ab", 9)
