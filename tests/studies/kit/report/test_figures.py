"""Figures say where there is nothing, mark what stands alone, and can be read."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure

from studies.kit.report.figures import (
    FEW,
    PALETTE,
    chip_dots,
    course,
    draw_figures,
    finish,
    has_data,
    legend,
    looks,
    panels,
    style,
)
from studies.kit.run.study import Row


def test_looks_are_apart_in_color_and_marker_or_dash() -> None:
    names = [f"method {k}" for k in range(20)]
    shown = looks([*names, *names])
    assert [*shown] == names
    assert len({(s["color"], s["marker"], s["ls"]) for s in shown.values()}) == len(names)
    first = [*shown.values()][: len(PALETTE)]
    assert len({s["marker"] for s in first}) == len(first)  # color is never the only distinction


def test_an_empty_panel_says_so_and_a_lone_point_is_marked() -> None:
    figure, (empty, lone, full) = panels(3)
    empty.axhline(1.0)
    empty.plot([], [])
    (line,) = lone.plot([5.0, float("nan")], [2.0, 1.0])
    (course_of_two,) = full.plot([1, 2], [1, 2])
    finish(figure)
    assert [text.get_text() for text in empty.texts] == ["no rows yet"] and not has_data(empty)
    assert not lone.texts and line.get_marker() == "o" and course_of_two.get_marker() == "None"


@pytest.mark.parametrize(("low", "high"), [(3.0, 9.0), (0.7, 60.0), (11.0, 13.0), (0.01, 99.0), (2.0, 2.2)])
def test_percent_axes_have_ticks_in_plain_numbers(low: float, high: float) -> None:
    with style():
        figure, (axis,) = panels()
        axis.plot([1, 2], [low, high])
        axis.set(yscale="log", ylabel="test error, %")
        finish(figure)
        figure.draw_without_rendering()
    bottom, top = axis.get_ylim()
    ticks = [
        t.get_text()
        for p, t in zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)
        if bottom <= p <= top
    ]
    assert 2 <= len(ticks) <= 12 and all(abs(float(t)) < 1e4 for t in ticks)
    assert not any(t.get_text() for t in axis.get_yticklabels(minor=True))


def test_few_chips_are_dots_and_many_have_an_interval() -> None:
    _, (few, many) = panels(2)
    course(few, {1: [1.0, 2.0], 2: [2.0, 3.0]}, color="black")
    course(many, {1: [1.0] * FEW, 2: [2.0, 4.0] * FEW, 3: []}, color="black")
    assert len(few.lines) == 2 and not few.collections
    assert len(many.lines) == 1 and len(many.collections) == 1
    assert [*many.lines[0].get_ydata()] == [1.0, 3.0]


def test_every_chip_is_a_dot_beside_the_mean() -> None:
    _, (axis,) = panels()
    chip_dots(axis, 0, [1.0, 2.0, 6.0], color="black", marker="o")
    chip_dots(axis, 1, [])
    assert [*axis.lines[0].get_ydata()] == [1.0, 2.0, 6.0] and axis.lines[1].get_ydata()[0] == 3.0


def test_a_legend_stands_beside_the_panels_and_names_each_once() -> None:
    with style():
        figure, axes = panels(2)
        for axis in axes:
            axis.plot([1, 2], label="a long name of a method of ours")
        legend(figure)
        figure.draw_without_rendering()
    (box,) = figure.legends
    assert len(box.get_texts()) == 1
    assert all(box.get_window_extent().x0 >= axis.bbox.x1 for axis in axes)
    assert box.get_window_extent().x1 <= figure.bbox.x1


def test_figures_are_kept_as_png_and_svg_with_their_origin(tmp_path: Path) -> None:
    def figures(rows: Sequence[Row]) -> dict[str, Figure]:
        figure, (axis,) = panels()
        axis.plot([r["x"] for r in rows])
        return {"mine": figure}

    drawn: Any = SimpleNamespace(figures=figures, __name__="mine")
    paths = draw_figures(drawn, [{"x": 1}, {"x": 2}], tmp_path, "device: Mismatched")
    assert [path.name for path in paths] == ["mine.png", "mine.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG") and b"<dc:date>" not in paths[1].read_bytes()
    drawn = SimpleNamespace(figures=lambda rows: [], __name__="mine")
    with pytest.raises(ValueError, match="mine: figures returns a dictionary"):
        draw_figures(drawn, [], tmp_path)
