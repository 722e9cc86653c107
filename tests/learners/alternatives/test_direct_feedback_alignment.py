"""Direct feedback alignment: an update by the formula of its taps, a read-out by the delta rule."""

from typing import Any

import pytest
import torch

from analog import Chip, Mismatched, conv2d, dense
from learners import CrossEntropy, Descent, NodePerturbation, sgd
from learners.alternatives import DirectFeedbackAlignment
from tests.learners.alternatives.rule import F64, TINY, labeled, told

LAYERS: dict[str, Any] = {
    "one": (dense(9, 3, linear=True),),
    "three": (dense(9, 6), dense(6, 5), dense(5, 3, linear=True)),
    "convolution": (conv2d((1, 3, 3), 3, 2), dense(12, 3, linear=True)),
}
each_wiring = pytest.mark.parametrize("layers", LAYERS.values(), ids=[*LAYERS])


@each_wiring
@pytest.mark.parametrize("fleet", [1, (1, 2)])
def test_its_update_is_the_formula_of_its_taps(layers: Any, fleet: Any) -> None:
    chip = Chip(Mismatched(), layers, fleet, dtype=F64)
    batch = labeled(chip)
    gradient, (reading,), state = told(DirectFeedbackAlignment(sgd(TINY), CrossEntropy()), chip, batch)
    error = CrossEntropy().gradient(reading.out, batch.target)
    hidden = [(error @ b.mT) * (tap != 0) for b, tap in zip(state.feedback, reading.taps[:-1], strict=True)]
    inputs = (batch.x, *reading.taps[:-1])
    for ours, layer, nodes, x in zip(gradient, layers, (*hidden, error), inputs, strict=True):
        wanted = torch.einsum("...tsr,...tsc->...trc", layer.unscatter(nodes), layer.gather(x))
        torch.testing.assert_close(ours, wanted / 16, rtol=1e-6, atol=1e-9)


@each_wiring
def test_its_read_out_learns_by_the_delta_rule(layers: Any) -> None:
    chips = [Chip(Mismatched(), layers, 3, dtype=F64) for _ in range(2)]
    learners = (
        DirectFeedbackAlignment(sgd(TINY), CrossEntropy()),
        Descent(NodePerturbation(0.1), sgd(TINY), CrossEntropy()),
    )
    ours, theirs = (
        told(learner, chip, labeled(chip))[0][-1] for learner, chip in zip(learners, chips, strict=True)
    )
    assert torch.equal(ours, theirs)
