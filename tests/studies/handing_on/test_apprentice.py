"""An apprentice comes to act as its teacher does, more than a copy of the weights."""

from dataclasses import replace

import pytest

from analog import Mismatched
from studies.handing_on import apprentice


def test_unknown_tasks_are_named() -> None:
    with pytest.raises(ValueError, match="Tetris"):
        apprentice.plan(apprentice.Args(tasks=("Tetris",)))


def test_a_short_practice_already_balances_and_is_handed_on() -> None:
    """With a fifth of the steps and a few lessons; well above the 9 steps of a pole that just falls."""
    args = apprentice.Args(("CartPole-v1",), Mismatched(), apprentices=4, episodes=10, steps=10_000)
    args = replace(args, rounds=2, lessons=100)
    rows = list(apprentice.run(apprentice.Trial(args)))
    mean = {
        what: sum(r["score"] for r in rows if r["what"] == what) / sum(r["what"] == what for r in rows)
        for what in ("teacher", "copy", "apprentice")
    }
    agreed = {
        what: sum(r["agreement"] for r in rows if r["what"] == what) / 4 for what in ("copy", "apprentice")
    }
    assert mean["teacher"] > 60 and mean["apprentice"] > 60
    assert agreed["apprentice"] > agreed["copy"]
