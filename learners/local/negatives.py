"""What forward-forward holds against real images: wrong labels, and hybrids of two images.

G. Hinton, "The forward-forward algorithm" (2022), sections 3.2 and 3.3. A negative differs from what is real
in the long range, where only shape or label can tell, and never carries the true label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar

import torch
from torch import Generator
from torch import Tensor
from torch.nn.functional import pad

from analog.layers.crossbar import dense
from analog.port import Port
from analog.spec import Spec

from ..learner import Batch
from ..learner import Learner
from ..wiring.parts import Readout

F = TypeVar("F")
FLOOR = 1e-6  # of a wrong label's share: none is ever ruled out


class Negatives(Protocol[F]):
    """Makes fakes to set beside what is real."""

    def init(self, spec: Spec) -> F:
        """Its own memory before the first batch."""
        ...

    def pair(self, port: Port, batch: Batch, held: F, generator: Generator) -> tuple[Tensor, Tensor, F]:
        """Real and fake inputs, ([*fleet,] batch, features_in) each, and the next memory.

        Args:
            port: the chip, with the wiring between its layers; it may be measured and is not pulsed.
        """
        ...


def normalised(x: Tensor) -> Tensor:
    """The same direction at root mean square 1, so that how active a layer was is not told on."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x * (x.shape[-1] ** 0.5 / length.clamp(min=torch.finfo(x.dtype).tiny ** 0.5))


def pattern(taps: Sequence[Tensor], skipped: int = 1) -> Tensor:
    """What a read-out sees of a reading: normalised activities of all layers but the lowest `skipped`."""
    return torch.cat([normalised(tap) for tap in taps[skipped:]], -1)


def labelled(x: Tensor, label: Tensor, classes: int, brightness: float) -> Tensor:
    """Images whose first pixels say a label, one of N: (..., batch, pixels) for labels (..., batch)."""
    said = torch.nn.functional.one_hot(label, classes).to(x.dtype) * brightness
    rest = x[..., classes:]
    return torch.cat((said, rest.expand(*said.shape[:-1], rest.shape[-1])), -1)


def neutral(x: Tensor, classes: int, brightness: float) -> Tensor:
    """Images whose first pixels say every label a little."""
    return torch.cat((torch.full_like(x[..., :classes], brightness / classes), x[..., classes:]), -1)


def drawn(weights: Tensor, generator: Generator) -> Tensor:
    """One index of the last axis for each row, in proportion to weights of at least 0."""
    chosen = torch.multinomial(weights.flatten(0, -2), 1, generator=generator)
    return chosen.reshape(weights.shape[:-1])


class Choosing(NamedTuple):
    """Memory of `WrongLabels`."""

    readout: Tensor | None  # (*fleet, 1, classes, cols)
    inner: Any


