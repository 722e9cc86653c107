"""The last reads of a dying teacher: what each plan spends them on."""

from dataclasses import replace

from studies.handing_on import handover

ARGS = replace(handover.TOY, budgets=(64,))


def test_a_plain_plan_reads_every_stimulus_once_at_any_temperature() -> None:
    rows = [r for r in handover.run(handover.Trial(ARGS)) if r["what"] == "heirs"]
    lessons = {r["method"]: r["lessons"] for r in rows}
    for method, (_, reads_of_each) in handover.FIXED.items():
        assert lessons[method] == 64 // reads_of_each
    assert {r["reads"] for r in rows} == {64}
    assert {m for fleet in handover.FLEETS for m in fleet} == set(lessons)


def test_the_planner_is_compared_with_plain_plans_by_teacher() -> None:
    """Two teachers, 10 and 12 points above the plain plan: 11 on average, t(0.975, 1) = 12.706 times 1."""
    scores = {"planner": (0.50, 0.92), "plain, T 1": (0.40, 0.80), "plain, T 0.25": (0.50, 0.92)}
    rows = [{"what": "teacher", "age": 1.0, "accuracy": a} for a in (0.6, 0.95)]
    for method, both in scores.items():
        heirs = {"what": "heirs", "age": 1.0, "budget": 64, "method": method}
        rows += [{**heirs, "accuracy": a, "lost": 0.1, "lessons": 60} for a in both]
    (line,) = handover.table(rows)
    assert line["planner less T 1"] == "11.0 +- 12.7" and line["planner less T 0.25"] == "0.0 (all equal)"
