"""Learners that gather gradients on a second array and transfer them to the chip: what they have in common.

Gokmen, "Enabling training of neural networks on noisy hardware" (2021),
https://doi.org/10.3389/frai.2021.699148, and Rasch, Carta, Fagbohungbe and Gokmen, "Fast and robust analog
in-memory deep neural network training" (2024), https://doi.org/10.1038/s41467-024-51221-z
(https://arxiv.org/abs/2303.04721): with A the second array, whose cells are drawn to their symmetric points
by every pulse, H digital and hidden, C the chip,

    A <- A + pulses of the descent;   H_j <- H_j + rate * signal of (A e_j);   C_j <- C_j + threshold * trunc

column by column, H losing what is sent.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port, require_port
from analog.spec import Knobs, Spec

from ..access import needed_access
from ..learner import Batch, Learner, Step
from .second_array import pack, read_columns, require_second, second_layer, unpack

SCALE = 0.01  # of what is read, what is owed
# this, thresholds and columns were chosen on held-out digits, on three `SoftBoundsRRAM` chips


class TransferState(NamedTuple):
    """The state of a learner that transfers from a second array."""

    inner: Any  # of the learner whose pulses are gathered
    hidden: Tensor  # (*fleet, rows, cols), what is owed to the chip
    column: int  # to be read next
    choppers: Tensor  # (*fleet, 1, cols), the sign by which each column is written and read
    reference: Tensor  # (*fleet, rows, cols), what is subtracted from readings
    mean: Tensor  # (*fleet, rows, cols), of the readings since a column's chopper was switched
    readings: Tensor  # (*fleet, 1, cols), how many these are


@dataclass(frozen=True, eq=False)
class Transfer(ABC):
    """A learner that pulses a second array in place of its chip, and the chip by what that array shows.

    Any learner's pulses can be gathered. The second array is read by one input line at a time, and its reads
    and pulses are its own: meter both ports.

    Args:
        learner: whose pulses are gathered; how large they are is the rate of the second array.
        second: the wires of the second array, a chip of `second_layer(spec)` alone.
        transfer_rate: of what is read of the second array, how much is owed to the chip.
        threshold: full scale, what is owed to a cell before that much is sent.
        columns: how many are read in a step; the sources read one with every example, not with every batch.
        reference: (*fleet, rows, cols), what the second array shows at its symmetric points; None: 0.

    Raises:
        TypeError: `second` is no port.
        ValueError: a setting is out of its range.
    """

    learner: Learner
    second: Port
    transfer_rate: float = SCALE
    threshold: float = 0.3
    columns: int = 64
    reference: Tensor | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        require_port(self.second, name)
        for word, value in (("transfer_rate", self.transfer_rate), ("threshold", self.threshold)):
            if not 0 < value < float("inf"):
                raise ValueError(f"{name}: {word} is {value}, wanted a finite number above 0")
        if isinstance(self.columns, bool) or not isinstance(self.columns, int) or self.columns < 1:
            raise ValueError(f"{name}: columns is {self.columns!r}, wanted an integer of at least 1")

    def with_second(self, port: Port) -> Self:
        """The same learner on other wires of the second array."""
        return replace(self, second=port)

    def needs(self, spec: Spec) -> Access:
        """The access to the chip that the learner needs whose pulses are gathered."""
        return needed_access(self.learner, spec)

    def init(self, spec: Spec) -> TransferState:
        """Make the state in which nothing is owed, and every column is read and written as it is.

        Raises:
            BadInput: the second array does not fit the chip.
            ValueError: the learner or the reference does not fit the chip.
        """
        require_second(self.second, spec)
        layer = second_layer(spec)
        zeros = torch.zeros(*spec.fleet, layer.rows, layer.cols, dtype=spec.dtype, device=spec.on)
        line = zeros[..., :1, :]
        reference = zeros if self.reference is None else self.reference.to(zeros)
        if reference.shape != zeros.shape:
            came, wanted = tuple(reference.shape), tuple(zeros.shape)
            raise ValueError(f"{type(self).__name__}: reference is {came}, wanted {wanted}")
        inner = self.learner.init(spec)
        return TransferState(inner, zeros, 0, line + 1, reference, zeros, line)

    def step(
        self, port: Port, batch: Batch, state: TransferState, generator: Generator
    ) -> tuple[TransferState, Step]:
        """Let the learner step, pulse the second array by what it sends, read columns, and pulse the chip."""
        sent: list[Knobs] = []
        inner, step = self.learner.step(port._replace(pulse=sent.append), batch, state.inner, generator)
        cells = sum((pack(drive, port.spec) for drive in sent), torch.zeros_like(state.hidden))
        self.second.pulse(((cells * state.choppers).unsqueeze(-3),))
        width = state.hidden.shape[-1]
        columns = [(state.column + k) % width for k in range(min(self.columns, width))]
        values = read_columns(self.second, columns)
        state = state._replace(inner=inner, column=(columns[-1] + 1) % width)
        signal, state = self.signal(values, columns, state, generator)
        owed = state.hidden.clone()
        owed[..., columns] += self.transfer_rate * signal
        due = (owed / self.threshold).trunc() * self.threshold
        port.pulse(unpack(due, port.spec))
        return state._replace(hidden=owed - due), step

    @abstractmethod
    def signal(
        self, values: Tensor, columns: list[int], state: TransferState, generator: Generator
    ) -> tuple[Tensor, TransferState]:
        """Say what was gathered, by what some columns show, and switch choppers for what comes next.

        Args:
            values: (*fleet, rows, columns), their reading.
            columns: which were read.
            state: before.
            generator: the learner's own.

        Returns:
            (*fleet, rows, columns), and the state with its choppers and references as they are from now on.
        """
        ...
