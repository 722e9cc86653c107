"""Units that share a part of what they draw are found, whichever coordinates they draw."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import ContractError, stream
from analog.tree import tree_map
from learners import NodePerturbation, WeightPerturbation
from learners.check.independence import (
    _check_mean,
    _check_repeated,
    _loudest,
    _prints,
    _tie,
    _ties,
    check_probes,
)
from learners.check.linear_chip import LinearChip
from learners.check.sequential import LEVEL
from tests.learners.check.test_forms import Bent

SAMPLES, UNITS = 4000, 4


def drawn(width: int) -> Tensor:
    return torch.randn(SAMPLES, UNITS, width, generator=stream(0, "ties", width), dtype=torch.float64)


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_units_of_their_own_are_let_pass(width: int) -> None:
    assert _tie(drawn(width)) is None
    assert _tie(torch.zeros(SAMPLES, UNITS, width, dtype=torch.float64)) is None


@pytest.mark.parametrize("pair", [(0, 1), (1, 3), (2, 3)])
@pytest.mark.parametrize("width", [1, 3, 7])
def test_two_that_share_a_part_are_named(pair: tuple[int, int], width: int) -> None:
    values = drawn(width)
    values[:, pair[1]] = 0.5 * values[:, pair[1]] + 0.5 * values[:, pair[0]]
    tie = _tie(values)
    assert tie is not None and tie[0] == pair and tie[1] > 10


def test_coordinates_that_one_unit_never_draws_do_not_hide_those_that_two_share() -> None:
    values = drawn(3)
    values[:, 1, 1:] = 0.0
    values[:, 3] = values[:, 2]
    tie = _tie(values)
    assert tie is not None and tie[0] == (2, 3)


def test_two_that_share_in_another_place_are_found_too() -> None:
    values = drawn(3)
    values[:, 2] = values[:, 1].roll(1, -1)
    tie = _tie(values)
    assert tie is not None and tie[0] == (1, 2)


def test_two_that_share_the_signs_of_products_are_found_too() -> None:
    """Each coordinate alone has nothing in common with the other's."""
    values = drawn(3)
    sign = torch.randn(SAMPLES, 1, generator=stream(0, "sign"), dtype=torch.float64).sign()
    values[:, 1] = values[:, 0] * sign
    tie = _tie(values)
    assert tie is not None and tie[0] == (0, 1)


NODES, WEIGHTS = NodePerturbation(0.3, probes=2), WeightPerturbation(0.3, probes=2)


def test_the_loudest_is_told_if_it_is_beyond_the_bound_of_all() -> None:
    """The bound is that of Hoeffding for all sums of a hundred families."""
    for count in (1, 10):
        bound = math.sqrt(2 * math.log(200 * count / LEVEL))
        for z in (bound * 0.999, -bound * 0.999):
            sums = torch.zeros(count, dtype=torch.float64)
            sums[-1] = 3 * z
            assert _loudest(sums, torch.full_like(sums, 9.0)) is None
            found = _loudest(1.002 * sums, torch.full_like(sums, 9.0))
            assert found is not None and found[0] == count - 1
            assert found[1] == pytest.approx(1.002 * abs(z))
    nothing = torch.zeros(3)
    assert _loudest(nothing, nothing.double()) is None and _loudest(torch.zeros(0), torch.zeros(0)) is None


def probes_of(estimator: Any) -> Tensor:
    """As of small fleets: (samples, chips, probes, ...)."""
    shape = (3000, 4, 2, 5, 3) if estimator is NODES else (3000, 4, 2, 1, 4, 3)
    return torch.randn(shape, generator=stream(0, "probes"), dtype=torch.float64)


@pytest.mark.parametrize("estimator", [NODES, WEIGHTS], ids=["nodes", "knobs"])
def test_units_that_hang_together_are_named_by_their_kind(estimator: Any) -> None:
    name = estimator.probes_at
    assert _ties(estimator, name, probes_of(estimator)) is None
    chips, directions = probes_of(estimator), probes_of(estimator)
    chips[:, 3] = chips[:, 1]
    found = _ties(estimator, name, chips)
    assert found is not None and found[:2] == ("chips of a fleet", (1, 3))
    directions[:, :, 1] = directions[:, :, 0]
    found = _ties(estimator, name, directions)
    assert found is not None and found[:2] == ("directions", (0, 1))
    assert _ties(Bent(name), name, directions) is None  # type: ignore[arg-type]
    examples = probes_of(NODES)
    examples[..., 4, :] = examples[..., 2, :]
    if name == "nodes":
        found = _ties(estimator, name, examples)
        assert found is not None and found[:2] == ("examples", (2, 4))


