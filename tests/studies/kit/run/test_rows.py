"""However a file of rows is cut, zeroed or altered, no trial counts that is not whole; and it runs again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studies.kit.run.results import Results, read_rows
from studies.kit.run.rows import FORMAT, ResultsError, rows_of, trial_text, whole_trials

NAMES = [f"trial {i}" for i in range(4)]
ROWS = {name: [{"k": k, "value": 0.1 * i + k} for k in range(1 + i)] for i, name in enumerate(NAMES)}
TEXTS = {name: trial_text(name, rows) for name, rows in ROWS.items()}
WHOLE = "".join(TEXTS.values()).encode()
PATH = Path("rows.jsonl")


def assert_only_whole_trials_count(content: bytes) -> None:
    try:
        found = whole_trials(content, PATH)
    except ResultsError:
        return
    assert all(TEXTS[name] == text and text.encode() in content for name, text in found.items())


def test_whole_trials_come_back() -> None:
    assert whole_trials(WHOLE, PATH) == TEXTS
    assert rows_of(WHOLE.decode()) == [{"trial": name, **row} for name in NAMES for row in ROWS[name]]


def test_a_file_cut_anywhere_holds_the_trials_before_the_cut() -> None:
    ends = [len("".join([*TEXTS.values()][:k])) for k in range(5)]
    for cut in range(len(WHOLE)):
        for tail in (b"", b"\0" * 50):
            found = whole_trials(WHOLE[:cut] + tail, PATH)
            assert [*found] == NAMES[: sum(end <= cut for end in ends) - 1]


@given(st.integers(0, len(WHOLE)), st.integers(0, 200), st.binary(max_size=3))
def test_no_damage_passes_for_a_row(start: int, length: int, instead: bytes) -> None:
    assert_only_whole_trials_count(WHOLE[:start] + instead + WHOLE[start + length :])


def test_no_change_of_a_byte_passes_for_a_row() -> None:
    for place in range(len(WHOLE)):
        altered = bytes([WHOLE[place] ^ 1])
        assert_only_whole_trials_count(WHOLE[:place] + altered + WHOLE[place + 1 :])


@pytest.mark.parametrize("content", [b'{"x": 1}\n', b"5\n", b"5", b"null\n", b'"words"\n', b"[1]\n"])
def test_what_is_no_row_is_refused(content: bytes) -> None:
    for before in (b"", WHOLE):
        with pytest.raises(ResultsError, match=r"rows\.jsonl: line \d+ is no row of a study"):
            whole_trials(before + content, PATH)


@pytest.mark.parametrize("gap", [(0, 30), (150, 90), (100, 400)])
def test_what_is_damaged_is_missing_and_the_rest_is_kept(tmp_path: Path, gap: tuple[int, int]) -> None:
    about = {"format": FORMAT, "made_by": {}}
    results = Results(tmp_path, about, NAMES)
    for i, name in enumerate(NAMES):
        results.keep(i, ROWS[name], 0.0)
    path, (start, length) = tmp_path / "rows.jsonl", gap
    path.write_bytes(WHOLE[:start] + WHOLE[start + length :])
    survivors = whole_trials(path.read_bytes(), path)
    results = Results(tmp_path, about, NAMES)
    assert [NAMES[i] for i in results.missing] == [name for name in NAMES if name not in survivors]
    assert results.missing
    for i in results.missing:
        results.keep(i, ROWS[NAMES[i]], 0.0)
    results.close()
    assert path.read_bytes() == WHOLE and not (tmp_path / "spool").exists()


def test_damage_while_a_study_runs_is_told_at_its_end(tmp_path: Path) -> None:
    results = Results(tmp_path, {"format": FORMAT, "made_by": {}}, NAMES)
    for i, name in enumerate(NAMES):
        if i == 2:
            (tmp_path / "rows.jsonl").unlink()
        results.keep(i, ROWS[name], 0.0)
    with pytest.raises(ResultsError, match="2 trials were damaged while the study ran"):
        results.close()
    assert [row["trial"] for row in read_rows(tmp_path)] == [NAMES[2]] * 3 + [NAMES[3]] * 4


@pytest.mark.parametrize("rows", [[], [{"trial": 1}]])
def test_rows_that_could_not_be_found_again_are_refused(rows: list[dict[str, int]]) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        trial_text("a", rows)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("words", "row 0: is a str, wanted a dictionary"),
        ({"accuracy": torch.ones(2)}, "'accuracy' is a Tensor"),
    ],
    ids=["no dictionary", "a tensor"],
)
def test_a_row_that_cannot_be_kept_is_named(row: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trial_text("one", [row])


def test_a_row_may_have_the_keys_of_an_end() -> None:
    text = trial_text("a", [{"end_of": "a", "rows": 1, "checksum": "x"}])
    assert rows_of(text) == [{"trial": "a", "end_of": "a", "rows": 1, "checksum": "x"}]
    assert [*whole_trials(text.encode(), PATH)] == ["a"]
    assert json.loads(text.splitlines()[-1])["rows"] == 1
