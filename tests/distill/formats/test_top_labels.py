"""Top labels say the likeliest classes exactly, and of the others no more than what is left."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import stream
from distill import SoftLabels, soften
from distill.formats import TopLabels
from distill.formats.contract import check_answer_format
from tests.distill.slopes import slope_gap

OUT = 3 * torch.randn(2, 6, 5, generator=stream(0, "top labels"), dtype=torch.float64)


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_the_contract_is_kept(count: int) -> None:
    assert check_answer_format(TopLabels(count, 2.0), outputs=5)


@given(st.integers(1, 6), st.sampled_from([0.5, 1.0, 4.0]))
def test_the_likeliest_are_exact_and_the_others_share_the_rest(count: int, temperature: float) -> None:
    said, true = TopLabels(count, temperature).encode(OUT, None, None).soft, soften(OUT, temperature)
    torch.testing.assert_close(said.sum(-1), torch.ones(2, 6, dtype=torch.float64))
    ranks = true.argsort(-1, descending=True).argsort(-1)
    told = ranks < count
    assert torch.equal(said[told], true[told])
    rest = said.masked_fill(told, 0.0)
    torch.testing.assert_close(rest.sum(-1), true.masked_fill(told, 0.0).sum(-1))
    assert bool((rest[~told].reshape(2, 6, -1).diff(dim=-1).abs() < 1e-12).all())


def test_all_labels_are_soft_labels() -> None:
    all_of_them, soft = (a.encode(OUT, None, None).soft for a in (TopLabels(5, 2.0), SoftLabels(2.0)))
    torch.testing.assert_close(all_of_them, soft)


def test_a_class_and_a_number_are_sent_for_each() -> None:
    """Of 1,024 classes, 10 bits and 32; never more classes than there are."""
    assert TopLabels(4).bits(1024) == 4 * 42 and TopLabels(9).bits(5) == 5 * 35


def test_the_loss_knows_its_gradient_and_bad_settings_are_refused() -> None:
    told = TopLabels(2).encode(OUT[0], None, None)
    assert slope_gap(TopLabels(2).loss, OUT, told) < 1e-6
    with pytest.raises(ValueError, match="count is 0"):
        TopLabels(0)
    with pytest.raises(ValueError, match="temperature is 0"):
        TopLabels(2, 0.0)
