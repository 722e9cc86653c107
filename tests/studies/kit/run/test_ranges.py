"""What an argument may be is said beside it, for every number of every study, and checked where it runs."""

import dataclasses
import math
import re
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from studies.kit.run.catalog import catalog, import_study
from studies.kit.run.ranges import MAY_BE_EMPTY, Count, NonNegative, Positive, Range, Share, check_arguments
from studies.kit.run.runner import RunOptions, run_study
from tests.studies import toy


@dataclass(frozen=True)
class Args:
    count: Count = 1
    perhaps: Count | None = None
    rate: Positive = 1.0
    noise: NonNegative = 0.0
    plain: float = 0.0
    whole: int = 0
    shares: tuple[Share, ...] = (0.5,)
    some: Annotated[tuple[Count, ...], MAY_BE_EMPTY] = ()
    either: Annotated[float, Range(1, 2)] | Literal["all", -1] = "all"
    words: tuple[str, ...] = ("a",)
    flag: bool = False


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 0}, "--count is 0; wanted a whole number of at least 1"),
        ({"count": 1.5}, "--count is 1.5; wanted a whole number of at least 1"),
        ({"perhaps": -1}, "--perhaps is -1; wanted a whole number of at least 1"),
        ({"rate": 0.0}, "--rate is 0.0; wanted a number above 0"),
        ({"rate": math.nan}, "--rate is nan; wanted a number above 0"),
        ({"noise": -1e-9}, "--noise is -1e-09; wanted a number of at least 0"),
        ({"plain": math.inf}, "--plain is inf; wanted a number that is finite"),
        ({"whole": math.nan}, "--whole is nan"),
        ({"shares": (0.5, 1.1)}, "--shares is 1.1; wanted a number from 0 to 1"),
        ({"shares": ()}, "--shares is empty; wanted at least one"),
        ({"words": ()}, "--words is empty; wanted at least one"),
        ({"some": (1, 0)}, "--some is 0; wanted a whole number of at least 1"),
        ({"either": 3.0}, "--either is 3.0; wanted a number from 1 to 2"),
    ],
)
def test_what_is_out_of_its_range_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"study: {said}")):
        check_arguments("study", Args(**change))


def test_what_is_in_its_range_is_taken() -> None:
    for change in (
        {},
        {"perhaps": 1, "rate": 1e-30, "shares": (0, 1.0), "some": (1,), "either": 2.0, "flag": True},
        {"either": -1, "whole": -5, "plain": -1e300},
    ):
        check_arguments("study", Args(**change))


def _numbers(annotation: Any, is_ranged: bool = False) -> list[bool]:
    """Whether each kind of number in an annotation has a range."""
    if typing.get_origin(annotation) is Annotated:
        inner, *marks = typing.get_args(annotation)
        return _numbers(inner, is_ranged or any(isinstance(mark, Range) for mark in marks))
    if typing.get_origin(annotation) is Literal:
        return []
    return [is_ranged] * (annotation in (int, float)) + [
        n for part in typing.get_args(annotation) for n in _numbers(part, is_ranged)
    ]


@pytest.mark.parametrize("name", [*catalog()])
def test_every_number_that_a_study_takes_has_a_range_but_its_seed(name: str) -> None:
    args = import_study(name).Args
    hints = typing.get_type_hints(args, include_extras=True)
    assert [f for f in hints if f != "seed" and not all(_numbers(hints[f]))] == []
    check_arguments(name, args())
    check_arguments(name, import_study(name).TOY)


def test_a_run_checks_its_arguments_before_it_makes_a_folder(tmp_path: Path) -> None:
    bad = dataclasses.replace(toy.TOY, wait=math.nan)
    with pytest.raises(ValueError, match="toy: --wait is nan"):
        run_study(toy, bad, RunOptions(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
