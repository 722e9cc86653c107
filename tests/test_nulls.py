"""The two-stage rule on true laws."""

from tests import nulls


def test_the_sampled_checks_alarm_as_seldom_as_they_say() -> None:
    """A few repetitions of `python -m tests.nulls`; a true law refused raises an error there."""
    counts = [nulls.repetition(seed) for seed in (1, 2)]
    assert sum(c.both for c in counts) == 0
    assert sum(c.means for c in counts) > 3000
    assert sum(c.first for c in counts) < 20  # 4 expected