@dataclass(frozen=True)
class WrongLabels:
    """Real is an image with its label in its first pixels; fake the same image with another label.

    Which one is left to chance, or to the network: one run with a neutral label and a digital read-out say
    what each image might be taken for, and wrong labels are drawn in these proportions.

    Args:
        brightness: of the pixel that says the label; images are 0..1.
        readout: trains the read-out, a port of one linear layer, from labels; None: any wrong label.
        skipped: lowest layers that the read-out does not see.
    """

    classes: int
    brightness: float = 1.0
    readout: Learner[Any] | None = None
    skipped: int = 1

    def __post_init__(self) -> None:
        if self.classes < 2 or not 0 < self.brightness < float("inf") or self.skipped < 0:
            raise ValueError(f"WrongLabels: wants 2 classes, some brightness, skipped >= 0; got {self}")

    def init(self, spec: Spec) -> Choosing:
        if spec.layers[0].features_in <= self.classes:
            raise ValueError(
                f"WrongLabels: {self.classes} labels leave nothing of {spec.layers[0].features_in} pixels"
            )
        if self.readout is None:
            return Choosing(None, None)
        top = self.top(spec)
        return Choosing(top.knobs, self.readout.init(top.spec))

    def top(self, spec: Spec, knobs: Tensor | None = None) -> Readout:
        """The read-out above a chip, to be driven with its `pattern` of activity."""
        seen = sum(layer.features for layer in spec.layers[self.skipped :])
        if not seen:
            raise ValueError(f"WrongLabels: {self.skipped} of {len(spec.layers)} layers skipped leaves none")
        return Readout(spec, dense(seen, self.classes, linear=True), knobs)

    def pair(
        self, port: Port, batch: Batch, held: Choosing, generator: Generator
    ) -> tuple[Tensor, Tensor, Choosing]:
        label = batch.target
        if (
            not isinstance(label, Tensor)
            or label.dtype != torch.int64
            or label.shape[-1:] != batch.x.shape[-2:-1]
        ):
            came = tuple(label.shape) if isinstance(label, Tensor) else type(label).__name__
            raise ValueError(f"WrongLabels: target is {came}, wanted int64 labels ({batch.x.shape[-2]},)")
        likely, held = self._likely(port, batch, held, generator)
        wrong = drawn(likely.scatter(-1, label.expand(likely.shape[:-1]).unsqueeze(-1), 0.0), generator)
        real, fake = (labelled(batch.x, said, self.classes, self.brightness) for said in (label, wrong))
        return real.expand(fake.shape), fake, held

    def _likely(
        self, port: Port, batch: Batch, held: Choosing, generator: Generator
    ) -> tuple[Tensor, Choosing]:
        """What each image is taken for, (*fleet, batch, classes), never quite 0."""
        if self.readout is None:
            return batch.x.new_ones(*port.spec.fleet, batch.x.shape[-2], self.classes), held
        top = self.top(port.spec, held.readout)
        x = normalised(neutral(batch.x, self.classes, self.brightness))
        seen = pattern(port.measure(x).taps, self.skipped)
        inner, step = self.readout.step(top.port(), Batch(seen, batch.target), held.inner, generator)
        return step.baseline.out.softmax(-1) + FLOOR, Choosing(top.knobs, inner)


@dataclass(frozen=True)
class Hybrids:
    """Fake is one image inside a mask of large blots and another one outside; no labels are used.

    The mask is white noise blurred `blurs` times by (1/4, 1/2, 1/4) in both directions, then cut at its
    median (the paper: at 1/2), so that small images too get half of either. The other image is another one of
    the batch, at a like distance in its order for all.
    """

    blurs: int = 6  # Guess: the paper says "repeatedly"

    def __post_init__(self) -> None:
        if isinstance(self.blurs, bool) or not isinstance(self.blurs, int) or self.blurs < 0:
            raise ValueError(f"Hybrids: blurs is {self.blurs!r}, wanted an integer of at least 0")

    def init(self, spec: Spec) -> tuple[()]:
        pixels = spec.layers[0].features_in
        if isqrt(pixels) ** 2 != pixels:
            raise ValueError(f"Hybrids: {pixels} pixels are no square image")
        return ()

    def pair(
        self, port: Port, batch: Batch, held: tuple[()], generator: Generator
    ) -> tuple[Tensor, Tensor, tuple[()]]:
        del port  # the images are all it takes
        count = batch.x.shape[-2]
        if count < 2:
            raise ValueError("Hybrids: one image cannot be mixed with another; wanted a batch of at least 2")
        shift = int(torch.randint(1, count, (), generator=generator, device=generator.device))
        mask = self.masks(batch.x, generator)
        return batch.x, torch.where(mask, batch.x, batch.x.roll(shift, -2)), held

    def masks(self, x: Tensor, generator: Generator) -> Tensor:
        """One for each image, (..., batch, pixels) of bool, true for half of the pixels."""
        side = isqrt(x.shape[-1])
        blots = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device).view(-1, side, side)
        for _ in range(2 * self.blurs):  # along lines, along columns
            wide = pad(blots, (1, 1), mode="replicate")
            blots = (wide[..., :-2] / 4 + wide[..., 1:-1] / 2 + wide[..., 2:] / 4).mT
        flat = blots.reshape(x.shape)
        return flat > flat.median(-1, keepdim=True).values
