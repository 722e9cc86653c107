"""Decorrelation: the matrices do what their law says, and change nothing where they are unity."""

import pytest
import torch

from analog import Chip, Ideal, Mismatched, Probe, dense, grouped, stream, xray
from learners import Batch, CrossEntropy, Descent, NodePerturbation, fit, sgd
from learners.wiring import Decorrelated, decorrelate, decorrelated

F64 = torch.float64
LAYERS = (dense(6, 8), grouped(8, 4, 2), dense(4, 3, linear=True))


def lessons(count: int, batch: int = 32) -> list[Batch]:
    """Inputs of which the last three repeat the first three, nearly."""
    generator = stream(0, "correlated")
    made = []
    for _ in range(count):
        x = torch.randn(batch, 3, generator=generator, dtype=F64)
        x = torch.cat((x, x + 0.3 * torch.randn(batch, 3, generator=generator, dtype=F64)), -1)
        made.append(Batch(x, x[:, :3].argmax(-1)))
    return made


@pytest.mark.parametrize("identity", [1, [1, 2, 3]], ids=["chip", "fleet"])
def test_at_rate_zero_it_is_the_learner_inside(identity: int | list[int]) -> None:
    inner = Descent(NodePerturbation(0.1, probes=2), sgd(0.1), CrossEntropy(), delta_rule=False)
    knobs = []
    for learner in (inner, Decorrelated(inner, 0.0)):
        chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
        list(fit(learner, chip.port(), lessons(4), stream(0, "same")))
        knobs.append(xray.knobs(chip))
    torch.testing.assert_close(knobs[0], knobs[1])


def test_inputs_of_every_layer_lose_what_they_have_in_common() -> None:
    """Off-diagonal power of the inputs, over their own, falls below a third."""
    inner = Descent(NodePerturbation(0.1), sgd(1e-9), CrossEntropy(), delta_rule=False)
    learner = Decorrelated(inner, 0.05)
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    port, state, generator = chip.port(), learner.init(chip.spec), stream(0, "generator")
    shared: list[list[float]] = []
    for batch in lessons(300, 400):
        wires, x = decorrelated(port, state.decorrelators), decorrelate(batch.x, state.decorrelators[0])
        inputs = (x, *wires.measure(x).taps[:-1])
        squares = [(z.mT @ z / len(z)).square() for z in inputs]
        shared.append([float((s.sum() - s.trace()) / s.trace()) for s in squares])
        state, _ = learner.step(port, batch, state, generator)
    before, after = (torch.tensor(shared[cut]).mean(0) for cut in (slice(0, 20), slice(-20, None)))
    assert bool((after < before / 3).all())


def test_taps_are_what_drives_the_next_layer() -> None:
    """Layer by layer on the silent chip, with a probe at every layer: the layer, then its successor's R."""
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    generator = stream(0, "mixers")
    mixers = tuple(
        torch.randn(la.features_in, la.features_in, generator=generator, dtype=F64) for la in LAYERS
    )
    x = torch.randn(5, 6, generator=generator, dtype=F64)
    nodes = tuple(torch.randn(2, 5, la.features, generator=generator, dtype=F64) for la in LAYERS)
    taps = decorrelated(chip.port(), mixers).measure(x, Probe(nodes=nodes)).taps
    given = x
    for i in range(3):
        (tap,) = xray.respond(chip, given, Probe(nodes=(nodes[i],)), first=i, last=i).taps
        given = tap if i == 2 else decorrelate(tap, mixers[i + 1])
        torch.testing.assert_close(taps[i], given)
    late = Probe(nodes=(None, None, nodes[2]))
    taps = decorrelated(chip.port(), mixers).measure(x, late).taps
    assert [t.shape[0] for t in taps] == [2, 2, 2]


def test_it_learns_where_inputs_hang_together() -> None:
    inner = Descent(NodePerturbation(0.1, probes=4), sgd(0.3), CrossEntropy(), delta_rule=False)
    learner = Decorrelated(inner, 0.02)
    chip = Chip(Mismatched(), LAYERS, 1, dtype=F64)
    steps = [s for _, s in fit(learner, chip.port(), lessons(200), stream(0, "learn"))]
    first, last = (sum(float(s.loss) for s in part) / 20 for part in (steps[:20], steps[-20:]))
    assert last < 0.7 * first


def test_a_bad_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="learning_rate is 1"):
        Decorrelated(Descent(NodePerturbation(0.1), sgd(0.1), CrossEntropy()), 1.0)
