"""Gradients at the nodes: how a backward model carries them down, and what is pulsed by them."""

import torch

from analog import Chip, Ideal, Tape, dense, stream, taped
from learners import CrossEntropy, momentum
from learners.estimators import knob_gradients
from learners.estimators.estimate import judge_baseline
from learners.estimators.gradient import Gradient as Known
from learners.node_descent import by_matrix, carry_down, descend_nodes

F64 = torch.float64
LAYERS = (dense(9, 6), dense(6, 3, linear=True))


def test_gradients_go_down_only_where_neurons_are_active() -> None:
    spec = Chip(Ideal(), LAYERS, 1, dtype=F64).spec
    generator = stream(0, "down")
    taps = [torch.randn(5, n, generator=generator, dtype=F64).relu() for n in (6, 3)]
    response = torch.randn(6, 3, generator=generator, dtype=F64)
    at_outputs = torch.randn(5, 3, generator=generator, dtype=F64)
    below, top = carry_down(spec, taps, [by_matrix(response)], at_outputs)
    assert torch.equal(top, at_outputs)
    torch.testing.assert_close(below, (at_outputs @ response.mT) * (taps[0] > 0))


def test_one_pulse_is_sent_which_is_the_update_of_the_gradient_at_the_knobs() -> None:
    chip, generator = Chip(Ideal(), LAYERS, range(2), dtype=F64), stream(0, "pulse")
    x, target = torch.randn(5, 9, generator=generator, dtype=F64), torch.tensor([0, 1, 2, 0, 1])
    reading = chip.port().measure(x)
    baseline = judge_baseline(CrossEntropy(), x, target, reading)
    nodes = tuple(torch.randn(2, 5, n, generator=generator, dtype=F64) for n in (6, 3))
    inputs, tape, update = (x, reading.taps[0]), Tape(chip.spec), momentum(0.1)
    start = update.init(chip.spec.zeros())
    state, step = descend_nodes(taped(chip.port(), tape), baseline, nodes, inputs, update, start)
    wanted, after = update.step(knob_gradients(chip.spec, Known(nodes=nodes), inputs), start)
    ((wire, sent, _),) = tape.events
    assert wire == "pulse" and all(map(torch.equal, sent, wanted)) and all(map(torch.equal, state, after))
    torch.testing.assert_close(step.loss, CrossEntropy()(reading.out, target).mean(-1))
