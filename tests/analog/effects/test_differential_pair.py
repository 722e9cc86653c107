"""A differential pair cancels what is common to its cells."""

from typing import Any

import pytest
import torch

from analog import Noise
from analog.devices import SoftBoundsRRAM
from analog.effects import DifferentialPair
from tests.zoo import birth, many


def test_pairs_cancel_what_is_common() -> None:
    """Cells that rise easily and fall hardly: alone they are lopsided, in a pair they are not."""
    lone = SoftBoundsRRAM(up_down=0.5, w_max=1.0, w_min=-1.0, w_max_dtod=0.0, w_min_dtod=0.0)
    pair = DifferentialPair(lone)

    def slope(device: Any, sign: float) -> float:
        cells = many(device, 4000)
        blank = device.perturb(cells, -cells.knobs)
        drive = torch.full_like(cells.knobs, sign * 0.02)
        return float((device.pulse(blank, drive, Noise.none()).knobs - blank.knobs).mean()) / (sign * 0.02)

    assert slope(lone, 1.0) / slope(lone, -1.0) > 2
    assert slope(pair, 1.0) / slope(pair, -1.0) == pytest.approx(1, abs=0.05)


def test_both_cells_of_a_pair_are_their_own() -> None:
    cells = DifferentialPair(SoftBoundsRRAM()).fabricate(20, 20, birth())
    assert not torch.equal(cells.plus.w_max, cells.minus.w_max)
    assert torch.equal(cells.plus.w_max, SoftBoundsRRAM().fabricate(20, 20, birth()).w_max)
