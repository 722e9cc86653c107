"""A digital convolutional network of the same layers as `ConvolutionalChip`, by backpropagation in torch."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from learners import Batch

from ..recipes.image_chips import ConvolutionalChip


class ConvolutionalNetwork:
    """A network with its optimizer: convolutions, rectifiers, pools, batch normalization, a linear read-out.

    Weights begin normal with variance 1 / fan-in, as a chip's knobs do; Adam's rate falls to zero linearly.

    Args:
        wiring: the sizes.
        cells: of the read-out, a side.
        classes: outputs.
        steps: of the training.
        learning_rate: at its beginning.
        generator: of the weights.
    """

    def __init__(
        self,
        wiring: ConvolutionalChip,
        cells: int,
        classes: int,
        steps: int,
        learning_rate: float,
        generator: Generator,
    ) -> None:
        layers = (*wiring.layers(), wiring.head(len(wiring.channels) - 1, cells, classes))
        self._wiring, self._layers = wiring, layers
        self._weights = [
            (torch.randn(la.rows, la.cols, generator=generator) / la.cols**0.5).requires_grad_()
            for la in layers
        ]
        self._means = [torch.zeros(channels) for channels in wiring.channels]
        self._variances = [torch.ones(channels) for channels in wiring.channels]
        self._adam = torch.optim.Adam(self._weights, learning_rate)
        self._schedule = torch.optim.lr_scheduler.LinearLR(self._adam, 1.0, 0.0, steps)

    reads = 0  # there is no chip

    def step(self, batch: Batch, generator: Generator) -> None:
        """Descend the mean cross-entropy of one batch."""
        del generator  # nothing is drawn
        self._adam.zero_grad()
        F.cross_entropy(self._answers(batch.x, learning=True), batch.target).backward()
        self._adam.step()
        self._schedule.step()

    def predict(self, x: Tensor, known: Tensor) -> Tensor:
        """The outputs (examples, classes) for images (examples, features)."""
        del known  # it kept statistics while it learned
        with torch.no_grad():
            return torch.cat([self._answers(part, learning=False) for part in x.split(1000)])

    def _answers(self, x: Tensor, *, learning: bool) -> Tensor:
        wiring, maps = self._wiring, x.view(-1, *self._wiring.image)
        for at, channels in enumerate(wiring.channels):
            size, weights = 3 if at else 5, self._weights[at]
            kernels = weights[:, :-1].view(channels, maps.shape[1], size, size)
            stride = 1 if at else wiring.stride
            maps = F.conv2d(maps, kernels, weights[:, -1], stride, size // 2).relu()
            maps = F.batch_norm(maps, self._means[at], self._variances[at], training=learning)
            if wiring.pools(at):
                maps = F.max_pool2d(maps, 2)
        top = self._weights[-1]
        planes = (top.shape[1] - 1) // wiring.channels[-1]
        means = F.adaptive_avg_pool2d(maps, round(planes**0.5))
        pixels_first = means.movedim(1, -1).flatten(1)
        return pixels_first @ top[:, :-1].T + top[:, -1]
