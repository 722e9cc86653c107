"""Chips that relax are compared with one thing varied at a time, and nothing that a device has not."""

from analog.devices import Hopfield, Resistive
from studies.local_learning.relaxing import TOY, VARIED, Args, Trial, figures, plan, table


def test_one_thing_is_varied_at_a_time_and_nothing_that_a_device_has_not() -> None:
    args = Args(learners=("exact gradient",))
    trials = plan(args)
    assert len({t.name for t in trials}) == len(trials)
    for base in (Hopfield(), Resistive()):
        nothing, *others = (t for t in trials if t.base == base)
        assert nothing.varied == "" and nothing.device == base
        for trial in others:
            changed = {k for k in VARIED if trial.settings[k] != nothing.settings[k]}
            assert changed == {trial.varied} and trial.settings[trial.varied] == trial.value
    assert not any(t.varied == "skew_dtod" for t in trials if t.base == Resistive())
    assert {t.value for t in trials if t.varied == "read_noise" and t.base == Hopfield()} == {0, 0.1, 0.3}


def test_converters_are_apart_in_the_wires_and_not_in_the_device() -> None:
    trial = Trial(TOY, Hopfield(), "converters", 0.1)
    assert trial.device == Hopfield() and trial.settings["converters"] == 0.1


def test_a_line_is_paired_with_the_first_learner_of_its_own_case() -> None:
    def row(learner: str, varied: str, value: float, accuracy: list[float]) -> dict[str, object]:
        base = dict.fromkeys(VARIED, 0.0) | ({varied: value} if varied else {})
        about = {"what": "end", "device": "analog.devices:Hopfield", "varied": varied, **base}
        return about | {
            "learner": learner,
            "accuracy": accuracy,
            "size": None,
            "learning_rate": 0.1,
            "access": "taps",
        }

    rows = [
        row("one", "", 0.0, [0.5, 0.7]),
        row("two", "", 0.0, [0.4, 0.6]),
        row("one", "converters", 0.1, [0.3, 0.3]),
        row("two", "converters", 0.1, [0.5, 0.5]),
    ]
    assert [line["less the first's"] for line in table(rows)] == [
        "",
        "-10.00 (all equal)",
        "",
        "20.00 (all equal)",
    ]
    assert [line["varied"] for line in table(rows)] == ["", "", "converters 0.1", "converters 0.1"]
    (figure,) = figures(rows).values()
    assert [len(axis.lines) for axis in figure.axes] == [4]  # a mean and dots for each learner
