"""LeCun's network of 1989 trained digitally, one image at a time, several copies side by side.

LeCun et al., "Backpropagation applied to handwritten zip code recognition" (1989),
https://doi.org/10.1162/neco.1989.1.4.541.

Backpropagation written out, because millions of steps on one image each are bound by calls: the copies
(seeds) are a leading axis, so a step is some thirty small batched products whatever their number.
Tensors are laid out site by site, maps last; the patches that a kernel sees are rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Generator, Tensor

from ..data.lecun1989 import CONNECTED_MAPS, OUTSIDE, PARAMETERS, SIDE

ActivationName = Literal["tanh", "relu"]
Loss = Literal["squared error", "softmax"]
MAPS: Final = 12
KERNEL: Final = 5
BORDER: Final = 2
_SHAPES: Final = ((25, MAPS), (64, MAPS), (300, MAPS), (16, MAPS), (192, 30), (1, 30), (30, 10), (1, 10))
_FAN_IN: Final = {0: 25, 2: 200, 4: 192, 6: 30}  # of the weights among these shapes; the others are biases


@dataclass(frozen=True)
class NetworkKind:
    """The kind of network that all copies are: its neurons, its loss, its dropout."""

    activation: ActivationName = "tanh"  # of the hidden layers
    loss: Loss = "squared error"  # with tanh at the outputs, or softmax cross-entropy without
    dropout: float = 0.0  # share of H2 that is silenced while learning


class Copies:
    """Several networks and what a step of each needs, all of it allocated once.

    knobs: (parameters of all copies,), with gradient alike; the connections that H2 lacks stay 0 in both.
    parameters, products: of one copy, and the multiplications by which it names an image's class.
    """

    parameters: Final = sum(PARAMETERS)
    products: Final = 64 * MAPS * 25 + 16 * MAPS * 200 + 192 * 30 + 30 * 10

    def __init__(
        self, kind: NetworkKind, generators: list[Generator], dtype: torch.dtype = torch.float32
    ) -> None:
        count = len(generators)
        self.kind, self.loss, self.dropout = kind, kind.loss, kind.dropout
        sizes = [count * rows * cols for rows, cols in _SHAPES]
        self.knobs, self.gradient = torch.zeros(sum(sizes), dtype=dtype), torch.zeros(sum(sizes), dtype=dtype)
        self.weights = _views(self.knobs, sizes, count)
        self._gradients = _views(self.gradient, sizes, count)
        self._connected = _connections().to(dtype)
        for row, generator in enumerate(generators):
            for place, fan_in in _FAN_IN.items():
                uniform = torch.rand(_SHAPES[place], generator=generator, dtype=dtype) * 2 - 1
                self.weights[place][row] = uniform * (2.4 / fan_in**0.5)
        self.weights[2].mul_(self._connected)
        if kind.loss == "squared error":
            self.weights[7].fill_(-1.0)  # nine of ten targets are -1
        self._maps = torch.full((count, 12, 12, MAPS), OUTSIDE, dtype=dtype)  # H1 and what lies outside
        self._windows = torch.empty(count, 16, 300, dtype=dtype)
        self._folded = torch.zeros(count, 401, MAPS, dtype=dtype)  # the last row stays 0
        self._table = _contributors()
        self._activation: Callable[[Tensor], Tensor] = (
            torch.tanh_ if kind.activation == "tanh" else torch.relu_
        )

    def forward(self, patches: Tensor, dropped: Tensor | None = None) -> list[Tensor]:
        """The activity of every layer, (copies, sites, maps) each, for an image of each copy.

        Args:
            patches: (copies, 64, 25) of one image for each.
            dropped: (copies, 1, 192), what H2 is multiplied by while learning; None is nothing.
        """
        w1, b1, w2, b2, w3, b3, w4, b4 = self.weights
        h1 = self._activation(torch.baddbmm(b1, patches, w1))
        self._maps[:, 2:10, 2:10] = h1.view(-1, 8, 8, MAPS)
        self._windows.view(-1, 4, 4, 5, 5, MAPS).copy_(_windows_of(self._maps))
        h2 = self._activation(torch.baddbmm(b2, self._windows, w2))
        h2_kept = h2.view(-1, 1, 192) if dropped is None else h2.view(-1, 1, 192) * dropped
        h3 = self._activation(torch.baddbmm(b3, h2_kept, w3))
        out = torch.baddbmm(b4, h3, w4)
        return [h1, h2, h2_kept, h3, out if self.loss == "softmax" else out.tanh_()]

    def compute_gradient(self, patches: Tensor, target: Tensor, dropped: Tensor | None = None) -> None:
        """Compute the gradient of the loss of one image for each copy, into `gradient`.

        Args:
            target: (copies, 1, 10); 1 for the right class, else 0 for softmax and -1 for squared error.
        """
        h1, h2, h2_kept, h3, out = self.forward(patches, dropped)
        _, _, w2, _, w3, _, w4, _ = self.weights
        g1, d1, g2, d2, g3, d3, g4, d4 = self._gradients  # the gradient at a bias is that at its node
        if self.loss == "softmax":
            torch.sub(out.softmax(-1), target, out=d4)
        else:  # the mean over the ten outputs
            _node_gradient("tanh", torch.sub(out, target).mul_(0.2), out, d4)
        torch.bmm(h3.mT, d4, out=g4)
        _node_gradient(self.kind.activation, torch.bmm(d4, w4.mT), h3, d3)
        torch.bmm(h2_kept.mT, d3, out=g3)
        back = torch.bmm(d3, w3.mT)
        if dropped is not None:
            back.mul_(dropped)
        _node_gradient(self.kind.activation, back.view(-1, 16, MAPS), h2, d2)
        torch.bmm(self._windows.mT, d2, out=g2)
        g2.mul_(self._connected)
        torch.bmm(d2, w2.mT, out=self._folded[:, :400].view(-1, 16, 300))
        back = self._folded.index_select(1, self._table).view(-1, 64, 9, MAPS).sum(2)
        _node_gradient(self.kind.activation, back, h1, d1)
        torch.bmm(patches.mT, d1, out=g1)

    def prepare(self, images: Tensor) -> Tensor:  # (..., 256) -> (..., 64, 25)
        """What `forward`, `compute_gradient` and `predict` take of images: patches."""
        return kernel_patches(images)

    def predict(self, patches: Tensor) -> Tensor:  # (images, 64, 25) -> (copies, images)
        """The class that every copy names for each image."""
        w1, b1, w2, b2, w3, b3, w4, b4 = (w.unsqueeze(1) for w in self.weights)
        h1 = self._activation(patches @ w1 + b1)  # (copies, images, 64, maps)
        maps = h1.new_full((*h1.shape[:2], 12, 12, MAPS), OUTSIDE)
        maps[:, :, 2:10, 2:10] = h1.unflatten(2, (8, 8))
        windows = _windows_of(maps.flatten(0, 1)).reshape(*h1.shape[:2], 16, 300)
        h2 = self._activation(windows @ w2 + b2)
        h3 = self._activation(h2.flatten(2).unsqueeze(2) @ w3 + b3)
        return (h3 @ w4 + b4).squeeze(2).argmax(-1)


def kernel_patches(images: Tensor) -> Tensor:  # (..., 256) -> (..., 64, 25)
    """The patches of images that the first layer's kernel sees at its 64 sites."""
    wide = images.new_full((*images.shape[:-1], SIDE + 2 * BORDER, SIDE + 2 * BORDER), OUTSIDE)
    wide[..., BORDER:-BORDER, BORDER:-BORDER] = images.unflatten(-1, (SIDE, SIDE))
    patches = wide.unfold(-2, KERNEL, 2).unfold(-2, KERNEL, 2)  # (..., 8, 8, 5, 5)
    return patches.flatten(-2).flatten(-3, -2)


