"""Separable CMA-ES by the library `cmaes`: it learns on chips, and is missed politely."""

from importlib import import_module
from typing import Any

import pytest
import torch

from analog import Chip, Mismatched, dense, stream
from learners import Batch, CrossEntropy, check_learner, fit
from learners.alternatives import separable_cma_es

LAYERS = (dense(6, 4), dense(4, 2, linear=True))


def lessons(count: int) -> list[Batch]:
    x = torch.randn(count, 16, 6, generator=stream(0, "separable"))
    return [Batch(each, (each[:, 0] > 0).long()) for each in x]


@pytest.mark.parametrize("fleet", [3, (3, 4)])
def test_it_is_a_function_of_its_measurements(fleet: Any) -> None:
    pytest.importorskip("cmaes")
    port = Chip(Mismatched(), LAYERS, fleet).port()
    check_learner(separable_cma_es(CrossEntropy()), port, lessons(4), lambda: stream(0, "candidates"))


def test_it_learns() -> None:
    pytest.importorskip("cmaes")
    learner, port = separable_cma_es(CrossEntropy(), sigma=0.1), Chip(Mismatched(), LAYERS, (0, 1)).port()
    losses = [step.loss for _, step in fit(learner, port, lessons(60), stream(0))]
    assert bool((torch.stack(losses[-10:]).mean(0) < 0.5 * torch.stack(losses[:3]).mean(0)).all())


def test_settings_that_make_no_sense_are_refused() -> None:
    pytest.importorskip("cmaes")
    with pytest.raises(ValueError, match="sigma is 0.0, wanted a finite number above 0"):
        separable_cma_es(CrossEntropy(), sigma=0.0)
    with pytest.raises(ValueError, match="population is 1, wanted at least 2 or None"):
        separable_cma_es(CrossEntropy(), population=1)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("learners.alternatives.separable_cma_es")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"wants the library cmaes; pip install 'mortal\[evolution\]'"):
        separable_cma_es(CrossEntropy())
