"""Chips that read parts of a text: what fills a batch, and what twins send."""

import torch

from studies.language import language_halves
from studies.language.language_halves import Args, Trial, _parts, settings_of_round
from studies.language.text_chips import text_task

FEW = Args(data="markov", context=3, hidden=(6,), steps=4, batch=64)


def test_a_batch_is_own_examples_and_lessons_of_the_others() -> None:
    for chips in (1, 2, 3, 5):
        for lessons in (0.0, 0.3, 0.5, 1.0):
            settings = settings_of_round(Args(batch=512, lessons=lessons), chips)
            heard = settings.lessons_per_round(chips)
            assert settings.own_examples + heard == 512
            assert (heard > 0) == (chips > 1 and lessons > 0)


def test_parts_are_stretches_of_the_text_that_nobody_shares() -> None:
    task = text_task("markov", FEW)
    parts = _parts(task, 2)
    assert torch.equal(parts.x.flatten(0, 1), task.data.train.x[: 2 * parts.x.shape[1]])


def test_twins_send_their_gradients_there_and_back() -> None:
    """Layers of 6 x 25 and 8 x 7 knobs, 32 bits each, both ways, in each of 4 steps."""
    rows = list(language_halves.run(Trial(FEW, "averaging gradients")))
    assert rows[-1]["bits"] == 4 * 2 * 32 * (6 * 25 + 8 * 7)
    assert all(row["bits"] == 0 for row in language_halves.run(Trial(FEW, "alone")))