def _windows_of(maps: Tensor) -> Tensor:  # (n, 12, 12, maps) -> (n, 4, 4, 5, 5, maps), a view
    image, line, pixel = maps.stride()[:3]
    size = (len(maps), 4, 4, KERNEL, KERNEL, maps.shape[-1])
    return maps.as_strided(size, (image, 2 * line, 2 * pixel, line, pixel, 1))


def _node_gradient(activation: ActivationName, gradient: Tensor, output: Tensor, out: Tensor) -> Tensor:
    """From the gradient at a neuron's output to that at its node."""
    if activation == "tanh":
        return torch.addcmul(gradient, gradient.mul(output), output, value=-1, out=out)
    return torch.mul(gradient, output.sign(), out=out)


def _views(flat: Tensor, sizes: list[int], count: int) -> list[Tensor]:
    parts = zip(flat.split(sizes), _SHAPES, strict=True)
    return [part.view(count, *shape) for part, shape in parts]


def _connections() -> Tensor:  # (300, 12), 1 where a map of H2 sees a plane of H1
    connected = torch.zeros(25, MAPS, MAPS)
    for group, planes in enumerate(CONNECTED_MAPS):
        connected[:, list(planes), 4 * group : 4 * group + 4] = 1
    return connected.flatten(0, 1)


def _contributors() -> Tensor:  # (64 * 9,)
    """For each unit of H1 the rows of (16 sites x 25 taps) that it drives; 400 where fewer than nine."""
    rows: list[list[int]] = [[] for _ in range(144)]
    for site in range(16):
        for tap in range(25):
            line, pixel = 2 * (site // 4) + tap // 5, 2 * (site % 4) + tap % 5
            rows[12 * line + pixel].append(25 * site + tap)
    inside = [rows[12 * line + pixel] for line in range(2, 10) for pixel in range(2, 10)]
    return torch.tensor([(r + [400] * 9)[:9] for r in inside]).flatten()
