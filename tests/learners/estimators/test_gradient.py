"""From gradients at nodes to gradients at knobs."""

import pytest
import torch

from analog import Chip, Ideal, conv2d, dense, stream, xray
from learners import CrossEntropy
from learners.estimators.gradient import knob_gradient

F64 = torch.float64


@pytest.mark.parametrize(
    "layers",
    [
        (dense(6, 4), dense(4, 3, linear=True)),
        (conv2d((1, 4, 4), 2, 2, stride=2, biases="per-site"), dense(8, 3, linear=True)),
    ],
    ids=["dense", "conv"],
)
def test_node_gradients_become_knob_gradients(layers: tuple[object, ...]) -> None:
    """On an ideal chip the exact node gradient through `knob_gradient` is the exact knob gradient."""
    chip = Chip(Ideal(), layers, 1, dtype=F64)  # type: ignore[arg-type]
    x = torch.randn(5, chip.spec.layers[0].features_in, generator=stream(0, "c"), dtype=F64)
    target = torch.tensor([0, 1, 2, 1, 0])
    nodes = xray.node_gradient(chip, x, target, CrossEntropy())
    given_to = (x, *xray.respond(chip, x).taps[:-1])
    ours = tuple(knob_gradient(la, d, g) for la, d, g in zip(chip.spec.layers, nodes, given_to, strict=True))
    torch.testing.assert_close(ours, xray.knob_gradient(chip, x, target, CrossEntropy()))
