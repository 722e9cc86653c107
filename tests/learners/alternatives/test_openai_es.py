"""OpenAI's evolution strategy: ranks in place of losses, so that nothing but their order counts."""

import pytest
import torch

from analog import stream
from learners import CrossEntropy, alternatives, antithetic, gaussian, sgd
from learners.alternatives import RankedPairs

F64 = torch.float64
LOSSES = torch.randn(10, 3, 2, generator=stream(0, "ranks"), dtype=F64)  # five pairs, of six chips


def test_differences_are_those_of_ranks_from_minus_a_half_to_a_half() -> None:
    order = LOSSES.argsort(0).argsort(0)  # 0 for the least loss
    ranks = order.to(F64) / 9 - 0.5
    wanted = (ranks[::2] - ranks[1::2]) / (2 * 0.3)
    torch.testing.assert_close(RankedPairs().differences(LOSSES, LOSSES[0] * 0, 0.3), wanted)


def test_nothing_but_the_order_of_the_losses_counts() -> None:
    scheme, none = RankedPairs(), LOSSES[0] * 0
    told = scheme.differences(LOSSES, none, 0.1)
    assert torch.equal(scheme.differences(LOSSES.exp() * 7 - 3, none, 0.1), told)
    assert torch.equal(scheme.differences(-LOSSES, none, 0.1), -told)


def test_a_chip_is_ranked_by_itself() -> None:
    scheme, none = RankedPairs(), LOSSES[0] * 0
    alone = scheme.differences(LOSSES[:, 1:2] * 1.0, none[1:2], 0.1)
    assert torch.equal(scheme.differences(LOSSES, none, 0.1)[:, 1:2], alone)


def test_it_is_weight_perturbation_by_mirrored_gaussian_pairs() -> None:
    learner = alternatives.openai_es(CrossEntropy(), size=0.05, probes=3, update=sgd(0.1))
    estimator = learner.estimator  # type: ignore[attr-defined]
    assert (estimator.distribution, estimator.size, estimator.probes) == (gaussian, 0.05, 3)
    directions = torch.randn(3, 4, generator=stream(0), dtype=F64)
    sent = estimator.scheme.perturbations(directions)
    assert torch.equal(sent, antithetic.perturbations(directions))
    assert torch.equal(estimator.scheme.directions(sent), directions)


def test_ranks_have_no_closed_form() -> None:
    with pytest.raises(ValueError, match="no closed form is known for what noise adds to the ranks"):
        RankedPairs().reading_noise(4)