def asking(change: Any, place: str = "nodes") -> Any:
    return Bent(place, ask=lambda probe, memo, given: (tree_map(change, probe), memo))


@pytest.mark.parametrize("place", ["nodes", "knobs"])
def test_chips_have_one_print_if_they_are_probed_alike_to_the_sign(place: str) -> None:
    chip = LinearChip()
    plain, turned = (
        _prints(asking(change, place), chip, 7, stream(0, "prints")) for change in (lambda p: p, torch.neg)
    )
    assert plain.shape == (7,) and torch.equal(plain, turned) and len(plain.unique()) == 7

    def copied(p: Tensor) -> Tensor:
        p = p.clone()
        p[:, 5] = p[:, 2]
        return p

    prints = _prints(asking(copied, place), chip, 7, stream(0, "prints"))
    assert prints[5] == prints[2] and len(prints.unique()) == 6
    rolled = _prints(asking(lambda p: p.roll(1, -1), place), chip, 7, stream(0, "prints"))
    assert not bool((rolled == plain).any())


def test_a_step_that_comes_again_and_a_chip_that_copies_are_named() -> None:
    chip = LinearChip()
    _check_repeated(NODES, chip, stream(0))

    def by_twos(probe: Any, memo: Any, given: Any) -> Any:
        seed = int(torch.randint(2, (), generator=given[3]))
        return NODES.ask(*given[:3], stream(seed, "few"))

    with pytest.raises(ContractError, match="298 of 300 steps had the probes of another"):
        _check_repeated(Bent(ask=by_twos), chip, stream(0))  # type: ignore[arg-type]

    count = itertools.count()

    def at_first(probe: Any, memo: Any, given: Any) -> Any:
        return by_twos(probe, memo, given) if next(count) < 300 else (probe, memo)

    _check_repeated(Bent(ask=at_first), chip, stream(0))  # type: ignore[arg-type]

    def copied(p: Tensor) -> Tensor:
        p = p.clone()
        if p.shape[1] > 2000:
            p[:, 1999] = -p[:, 7]
        return p

    with pytest.raises(
        ContractError, match="two chips of a fleet hang together: 7 and 1999 of 2400 are alike"
    ):
        _check_repeated(asking(copied), chip, stream(0))


@pytest.mark.parametrize("place", ["nodes", "knobs"])
def test_a_mean_is_named_beside_probes_of_size_zero(place: str) -> None:
    """Some send a probe of nothing first, for a baseline."""
    chip, generator = LinearChip(), stream(0, "mean")

    def beside_nothing(p: Tensor, mean: float) -> Tensor:
        return torch.cat((torch.zeros_like(p[:1]), p + mean))

    for layer in (0, 1):
        _check_mean(asking(lambda p: beside_nothing(p, 0.0), place), chip, (place, layer), generator)
        with pytest.raises(ContractError, match=f"probes of {place} of layer {layer} have a mean"):
            _check_mean(asking(lambda p: beside_nothing(p, 0.05), place), chip, (place, layer), generator)


def test_who_sends_nothing_or_leaves_a_layer_alone_is_let_pass() -> None:
    chip, generator = LinearChip(), stream(0, "alone")

    def refuse(*given: Any) -> Any:
        raise AssertionError("nothing is asked")

    check_probes(Bent(ask=refuse, probes_at=None), chip, generator)  # type: ignore[arg-type]

    def first_only(probe: Any, memo: Any, given: Any) -> Any:
        return probe._replace(nodes=(probe.nodes[0], None)), memo

    check_probes(Bent(ask=first_only), chip, generator)  # type: ignore[arg-type]
    silent = asking(lambda p: p * (p.shape[-1] == 4))  # the second layer's are all 0
    check_probes(silent, chip, generator)
