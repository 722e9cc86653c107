"""Misspelt flags and values are answered in one line with the nearest that there is."""

import re
from dataclasses import dataclass
from typing import Literal

import pytest

from studies.kit.run.arguments import AnyDevice
from studies.kit.run.catalog import catalog, import_study
from studies.kit.run.ranges import Count
from studies.kit.run.references import BadReference
from studies.kit.run.runner import RunOptions
from studies.kit.run.spelling import require_known_words


@dataclass(frozen=True)
class Args:
    methods: tuple[Literal["rescaling", "relearning"], ...] = ("rescaling",)
    precision: Literal["float32", "bfloat16"] | None = None
    chips: Count = 3
    learning_rate: float = 0.1
    exact: bool = False
    device: AnyDevice | None = None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--learnin-rate 3", "--learnin-rate: mine has no such flag; perhaps '--learning-rate'"),
        ("--methods rescalling", "rescalling: is none of what --methods takes; perhaps 'rescaling'"),
        ("--methods relearning resccaling", "resccaling: is none"),
        ("--precision=float23", "perhaps 'float32'"),
        ("--xyz", "there are --help"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(words: str, said: str) -> None:
    with pytest.raises(BadReference, match=re.escape(said)):
        require_known_words("mine", words.split(), Args)


def test_right_words_pass() -> None:
    words = "--methods relearning --precision None --chips 4 --learning_rate 3 --no-exact --exact --help"
    require_known_words("mine", [*words.split(), "--device", "analog:Ideal"], Args)


@pytest.mark.parametrize("name", [*catalog()])
def test_every_value_that_a_study_has_by_default_is_one_that_it_takes(name: str) -> None:
    from studies.kit.run.arguments import command

    args = import_study(name).Args
    words = command(name, import_study(name).TOY).split()[4:]
    quoted = [word for word in words if not {*"'\""} & {*word}]
    if quoted == words:
        require_known_words(name, words, args, RunOptions)
