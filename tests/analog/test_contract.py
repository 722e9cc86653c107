"""The watch over the global generators sees every draw and every seed, and leaves them as they were."""

import random
from collections.abc import Callable

import numpy
import pytest
import torch

from analog import ContractError
from analog.contract import refuse_global_generators, reseed_global_generators

TOUCHES: dict[str, Callable[[], object]] = {
    "torch": lambda: torch.rand(3),
    "torch, seeded": lambda: torch.manual_seed(3),
    "numpy": lambda: numpy.random.rand(),
    "numpy, seeded": lambda: numpy.random.seed(3),
    "numpy, half a pair": lambda: numpy.random.randn(),
    "Python": lambda: random.random(),
    "Python, seeded": lambda: random.seed(3),
}


def draws() -> tuple[float, float, float]:
    return float(torch.rand(())), float(numpy.random.randn()), random.random()


@pytest.mark.parametrize("name", TOUCHES)
def test_each_touch_of_a_global_generator_is_named_and_undone(name: str) -> None:
    with reseed_global_generators(1):
        undisturbed = draws()
    with reseed_global_generators(1):
        with (
            pytest.raises(ContractError, match=f"^somebody: the global {name.split(',')[0]} generator was"),
            refuse_global_generators("somebody", "draw elsewhere"),
        ):
            TOUCHES[name]()
        assert draws() == undisturbed


def test_another_failure_does_not_hide_a_touch() -> None:
    def fail() -> None:
        with refuse_global_generators("somebody", ""):
            torch.rand(3)
            raise ValueError("something else")

    with reseed_global_generators(1), pytest.raises(ContractError, match="global torch"):
        fail()


def test_own_generators_are_nobodys_business() -> None:
    with refuse_global_generators("somebody", ""):
        torch.rand(3, generator=torch.Generator().manual_seed(0))
        numpy.random.default_rng(0).normal()
        random.Random(0).random()


def test_a_seed_for_a_while_is_undone_and_makes_a_difference() -> None:
    with reseed_global_generators(5):
        with reseed_global_generators(1):
            first = draws()
        with reseed_global_generators(2):
            assert draws() != first
        with reseed_global_generators(1):
            assert draws() == first
        after = draws()
    with reseed_global_generators(5):
        assert draws() == after
