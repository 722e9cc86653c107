"""Reports name parts as command lines do."""

from functools import partial

import pytest

from analog import Chip, Ideal
from learners import recipes
from studies.kit.report.described import words
from studies.kit.run.manifest import to_json


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (partial(recipes.learned_feedback, probes=2), "learners.recipes:learned_feedback(probes=2)"),
        (
            partial(Chip, Ideal()),
            "analog.chip:Chip(Ideal)",
        ),
        (partial(recipes.learned_feedback), "learners.recipes:learned_feedback()"),
    ],
)
def test_a_part_with_arguments_is_said_as_it_was_asked_for(part: object, said: str) -> None:
    assert words(to_json(part)) == said
