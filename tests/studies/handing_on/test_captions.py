"""What the captions study tells, what it keeps from heirs, and what its table pairs."""

from typing import Any

import pytest
import torch

from distill import HardLabels, SoftLabels
from learners import Batch
from studies.handing_on import captions


def trial(case: captions.Case, teacher: int = 0, **words: Any) -> captions.Trial:
    return captions.Trial(captions.Args(scenes=400, heirs=1, hidden=8, steps=2, **words), case, teacher)


def test_every_class_has_words_of_its_own_and_is_missing_once() -> None:
    for case, classes in (("scenes", 100), ("digits", 10)):
        tasks = [captions.task(trial(case, t)) for t in range(5)]  # type: ignore[arg-type]
        spelling = tasks[0].spelling
        assert len({tuple(words) for words in spelling.tolist()}) == len(spelling) == classes
        assert int(spelling.max()) + 1 == tasks[0].vocabulary
        unseen = torch.stack([task.unseen for task in tasks])
        assert unseen.sum(0).tolist() == [1] * classes and unseen.sum(1).tolist() == [classes // 5] * 5


def test_every_word_is_heard_of_scenes_although_pairs_are_not() -> None:
    subject = captions.task(trial("scenes", 2))
    heard = subject.spelling[~subject.unseen]
    for place in range(2):
        assert torch.bincount(heard[:, place]).tolist() == [8] * 10


def test_no_lesson_shows_an_unseen_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings hold no stimulus of theirs, and bits are those of words or of the class."""
    studied: list[Batch] = []

    def spy(trial: Any, port: Any, examples: Batch, *rest: Any) -> None:
        del trial, port, rest
        studied.append(examples)

    monkeypatch.setattr(captions, "_study", spy)
    one = trial("scenes", answers=(HardLabels(), SoftLabels(10.0)), lessons=(16,))
    rows = [r for r in captions.run(one) if r["what"] == "heirs"]
    subject = captions.task(one)
    train = subject.data.train
    shown = {tuple(x) for x in train.x[~subject.unseen[train.target]].tolist()}
    recordings = [e for e in studied if len(e.x) < len(train.x)]
    assert len(recordings) == len(rows) == 12
    assert all({*map(tuple, e.x.tolist())} <= shown for e in recordings)
    each = {(r["told"], r["answers"]): r["bits"] / r["lessons"] for r in rows}
    assert each["words", "HardLabels"] == 8 and each["class", "HardLabels"] == 7
    soft = "SoftLabels(temperature=10.0)"
    assert each["words", soft] == 32 * 18 and each["class", soft] == 32 * 99


def test_other_data_are_refused() -> None:
    with pytest.raises(ValueError, match="has 4 classes, wanted ten digits"):
        captions.task(trial("digits", data="studies.kit.data.four_classes:digits"))


def test_words_are_paired_with_the_class_by_teacher() -> None:
    rows = [
        {"what": "teacher", "case": "scenes", "knows words": True, "seen": [0.9], "trial": t} for t in (0, 1)
    ]
    for told, scores in (("words", (0.8, 0.9)), ("class", (0.5, 0.7))):
        for t, score in enumerate(scores):
            told_by = {"what": "heirs", "case": "scenes", "told": told, "answers": "HardLabels", "trial": t}
            sent = {"asked": "all", "lessons": 10, "bits": 80}
            rows.append({**told_by, **sent, "seen": [score], "unseen": [0.0]})
    words, classes = captions.table(rows)
    assert words["seen of all over class"].startswith("25.00") and words["bits each"] == "8"
    assert classes["seen of all over class"] == "" and classes["seen % of all"].startswith("60.00")
    assert words["bits to 80%"] == "80" and classes["bits to 80%"] == ""
