"""What is refused elsewhere is refused before a chip is changed, by the words that the CPU has for it."""

from collections.abc import Callable

import pytest
import torch

from analog import BadInput, Chip, Mismatched, Port, dense, stream, verdicts, xray
from learners import Batch, CrossEntropy, recipes
from tests.accelerator import PLACE, accelerator, numbers

LAYERS = (dense(4, 3), dense(3, 2, linear=True))


def pulse_nan(port: Port) -> None:
    port.pulse(tuple(torch.full(shape, torch.nan, device=port.spec.on) for shape in port.spec.shapes))


def drive_nan(port: Port) -> None:
    port.measure(torch.full((2, 4), torch.inf, device=port.spec.on))
    port.pulse(port.spec.zeros())


def learn(port: Port, *labels: int) -> None:
    learner = recipes.node_perturbation(CrossEntropy(), steps=3)
    batch = Batch(torch.ones(2, 4).to(port.spec.on), torch.tensor(labels).to(port.spec.on))
    generator = stream(0, "probes", on=port.spec.on)
    learner.step(port, batch, learner.init(port.spec), generator)


REFUSALS: dict[str, tuple[Callable[[Port], None], type[Exception], str]] = {
    "a drive": (pulse_nan, BadInput, "layer 0: pulse: drive: 15 of 15 values are NaN or infinite"),
    "an input": (drive_nan, BadInput, "measure: x: 8 of 8 values are NaN or infinite"),
    "a label too large": (lambda p: learn(p, 0, 2), ValueError, "has 2 outputs, and the labels need 3"),
    "a label below 0": (lambda p: learn(p, -1, 1), ValueError, "wanted int64 class numbers"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_leaves_the_chip_as_it_was(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    send, kind, message = REFUSALS[name]
    with pytest.raises(kind, match=message):
        send(Chip(Mismatched(), LAYERS, 1).port())
    with accelerator(monkeypatch):
        chip = Chip(Mismatched(), LAYERS, 1, on=PLACE)
        before = numbers(xray.knobs(chip))
        with pytest.raises(kind, match=message):
            send(chip.port())
        assert all(map(torch.equal, numbers(xray.knobs(chip)), before))
        verdicts.settle()  # nothing of it is left for the next one


def test_on_the_cpu_a_condition_is_judged_at_once() -> None:
    with pytest.raises(KeyError):
        verdicts.require(torch.tensor(False), KeyError)
    verdicts.require(torch.tensor(True), KeyError)
    verdicts.require_finite(torch.full((2,), 3e38), KeyError)  # their sum overflows honestly
    with pytest.raises(KeyError):
        verdicts.require_finite(torch.tensor([0.0, torch.nan]), KeyError)
    assert verdicts.settle([torch.tensor(2.0), torch.tensor(3)]) == [2.0, 3.0]


def test_elsewhere_conditions_wait_until_somebody_asks_and_numbers_come_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with accelerator(monkeypatch) as mode:
        good, bad = (torch.full((2,), value, device=PLACE) for value in (1.0, torch.nan))
        verdicts.require_finite(good, KeyError)
        verdicts.require_finite(good, KeyError)
        assert mode.waits == 0
        assert verdicts.settle([good[0]]) == [1.0] and mode.waits == 1
        assert verdicts.settle() == [] and mode.waits == 1
        verdicts.require_finite(bad, KeyError)
        verdicts.require_finite(bad, ValueError)
        with pytest.raises(KeyError):  # the first
            verdicts.settle()
        for _ in range(verdicts.MOST):
            verdicts.require_finite(good, KeyError)
            verdicts.settle_many()
        assert mode.waits == 3
