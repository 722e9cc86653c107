"""Every technology teaches every one, the same fresh chips each, and is copied only onto its own."""

from dataclasses import replace

from analog.devices import Hopfield, Resistive
from studies.handing_on.technologies import TOY, plan, run, table


def test_every_pair_is_taught_the_same_chips_and_copies_stay_within_a_technology() -> None:
    args = replace(TOY, devices=(Hopfield(), Resistive()), epochs=0.05)
    trials = plan(args)
    rows = [row for trial in trials for row in run(trial)]
    pairs: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if row["what"] == "heir":
            pairs.setdefault((row["of"], row["device"]), []).append(row["chip"])
    assert len(pairs) == 4 and {tuple(chips) for chips in pairs.values()} == {(1, 2)}
    assert all(row["of"] == row["device"] for row in rows if row["what"] != "heir")
    assert {row["chip"] for row in rows if row["what"] == "teacher"} == {0}
    lines = table(rows)
    assert [bool(line["copies right %"]) for line in lines] == [True, False, False, True]
    heirs = [row for row in rows if row["what"] == "heir"][:2]
    behind = sum(100 * (row["teacher_accuracy"] - row["accuracy"]) for row in heirs) / 2
    assert lines[0]["points behind"].startswith(f"{behind:.2f}")
