"""Schedules of a residual network, by hand and by towers."""

from dataclasses import replace

import pytest
import torch

from studies.optimizers import towers_resnet

ARGS = towers_resnet.TOY
STEPS = 8


def drives(tuned_by: towers_resnet.TunedBy) -> list[float]:
    """What a knob moves by at each step, of a gradient that is 1 at the first and 0 later."""
    update = towers_resnet.update(towers_resnet.Trial(ARGS, tuned_by), STEPS)
    state, moves = update.init((torch.zeros(1, 1, 1),)), []
    for step in range(STEPS):
        (drive,), state = update.step((torch.full((1, 1, 1), float(step == 0)),), state)
        moves.append(float(drive))
    return moves


def test_the_schedule_made_by_hand_divides_by_ten_at_a_half_and_at_three_quarters() -> None:
    alone, scheduled = drives("nothing"), drives("step schedule")
    shares = [theirs / mine for theirs, mine in zip(scheduled, alone, strict=True)]
    assert shares == pytest.approx([1] * 4 + [0.1] * 2 + [0.01] * 2)
    assert alone == pytest.approx([-0.1 * 0.9**step for step in range(STEPS)])


def test_the_rate_of_a_schedule_stands_in_its_rows() -> None:
    args = replace(ARGS, points=100)
    *curve, end = towers_resnet.run(towers_resnet.Trial(args, "step schedule"))
    rates = [row["learning_rate"] for row in curve]
    assert sorted({*rates}, reverse=True) == pytest.approx([0.1, 0.01, 0.001])
    assert end["learning_rate"] == rates[-1] and end["beta"] == 0.9


def test_a_tower_moves_the_rate_and_the_momentum() -> None:
    *_, end = towers_resnet.run(towers_resnet.Trial(replace(ARGS, epochs=2.0), "ours", 0.01))
    assert end["learning_rate"] > 5e-3 and end["beta"] != pytest.approx(0.9, abs=1e-5)


def test_a_network_whose_numbers_are_lost_still_has_an_error() -> None:
    *_, end = towers_resnet.run(towers_resnet.Trial(ARGS, "nothing", 1e30))
    assert 0.8 < end["error"] < 1


def test_the_table_pairs_networks_with_the_schedule_from_the_usual_rate() -> None:
    rows = [
        {"what": "end", "tuned by": way, "start": start, "seed": n, "error": error + 0.1 * n}
        | {"learning_rate": 0.5 * start, "beta": 0.9}
        for way, start, error in (
            ("step schedule", 0.1, 0.3),
            ("step schedule", 1.0, 0.6),
            ("ours", 1.0, 0.32),
        )
        for n in range(2)
    ]
    tower = towers_resnet.table(rows)[-1]
    assert tower["points behind the schedule from .1"] == "2.00 (all equal)"
    assert tower["highest rate"] == "1"
