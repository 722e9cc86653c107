"""Shared by all tests: hypothesis profiles, and a guard that nothing touches torch's global generator."""

import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=25, database=None)
settings.register_profile("fuzz", deadline=None, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def global_generator_untouched() -> Iterator[None]:
    """Every test in the suite asserts it: the global random state is nobody's business."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "this test's code drew from torch's global generator"
