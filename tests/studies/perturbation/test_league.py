"""The league: settings by class of device, what could not be run in words, ranks, and a stranger's row."""

from dataclasses import replace
from typing import Any

import pytest

from analog import Chip, Ideal, Mismatched, mlp
from analog.devices import ZOO, CapacitorCell, Hopfield, LinearECRAM, Resistive, SoftBoundsRRAM
from learners import Descent, NodePerturbation, adam
from learners.data import load_data
from learners.evaluation import predict
from studies.kit.recipes.equal_reads import scores
from studies.kit.recipes.methods import NAMES
from studies.kit.recipes.technologies import SHARPNESS, device_class, output_gain
from studies.kit.report.board import board_table
from studies.perturbation import league
from tests.studies.test_main import command

HERE = "tests.studies.perturbation.test_league"


def rows_of(args: league.Args) -> list[Any]:
    return [row for trial in league.plan(args) for row in league.run(trial)]


def mine(loss: Any, *, size: float = 0.1) -> Descent:
    return Descent(NodePerturbation(size, 2), adam(0.01), loss)


def test_devices_fall_into_classes_by_how_finely_they_are_written() -> None:
    wanted = {Ideal(): "smooth", Mismatched(): "smooth", LinearECRAM(): "pulsed", SoftBoundsRRAM(): "coarse"}
    wanted |= {LinearECRAM(step=0.2): "coarse", Hopfield(): "relaxing", Resistive(): "relaxing"}
    for device, kind in wanted.items():
        assert device_class(device) == kind


def test_by_default_all_learners_meet_all_devices_each_class_by_settings_of_its_own() -> None:
    trials = league.plan(league.Args())
    assert {(t.kind, t.learner) for t in trials} == {(t.kind, n) for t in trials for n in NAMES}
    assert {d for t in trials for d in t.devices} == {Mismatched(), *ZOO, Hopfield(), Resistive()}
    assert all(device_class(t.model) == t.kind for t in trials)
    (alone,) = league.plan(
        replace(league.TOY, devices=(Resistive(),), tuned_on=(Ideal(),), learners=("SPSA",))
    )
    assert alone.model == Resistive()  # none of its class to be tuned on


def test_settings_chosen_on_one_device_are_used_on_all_of_its_class() -> None:
    args = replace(league.TOY, devices=(Ideal(), Mismatched()), learners=("node perturbation",), tries=4)
    first, *rest = rows_of(args)
    assert first["what"] == "settings" and first["device"].endswith("Mismatched") and first["tries"] == 4
    ends = [row for row in rest if row["what"] == "end"]
    assert [row["device"].rpartition(":")[2] for row in ends] == ["Ideal", "Mismatched"]
    for row in ends:
        assert all(row[k] == first[k] for k in ("learning_rate", "size", "write_threshold"))


def test_what_cannot_be_run_is_said_in_words() -> None:
    args = replace(league.TOY, learners=("measured feedback", "node perturbation"), access="outputs")
    for row, needs in zip(rows_of(args), ("spans without", "taps with"), strict=True):
        assert row["what"] == "not run" and row["done"] == 1.0
        assert f"needs {needs} node probes, these wires give outputs with node probes" in row["why"]
    dear = replace(league.TOY, learners=("node perturbation",), reads=100)
    assert rows_of(dear)[0]["why"].endswith("a step takes about 320 reads, there are 100 in all")
    assert [line["why not"] for line in league.table(rows_of(dear))] == [rows_of(dear)[0]["why"]]


def test_a_cell_that_leaks_knows_nothing_after_a_day() -> None:
    args = replace(league.TOY, devices=(CapacitorCell(),), learners=("exact gradient",), tries=1, reads=6_400)
    end = rows_of(args)[-1]
    assert min(end["accuracy"]) > 0.4 and max(end["after_a_day"]) < 0.3


