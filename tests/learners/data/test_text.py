"""Texts: what is learned from and what is judged by, and their contexts."""

import gzip
import hashlib
from pathlib import Path

import pytest
import torch

from learners.data import BadData, load_text
from learners.data import text as module

HUNDRED = "".join(chr(97 + i % 7) for i in range(100))


def test_the_last_tenth_is_to_judge_by_and_held_out_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(HUNDRED)
    whole = load_text(tmp_path / "a.txt")
    assert whole.vocabulary.decode(whole.train) == HUNDRED[:90]
    assert whole.vocabulary.decode(whole.test) == HUNDRED[90:]
    to_choose = load_text(tmp_path / "a.txt", held_out=True)
    assert to_choose.vocabulary.decode(to_choose.train) == HUNDRED[:80]
    assert to_choose.vocabulary.decode(to_choose.test) == HUNDRED[80:90]


def test_a_context_is_the_symbols_before_its_target(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(HUNDRED.encode()))
    text = load_text(tmp_path / "a.txt.gz")
    data = text.contexts(4)
    assert len(data.train.x) == 86 and len(data.test.x) == 6 and data.classes == 7
    for i in (0, 50, 85):
        assert torch.equal(data.train.x[i].long(), text.train[i : i + 4])
        assert data.train.target[i] == text.train[i + 4]
    assert data.train.x.untyped_storage().nbytes() == 4 * len(text.train)  # windows, not copies
    with pytest.raises(BadData, match="a part of 10 symbols has no context of 10"):
        text.contexts(10)


def test_a_vocabulary_is_learned_from_the_part_to_learn_from(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ab" * 45 + "ccccc ccccc")
    text = load_text(tmp_path / "a.txt", vocabulary=5)
    assert text.vocabulary.symbols[4] == "ab"
    assert text.characters_each(2) == pytest.approx(1.0)


def test_the_drawn_text_has_the_entropy_that_is_stated() -> None:
    """Every pair is followed by three letters; the mean surprise of 5,000 draws is within 4 sd of it."""
    text = load_text("markov")
    letters = torch.cat((text.train, text.test)).tolist()
    followers: dict[tuple[int, int], list[int]] = {}
    for first, second, third in zip(letters, letters[1:], letters[2:], strict=False):
        followers.setdefault((first, second), []).append(third)
    assert max(len({*of_pair}) for of_pair in followers.values()) == 3
    surprise = 0.0
    for of_pair in followers.values():
        counts = torch.bincount(torch.tensor(of_pair)).double()
        surprise -= float(torch.special.xlogy(counts, counts / len(of_pair)).sum())
    assert surprise / len(letters) == pytest.approx(module.MARKOV_ENTROPY, abs=4 * 0.5 / 5000**0.5)


def test_a_name_is_found_below_the_folder_of_data_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORTAL_DATA", str(tmp_path))
    (tmp_path / "shakespeare").mkdir()
    with pytest.raises(BadData, match="has neither input.txt nor"):
        load_text("shakespeare")
    (tmp_path / "shakespeare" / "input.txt").write_text(HUNDRED)
    with pytest.raises(BadData, match="not the original"):
        load_text("shakespeare")
    md5 = hashlib.md5(HUNDRED.encode()).hexdigest()
    monkeypatch.setitem(module.TEXTS, "shakespeare", ("", md5))
    assert load_text("shakespeare").name == "shakespeare"


def test_a_string_of_a_module_is_a_text() -> None:
    text = load_text("string:digits")
    assert text.name == "digits" and text.vocabulary.decode(text.test) == "9"


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("nowhere", "is no file, nor one of shakespeare, markov, nor module:attribute"),
        ("math:pi", "'math:pi' is float, wanted a string"),
        ("math:nothing", "AttributeError"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(where: str, problem: str) -> None:
    with pytest.raises(BadData, match=problem):
        load_text(where)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    for name, content, problem in (
        ("a.txt", b"\xff\xfe\xfa" * 9, "is no UTF-8"),
        ("a.gz", b"no", "cannot be read"),
        ("b.txt", b"abc", "have no tenth"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadData, match=problem):
            load_text(tmp_path / name)
