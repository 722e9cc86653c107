"""Which of many cases a test tries: some of them, or in `make fuzz` all."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TypeVar

from hypothesis import settings

Case = TypeVar("Case")
Other = TypeVar("Other")


def sampled(cases: Iterable[Case], part: int) -> list[Case]:
    """All of them in `make fuzz`, where minutes do not matter; otherwise one in `part`."""
    return [*cases][:: 1 if settings.get_current_profile_name() == "fuzz" else part]


def by_turns(cases: Iterable[Case], others: Sequence[Other]) -> list[tuple[Case, Other]]:
    """Each case with every one of the others in `make fuzz`; otherwise with one of them, each in its turn."""
    cases = [*cases]
    if settings.get_current_profile_name() == "fuzz":
        return [*product(cases, others)]
    return [(case, others[turn % len(others)]) for turn, case in enumerate(cases)]
