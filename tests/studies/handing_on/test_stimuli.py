"""Stimuli that there are not are refused before a teacher is trained to be asked about them."""

from dataclasses import replace
from typing import Any

import pytest

from studies.handing_on import stimuli


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"few": 1500}, "^stimuli: --few is 1500; digits has 1437 training examples$"),
        ({"another": "nothing"}, "'nothing' is no folder"),
    ],
)
def test_stimuli_that_there_are_not_are_refused_at_once(
    change: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stimuli, "train_teacher", lambda *_, **__: pytest.fail("a teacher was trained"))
    with pytest.raises(ValueError, match=says):
        next(stimuli.run(stimuli.Trial(replace(stimuli.TOY, **change))))
