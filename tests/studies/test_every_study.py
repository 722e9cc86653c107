"""Every study at the toy size that it carries itself."""

import json
import pickle
from collections.abc import Sequence

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from studies.kit.report.figures import finish, has_data, style
from studies.kit.run.catalog import catalog, import_study
from studies.kit.run.manifest import manifest

NAMES = [*catalog()]


@pytest.mark.parametrize("name", NAMES)
def test_every_study_runs_at_toy_size(name: str) -> None:
    """It can be described; a trial run by itself gives the rows that it gave in the order of the plan."""
    study = import_study(name)
    args = study.TOY
    trials = study.plan(args)
    json.dumps(manifest(study, args, 1, [t.name for t in trials]))
    assert pickle.loads(pickle.dumps(trials)) == trials
    rows = [{"trial": t.name, **row} for t in trials for row in study.run(t)]
    json.dumps(rows)
    shares = [r["done"] for r in rows if r["trial"] == trials[0].name and "done" in r]
    assert shares == sorted(shares) and shares[-1] == 1.0
    if name != "speed":  # which measures time
        last = [{"trial": trials[-1].name, **row} for row in study.run(trials[-1])]
        first = [row for row in rows if row["trial"] == trials[-1].name]
        clocks = {"cpu_seconds": 0, "wall_seconds": 0}
        assert [row | clocks for row in first] == [row | clocks for row in last]
    assert study.table(rows)
    with style():
        for figure in study.figures(rows).values():
            require_fit_for_a_paper(figure)
    of_first = [row for row in rows if row["trial"] == trials[0].name]
    for some in ([], of_first):  # a run that is not finished
        study.table(some)
        study.figures(some)


def require_fit_for_a_paper(figure: Figure) -> None:
    """Data, axes with names, none beyond the edge, no legend over data, a note that says what marks are."""
    finish(figure, "device: Mismatched; data: digits; seed: 0")
    figure.draw_without_rendering()
    panels = [axis for axis in figure.axes if axis.axison]
    assert len(figure.get_supxlabel().splitlines()) >= 2
    edge = figure.bbox.padded(1)
    for axis in panels:
        ticks_are_words = _are_words(axis.get_yticklabels())
        ticks_are_words |= axis.yaxis.get_tick_params()["labelleft"] is False  # shared with its neighbor
        assert axis.get_ylabel() or ticks_are_words
        assert axis.get_xlabel() or _are_words(axis.get_xticklabels())
        assert has_data(axis) or "no rows yet" in [text.get_text() for text in axis.texts]
        for label in (axis.xaxis.label, axis.yaxis.label, axis.title):
            box = label.get_window_extent()
            assert not label.get_text() or (edge.x0 <= box.x0 and box.x1 <= edge.x1), label.get_text()
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert all(box.x0 >= axis.bbox.x1 - 1 for axis in panels)


def _are_words(ticks: Sequence[Text]) -> bool:
    """Whether an axis is one of categories."""
    return any(any(c.isalpha() for c in tick.get_text()) for tick in ticks)
