"""Contrasts of two chips keep their error rate where cells of a node or of a column share something."""

import pytest
import torch
from scipy.stats import ttest_ind
from torch import Tensor

from analog import stream
from analog.certificate.features import Contrast, contrasts
from analog.certificate.scans import Scan


def scanned(response: Tensor) -> Scan:  # (inputs, nodes)
    quiet = torch.zeros(len(response) + 1, response.shape[1], 4, dtype=torch.float64)
    response = response[..., None]
    return Scan(response, (response, response), response.mean((0, 2)), quiet)


def drawn(name: str, *shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(0, "features", name), dtype=torch.float64)


def compare(one: Tensor, two: Tensor) -> list[Contrast]:
    return contrasts("as they stand", 0, [(scanned(one), scanned(two))], ["as they stand"])


@pytest.mark.parametrize("axes", [(1, 20), (20, 1), (20, 20)])
def test_what_cells_have_in_common_is_not_counted_often(axes: tuple[int, int]) -> None:
    """40 pairs of alike chips with fixed seeds: one contrast in twenty is below .05, and not most of them."""
    low, total = 0, 0
    for pair in range(40):
        one, two = (
            2 + drawn(f"{axes} {pair} {k}", *axes) + 0.1 * drawn(f"c{pair}{k}", 20, 20) for k in (0, 1)
        )
        found = compare(one.expand(20, 20), two.expand(20, 20))
        low += sum(c.p < 0.05 for c in found if "rest" not in c.what)
        total += len(found)
    assert low < 0.07 * total


def test_a_mean_is_compared_by_welchs_test() -> None:
    one, two = 1 + 0.1 * drawn("one", 40, 30), 1.1 + 0.2 * drawn("two", 40, 30)
    (found,) = [c for c in compare(one, two) if "(rising), mean over cells" in c.what]
    by_node, by_column = (
        float(ttest_ind(one[::2].mean(axis), two[::2].mean(axis), equal_var=False).pvalue) for axis in (0, 1)
    )
    assert found.p == pytest.approx(max(by_node, by_column), rel=0.05)
    assert (found.value, found.other) == pytest.approx((float(one[::2].mean()), float(two[::2].mean())))


def test_spreads_and_shares_are_told_apart_from_means() -> None:
    one, two = 1 + 0.1 * drawn("narrow", 60, 60), 1 + 0.15 * drawn("wide", 60, 60)
    sure = [c.what for c in compare(one, two) if c.p < 1e-6]
    assert any("spread over cells" in what for what in sure) and not any("mean" in what for what in sure)
    dead = torch.where(drawn("dead", 60, 60) > 1, 0.0, one)
    sure = [c.what for c in compare(one, dead) if c.p < 1e-6]
    assert any("share that responds" in what for what in sure)
