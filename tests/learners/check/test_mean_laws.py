"""The mean of an estimate is compared layer by layer and coordinate by coordinate, and the worst is told."""

from typing import Any

import pytest
import torch

from analog import ContractError, stream
from analog.tree import tree_map
from learners import Gradient, NodePerturbation, WeightPerturbation
from learners.check.linear_chip import CONVOLUTION, LinearChip
from learners.check.mean_laws import Scales, _worst, check_entries, check_scale, flatten_estimate
from learners.check.sequential import Looked
from tests.learners.check.test_forms import Bent

F64 = torch.float64
INNER: dict[str, Any] = {"nodes": NodePerturbation(0.3, probes=2), "knobs": WeightPerturbation(0.3, probes=2)}


def told(place: str, change: Any) -> Any:
    return Bent(place, tell=lambda found, result: change(found))


@pytest.mark.parametrize("place", INNER)
def test_a_right_scale_is_known_to_rounding_and_a_wrong_one_is_told_by_layer(place: str) -> None:
    chip = LinearChip()
    found = check_scale(INNER[place], chip, 0.01, stream(0))
    assert found == Scales(1e-5, (1e-5, 1e-5))

    def second(gradient: Gradient) -> Gradient:
        first, other = getattr(gradient, place)
        return Gradient(**{place: (first, 1.5 * other)})

    says = r"it is 1\.\d+ times the gradient \(1 times in layer 0 and 1.5 times in layer 1\); \|z\| = inf"
    with pytest.raises(ContractError, match=says):
        check_scale(told(place, second), chip, 0.01, stream(0))
    with pytest.raises(ContractError, match=r"it is 2 times the gradient \(2 times in layer 0 and 2 times"):
        check_scale(told(place, lambda g: tree_map(lambda t: 2 * t, g)), chip, 0.01, stream(0))


def test_the_whole_weighs_layers_by_the_lengths_of_what_is_told() -> None:
    """Each unit gradient counts as the square of what is to be told of it."""
    chip = LinearChip(CONVOLUTION)
    lengths = torch.zeros(2, dtype=F64)
    for at, _, wanted in chip.basis(INNER["nodes"]):
        lengths[at] += wanted.square().sum()
    share = float(lengths[1] / lengths.sum())

    def second(gradient: Any) -> Gradient:
        return Gradient(nodes=(gradient.nodes[0], 3 * gradient.nodes[1]))

    with pytest.raises(ContractError, match=f"it is {1 + 2 * share:.4g} times the gradient"):
        check_scale(told("nodes", second), chip, 0.01, stream(0))


def test_a_coordinate_that_another_leaks_into_is_told() -> None:
    chip = LinearChip()
    check_entries(INNER["knobs"], chip, stream(0), first=600)

    def leak(gradient: Any) -> Gradient:
        first, second = (k.clone() for k in gradient.knobs)
        second[..., 0, 1, 4] += 2 * first[..., 0, 2, 3]
        return Gradient(knobs=(first, second))

    says = (
        "here: where the loss depends on coordinate 11 alone, coordinate 25 of the estimate is .*, wanted 0;"
    )
    with pytest.raises(ContractError, match=says):
        check_entries(told("knobs", leak), chip, stream(0), first=600, statement="here")


def test_the_worst_is_farthest_in_units_of_its_error() -> None:
    wanted = torch.tensor([0.0, 1.0, 0.0, 0.0, 1.0, 0.0], dtype=F64)
    mean, error = wanted.clone(), torch.ones(6, dtype=F64)
    mean[3], mean[5], error[5], error[1] = -4.0, 0.5, 0.01, 0.001
    looked = Looked(False, mean, error, 50.0, 5.0, False)
    says = "on coordinate 1 alone, coordinate 2 of the estimate is 0.5, wanted 0; |z| = 50.0"
    assert _worst(looked, wanted, 2) == f"where the loss depends {says}"


def test_an_estimate_is_flat_with_zeros_for_layers_that_were_left_alone() -> None:
    chip = LinearChip()
    nodes, knobs = torch.ones(3, 5, 2, dtype=F64), torch.ones(3, 1, 4, 4, dtype=F64)
    flat = flatten_estimate(Gradient(nodes=(None, nodes)), chip, 3)
    assert flat.shape == (3, 30) and not bool(flat[:, :20].any()) and bool((flat[:, 20:] == 1).all())
    flat = flatten_estimate(Gradient(knobs=(knobs, None)), chip, 3)
    second = flatten_estimate(Gradient(knobs=(None, torch.ones(3, 1, 2, 5, dtype=F64))), chip, 3)
    assert second.shape == (3, 26) and not bool(second[:, :16].any())
    assert flat.shape == (3, 26) and bool((flat[:, :16] == 1).all()) and not bool(flat[:, 16:].any())
