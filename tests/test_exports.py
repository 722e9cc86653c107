"""The public names: each has one home, and the three doors stay short."""

import importlib
import pkgutil

import analog
import distill
import learners

DOORS = (analog, learners, distill)


def exported() -> dict[str, list[str]]:
    """Every public name, and the packages that list it in `__all__`."""
    homes: dict[str, list[str]] = {}
    for door in DOORS:
        found = [p.name for p in pkgutil.walk_packages(door.__path__, f"{door.__name__}.") if p.ispkg]
        for package in (door.__name__, *found):
            for name in importlib.import_module(package).__all__:
                homes.setdefault(name, []).append(package)
    return homes


def test_no_name_is_exported_by_two_packages() -> None:
    assert {name: homes for name, homes in exported().items() if len(homes) > 1} == {}


def test_what_is_exported_is_there() -> None:
    for name, (home,) in exported().items():
        assert hasattr(importlib.import_module(home), name), f"{home}.{name}"


def test_a_user_meets_about_a_hundred_and_twenty_names_at_the_doors() -> None:
    assert sum(len(door.__all__) for door in DOORS) <= 125
