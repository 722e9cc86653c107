"""Chips that learn images, by what tells the gradient at the nodes of each of their layers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import torch
from torch import Generator, Tensor

from analog import Chip, Device, Layer, Ledger, Port, metered
from analog.layers import Normalized
from learners import Batch, ControlVariate, Descent, Loss, NodePerturbation, Update
from learners.estimators import SharedFeedback, SiteCells
from learners.evaluation import predict
from learners.learner import Learner
from learners.local import Block, DigitalHead, Greedy, InputProbes, MirroredFeedback
from learners.recipes import FEEDBACK, PROBE_SIZE, PROBES
from learners.wiring import (
    DigitalReadout,
    Standardized,
    measure_statistics,
    stack_ports,
    with_standardization,
)

from .exact_gradient import ExactGradientBetween
from .image_chips import ConvolutionalChip, Image

ChipMethod = Literal[
    "digital heads",
    "mirrored heads",
    "mirrored layers",
    "exact gradient",
    "shared feedback",
    "node perturbation",
]
PROBING: Final = ("shared feedback", "node perturbation")  # methods that probe nodes
CELLS: Final = 4  # a side, of read-outs below the top
TOP_CELLS: Final = 2
HEAD_PROBES: Final = InputProbes(size=0.15, examples=64, decay=0.98)
TILE_PROBES: Final = InputProbes(size=0.15, examples=8, decay=0.95)
_HEAD_IDENTITIES: Final = 400_000  # from a chip's identity to those of its lower heads


@dataclass(frozen=True)
class ImageTask:
    """What a chip learns, and of which size it is.

    Args:
        image: planes, height, width.
        classes: how many there are.
        channels: of each convolution.
        stride: of the first.
    """

    image: Image
    classes: int
    channels: tuple[int, ...]
    stride: int = 2

    def wiring(self, method: str) -> ConvolutionalChip:
        """The wiring; where nodes are probed, which no batch may couple, it is normalized by example."""
        by_example = (Normalized(),) if method in PROBING else ()
        return ConvolutionalChip(self.image, self.channels, self.stride, by_example)

    def head(self, method: str, at: int) -> Layer:
        """The read-out of a layer."""
        top = at == len(self.channels) - 1
        return self.wiring(method).head(at, TOP_CELLS if top else CELLS, self.classes)


@dataclass
class ImageLearner:
    """A chip, the chips of its lower heads if there are any, and who teaches them.

    Args:
        task: what it learns.
        method: by what.
        device: of the chip, and of the heads.
        identity: who it is.
        noise_seed: of its noise.
        update: turns gradients into drives, of heads too.
        loss: of the outputs.
        precision: of its products.
    """

    task: ImageTask
    method: ChipMethod
    device: Device
    identity: int
    noise_seed: int
    update: Update
    loss: Loss
    precision: torch.dtype | None = None
    ledgers: list[Ledger] = field(default_factory=list)

    def __post_init__(self) -> None:
        layers, top = self.task.wiring(self.method).layers(), len(self.task.channels) - 1
        if self.method != "digital heads":
            layers = (*layers, self.task.head(self.method, top))
        self.chip = self._chip(layers, self.identity)
        self._wires = self._metered(self.chip)
        self._port: Port | None = None
        self.state = self.learner.init(self.chip.spec)

    def step(self, batch: Batch, generator: Generator) -> None:
        """Learn one batch."""
        self._port = None  # statistics are of the chip as it was
        self.state, _ = self.learner.step(self._wires, batch, self.state, generator)

    def predict(self, x: Tensor, known: Tensor) -> Tensor:
        """The outputs (examples, classes) for images (examples, features).

        Args:
            known: training images (examples, features), by which taps are standardized.
        """
        if self._port is None:
            self._port = self._used(known)
        return predict(self._port, x)

    def _used(self, x: Tensor) -> Port:
        """The wires through which the chip is used, standardized by what training images x show."""
        port = self.chip.port()
        if self.method in PROBING:
            return port
        statistics = measure_statistics(port, self._between, x)
        if self.method == "digital heads":
            head = self.task.head(self.method, len(self._between) - 1)
            knobs = self.state.blocks[-1].learner.knobs
            port = stack_ports(port, DigitalReadout(port.spec, head, knobs).port())
        return with_standardization(port, self._between, statistics)

    @property
    def reads(self) -> int:
        """Vectors driven through the layer, of the chip or of a head, that was driven most."""
        return max(max(ledger.reads) for ledger in self.ledgers)

    @cached_property
    def learner(self) -> Learner:
        """The learner of the whole chip."""
        makers: dict[ChipMethod, Any] = {
            "digital heads": self._digital_heads,
            "mirrored heads": self._mirrored_heads,
            "mirrored layers": self._mirrored_layers,
            "exact gradient": lambda: ExactGradientBetween(self.chip, self.update, self.loss, self._between),
            "shared feedback": lambda: self._probed(self._shared()),
            "node perturbation": lambda: self._probed(None),
        }
        made: Learner = makers[self.method]()
        return made

    def _digital_heads(self) -> Learner:
        heads = [self.task.head(self.method, at) for at in range(len(self._between))]
        return Greedy(
            [
                Block(
                    1, DigitalHead(self.update, self.update, self.loss, head, (between,)), interlayer=between
                )
                for head, between in zip(heads, self._between, strict=True)
            ]
        )

    def _mirrored_heads(self) -> Learner:
        *lower, highest = self._between
        blocks = [
            Block(1, self._mirrored((between,), HEAD_PROBES), self._head_chip(at), interlayer=between)
            for at, between in enumerate(lower)
        ]
        return Greedy([*blocks, Block(2, self._mirrored((highest,), HEAD_PROBES))])

    def _mirrored_layers(self) -> Learner:
        tiles = (TILE_PROBES,) * (len(self._between) - 1)
        return self._mirrored(self._between, *tiles, HEAD_PROBES)

    def _mirrored(self, between: tuple[Standardized, ...], *probes: InputProbes) -> MirroredFeedback:
        return MirroredFeedback(self.update, self.loss, probes, between=between)

    def _probed(self, variate: ControlVariate | None) -> Learner:
        return Descent(NodePerturbation(PROBE_SIZE, PROBES), self.update, self.loss, control_variate=variate)

    def _shared(self) -> ControlVariate:
        wiring = self.task.wiring(self.method)
        maps = [wiring.maps(at) for at in range(len(self.task.channels))]
        cells = [next(n for n in range(CELLS, 0, -1) if m[1] % n == 0 == m[2] % n) for m in maps]
        shared = [SiteCells(m, n) for m, n in zip(maps, cells, strict=True)]
        return SharedFeedback(shared, FEEDBACK.decay, FEEDBACK.estimate_weight)

    def _head_chip(self, at: int) -> Port:
        """The wires of a read-out on a chip of its own."""
        identity = self.identity + _HEAD_IDENTITIES + at
        layers = (self.task.head(self.method, at),)
        return self._metered(self._chip(layers, identity))

    def _chip(self, layers: Sequence[Layer], identity: int) -> Chip:
        return Chip(self.device, layers, identity, noise_seed=self.noise_seed, precision=self.precision)

    def _metered(self, chip: Chip) -> Port:
        self.ledgers.append(Ledger(chip.spec))
        return metered(chip.port(), self.ledgers[-1])

    @property
    def _between(self) -> tuple[Standardized, ...]:
        return self.task.wiring(self.method).standardized()
