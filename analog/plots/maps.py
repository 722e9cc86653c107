"""The map of a chip: what every cell of every layer comes to, as images."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from ..chip import Chip
from ..randomness import Noise


def chip_map(chip: Chip[Any], figure: Figure | SubFigure | None = None) -> Sequence[Axes]:
    """Draw the cells of each layer of a chip: the output of each at full input, without noise.

    Rows are outputs, columns inputs; the tiles of a layer stand below each other, with a line in between.

    Args:
        chip: a lone one; the truth about it, for pictures only.
        figure: to draw on; by default a new one.

    Returns:
        The axes, one for each layer.

    Raises:
        ValueError: it is a fleet.
        Dead: the chip has died.
    """
    if chip.spec.fleet:
        raise ValueError(f"chip_map: got a fleet of {chip.spec.fleet[0]} chips, wanted one chip")
    chip.require_alive()
    count = len(chip.spec.layers)
    figure = figure or Figure(figsize=(3.2 * count, 3.2), layout="constrained")
    all_axes = figure.subplots(1, count, squeeze=False)[0]
    maps = [_weights(chip, cells) for cells in chip._cells]
    largest = max(float(abs(each).max()) for each in maps) or 1.0
    for at, (axes, each) in enumerate(zip(all_axes, maps, strict=True)):
        tiles, rows, cols = each.shape
        image = axes.imshow(
            each.reshape(-1, cols),
            cmap="RdBu_r",
            vmin=-largest,
            vmax=largest,
            interpolation="nearest",
            aspect="auto",
        )
        for tile in range(1, tiles):
            axes.axhline(tile * rows - 0.5, color="black", lw=0.6)
        axes.set(
            title=f"layer {at}: {tiles} x {rows} x {cols}", xlabel="input", ylabel="output" if not at else ""
        )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, ax=list(all_axes), label="cell, full scale")
    return list(all_axes)


@torch.no_grad()
def _weights(chip: Chip[Any], cells: Any) -> Any:  # (tiles, rows, cols), of numpy
    """What each cell puts out at full input, alone."""
    tiles, _, cols = cells.knobs.shape
    one = torch.eye(cols, dtype=chip.spec.dtype, device=chip.spec.on).expand(tiles, cols, cols)
    return chip.device.collect(cells, one, Noise.none()).mT.cpu().numpy()
