"""Tests of the laws that refuse responses that are stale, not finite, or have another gradient."""

import pytest
import torch
from torch import Tensor

from analog import ContractError, Ideal
from analog.check import _trials
from analog.check.responses import (
    check_finite_readings,
    check_freshness,
    check_gradients,
    check_memory,
    check_noiseless_slopes,
    check_slopes_at_zero,
)
from analog.devices import WanRRAM
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import Law, faults_of, honest_with, judge, require_kept, require_refused

LAWS = (
    check_freshness,
    check_finite_readings,
    check_slopes_at_zero,
    check_noiseless_slopes,
    check_memory,
    check_gradients,
)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)


def steep(sums: Tensor) -> Tensor:
    """One of them has no slope at 0."""
    return torch.cat((sums[..., :1].abs().sqrt(), sums[..., 1:]), -1)


@pytest.mark.parametrize("stage", ["collect", "sense", "fire"])
def test_one_slope_that_is_not_finite_is_enough(stage: str) -> None:
    if stage == "collect":
        broken = bent(Ideal(), collect=lambda c, x, n: steep(x) @ c.knobs.mT)
    else:
        broken = bent(Ideal(), **{stage: lambda c, u, n: steep(u)})
    with pytest.raises(ContractError, match=f"layer .*: the gradient of {stage} is not finite at 0"):
        judge(check_slopes_at_zero, broken)


@pytest.mark.parametrize("seed", [2, 17, 183])
def test_where_a_neuron_hears_nothing_its_bend_is_no_fault(seed: int) -> None:
    """Cells that cannot go below 0 leave a bias of exactly 0, and a neuron without input at its bend."""
    for trial in _trials(seed, WanRRAM(fit="cubic")):
        check_gradients(trial)
