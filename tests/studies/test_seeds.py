"""The seed of a study moves its chips too, unless they are held."""

from dataclasses import replace
from typing import Any

import pytest

from analog import Chip
from studies.kit.run.arguments import SeededChips
from studies.kit.run.catalog import catalog, import_study

ON_CHIPS = [name for name in catalog() if issubclass(import_study(name).Args, SeededChips)]


def identities(study: Any, args: Any, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Of all chips that the study's first trial makes."""
    made: set[int] = set()
    init = Chip.__init__

    def recording(self: Chip, *words: Any, **named: Any) -> None:
        init(self, *words, **named)
        made.update(self.identities)

    with monkeypatch.context() as patched:
        patched.setattr(Chip, "__init__", recording)
        for _ in study.run(study.plan(args)[0]):
            pass
    return made


@pytest.mark.parametrize("name", ["heirs", "in_place", "lineage"])
def test_another_seed_makes_other_chips_unless_they_are_held(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = import_study(name)
    first = identities(study, study.TOY, monkeypatch)
    other = identities(study, replace(study.TOY, seed=1), monkeypatch)
    held = identities(study, replace(study.TOY, seed=1, hold_chips=True), monkeypatch)
    assert 0 in first and not first & other and held == first


def test_no_two_seeds_share_a_chip() -> None:
    """Where a study spreads over several millions, a seed takes them all."""
    study = import_study("heirs")
    firsts = [study.Args(teachers=3, seed=seed).first_identity(3) for seed in range(4)]
    assert firsts == [0, 3_000_000, 6_000_000, 9_000_000]


def test_every_study_that_counts_its_chips_from_zero_may_be_seeded() -> None:
    assert {"in_place", "heirs", "zoo", "depth", "control", "towers", "lineage", "meta"} <= {*ON_CHIPS}
