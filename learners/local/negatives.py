"""Negative data of forward-forward: images with wrong labels; `hybrid_images` has the other kind.

G. Hinton, "The forward-forward algorithm: some preliminary investigations" (2022),
https://arxiv.org/abs/2212.13345, section 3.3. A negative differs from what is real in the long range,
where only shape or label can tell, and never carries the true label.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from typing_extensions import TypeVar

from analog.layers.crossbar import dense
from analog.port import Port
from analog.spec import Spec

from ..learner import Batch, Learner
from ..wiring.readout import DigitalReadout
from .label_images import embed_label, embed_neutral_label, readout_features
from .normalization import normalize

S = TypeVar("S", default=Any)
MIN_PROBABILITY = 1e-6  # of a wrong label: none is ever ruled out


class Negatives(Protocol[S]):
    """A source of fakes to set beside what is real."""

    def init(self, spec: Spec) -> S:
        """The state before the first batch, for a chip of this datasheet.

        Raises:
            ValueError: no fakes can be made of such a chip's inputs.
        """
        ...

    def pair(self, port: Port, batch: Batch, state: S, generator: Generator) -> tuple[Tensor, Tensor, S]:
        """Make a batch of real and one of fake inputs.

        Args:
            port: the chip, with the wiring between its layers; it may be measured and is not pulsed.
            batch: x (batch, features_in); what the target has to be is said by each source.

        Returns:
            real and fake inputs, ([*fleet,] batch, features_in) each, and the next state.

        Raises:
            ValueError: the batch does not serve.
        """
        ...


def sample_categorical(weights: Tensor, generator: Generator) -> Tensor:
    """One class for each row, int64 (...), in proportion to weights (..., classes) of at least 0."""
    indices = torch.multinomial(weights.flatten(0, -2), 1, generator=generator)
    return indices.reshape(weights.shape[:-1])


def others_of_batch(x: Tensor, generator: Generator) -> Tensor:
    """Another image of its batch for each image (..., batch, pixels), the same number of places away.

    Raises:
        ValueError: there is but one image.
    """
    count = x.shape[-2]
    if count < 2:
        raise ValueError("one image cannot be mixed with another; wanted a batch of at least 2")
    shift = int(torch.randint(1, count, (), generator=generator, device=generator.device))
    return x.roll(shift, -2)


class _ReadoutState(NamedTuple):
    """The memory of `WrongLabels`."""

    readout: Tensor | None  # (*fleet, 1, classes, cols)
    learner: Any


@dataclass(frozen=True)
class WrongLabels:
    """Fakes are images with a wrong label in their first pixels; real are the same images with their own.

    Which one is left to chance, or to the network: one run with a neutral label and a digital read-out say
    what each image might be taken for, and wrong labels are drawn in these proportions. Targets of batches
    are class numbers (batch,), int64.

    Args:
        brightness: of the pixel that says the label; images are 0..1.
        readout: trains the read-out, a port of one linear layer, from labels; None: any wrong label.
        skipped: lowest layers that the read-out does not see.

    Raises:
        ValueError: `classes`, `brightness` or `skipped` is out of its range.
    """

    classes: int
    brightness: float = 1.0
    readout: Learner | None = None
    skipped: int = 1

    def __post_init__(self) -> None:
        if self.classes < 2 or not 0 < self.brightness < float("inf") or self.skipped < 0:
            raise ValueError(f"WrongLabels: wants 2 classes, some brightness, skipped >= 0; got {self}")

    def init(self, spec: Spec) -> _ReadoutState:
        """The read-out at zero, and its learner's state.

        Raises:
            ValueError: labels leave no pixel of an image, or no layer is left to be read.
        """
        if spec.layers[0].features_in <= self.classes:
            raise ValueError(
                f"WrongLabels: {self.classes} labels leave nothing of {spec.layers[0].features_in} pixels"
            )
        if self.readout is None:
            return _ReadoutState(None, None)
        top = self.top(spec)
        return _ReadoutState(top.knobs, self.readout.init(top.spec))

    def top(self, spec: Spec, knobs: Tensor | None = None) -> DigitalReadout:
        """The read-out above a chip, to be driven with its `readout_features`.

        Args:
            knobs: (*fleet, 1, classes, cols), where it stands; None for zeros.

        Raises:
            ValueError: no layer is left to be read.
        """
        features = sum(layer.features for layer in spec.layers[self.skipped :])
        if not features:
            raise ValueError(f"WrongLabels: {self.skipped} of {len(spec.layers)} layers skipped leaves none")
        return DigitalReadout(spec, dense(features, self.classes, linear=True), knobs)

    def pair(
        self, port: Port, batch: Batch, state: _ReadoutState, generator: Generator
    ) -> tuple[Tensor, Tensor, _ReadoutState]:
        """Make images with their own and with a wrong label.

        Returns:
            Both (*fleet, batch, features_in), and the state.

        Raises:
            ValueError: the target of the batch is not its labels.
        """
        label = batch.target
        if (
            not isinstance(label, Tensor)
            or label.dtype != torch.int64
            or label.shape[-1:] != batch.x.shape[-2:-1]
        ):
            got = tuple(label.shape) if isinstance(label, Tensor) else type(label).__name__
            raise ValueError(f"WrongLabels: target is {got}, wanted int64 labels ({batch.x.shape[-2]},)")
        likely, state = self._probabilities(port, batch, state, generator)
        wrong = sample_categorical(
            likely.scatter(-1, label.expand(likely.shape[:-1]).unsqueeze(-1), 0.0), generator
        )
        real, fake = (embed_label(batch.x, each, self.classes, self.brightness) for each in (label, wrong))
        return real.expand(fake.shape), fake, state

    def _probabilities(
        self, port: Port, batch: Batch, state: _ReadoutState, generator: Generator
    ) -> tuple[Tensor, _ReadoutState]:
        """How likely each image is taken for each class, (*fleet, batch, classes), never quite 0."""
        if self.readout is None:
            return batch.x.new_ones(*port.spec.fleet, batch.x.shape[-2], self.classes), state
        top = self.top(port.spec, state.readout)
        x = normalize(embed_neutral_label(batch.x, self.classes, self.brightness))
        features = readout_features(port.measure(x).taps, self.skipped)
        learner, step = self.readout.step(top.port(), Batch(features, batch.target), state.learner, generator)
        return step.baseline.out.softmax(-1) + MIN_PROBABILITY, _ReadoutState(top.knobs, learner)
