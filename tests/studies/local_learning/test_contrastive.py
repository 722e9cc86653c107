"""Contrastive learning refuses settings that leave nothing to contrast."""

import pytest

from analog import Mismatched
from studies.local_learning import contrastive


@pytest.mark.parametrize(
    ("word", "size", "wanted"), [("hidden", 3, "at least 4"), ("steps", 0, "a finite number above 0")]
)
def test_contrastive_refuses_too_little(word: str, size: int, wanted: str) -> None:
    args = contrastive.Args(**{word: size})
    with pytest.raises(ValueError, match=f"{word} is {size}, wanted {wanted}"):
        next(contrastive.run(contrastive.Trial(args)))


def test_mirrors_teach_patches_what_probes_hardly_can() -> None:
    """Judged by the loss of the upper level, in nats a patch; of what is not learned it is 4.84."""
    losses = {}
    for method in ("perturbation", "mirrored feedback"):
        args = contrastive.Args(chips=1, hidden=32, steps=60, labels=(), held_out=True)
        trial = contrastive.Trial(args, Mismatched(), "other patches", method)
        *_, losses[method] = (row["loss"] for row in contrastive.run(trial) if row["what"] == "curve")
    assert losses["mirrored feedback"] < losses["perturbation"] - 0.05
