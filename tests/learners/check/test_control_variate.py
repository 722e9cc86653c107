"""Control variates that would bend the mean of estimates, or couple chips, are refused by name."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import ContractError
from analog.spec import Spec
from analog.tree import tree_leaves
from learners import ControlVariate, Feedback, check_control_variate
from learners.check.control_variate import _Trial
from learners.estimators import KnobFeedback, RunningMean
from learners.estimators.base import ProbeResult
from learners.estimators.gradient import Gradient


@pytest.mark.parametrize(
    "variate",
    [Feedback(), Feedback(0.98, 0.2), KnobFeedback(), RunningMean(0.99), RunningMean(0.9, 0.5)],
    ids=repr,
)
def test_ours_pass(variate: ControlVariate) -> None:
    check_control_variate(variate)


@dataclass(frozen=True)
class Bent(RunningMean):
    """A control variate for probes at knobs with one fault."""

    decay: float = 0.9
    fault: str = ""

    def predict(self, state: Any, spec: Spec, result: ProbeResult, output_gradient: Any) -> Gradient:
        found = super().predict(state, spec, result, output_gradient)
        assert found.knobs is not None
        return Gradient(knobs=tuple(self._bent(k, state, result) for k in found.knobs if k is not None))

    def _bent(self, knobs: Tensor, state: Any, result: ProbeResult) -> Tensor:
        assert result.probe.knobs is not None
        match self.fault:
            case "probe":
                return knobs + result.probe.knobs[0].mean()
            case "losses":
                return knobs + result.losses.mean()
            case "probed":
                return knobs + result.probed.taps[0].mean()
            case "memo":
                return knobs + (result.memo is None)
            case "chips":
                return knobs + result.x.mean()
            case "state":
                state[0].add_(1.0)
            case "shape":
                return knobs[..., :-1]
            case "dtype":
                return knobs.half()
            case "finite":
                return knobs / 0
            case "generator":
                return knobs + torch.rand(())
        return knobs

    def observe(self, state: Any, *given: Any) -> Any:
        following = super().observe(state, *given)
        if self.fault == "fleet":
            return tuple(k + k.mean() for k in following)
        if self.fault == "counter":
            COUNTED.append(1)
            return tuple(k + len(COUNTED) for k in following)
        return following


COUNTED: list[int] = []


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        ("probe", "hangs on `probe`"),
        ("losses", "hangs on `losses`"),
        ("probed", "hangs on `probed`"),
        ("memo", "hangs on `memo`"),
        ("chips", "a chip alone predicts otherwise"),
        ("fleet", "a chip alone learns otherwise"),
        ("counter", "observe gave two answers"),
        ("state", "predict altered what it was given"),
        ("shape", "predict gave torch.float64"),
        ("dtype", "predict gave torch.float16"),
        ("finite", "not finite"),
        ("generator", "global torch generator"),
    ],
)
def test_each_fault_is_named(fault: str, law: str) -> None:
    with pytest.raises(ContractError, match=law):
        check_control_variate(Bent(fault=fault))


def replaced(predict: Any = None, observe: Any = None, init: Any = None) -> ControlVariate:
    """A running mean of which one function gives something else of what it gave."""

    class Replaced(RunningMean):
        def init(self, spec: Spec, whole: Spec) -> Any:
            found = super().init(spec, whole)
            return found if init is None else init(found, spec)

        def predict(self, *given: Any) -> Any:
            found = super().predict(*given)
            return found if predict is None else predict(found.knobs)

        def observe(self, *given: Any) -> Any:
            found = super().observe(*given)
            return found if observe is None else observe(found)

    return Replaced(0.9)


def of_chip(chip: int, by: float) -> Any:
    """What all chips have, of which one is moved by the mean of all."""

    def change(knobs: Any) -> Any:
        moved = []
        for k in knobs:
            k = k.clone()
            if k.shape[0] == 3:
                k[chip] += by * (1 + k.mean())
            moved.append(k)
        return tuple(moved)

    return change


def counted(number: Any) -> ControlVariate:
    """A running mean that keeps a number of its fleet beside its state."""

    class Counted(RunningMean):
        def init(self, spec: Spec, whole: Spec) -> Any:
            return super().init(spec, whole), number(len(spec.fleet))

        def predict(self, state: Any, *given: Any) -> Gradient:
            return super().predict(state[0], *given)

        def observe(self, state: Any, *given: Any) -> Any:
            return super().observe(state[0], *given), state[1]

    return Counted(0.9)


@pytest.mark.parametrize(
    ("variate", "law"),
    [
        (replaced(predict=lambda k: None), "predict gave no Gradient at knobs"),
        (replaced(predict=tuple), "predict gave no Gradient at knobs"),
        (replaced(predict=lambda k: Gradient(nodes=k)), "predict gave no Gradient at knobs"),
        (replaced(predict=lambda k: Gradient(knobs=k[:1])), "predict gave 1 layers of 2"),
        (replaced(predict=lambda k: Gradient(knobs=(*k, k[0]))), "predict gave 3 layers of 2"),
        (replaced(predict=lambda k: Gradient(knobs=(k[0], 3.0))), "predict gave float, wanted torch.float64"),
        (replaced(predict=lambda k: Gradient(knobs=(k[0], k[1] / 0))), "a prediction is not finite"),
        (counted(lambda fleet: torch.tensor(torch.nan)), "the state is not finite after step 1"),
        (
            replaced(init=lambda s, spec: tuple(k + len(spec.fleet) for k in s)),
            "a chip alone begins otherwise",
        ),
        (counted(lambda fleet: float(fleet)), "a chip alone begins otherwise"),
        (counted(lambda fleet: torch.zeros(()) if fleet else 0.0), "a chip alone begins otherwise"),
        (replaced(predict=lambda k: Gradient(knobs=of_chip(0, 1.0)(k))), "a chip alone predicts otherwise"),
        (replaced(predict=lambda k: Gradient(knobs=of_chip(2, 1.0)(k))), "a chip alone predicts otherwise"),
        (replaced(observe=of_chip(0, 1.0)), "a chip alone learns otherwise"),
        (replaced(observe=of_chip(2, 1.0)), "a chip alone learns otherwise"),
        (replaced(observe=lambda s: tuple(k[None] if k.shape[0] != 3 else k for k in s)), r"learns .* \(\("),
    ],
    ids=range(16),
)
def test_what_a_control_variate_gives_is_of_the_form_that_is_wanted(variate: Any, law: str) -> None:
    with pytest.raises(ContractError, match=law):
        check_control_variate(variate)


@pytest.mark.parametrize("variate", [Feedback(), RunningMean(0.9)], ids=["nodes", "knobs"])
def test_what_was_measured_is_of_a_fleet_or_of_one_chip_of_it(variate: ControlVariate) -> None:
    held = _Trial(variate, 3, torch.float32)
    result, outputs, estimate = held._measurement(2)
    assert result.losses.shape == (4, 3, 6, 1) and result.baseline_losses.shape == (3, 6, 1)
    assert result.x.shape == (3, 6, 5) and [t.shape for t in result.probed.taps] == [(4, 3, 6, 4)] * 2
    assert (outputs is not None) is variate.needs_output_gradient
    assert outputs is None or outputs.shape == (3, 6, 3)
    place = variate.predicts_at
    sizes = [float(p.abs().mean()) for p in tree_leaves(result.probe).values()]
    assert all(0.04 < size < 0.2 for size in sizes) and getattr(result.probe, place) is not None
    alone, _, of_chip = held._measurement(2, 1)
    assert torch.equal(alone.x, result.x[1]) and torch.equal(alone.losses, result.losses[:, 1])
    assert torch.equal(alone.probed.taps[1], result.probed.taps[1][:, 1])
    for one, all_chips in zip(getattr(of_chip, place), getattr(estimate, place), strict=True):
        assert torch.equal(one, all_chips[1]) and one.dtype == torch.float32
    assert not torch.equal(held._measurement(3)[0].x, result.x)


def test_a_layer_may_be_left_alone_and_all_chips_may_share_a_number() -> None:
    check_control_variate(replaced(predict=lambda k: Gradient(knobs=(None, k[1]))))


def test_without_a_fault_it_passes() -> None:
    laws = check_control_variate(Bent())
    assert len({*laws}) == len(laws) == 3 and "does not hang on what the probes of its own step" in laws[1]


@pytest.mark.parametrize("what", [Feedback, None, 3.0])
def test_what_is_none_is_refused(what: Any) -> None:
    with pytest.raises(ContractError, match="wanted an instance of a subclass of ControlVariate"):
        check_control_variate(what)
