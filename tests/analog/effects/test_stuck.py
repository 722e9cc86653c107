"""Stuck cells stay where they are."""

from typing import Any

import pytest
import torch

from analog import Ideal, Noise, stream
from analog.devices import CapacitorCell
from analog.effects import Stuck
from tests.zoo import many


@pytest.mark.parametrize("at", [None, 0.3])
@pytest.mark.parametrize("device", [Ideal(), CapacitorCell()], ids=lambda d: type(d).__name__)
def test_stuck_cells_are_stuck_for_life(device: Any, at: float | None) -> None:
    """A tenth of the cells keep their knob through erasing, pulses and time; the others move."""
    wrapped = Stuck(device, share=0.1, at=at)
    cells = many(wrapped, 5000)
    first, noise = cells.knobs, Noise(stream(0, "stuck"))
    now = wrapped.perturb(cells, -cells.knobs)
    now = wrapped.pulse(now, torch.full_like(first, 0.5), noise)
    now = wrapped.age(now, 0.5, noise)
    now = wrapped.pulse(now, torch.full_like(first, -0.2), noise)
    torch.testing.assert_close(now.knobs[cells.dead], first[cells.dead])
    assert bool((now.knobs != first)[~cells.dead].all())
    assert float(cells.dead.double().mean()) == pytest.approx(0.1, abs=5 * (0.1 / 5000) ** 0.5)
    if at is not None:
        assert float((first[cells.dead] - at).abs().mean()) < 0.06
