"""REINFORCE with node perturbation: credit by hand, and no bias."""

from itertools import product

import pytest
import torch

from analog import Chip, Ideal, Probe, Reading, dense, stream
from learners import NodePerturbation
from learners.estimators.gradient import knob_gradient
from learners.rl import Transition
from learners.rl.reinforce import credit, return_to_go
from tests.estimates import estimated


def test_return_to_go_by_hand() -> None:
    reward = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    assert return_to_go(reward, 1.0).tolist() == [7.0, 6.0, 4.0]
    assert return_to_go(reward, 0.5).tolist() == [3.0, 4.0, 4.0]
    assert return_to_go(reward, 0.0).tolist() == [1.0, 2.0, 4.0]


def made_up(steps: int, batch: int) -> list[Transition]:
    """A play of one chip of 2 inputs and 2 outputs that nobody played, the second episode shorter."""

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    generator, play = stream(0, "made up"), []
    for t in range(steps):
        going = torch.tensor([True, t < steps - 2, *([True] * (batch - 2))])
        x, out, nodes = drawn(batch, 2), drawn(batch, 2), drawn(batch, 2) * 0.3
        no = torch.zeros(batch, dtype=torch.bool)
        reward = drawn(batch) * going
        play.append(Transition(x, x, Probe(nodes=(nodes,)), Reading((out,)), reward, going, no, no))
    return play


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_credit_is_that_of_fading_traces(decay: float) -> None:
    """Summed over an episode, return-to-go times probe x input is reward times the trace of probe x input."""
    spec = Chip(Ideal(), (dense(2, 2, bias=False, linear=True),), dtype=torch.float64).spec
    play, size = made_up(6, 3), 0.3
    told = estimated(NodePerturbation(size, mask=False), spec, credit(spec, play, decay))[0][0]
    trace, change = torch.zeros(3, 2, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    for m in play:
        assert m.probe.nodes is not None and m.probe.nodes[0] is not None
        sent = m.probe.nodes[0] * m.going.unsqueeze(-1)
        trace = decay * trace + sent.unsqueeze(-1) * m.x.unsqueeze(-2)
        baseline = (m.reward.sum() - m.reward) / 2
        change += ((m.reward - baseline)[:, None, None] * trace).sum(0)
    assert torch.allclose(told, -change / size**2 / 18, atol=1e-12)


def test_step_perturbation_is_unbiased_by_enumeration() -> None:
    """One step, all signs of the probes of 2 nodes in 2 episodes: the mean is a linear reward's slope."""
    spec = Chip(Ideal(), (dense(2, 2, bias=False, linear=True),), dtype=torch.float64).spec
    x = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=torch.float64)
    worth = torch.tensor([0.7, -0.4], dtype=torch.float64)  # reward per volt at each output
    size, total = 0.1, torch.zeros(2, 2, dtype=torch.float64)
    no, yes = torch.zeros(2, dtype=torch.bool), torch.ones(2, dtype=torch.bool)
    for signs_ in product((-1.0, 1.0), repeat=4):
        nodes = torch.tensor(signs_, dtype=torch.float64).view(2, 2) * size
        reward = 3.0 + nodes @ worth
        moment = Transition(x, x, Probe(nodes=(nodes,)), Reading((nodes,)), reward, yes, no, no)
        total += estimated(NodePerturbation(size, mask=False), spec, credit(spec, [moment], 1.0))[0][0]
    wanted = -knob_gradient(spec.layers[0], worth.expand(2, 2), x)[0]
    assert torch.allclose(total / 16, wanted, atol=1e-12)
