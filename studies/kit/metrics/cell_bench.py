"""What single cells of a device can hold, seen at the bench and not through the wires of a chip."""

import torch
from torch import Tensor

from analog import Device, Fabrication, Noise, stream

from ..run.study import Row

WRITE = 0.1  # full scale, of the write whose spread is measured


def bench(device: Device, identity: int) -> Row:
    """How many weights a device's cells can hold, and how many of its cells no drive moves.

    Args:
        device: the technology.
        identity: of the cells, 3,200 of them.

    Returns:
        levels, the range over what one write leaves to chance (or over one step, where that is more), median
        over cells, None where there is no end of them; unmoved, the share of cells that no drive moves.
    """
    like = torch.empty(0, dtype=torch.float64)
    cells = device.fabricate(50, 64, Fabrication((identity,), (), 0, 1, like))
    knobs, x = cells.knobs, torch.eye(64, dtype=torch.float64).unsqueeze(0)

    def after(drive: float, run: str) -> Tensor:
        noise = Noise(stream(identity, "bench", run))
        return device.collect(device.pulse(cells, torch.full_like(knobs, drive), noise), x, Noise.none())

    weight_range = (after(4.0, "up") - after(-4.0, "down")).abs()
    drive = max(device.costs.step or 0.0, WRITE)
    write_std = float((after(drive, "once") - after(drive, "again")).std()) / 2**0.5
    resolution = max(write_std, device.costs.step or 0.0)
    return {
        "levels": 1 + float(weight_range.median()) / resolution if resolution else None,
        "unmoved": float((weight_range < 0.05 * weight_range.median()).double().mean()),
    }
