"""The exact gradients of digital tanh networks."""

import pytest
import torch

from analog import Chip, dense, stream, xray
from learners import Batch, BinaryCrossEntropy, SquaredError
from learners.losses import Loss
from studies.kit.digital.tanh_networks import Digital, ExactNodeGradients


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), SquaredError()], ids=repr)
@pytest.mark.parametrize("ends_linear", [True, False])
def test_they_are_those_that_the_x_ray_shows(loss: Loss, ends_linear: bool) -> None:
    layers = (dense(6, 5), dense(5, 2, linear=True), dense(2, 5), dense(5, 6, linear=ends_linear))
    chip = Chip(Digital(), layers, identity=range(2), dtype=torch.float64)
    x = torch.rand(7, 6, generator=stream(0, "tanh"), dtype=torch.float64)
    batch, generator = Batch(x, x), stream(0, "unused")
    found, _ = ExactNodeGradients(chip).estimate(
        chip.port(), batch, chip.port().measure(x), loss, None, generator
    )
    for mine, theirs in zip(found, xray.node_gradient(chip, x, x, loss), strict=True):
        torch.testing.assert_close(mine, theirs)
