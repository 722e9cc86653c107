"""Control variates that would bend the mean of estimates, or couple chips, are refused by name."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import ContractError
from analog.spec import Spec
from learners import ControlVariate, Feedback, check_control_variate
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
        ("counter", "observe gave something else the second time"),
        ("state", "predict altered its arguments"),
        ("shape", "predict gave torch.float64"),
        ("dtype", "predict gave torch.float16"),
        ("finite", "not finite"),
        ("generator", "generator|something else the second time"),
    ],
)
def test_each_fault_is_named(fault: str, law: str) -> None:
    with pytest.raises(ContractError, match=law):
        check_control_variate(Bent(fault=fault))


def test_without_a_fault_it_passes() -> None:
    laws = check_control_variate(Bent())
    assert len({*laws}) == len(laws) == 3 and "does not hang on what the probes of its own step" in laws[1]


@pytest.mark.parametrize("what", [Feedback, None, 3.0])
def test_what_is_none_is_refused(what: Any) -> None:
    with pytest.raises(ContractError, match="wanted an instance of a subclass of ControlVariate"):
        check_control_variate(what)
