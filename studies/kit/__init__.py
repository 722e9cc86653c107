"""What studies share, yours too: parts on the command line, learners at equal reads, tables and figures.

A name is imported when it is first asked for, because the list of studies waits for no torch.
"""

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .recipes.equal_reads import train_within_reads
    from .recipes.methods import AnyLearner, Setup, make_learner, method_name
    from .report.figures import chip_dots, course, draw_figures, legend, looks, note, panels
    from .report.learner_results import learner_figure, learner_table
    from .report.report import write_report
    from .report.tables import mean_with_interval, percent_with_interval, points_between, short_number
    from .run.archive import find_archive
    from .run.arguments import AnyDevice, SeededChips
    from .run.ranges import Count, CountOrZero, NonNegative, Positive, Share
    from .run.references import reference, short_reference
    from .run.results import read_rows
    from .run.runner import RunOptions, run_study
    from .run.study import Row

__all__ = [
    "AnyDevice",
    "AnyLearner",
    "Count",
    "CountOrZero",
    "NonNegative",
    "Positive",
    "Row",
    "RunOptions",
    "SeededChips",
    "Setup",
    "Share",
    "chip_dots",
    "course",
    "draw_figures",
    "find_archive",
    "learner_figure",
    "learner_table",
    "legend",
    "looks",
    "make_learner",
    "mean_with_interval",
    "method_name",
    "note",
    "panels",
    "percent_with_interval",
    "points_between",
    "read_rows",
    "reference",
    "run_study",
    "short_number",
    "short_reference",
    "train_within_reads",
    "write_report",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import a public name from where the imports above say that it is."""
        for node in ast.walk(ast.parse(Path(__file__).read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.level and name in [a.name for a in node.names]:
                return getattr(importlib.import_module(f"{__name__}.{node.module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return __all__
