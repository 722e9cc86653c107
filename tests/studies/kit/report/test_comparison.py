"""Two runs side by side: what was asked differently, which lines belong together, and how they differ."""

from studies.kit.report.comparison import agreement, compared_tables, differing_arguments, differing_trials
from studies.kit.run.study import Row

ONE: list[Row] = [
    {"method": "a", "depth": 1, "error %": "5.0 +- 3.0", "fails": "never", "reads": 10},
    {"method": "a", "depth": 2, "error %": "7.0", "fails": "", "reads": 10},
]
OTHER: list[Row] = [
    {"method": "a", "depth": 2, "error %": "6.5", "fails": "at once", "reads": 10},
    {"method": "a", "depth": 1, "error %": "4.0 +- 4.0", "fails": "at 3", "reads": 10},
    {"method": "b", "depth": 1, "error %": "1.0", "fails": "", "reads": 10},
]


def test_lines_are_matched_by_what_tells_them_apart_and_values_subtracted() -> None:
    """By method and depth, which both share; intervals of unpaired means add in squares."""
    lines = compared_tables(ONE, OTHER)
    by_key = {(r["method"], r["depth"], r["quantity"]): r for r in lines}
    assert by_key["a", "1", "error %"]["difference"] == "-1 +- 5"
    assert by_key["a", "2", "error %"]["difference"] == "-0.5"
    assert by_key["a", "1", "reads"]["difference"] == "same"
    assert by_key["a", "1", "error %"]["first"] == "5.0 +- 3.0"
    assert lines[-1] == {"method": "b", "depth": "1", "quantity": "in the second alone"}


def test_tables_that_words_tell_apart_are_not_split_by_results_in_words() -> None:
    one = [{"device": "x", "fails at": "never"}, {"device": "y", "fails at": "1 s"}]
    other = [{"device": "x", "fails at": "1 h"}, {"device": "y", "fails at": "1 s"}]
    differences = [(r["device"], r["quantity"], r["difference"]) for r in compared_tables(one, other)]
    assert differences == [("x", "fails at", "other"), ("y", "fails at", "same")]


def test_differences_that_contain_0_are_counted_among_those_with_an_interval() -> None:
    one = [{"device": d, "right %": "90.0 +- 3.0", "reads": 10} for d in ("x", "y", "z")]
    other = [
        {"device": d, "right %": f"{r} +- 4.0", "reads": 11} for d, r in (("x", 95), ("y", 96), ("z", 84))
    ]
    assert (
        agreement(compared_tables(one, other))
        == "1 of 3 differences of means have an interval that contains 0"
    )
    assert agreement(compared_tables(one[:0], other)) == ""


def test_what_differs_is_said_and_nothing_else() -> None:
    def manifest(seed: int, trials: list[str], digest: str) -> Row:
        made_by = {"study": "s", "seed": seed, "data": "digits", "code_digest": digest}
        return {"made_by": made_by, "seeds": {"trials": trials}, "modules": {"m": digest, "n": "same"}}

    one, other = manifest(0, ["a", "b"], "1"), manifest(1, ["b", "c", "d", "e", "f"], "2")
    assert differing_arguments(one, other) == [
        {"of": "seed", "first": "0", "second": "1"},
        {"of": "code", "first": "", "second": "other: m"},
    ]
    said = "different trials: 1 trials of the first alone (a); 4 trials of the second alone (c, d, e, ...)"
    assert differing_trials(one, other) == said
    assert differing_arguments(one, one) == [] and differing_trials(one, one) == ""
