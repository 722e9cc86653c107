"""Actions: the strongest, one drawn by a softmax, or one within limits."""

import pytest
import torch

from analog import stream
from learners.rl import Argmax, SoftmaxSampling, TanhSquashed
from tests.twostage import kept


def test_greedy_takes_the_strongest_and_squashed_keeps_its_limits() -> None:
    out = torch.tensor([[0.1, 3.0, -1.0], [2.0, 1.0, 0.0]])
    assert Argmax().select(out, stream(0)).tolist() == [1, 0]
    force = TanhSquashed(-1.0, 3.0, gain=2.0).select(torch.tensor([[-1e9], [0.0], [0.5], [1e9]]), stream(0))
    half = 1 + 2 * torch.tensor(1.0).tanh().item()
    assert force.flatten().tolist() == pytest.approx([-1.0, 1.0, half, 3.0])
    for bad in (
        lambda: TanhSquashed(1, 1),
        lambda: TanhSquashed(0, 1, float("inf")),
        lambda: SoftmaxSampling(0),
    ):
        with pytest.raises(ValueError, match="wanted|wants"):
            bad()


def test_actions_are_drawn_with_the_probabilities_of_a_softmax() -> None:
    """3 means at 1e-9 each."""
    out = torch.tensor([0.0, 1.0, 2.5])

    def sample(n: int, generator: torch.Generator) -> torch.Tensor:
        select = SoftmaxSampling(temperature=2.0).select(out.expand(n, 3), generator)
        return torch.nn.functional.one_hot(select, 3).double()

    assert kept(sample, (out / 2.0).softmax(-1).double(), 2000, "sampled actions")