def end_row(learner: str, score: float, **more: Any) -> dict[str, Any]:
    row = {"what": "end", "class": "smooth", "device": "a:One", "learner": learner, "access": "taps"}
    row |= {"update": "its own", "delta_rule": False, "learning_rate": None, "size": None}
    scores = {key: [score, score] for key in ("accuracy", "within_pulses", "within_joules")}
    return row | scores | {"after_a_day": [1 - score] * 2} | more


def test_every_column_is_ranked_by_itself_and_the_x_ray_stands_outside() -> None:
    best = end_row("exact gradient", 0.95, access="x-ray")
    rows = [end_row("a", 0.8), best, end_row("b", 0.9), end_row("dead", 0.0, accuracy=[], died="worn out")]
    ranks = {
        line["learner"]: (line["at all reads"][-3:], line["after a day"][-3:]) for line in board_table(rows)
    }
    assert [*ranks] == ["exact gradient", "b", "a", "dead"]
    assert ranks["b"] == ("(1)", "(3)") and ranks["a"] == ("(2)", "(2)") and ranks["dead"][0] == "(3)"
    assert ranks["exact gradient"] == ("(-)", "(-)")
    both = [*rows, end_row("b", 0.7, device="a:Two"), end_row("a", 0.8, device="a:Two")]
    means = {r["learner"]: r["at all reads"] for r in board_table(both) if r["class"] == "(feed-forward)"}
    assert means == {
        "exact gradient": "95.0 (-)",
        "b": "80.0 (1.5)",
        "a": "80.0 (1.5)",
        "dead": "0.0 (3.0)",
    }
    counts = [line["device"] for line in board_table(both)[:4]]
    assert counts == ["1 device", "2 devices", "2 devices", "1 device"]
    apart = [end_row("b", 0.2, device=f"a:{name}") | {"class": "relaxing"} for name in ("Three", "Four")]
    (relaxing,) = [line for line in board_table([*both, *apart]) if line["class"] == "(relaxing)"]
    assert (relaxing["device"], relaxing["at all reads"]) == ("2 devices", "20.0 (1.0)")


def test_a_regression_is_judged_by_what_it_explains() -> None:
    """Chips of small outputs are judged behind their digital gain; what does harm counts as nothing."""
    args = replace(league.TOY, data="friedman1", devices=(Ideal(),), learners=("exact gradient",))
    *_, end = rows_of(replace(args, reads=20_000, tries=1))
    assert min(end["accuracy"]) > 0.6
    data, chip = load_data("friedman1", values=True), Chip(Hopfield(read_noise=0.0), mlp(10, 4, 1), 1)
    truth = data.test._replace(target=SHARPNESS * predict(chip.port(), data.test.x))
    assert scores(chip.port(), data._replace(test=truth), output_gain(chip.device)) == [1.0]
    assert scores(chip.port(), data._replace(test=truth))[0] < 0.9
    (line,) = board_table([end_row("harmful", -7.0)])
    assert line["at all reads"].startswith("0.00")


def test_what_could_not_be_run_for_one_reason_stands_in_one_line() -> None:
    why = {"what": "not run", "class": "smooth", "learner": "a", "why": "no taps"}
    (line,) = board_table([{**why, "device": "a:One"}, {**why, "device": "a:Two"}])
    assert (line["device"], line["why not"]) == ("One, Two", "no taps")


def test_a_strangers_learner_is_tuned_alike_and_gets_its_row_by_one_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    words = ["league", "--learners", f"{HERE}:mine", "--devices", "analog:Mismatched", "--reads", "1000"]
    words += ["--hidden", "4", "--chips", "2", "--tuning-chips", "1", "--tries", "2", "--points", "2"]
    monkeypatch.setenv("COLUMNS", "250")
    assert command(monkeypatch, *words, "--out", str(tmp_path / "out")) == 0
    shown = capsys.readouterr().out
    assert "mine" in shown and "taps with node probes" in shown and "(1)" in shown
