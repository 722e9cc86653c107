"""Which of many cases a test tries: some of them, or in `make fuzz` all."""

from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

Case = TypeVar("Case")


def sampled(cases: Iterable[Case], part: int) -> list[Case]:
    """All of them in `make fuzz`, where minutes do not matter; otherwise one in `part`."""
    return [*cases][:: 1 if settings.get_current_profile_name() == "fuzz" else part]
