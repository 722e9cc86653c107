"""A second array beside a chip, on which gradients are gathered, and which is read column by column.

It is one array of as many rows as all layers of the chip have together, and of as many columns as the widest
has; each layer's cells are a block of it, the rows of all its tiles below each other. So one input line that
is switched on alone reads a column of every layer at once, through the array's own wires.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from analog.layers.crossbar import Dense, dense
from analog.port import Port
from analog.spec import BadInput, Knobs, Spec


def second_layer(spec: Spec) -> Dense:
    """The layer that a second array for a chip consists of, linear and without a bias.

    Args:
        spec: the datasheet of the chip.
    """
    rows = sum(layer.tiles * layer.rows for layer in spec.layers)
    return dense(max(layer.cols for layer in spec.layers), rows, bias=False, linear=True)


def require_second(second: Port, spec: Spec) -> None:
    """Refuse a second array that does not fit the chip beside which it stands.

    Raises:
        BadInput: its fleet or its layer are others.
    """
    wanted = second_layer(spec)
    shape = (*spec.fleet, 1, wanted.rows, wanted.cols)
    if second.spec.shapes != (shape,) or not second.spec.layers[0].linear:
        raise BadInput(
            f"second array: knobs are {second.spec.shapes}, wanted one linear layer of {shape}; make it as "
            "Chip(device, (second_layer(chip.spec),), identities)"
        )


def pack(knobs: Knobs, spec: Spec) -> Tensor:
    """Lay knobs of all layers of a chip out as cells of its second array, 0 where a layer has none.

    Args:
        knobs: (*fleet, tiles, rows, cols) of each layer.
        spec: the datasheet of the chip.

    Returns:
        (*fleet, rows, cols) of the second array.
    """
    width = max(layer.cols for layer in spec.layers)
    blocks = [k.flatten(-3, -2) for k in knobs]
    return torch.cat([torch.nn.functional.pad(b, (0, width - b.shape[-1])) for b in blocks], -2)


def unpack(cells: Tensor, spec: Spec) -> Knobs:
    """Find the knobs (*fleet, tiles, rows, cols) of each layer among cells of the second array.

    Args:
        cells: (*fleet, rows, cols); those that no layer has are left out.
        spec: the datasheet of the chip.
    """
    blocks = cells.split([layer.tiles * layer.rows for layer in spec.layers], -2)
    return tuple(
        block[..., : layer.cols].unflatten(-2, (layer.tiles, layer.rows))
        for block, layer in zip(blocks, spec.layers, strict=True)
    )


def read_columns(second: Port, columns: Sequence[int]) -> Tensor:
    """Read some columns of the second array, each by its input line alone.

    Args:
        second: the wires of the array.
        columns: which.

    Returns:
        (*fleet, rows, columns)
    """
    spec = second.spec
    lines = torch.eye(spec.layers[0].features_in, dtype=spec.dtype, device=spec.on)[list(columns)]
    return second.measure(lines).out.mT


def symmetric_points(second: Port, step: float, pairs: int = 200) -> Tensor:
    """Drive the cells of a second array to where pulses up and down move them alike, and read them there.

    Zero-shifting of Kim et al., "Zero-shifting technique for deep neural network training on resistive
    cross-point arrays" (2019), https://arxiv.org/abs/1907.10228: pulses up and down in turn.

    Args:
        second: the wires of the array.
        step: full scale, of each pulse.
        pairs: of pulses.

    Returns:
        (*fleet, rows, cols), as read once.
    """
    (up,) = (torch.full_like(zeros, step) for zeros in second.spec.zeros())
    for _ in range(pairs):
        second.pulse((up,))
        second.pulse((-up,))
    return read_columns(second, range(second.spec.layers[0].features_in))
