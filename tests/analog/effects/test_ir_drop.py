"""IR drop is that of the resistor network, to first order."""

import pytest
import torch
from torch import Tensor

from analog import Ideal, Noise, stream
from analog.devices.ideal import IdealCells
from analog.effects import IRDrop

DOUBLE = torch.float64


def network(drive: Tensor, plus: Tensor, minus: Tensor, wire: float) -> Tensor:
    """Exact output currents, plus minus minus, of a crossbar of pairs with wire conductance 1 / wire.

    Nodes: an input line for each column from a driver above the first row, and two output lines for each
    row that end in virtual grounds before the first column.
    """
    rows, cols = plus.shape
    w = 1 / wire
    count = 3 * rows * cols
    matrix, source = torch.zeros(count, count, dtype=DOUBLE), torch.zeros(count, dtype=DOUBLE)

    def node(kind: int, i: int, j: int) -> int:
        return (kind * rows + i) * cols + j

    def join(a: int, b: int, g: float) -> None:
        for p, q in ((a, b), (b, a)):
            matrix[p, p] += g
            matrix[p, q] -= g

    for i in range(rows):
        for j in range(cols):
            for kind, g in ((1, plus), (2, minus)):
                join(node(0, i, j), node(kind, i, j), float(g[i, j]))
                if j:
                    join(node(kind, i, j), node(kind, i, j - 1), w)
                else:
                    matrix[node(kind, i, 0), node(kind, i, 0)] += w
            if i:
                join(node(0, i, j), node(0, i - 1, j), w)
            else:
                matrix[node(0, 0, j), node(0, 0, j)] += w
                source[node(0, 0, j)] += w * drive[j]
    v = torch.linalg.solve(matrix, source)
    ends = [[v[node(kind, i, 0)] * w for kind in (1, 2)] for i in range(rows)]
    return torch.stack([a - b for a, b in ends])


def test_wire_drop_is_the_resistor_network_to_first_order() -> None:
    """Nearly equal cells: halving the resistance quarters the error, which is far below the effect."""
    rows, cols, tilt = 5, 7, 1e-3
    drive = torch.randn(cols, generator=stream(0, "drop"), dtype=DOUBLE)
    signs = torch.randn(rows, cols, generator=stream(1, "drop"), dtype=DOUBLE).sign()
    errors, effects = [], []
    for wire in (2e-3, 1e-3):
        exact = network(drive, 1 + tilt * signs, 1 - tilt * signs, wire) / (2 * tilt)
        device = IRDrop(Ideal(), resistance=wire, conductance=1.0)
        model = device.collect(
            IdealCells(signs.unsqueeze(0)), drive.reshape(1, 1, cols), Noise.none()
        ).flatten()
        errors.append(float((model - exact).norm()))
        effects.append(float((signs @ drive - exact).norm()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] < 0.06 * effects[1]
