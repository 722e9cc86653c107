"""What the community study promises of its rows: like measurements, and bits that can be recounted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.handing_on import community
from studies.kit.recipes.training_size import LARGE, SMALL
from studies.kit.run.runner import plan_trials

ARGS = community.Args(chips=(1, 3), communities=1, epochs=1, hidden=4)


def ends(args: community.Args) -> dict[tuple[str, int], dict[str, Any]]:
    rows = [r for t in community.plan(args) for r in community.run(t) if r["what"] == "end"]
    return {(r["method"], r["chips"]): r for r in rows}


def test_every_mortal_chip_measures_as_much_and_every_bit_can_be_recounted() -> None:
    """A batch of 64 at 5 readings each, 22 times; 3 chips show 21 images each, and 65 x 4 + 5 x 10 knobs."""
    made = ends(ARGS)
    budget, a_round = 22 * 64 * 5, (22 + 2 * 21) * 5 + 21
    for (method, _), row in made.items():
        if method in ("everything", "alone", "community"):
            assert budget - a_round < row["reads"] <= budget
    ours = made["community", 3]
    assert ours["lessons"] == 2 * 21 * ours["step"] and ours["step"] == budget // a_round
    answers = (2 + 1) * 21 * ours["step"] * (4 * 10 + 11)  # heard and sent; 11 bits tell 1,437 images apart
    images = ours["bits"] - answers
    assert images % (8 * 64) == 0 and 0 < images <= 1437 * 8 * 64
    for method, times in (("gradients", round(0.3 * 22)), ("weights", 8)):  # 22 steps, averaged every third
        assert made[method, 3]["bits"] == 2 * 32 * (65 * 4 + 5 * 10) * times and made[method, 1]["bits"] == 0


def test_a_community_of_one_is_a_chip_alone() -> None:
    made = ends(community.Args(methods=("alone", "community"), chips=(1,), communities=1, epochs=1, hidden=4))
    assert {**made["alone", 1], "method": ""} == {**made["community", 1], "method": ""}


@given(
    chips=st.integers(1, 70),
    examples=st.integers(1, 5000),
    peers=st.none() | st.integers(1, 69),
    size=st.sampled_from([SMALL, LARGE]),
)
def test_own_examples_and_lessons_fill_a_batch(
    chips: int, examples: int, peers: int | None, size: Any
) -> None:
    """As far as the shard goes, and while every sender can show at least one image."""
    if peers is not None and peers >= chips:
        return
    settings = community.settings_of_round(community.Args(peers=peers), size, chips, examples)
    heard = settings.lessons_per_round(chips)
    assert (heard == 0) == (chips == 1)
    if settings.own_examples < examples and heard < size.batch:
        assert settings.own_examples + heard == size.batch


def test_no_chips_are_refused() -> None:
    with pytest.raises(ValueError, match="--chips is 0; wanted a whole number of at least 1"):
        plan_trials(community, community.Args(chips=(0,)))


def test_less_bandwidth_sends_less_by_everyone_who_sends_and_stands_in_lines_of_its_own() -> None:
    args = community.Args(chips=(1, 3), communities=1, epochs=1, hidden=4, bandwidths=(0.3, 1.0))
    trials = community.plan(args)
    assert len({t.name for t in trials}) == len(trials)
    assert {t.bandwidth for t in trials if t.method in ("everything", "alone") or t.chips == 1} == {1.0}
    rows = [r for t in trials for r in community.run(t)]
    sent = {(r["method"], r["bandwidth"]): r["bits"] for r in rows if r["what"] == "end" and r["chips"] == 3}
    for method in community.WHO_SEND:
        assert 0 < sent[method, 0.3] < 0.6 * sent[method, 1.0]
    lines = community.table(rows)
    assert [(line["chips"], line["bandwidth"]) for line in lines] == [(1, 1.0), (3, 0.3), (3, 1.0)]
    assert lines[1]["everything %"] == lines[2]["everything %"] and "community" in community.figures(rows)
