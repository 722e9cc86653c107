"""A vision transformer about as large and as dear as LeCun's network of 1989, several copies side by side.

Dosovitskiy et al., "An image is worth 16 x 16 words" (2021), https://arxiv.org/abs/2010.11929, with blocks
that normalize first. Karpathy tried one on the digits of 1989 (https://karpathy.github.io/2022/03/14/lecun1989/)
and says no more of it than that parameters and operations roughly matched and that it did not.

Guess: everything else. Nine patches of 6 x 6 pixels (the image has a border of one pixel), 16 numbers each,
three blocks of four heads and 32 rectifying units, and a read-out that sees all patches: 8,890 parameters and
69,696 products against 9,760 and 63,660. It learns from one image at a time as the network does; torch's
automatic derivatives, all copies in one product.
"""

from math import prod
from typing import Final

import torch
from torch import Generator, Tensor
from torch.nn.functional import layer_norm, pad, relu

from ..data.lecun1989 import OUTSIDE, SIDE

SIZE: Final = 6  # pixels of a patch along one side
PATCHES: Final = 9
WIDTH: Final = 16
HEADS: Final = 4
UNITS: Final = 32
BLOCKS: Final = 3
_BLOCK: Final = (
    *((2, WIDTH), (WIDTH, 3 * WIDTH), (1, 3 * WIDTH), (WIDTH, WIDTH), (1, WIDTH)),  # attention
    *((2, WIDTH), (WIDTH, UNITS), (1, UNITS), (UNITS, WIDTH), (1, WIDTH)),
)
_EMBEDDING: Final = ((SIZE * SIZE, WIDTH), (1, WIDTH), (PATCHES, WIDTH))
_READ_OUT: Final = ((2, WIDTH), (PATCHES * WIDTH, 10), (1, 10))
_SHAPES: Final = (*_EMBEDDING, *(_BLOCK * BLOCKS), *_READ_OUT)


class MicroViT:
    """Copies of a small transformer and their gradient, with the members of `Copies`.

    knobs: (parameters of all copies,), with gradient alike.
    """

    loss: Final = "softmax"
    dropout: Final = 0.0
    parameters: Final = sum(map(prod, _SHAPES))
    products: Final = (
        PATCHES * SIZE * SIZE * WIDTH
        + BLOCKS * PATCHES * (4 * WIDTH * WIDTH + 2 * WIDTH * UNITS + 2 * PATCHES * WIDTH)
        + PATCHES * WIDTH * 10
    )

    def __init__(self, generators: list[Generator], dtype: torch.dtype = torch.float32) -> None:
        self._count = len(generators)
        self.knobs = torch.zeros(self._count * self.parameters, dtype=dtype)
        self.gradient = torch.zeros_like(self.knobs)
        parts = self._parts(self.knobs)
        for row, generator in enumerate(generators):
            for place, (rows, cols) in enumerate(_SHAPES):
                if rows == 2:  # of a normalization: gains, then offsets
                    parts[place][row, 0] = 1.0
                elif rows > 1:
                    uniform = torch.rand(rows, cols, generator=generator, dtype=dtype) * 2 - 1
                    fan_in = rows if place != 2 else 1 / 0.02**2  # positions begin small
                    parts[place][row] = uniform / fan_in**0.5

    def _parts(self, flat: Tensor) -> list[Tensor]:
        sizes = [self._count * prod(shape) for shape in _SHAPES]
        pairs = zip(flat.split(sizes), _SHAPES, strict=True)
        return [part.view(self._count, *shape) for part, shape in pairs]

    def forward(self, parts: list[Tensor], patches: Tensor) -> Tensor:
        """Logits (copies, images, 10) of patches (copies, images, 9, 36), or one set of images for all.

        Args:
            parts: the parameters, (copies, rows, cols) each.
            patches: as `prepare` gives them.
        """
        first, blocks, last = parts[:3], parts[3:-3], parts[-3:]
        images = patches.shape[-3]
        tokens = torch.baddbmm(first[1], patches.flatten(1, 2), first[0]).unflatten(1, (images, PATCHES))
        tokens = tokens + first[2].unsqueeze(1)
        for k in range(BLOCKS):
            attention, units = blocks[10 * k : 10 * k + 5], blocks[10 * k + 5 : 10 * k + 10]
            tokens = tokens + _attend(attention, _normalize(tokens, attention[0]))
            tokens = tokens + _rectify(units, _normalize(tokens, units[0]))
        seen = _normalize(tokens, last[0]).flatten(2)
        return torch.baddbmm(last[2], seen, last[1])

    def compute_gradient(self, patches: Tensor, target: Tensor, dropped: Tensor | None = None) -> None:
        """Compute the gradient of the loss of one image for each copy, into `gradient`.

        Args:
            patches: (copies, 9, 36) of one image for each.
            target: (copies, 1, 10); 1 for the right class, else 0.
            dropped: None, for there is no dropout.
        """
        del dropped  # nothing is dropped here
        with torch.enable_grad():
            knobs = self.knobs.detach().requires_grad_()
            logits = self.forward(self._parts(knobs), patches.unsqueeze(1))
            loss = -(logits.log_softmax(-1) * target).sum()
        self.gradient.copy_(torch.autograd.grad(loss, knobs)[0])

    def prepare(self, images: Tensor) -> Tensor:  # (..., 256) -> (..., 9, 36)
        """What `compute_gradient` and `predict` take of images: patches that do not overlap."""
        wide = pad(images.unflatten(-1, (SIDE, SIDE)), (1, 1, 1, 1), value=OUTSIDE)
        return wide.unfold(-2, SIZE, SIZE).unfold(-2, SIZE, SIZE).flatten(-2).flatten(-3, -2)

    def predict(self, patches: Tensor) -> Tensor:  # (images, 9, 36) -> (copies, images)
        """The class that every copy names for each image."""
        parts = self._parts(self.knobs)
        return self.forward(parts, patches.expand(self._count, *patches.shape)).argmax(-1)


def _normalize(tokens: Tensor, gains: Tensor) -> Tensor:
    """Tokens (copies, images, patches, width) of mean 0 and variance 1, times gains, and offsets."""
    flat = layer_norm(tokens, (WIDTH,))
    return torch.addcmul(gains[:, None, 1:], flat, gains[:, None, :1])


def _attend(parts: list[Tensor], tokens: Tensor) -> Tensor:
    _, into, into_bias, out, out_bias = parts
    copies, images = tokens.shape[:2]
    mixed = torch.baddbmm(into_bias, tokens.flatten(1, 2), into)
    query, key, value = mixed.view(copies * images, PATCHES, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    looks = (query @ key.mT / (WIDTH / HEADS) ** 0.5).softmax(-1)
    seen = (looks @ value).transpose(1, 2).reshape(copies, images * PATCHES, WIDTH)
    return torch.baddbmm(out_bias, seen, out).view_as(tokens)


def _rectify(parts: list[Tensor], tokens: Tensor) -> Tensor:
    _, into, into_bias, out, out_bias = parts
    hidden = relu(torch.baddbmm(into_bias, tokens.flatten(1, 2), into))
    return torch.baddbmm(out_bias, hidden, out).view_as(tokens)
