"""Contrastive learning refuses settings that leave nothing to contrast."""

import pytest

from studies.local_learning import contrastive


@pytest.mark.parametrize(("word", "least"), [("hidden", 16), ("steps", 1)])
def test_contrastive_refuses_too_little(word: str, least: int) -> None:
    args = contrastive.Args(**{word: least - 1})
    with pytest.raises(ValueError, match=f"{word} is {least - 1}, wanted at least {least}"):
        next(contrastive.run(contrastive.Trial(args)))
