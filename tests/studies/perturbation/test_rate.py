"""The study of rates: equal reads are equal, what blows up is said to, and small rates keep together."""

from dataclasses import replace
from statistics import fmean

from learners.data import load_data
from studies.perturbation import rate

ARGS = rate.Args(chips=2, hidden=4, steps=64, rates=(0.25, 1 / 64), way=1.0)


def test_methods_end_at_as_many_reads_and_meet_at_as_many_steps() -> None:
    args = replace(ARGS, steps=6, rates=(0.25,), hidden=3)
    rows = [row for trial in rate.plan(args) for row in rate.run(trial)]
    ends = {r["method"]: r for r in rows if r["what"] == "end"}
    assert {r["reads"] for r in ends.values()} == {6 * 64 * 5}
    assert ends["exact gradient"]["step"] == 30 and ends["node perturbation"]["step"] == 6
    assert all(any(r["step"] == 6 for r in rows if r["method"] == method) for method in ends)


def test_a_rate_that_is_too_large_is_given_up_and_said_to_blow_up() -> None:
    rows = list(rate.run(rate.Trial(ARGS, "weight perturbation", 1e4)))
    assert rows[-1]["what"] == "end" and rows[-1]["loss"] is None and rows[-1]["done"] == 1.0
    small = list(rate.run(rate.Trial(ARGS, "weight perturbation", 1 / 64)))
    lines = rate.table([*rows, *small])
    assert "blew up" in lines[0].values() and "blew up" not in lines[1].values()


def test_the_smaller_the_rate_the_nearer_perturbation_keeps_to_the_exact_gradient() -> None:
    """After the same way, on every chip; in the mean a sixteenth of the rate leaves about a quarter."""
    data, args = load_data("digits"), replace(ARGS, chips=6)
    near, far = (rate._separation(rate.Trial(args, "node perturbation", r), data) for r in (1 / 64, 0.25))
    assert near is not None and far is not None
    assert all(n < f for n, f in zip(near, far, strict=True)) and 2.5 < fmean(far) / fmean(near) < 8


def test_a_way_that_is_not_made_is_not_compared() -> None:
    data = load_data("digits")
    assert rate._separation(rate.Trial(ARGS, "node perturbation", 1 / 256), data) is None  # 256 steps of 64
    assert (
        rate._separation(rate.Trial(ARGS, "node perturbation", 4.0), data) is None
    )  # the first step is past it
