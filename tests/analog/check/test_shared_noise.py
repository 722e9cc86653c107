"""Tests of the test of shared noise: its false alarms keep their bound, and what is shared is named."""

import pytest
import torch
from torch import Tensor

from analog import ContractError, Ideal, dense, stream
from analog.check.shared_noise import DIMS, require_independent
from analog.check.trial import Trial

TRIAL = Trial(Ideal(), (dense(3, 2),))
AXES = ["probes", "chips", "tiles", "examples"]


def heavy(name: str, *shape: int) -> Tensor:
    """Symmetric numbers without a variance."""
    normal = torch.randn(2, *shape, generator=stream(0, "shared noise", name), dtype=torch.float64)
    return normal[0] / normal[1]


def differences(name: str) -> Tensor:
    return heavy(name, 40, 2, 3, 2, 6, 4)


def test_noise_of_any_law_that_nobody_shares_is_passed() -> None:
    for i in range(20):
        require_independent(TRIAL, "here", differences(f"own {i}"), AXES)
        require_independent(TRIAL, "here", differences(f"own {i}").sign(), AXES)


@pytest.mark.parametrize("axis", AXES)
def test_noise_that_the_first_two_share_is_named(axis: str) -> None:
    place = DIMS.index(axis)
    d = torch.cat((differences("a").narrow(place, 0, 1), differences("b")), place)
    d = torch.cat((d.narrow(place, 0, 1), d), place).tanh()
    with pytest.raises(ContractError, match=rf"here: {axis} 0 and 1 share noise: correlation 1.00"):
        require_independent(TRIAL, "here", d, AXES)


def test_rows_may_share_what_they_like() -> None:
    require_independent(TRIAL, "here", differences("rows")[..., :1].expand(40, 2, 3, 2, 6, 4), AXES)


def test_a_size_that_is_shared_is_seen_though_signs_are_not() -> None:
    size = 1 + 9 * (heavy("size", 40, 1, 1, 1, 1, 1) > 0)
    with pytest.raises(ContractError, match="share noise"):
        require_independent(TRIAL, "here", size * differences("signs").sign(), AXES)


def test_neighbors_alone_are_enough_for_what_all_share() -> None:
    d = differences("crowd").tanh()
    with pytest.raises(ContractError, match="examples share noise"):
        require_independent(TRIAL, "here", d[:6, :, :, :, :1].expand(6, 2, 3, 2, 60, 4), AXES, pairs=False)


def test_small_noise_that_is_shared_is_seen_beside_large_noise_that_is_not() -> None:
    d = differences("large").sign()
    d[:, :, 1, ..., 1:] = d[:, :, 0, ..., 1:]  # all rows but one
    d[..., 0] *= 1e6
    with pytest.raises(ContractError, match=r"here: chips 0 and 1 share noise: correlation"):
        require_independent(TRIAL, "here", d, ["chips"])
    d[..., 1:] = differences("small")[..., 1:].sign()
    require_independent(TRIAL, "here", d, ["chips"])


def test_noise_that_never_comes_is_nobodys() -> None:
    require_independent(TRIAL, "here", torch.zeros(40, 2, 3, 2, 6, 4, dtype=torch.float64), AXES)
