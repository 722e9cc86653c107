"""Figures of tuned trainings."""

from studies.kit.report.hyperparameter_courses import ends_by_start, hyperparameter_courses

ROWS = [
    {"tuned by": way, "start": start, "seed": seed, "step": step, "learning_rate": start * step, "beta": 0.9}
    for way in ("nothing", "ours")
    for start in (0.1, 1.0)
    for seed in range(2)
    for step in (1, 2, 3)
]


def test_there_is_a_panel_for_each_number_and_way_and_a_line_for_each_start() -> None:
    axes = hyperparameter_courses(ROWS, {"learning_rate": "rate", "beta": "momentum"}).axes
    assert [axis.get_title() for axis in axes] == ["nothing", "ours"] * 2
    assert [axis.get_ylabel() for axis in axes] == ["rate"] * 2 + ["momentum"] * 2
    assert [axis.get_yscale() for axis in axes] == ["log"] * 2 + ["linear"] * 2
    means = [list(line.get_ydata()) for line in axes[1].lines if line.get_label()[0] != "_"]
    assert means == [[0.1, 0.2, 0.1 * 3], [1.0, 2.0, 3.0]]


def test_there_is_a_line_for_each_way_by_where_training_began() -> None:
    ends = [r for r in ROWS if r["step"] == 3]
    (axis,) = ends_by_start(ends, lambda r: 10 * r["learning_rate"], ylabel="tenths").axes
    lines = [line for line in axis.lines if str(line.get_label())[0] != "_"]
    assert [line.get_label() for line in lines] == ["set by nothing", "set by ours"]
    assert [list(line.get_xdata()) for line in lines] == [[0.1, 1.0]] * 2
    assert [[round(y, 6) for y in line.get_ydata()] for line in lines] == [[3.0, 30.0]] * 2
    assert (axis.get_ylabel(), axis.get_xscale(), axis.get_yscale()) == ("tenths", "log", "linear")


def test_of_no_rows_it_is_empty() -> None:
    assert len(ends_by_start([], lambda r: 0.0).axes) == 1
    assert len(hyperparameter_courses([], {"learning_rate": "rate"}).axes) == 1
