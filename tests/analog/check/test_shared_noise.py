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


def of(uses: int, shared: Tensor | None = None, /, **sizes: int) -> Tensor:
    """Differences that are all 1, or given for each use, of (uses, probes, chips, tiles, examples, rows)."""
    shape = (uses, *(sizes.get(name, 1) for name in DIMS[1:]))
    d = torch.ones(uses, dtype=torch.float64) if shared is None else shared
    return d.view(-1, 1, 1, 1, 1, 1).expand(shape).clone()


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("pairs", [True, False])
def test_what_two_share_is_refused_from_the_root_of_the_uses_on(axis: str, pairs: bool) -> None:
    """T of n equal products is the root of n, and 8.5 is between those of 72 and of 74."""
    if axis == "tiles" and not pairs:
        return  # tiles are judged by pairs alone
    require_independent(TRIAL, "here", of(72, **{axis: 2}), [axis], pairs=pairs)
    says = rf"here: {axis} {'0 and 1 ' if pairs else ''}share noise: correlation 1.00, 9 standard errors"
    with pytest.raises(ContractError, match=says):
        require_independent(TRIAL, "here", of(74, **{axis: 2}), [axis], pairs=pairs)
    require_independent(TRIAL, "here", of(74, **{axis: 2}), [each for each in AXES if each != axis])


@pytest.mark.parametrize("axis", ["chips", "examples"])
def test_sizes_that_two_share_are_refused_from_twice_as_many_on(axis: str) -> None:
    place = DIMS.index(axis)
    for uses, kept in ((144, True), (148, False)):
        sizes = torch.tensor([1.0, 2.0], dtype=torch.float64).repeat(uses // 2)
        d = of(uses, sizes, **{axis: 2})
        signs = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64).repeat(uses // 4)
        d.select(place, 1).mul_(signs.view(-1, 1, 1, 1, 1))
        d.select(place, 0).mul_(torch.tensor([1.0, -1.0] * (uses // 2)).view(-1, 1, 1, 1, 1))
        if kept:
            require_independent(TRIAL, "here", d, [axis])
            continue
        with pytest.raises(ContractError, match=f"{axis} .*share noise"):
            require_independent(TRIAL, "here", d, [axis])


@pytest.mark.parametrize("by", [1, 2])
def test_those_next_to_each_other_and_next_but_one_are_neighbors(by: int) -> None:
    d = differences("apart").sign()[:, :, :, :, :1].repeat(1, 1, 1, 1, 6, 1)
    d = d * differences("own").sign()[:, :, :, :, [k % by for k in range(6)]]
    with pytest.raises(ContractError, match="here: examples share noise"):
        require_independent(TRIAL, "here", d, ["examples"], pairs=False)


def test_a_chip_may_not_share_with_other_examples_of_the_next() -> None:
    d = differences("diagonal").sign()
    for chip in (1, 2):
        d[:, :, chip, :, 1:] = d[:, :, chip - 1, :, :-1]
    with pytest.raises(ContractError, match="here: chips of other examples share noise"):
        require_independent(TRIAL, "here", d, ["chips", "examples"], pairs=False)


def test_what_a_device_couples_is_one_product() -> None:
    class Coupled(Ideal):
        couples = frozenset({"examples"})

    d = of(40, chips=2, examples=6)
    require_independent(Trial(Coupled(), TRIAL.layers), "here", d, ["chips"])
    with pytest.raises(ContractError, match="chips 0 and 1 share noise"):
        require_independent(TRIAL, "here", d, ["chips"])
    with pytest.raises(ContractError, match="tiles 0 and 1 share noise"):
        require_independent(TRIAL, "here", of(40, tiles=2, examples=6), ["tiles"])
    require_independent(TRIAL, "here", of(40, chips=2, tiles=6), ["chips"])


def test_a_row_that_is_silent_hides_nobody() -> None:
    d = differences("silent")
    d[..., 0], d[:, :, 1] = 0.0, d[:, :, 0]
    d[..., 0] = 0.0
    with pytest.raises(ContractError, match="chips 0 and 1 share noise"):
        require_independent(TRIAL, "here", d, ["chips"])


def test_noise_that_never_comes_is_nobodys() -> None:
    require_independent(TRIAL, "here", torch.zeros(40, 2, 3, 2, 6, 4, dtype=torch.float64), AXES)
