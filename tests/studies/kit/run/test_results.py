"""What a results folder refuses to keep; that it survives a kill is tested beside the runner."""

from pathlib import Path
from typing import Any

import pytest
import torch

from studies.kit.run.results import Results


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("words", "row 0: is a str, wanted a dictionary"),
        ({"accuracy": torch.ones(2)}, "'accuracy' is a Tensor"),
    ],
    ids=["no dictionary", "a tensor"],
)
def test_a_row_that_cannot_be_kept_is_named(row: Any, message: str, tmp_path: Path) -> None:
    results = Results(tmp_path, {"made_by": {}}, ["one"])
    with pytest.raises(ValueError, match=message):
        results.keep(0, [row], 1.0)
