"""The two tasks that networks of transistors learned in hardware, and what a chip makes of them.

XOR and nonlinear regression of Dillavou et al. (2024), https://arxiv.org/abs/2311.00537, with the nodes,
voltages and targets by which PyCLLN (https://github.com/Ma-Lab-Cal/pyclln) repeats them on 16 nodes.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from analog import Chip, Layer, stream, xray
from analog.devices import TransistorNetwork
from analog.layers import periodic_lattice
from learners import Batch, Loss, SquaredError, fit
from learners.learner import Learner
from learners.losses import Projected


class Task(NamedTuple):
    """What is asked of a network."""

    layers: tuple[Layer, ...]
    x: Tensor  # (examples, inputs), V
    target: Tensor  # (examples, 1), V
    weights: list[list[float]]  # of the nodes above, in the answer

    @property
    def loss(self) -> Loss:
        """Half the squared distance of the answer to its target."""
        return Projected(SquaredError(), self.weights)


V1, V2, LOW, HIGH, PLUS, MINUS = (3, 3), (3, 1), (1, 1), (1, 3), (2, 2), (0, 0)  # places on the lattice

XOR = Task(
    periodic_lattice(4, [V1, V2, LOW, HIGH], [PLUS, MINUS]),
    torch.tensor([[a, b, 0.11, 0.33] for a in (0, 0.45) for b in (0, 0.45)], dtype=torch.float64),
    torch.tensor([[0.0], [-0.087], [-0.087], [0.0]], dtype=torch.float64),
    [[1, -1, 0, 0]],
)
_VOLTS = [0.0005, 0.0628, 0.1251, 0.1873, 0.2479, 0.3118, 0.3724, 0.4347]
REGRESSION = Task(
    periodic_lattice(4, [V1, LOW, HIGH], [PLUS]),
    torch.tensor([[v, 0.0, 0.45] for v in _VOLTS], dtype=torch.float64),
    torch.tensor([0.1088, 0.1472, 0.1872, 0.2256, 0.2649, 0.3041, 0.3041, 0.3041], dtype=torch.float64)[
        :, None
    ],
    [[1, 0, 0, 0, 0]],
)


def learned(
    device: TransistorNetwork, task: Task, learner: Learner, steps: int, gates: float | None = None
) -> Tensor:
    """How far the answers of six chips are from the targets after so many steps, V, (chips, examples).

    Args:
        gates: V, about which all gates start, with a spread of 0.1 V; None: as they are delivered.
    """
    chip: Chip[Any] = Chip(device, task.layers, range(6), dtype=torch.float64)
    port = chip.port()
    if gates is not None:
        drawn = [torch.randn(s, generator=stream(0, "gates"), dtype=torch.float64) for s in chip.spec.shapes]
        span = device.gate_max - device.gate_min
        port.program(tuple((gates - device.gate_min + 0.1 * d) / span for d in drawn))
    for _ in fit(learner, port, [Batch(task.x, task.target)] * steps, stream(0, "learned")):
        pass
    out = xray.respond(chip, task.x).out
    return (out @ out.new_tensor(task.weights).T - task.target).squeeze(-1)
