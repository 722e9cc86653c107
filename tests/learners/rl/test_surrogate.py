"""The clipped surrogate: its gradient is that of its value, and at first it is the policy gradient."""

import pytest
import torch
from torch import Tensor

from learners.rl import ClippedSurrogate, Played


def played(examples: int = 400) -> tuple[Tensor, Played]:
    """Outputs of a policy of two and its critic, and what was done by one not far from it."""
    drawn = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=drawn, dtype=torch.float64)

    out, size = normal(examples, 3), torch.full((examples,), 0.4, dtype=torch.float64)
    sent = size[:, None] * normal(examples, 2)
    before = out[:, :-1] + 0.1 * normal(examples, 2)
    return out, Played(before + sent, sent, size, normal(examples), normal(examples))


def test_its_gradient_is_that_of_its_value() -> None:
    loss, (out, target) = ClippedSurrogate(0.2, 0.7), played()
    asked = out.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(loss(asked, target).sum(), asked)
    clipped = (wanted[:, :-1] == 0).all(-1)
    assert 20 < int(clipped.sum()) < 380
    assert torch.allclose(loss.gradient(out, target), wanted, atol=1e-12)


def test_where_nothing_has_been_learned_it_is_the_policy_gradient() -> None:
    """Advantage times the score of a Gaussian, which is its draw over its variance."""
    loss, (out, target) = ClippedSurrogate(), played()
    target = target._replace(perturbed=out[:, :-1] + target.added)
    score = -(target.advantage / target.size.square())[:, None] * target.added
    assert torch.allclose(loss.gradient(out, target)[:, :-1], score, atol=1e-12)


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="0 < clip < 1"):
        ClippedSurrogate(0.0)
    with pytest.raises(ValueError, match="0 < clip < 1"):
        ClippedSurrogate(value_weight=-1.0)
