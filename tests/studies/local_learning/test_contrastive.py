"""Contrastive learning refuses settings that leave nothing to contrast."""

import pytest

from studies.local_learning import contrastive


@pytest.mark.parametrize(
    ("word", "size", "wanted"), [("hidden", 15, "at least 16"), ("steps", 0, "a finite number above 0")]
)
def test_contrastive_refuses_too_little(word: str, size: int, wanted: str) -> None:
    args = contrastive.Args(**{word: size})
    with pytest.raises(ValueError, match=f"{word} is {size}, wanted {wanted}"):
        next(contrastive.run(contrastive.Trial(args)))
