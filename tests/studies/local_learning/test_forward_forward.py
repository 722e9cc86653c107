"""Forward-forward: settings can be judged on images that nobody else sees."""

from dataclasses import replace

import pytest

from analog import Ideal
from learners.data import held_out, load_data
from studies.local_learning import forward_forward

ARGS = replace(forward_forward.TOY, devices=(Ideal(),), methods=("labels",), epochs=0.1, shifts=(0, 1))


@pytest.mark.parametrize("is_held_out", [False, True])
def test_errors_are_shares_of_the_images_that_the_row_says(is_held_out: bool) -> None:
    """A fifth of the 1,437 training images, or the 360 of the test."""
    data = load_data("digits")
    judged = held_out(data).test if is_held_out else data.test
    trial, _ = forward_forward.plan(replace(ARGS, held_out=is_held_out))
    *_, end = forward_forward.run(trial)
    assert end["measured on"] == ("held-out images" if is_held_out else "test images")
    for share in (*end["goodness"], *end["readout"]):
        assert share * len(judged.x) == pytest.approx(round(share * len(judged.x)), abs=1e-3)


def test_numbers_of_shifts_stand_side_by_side() -> None:
    rows = [r for t in forward_forward.plan(ARGS) for r in forward_forward.run(t)]
    without, shifted = forward_forward.table(rows)
    assert (without["shifts"], shifted["shifts"]) == (0, 1)
    assert without["by read-out"] != shifted["by read-out"]
