"""Layers that learn by objectives of their own activity, and the read-out that is kept beside them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Generator, Tensor

from analog import Chip, Device, Ledger, Port, dense, metered, stream
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    NodePerturbation,
    Step,
    Update,
    accumulate,
    adam,
    linear_decay,
    momentum,
)
from learners.data import Dataset, batches, count_steps
from learners.learner import Learner
from learners.local import (
    Block,
    ClassGoodness,
    ForwardForward,
    GoodnessLoss,
    Greedy,
    Hebbian,
    HybridImages,
    MixedImages,
    Negatives,
    Normalization,
    WrongLabels,
    class_goodness,
    embed_neutral_label,
    label_goodness,
    normalize,
    readout_features,
    standardize,
    standardized_triangle,
    with_normalization,
)
from learners.recipes import PROBE_SIZE

from ..kit.recipes.published_learner import WRITE_THRESHOLD
from ..kit.run.study import Row

Method = Literal[
    "labels",
    "labels, derivatives measured",
    "labels, goodness perturbed",
    "labels, competition",
    "hybrids",
    "self-contrast",
]


class Size(NamedTuple):
    """Sizes that suit a data set, chosen on held-out parts of the training data."""

    layers: int
    width: int
    batch: int
    epochs: float
    learning_rate: float


class Unlabeled(NamedTuple):
    """How layers learn that know no labels."""

    negatives: Negatives
    loss: GoodnessLoss
    normalization: Normalization = normalize  # of what is handed on, to layers and to the read-out
    skipped: int = 1  # lowest layers that the read-out does not see
    # neurons are linear and rectified digitally, so that the triangle sees what stays below 0; images are
    # standardized before they are mixed, and not again
    linear: bool = False


BRIGHTNESS = 2.0  # of the pixel that says the label
LOSS = GoodnessLoss(threshold=1.0, sharpness=30.0)
CONTRAST = GoodnessLoss(threshold=1.0, sharpness=1.0, rectified=True)
BLURRED_SHARPNESS = 10.0  # at most, where every write blurs
MOMENTUM_LEARNING_RATE = 3e-4  # there, for each neuron of a layer: the mean's gradient is shared among them
READOUT_LEARNING_RATE = 3e-3
READOUT_EPOCHS = 10  # for which a read-out learns on when layers that know no labels are done
UNLABELED: dict[str, Unlabeled] = {
    "hybrids": Unlabeled(HybridImages(), LOSS),
    "self-contrast": Unlabeled(MixedImages(), CONTRAST, standardized_triangle, skipped=0, linear=True),
}


def shift_images(x: Tensor, largest: int, generator: Generator) -> Tensor:
    """Images (images, pixels) shifted together by lot in both directions; what leaves comes in again."""
    if not largest:
        return x
    side = math.isqrt(x.shape[-1])
    by = torch.randint(-largest, largest + 1, (2,), generator=generator).tolist()
    return x.unflatten(-1, (side, side)).roll(by, (-2, -1)).flatten(-2)


class Training:
    """A fleet of chips, who teaches it, and the read-out that is kept beside it in digital memory.

    Args:
        identities: who the chips are.
        shifts: pixels by which the images of a batch are moved at most, another way each batch.
        seed: of the data's order, the probes and the chips' noise.
    """

    def __init__(
        self,
        method: Method,
        device: Device[Any],
        identities: Sequence[int],
        data: Dataset,
        size: Size,
        shifts: int,
        seed: int,
    ) -> None:
        self.method, self.device, self.data, self.size = method, device, data, size
        self.shifts, self.seed = shifts, seed
        self.unlabeled = UNLABELED.get(method)
        linear = self.unlabeled is not None and self.unlabeled.linear
        self.input_normalization = standardize if linear else normalize
        self.normalization = self.unlabeled.normalization if self.unlabeled else normalize
        self.skipped = self.unlabeled.skipped if self.unlabeled else 1
        self.competition = ClassGoodness(data.classes) if method == "labels, competition" else None
        self.ready = linear or self.competition is not None  # images come to the learner normalized
        self.plain = self.competition is not None or self.unlabeled is not None  # no label among the pixels
        widths = (data.features, *(size.width,) * size.layers)
        layers = tuple(dense(a, b, linear=linear) for a, b in pairwise(widths))
        self.chip = Chip(device, layers, identities, noise_seed=seed)
        self.ledger = Ledger(self.chip.spec)
        self.port = self.chip.port()
        counted = metered(self.port, self.ledger).measure
        self.wires = self.port._replace(measure=counted)  # pulses are not booked: millions of cells a step
        self.readout_learner = _readout_learner(self._with_decay(adam(READOUT_LEARNING_RATE, beta2=0.99)))
        self.wrong_labels = WrongLabels(data.classes, BRIGHTNESS, self.readout_learner, self.skipped)
        self.readout = self.wrong_labels.top(self.chip.spec)

    def steps(self) -> Iterator[Step]:
        """Learn; after each step the read-out is up to date."""
        readout_learner, learner = self.readout_learner, self._learner()
        state, readout_state = learner.init(self.chip.spec), readout_learner.init(self.readout.spec)
        order, probes = (stream(self.seed, "forward_forward", what) for what in ("data", "probes"))
        for images in batches(self.data.train, self.size.batch, self.size.epochs, order):
            x = shift_images(images.x, self.shifts, order)
            batch = images._replace(x=self.input_normalization(x) if self.ready else x)
            state, step = learner.step(self.wires, batch, state, probes)
            if self.plain:
                reals = [tap[..., : len(batch.x), :] for tap in step.baseline.taps]
                features = batch._replace(x=readout_features(reals, self.skipped, self.normalization))
                readout_state, _ = readout_learner.step(self.readout.port(), features, readout_state, probes)
            else:
                self.readout = self.wrong_labels.top(self.chip.spec, state.negatives.readout)
            yield step

    def settle_readout(self) -> None:
        """Let the read-out learn alone, from images that nobody moves, if layers knew no labels."""
        if self.unlabeled is None:
            return
        train, batch = self.data.train, self.size.batch
        update = linear_decay(adam(READOUT_LEARNING_RATE), count_steps(train, batch, READOUT_EPOCHS))
        learner, port = _readout_learner(update), self.readout.port()
        state, order = learner.init(self.readout.spec), stream(self.seed, "forward_forward", "readout")
        for images in batches(train, batch, READOUT_EPOCHS, order):
            features = images._replace(x=self._features(self.wires, images.x))
            state, _ = learner.step(port, features, state, order)

    def errors(self, data: Batch) -> Row:
        """Shares of examples named wrongly, of each chip; by goodness none without labels."""
        by_readout = self._error_rates(self._readout_scores, data)  # read first, as noise is drawn in order
        by_goodness = None if self.unlabeled else self._error_rates(self._label_goodness, data)
        return {"goodness": by_goodness, "readout": by_readout}

    def _error_rates(self, scores: Callable[[Tensor], Tensor], data: Batch) -> list[float]:
        classes = torch.cat([scores(x).argmax(-1) for x in data.x.split(1000)], -1)
        return [round(v, 6) for v in (classes != data.target).double().mean(-1).tolist()]

    def _label_goodness(self, x: Tensor) -> Tensor:
        if self.competition is not None:
            return class_goodness(self.port, x, self.competition)
        return label_goodness(self.port, x, self.data.classes, BRIGHTNESS)

    def _readout_scores(self, x: Tensor) -> Tensor:
        images = x if self.plain else embed_neutral_label(x, self.data.classes, BRIGHTNESS)
        return self.readout.port().measure(self._features(self.port, images)).out

    def _features(self, port: Port, images: Tensor) -> Tensor:
        """What the read-out sees of images."""
        taps = with_normalization(port, self.normalization).measure(self.input_normalization(images)).taps
        return readout_features(taps, self.skipped, self.normalization)

    def _with_decay(self, update: Update) -> Update:
        """The same update, its rate falling linearly to zero over the whole training."""
        return linear_decay(update, count_steps(self.data.train, self.size.batch, self.size.epochs))

    def _learner(self) -> Learner:
        """Who teaches all layers."""
        layers = (self._layer_learner(),) * self.size.layers
        if self.competition is not None:
            return Greedy(tuple(Block(1, layer, interlayer=normalize) for layer in layers))
        negatives = self.unlabeled.negatives if self.unlabeled else self.wrong_labels
        return ForwardForward(layers, negatives, self.normalization, None if self.ready else normalize)

    def _layer_learner(self) -> Learner:
        loss = self.unlabeled.loss if self.unlabeled else LOSS
        update = self._with_decay(adam(self.size.learning_rate, beta2=0.99))
        if self.device.costs.step is not None:  # moves by steps: Adam would blur idle cells too
            with_momentum = momentum(MOMENTUM_LEARNING_RATE * self.size.width)
            update = accumulate(self._with_decay(with_momentum), WRITE_THRESHOLD)
            loss = replace(loss, sharpness=min(loss.sharpness, BLURRED_SHARPNESS))
        if self.method == "labels, goodness perturbed":
            return Descent(NodePerturbation(PROBE_SIZE, 4, mask=False), update, loss, delta_rule=False)
        measured = self.method == "labels, derivatives measured"
        return Hebbian(update, self.competition or loss, PROBE_SIZE if measured else None)


def _readout_learner(update: Update) -> Learner:
    """Who teaches a read-out in digital memory, by its exact gradient."""
    return Descent(NodePerturbation(1.0), update, CrossEntropy())
