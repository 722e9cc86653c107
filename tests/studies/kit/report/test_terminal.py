"""Tables are shown whole, wherever they are printed."""

import io
import re

import pytest
from rich.console import Console

from studies.kit.report.terminal import TimeLeft, print_rows, progress_of

ROWS = [{f"column {k}": f"{k}.123456789" for k in range(17)}, {"column 3": "[bold]3", "other": True}]


def test_a_file_gets_every_cell_on_one_line() -> None:
    file = io.StringIO()
    print_rows(Console(file=file, width=80), ROWS)
    lines = file.getvalue().splitlines()
    assert any(all(str(value) in line for value in ROWS[0].values()) for line in lines)
    assert "…" not in file.getvalue() and any("[bold]3" in line and "True" in line for line in lines)


def test_a_terminal_folds_cells_and_cuts_none() -> None:
    file = io.StringIO()
    print_rows(Console(file=file, width=120, force_terminal=True, no_color=True), ROWS)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert "…" not in shown and max(map(len, shown.splitlines())) <= 120
    first_cells = [line.split("│")[1].strip() for line in shown.splitlines() if "│" in line]
    assert "".join(first_cells) == ROWS[0]["column 0"]


@pytest.mark.parametrize("trials", [1, 3])
def test_progress_counts_finished_trials(trials: int) -> None:
    file = io.StringIO()
    with progress_of(Console(file=file, width=100), trials) as show:
        for k in range(trials):
            for done in (0.5, 1.0):
                show(f"trial {k}", {"accuracy": 0.51234, "done": done})
    assert f"{trials} of {trials}" in file.getvalue()


def test_the_time_left_is_told_by_the_pace_of_this_run_alone() -> None:
    """4 of 10 trials were done before; then one and a half take 30 s, so that 4.5 take 90 s."""
    now = [100.0]
    left = TimeLeft(10, lambda: now[0])
    assert left.words(4.0, is_new=False) == ""
    now[0] = 130.0
    assert left.words(5.5, is_new=True) == ", 0:01:30 left"
    assert left.words(10.0, is_new=True) == ""


def test_the_line_of_all_trials_says_how_many_and_how_long() -> None:
    file, now = io.StringIO(), [0.0]
    console = Console(file=file, width=120, force_terminal=True, no_color=True)
    with progress_of(console, 12, lambda: now[0]) as show:
        for k in range(3):
            now[0] += 10.0
            show(f"trial {k}", {"accuracy": 0.5, "done": 1.0})
    assert "3 of 12 trials, 0:01:30 left" in file.getvalue()
