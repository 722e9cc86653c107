"""Shared by the tests of devices that are broken on purpose."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def its_own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a broken device does to files, the environment and global generators ends with its test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("READINGS_OF_A_DEVICE", "0")
    before = torch.get_rng_state()
    yield
    torch.set_rng_state(before)
