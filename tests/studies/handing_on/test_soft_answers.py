"""What two chips say of the same images besides the label."""

import torch

from analog import stream
from studies.handing_on.soft_answers import agreement, runner_ups


def answers(seed: int, strength: float) -> torch.Tensor:
    """Of 400 images of label 2: a part that is the image's, and a part that is the chip's."""
    shared = torch.randn(400, 5, generator=stream(0, "image"), dtype=torch.float64)
    own = torch.randn(400, 5, generator=stream(0, "chip", seed), dtype=torch.float64)
    logits = strength * shared + own
    logits[:, 2] += 20.0
    return logits.softmax(-1)


def test_chips_that_see_the_same_agree_and_strangers_do_so_by_chance() -> None:
    same, strangers = (agreement(answers(0, s), answers(1, s), 2) for s in (3.0, 0.0))
    assert same["agree"] > 2 * same["by chance"] and same["correlation"] > 0.7
    assert abs(strangers["agree"] - strangers["by chance"]) < 0.11  # five standard errors of 400 images
    assert abs(strangers["correlation"]) < 0.13  # of four classes
    itself = agreement(answers(0, 0.0), answers(0, 0.0), 2)
    assert itself["agree"] == 1.0 and abs(itself["correlation"] - 1) < 1e-6


def test_the_runner_up_is_never_the_label() -> None:
    found = runner_ups(answers(0, 1.0), 2)
    assert 2 not in found.tolist() and len(set(found.tolist())) == 4
