"""
Your device
===========

A memristor in twenty lines: pure functions over a named tuple of tensors.
``check_device`` says what you broke.
"""

# %%
# Every number is a ``setting`` with its meaning, unit and range: bad values are
# refused, and calibration will know how to search. What is drawn once, at fabrication,
# comes from ``birth`` and by name; what differs at every use comes from ``noise``.
# Leading axes (fleet, tiles, probes) are never indexed: the same code is one chip or a
# thousand.

from dataclasses import dataclass
from typing import NamedTuple

import matplotlib.pyplot as plt
from analog import (
    Chip,
    ContractError,
    Costs,
    Device,
    Fabrication,
    Noise,
    check_device,
    mlp,
    setting,
)
from learners import CrossEntropy, recipes, train
from learners.data import load_data
from torch import Tensor


class Cells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols); the one field that every device has
    gain: Tensor  # differs from cell to cell, and nobody outside knows it


@dataclass(frozen=True)
class Memristor(Device[Cells]):
    step: float = setting(
        0.02, "knob change of one pulse at 0", unit="full scale", range=(1e-4, 0.5)
    )
    softness: float = setting(
        0.5, "by how much steps shrink towards a bound", range=(0, 1)
    )
    step_noise: float = setting(0.3, "sd of each step, of its size", range=(0, 2))
    gain_dtod: float = setting(0.2, "relative sd of the cells' gain", range=(0, 1))
    read_noise: float = setting(
        0.01, "white noise of every reading", unit="V rms", range=(0, 1)
    )

    @property
    def costs(self) -> Costs:
        return Costs(step=self.step)  # the ledger counts pulses in it

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> Cells:
        knobs = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(-1, 1)
        return Cells(knobs, 1 + self.gain_dtod * birth.normal("gain", rows, cols))

    def pulse(self, cells: Cells, drive: Tensor, noise: Noise) -> Cells:
        wanted = (
            drive.abs().clamp(max=4) / self.step
        )  # drives may be absurd, trains of pulses may not
        count = noise.stochastic_round(wanted)  # whole pulses; without noise their mean
        size = self.step * (1 - self.softness * cells.knobs * drive.sign())
        moved = size * (count + self.step_noise * count.sqrt() * noise.normal(count))
        return cells._replace(knobs=(cells.knobs + drive.sign() * moved).clamp(-1, 1))

    def collect(self, cells: Cells, x: Tensor, noise: Noise) -> Tensor:
        return x @ (cells.gain * cells.knobs).mT

    def sense(self, cells: Cells, u: Tensor, noise: Noise) -> Tensor:
        return u + self.read_noise * noise.normal(u)

    def fire(self, cells: Cells, u: Tensor, noise: Noise) -> Tensor:
        return u.relu()


# %%
# The contract is a list of laws, tried on made-up wirings and on lives of pulses,
# waits, saving and dying. It gives back the laws that it tried; ``steps`` is how long
# those lives are.

for law in check_device(Memristor(), steps=20)[:5]:
    print("-", law)

# %%
# In your own suite every law is a test of its own: pytest runs this class.

from analog.testing import DeviceLaws


class TestMemristor(DeviceLaws):
    device = Memristor()


# %%
# A broken law is named, with a number. Here pulses of zero still jitter the cells:


@dataclass(frozen=True)
class Restless(Memristor):
    def pulse(self, cells: Cells, drive: Tensor, noise: Noise) -> Cells:
        jitter = 1e-3 * noise.normal(drive)
        return super().pulse(
            cells._replace(knobs=(cells.knobs + jitter).clamp(-1, 1)), drive, noise
        )


try:
    check_device(Restless(), steps=0)
except ContractError as error:
    print(error)

# %%
# The figure that every device paper has: twenty cells pulsed up and down again, and
# what pulses do from each state. ``plots.device_figure(Memristor())`` draws more:
# retention, read noise, the map of a chip.

from analog import plots

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
plots.pulse_response(Memristor(), left)
plots.step_response(Memristor(), right)
plt.show()

# %%
# Does it learn? A fleet of four chips, side by side. Drives smaller than a step are not
# lost: ``pulse`` above rounds by chance, so that their mean is kept. A technology that
# drops them, or blurs every write by the same amount, may want updates owed to each
# cell until they come to a step: ``update=accumulate(adam(5e-3), step)``. Try both.

data = load_data("digits")
fleet = Chip(Memristor(), mlp(64, 64, 10), identity=range(4))
learner = recipes.learned_feedback(CrossEntropy())
print(train(fleet.port(), learner, data, epochs=6, seed=0).accuracy)

# %%
# From the command line, once this is in a file ``yourmodule.py``:
#
# .. code-block:: sh
#
#    python -m studies zoo --devices yourmodule:Memristor
#    python -m studies heirs --device "yourmodule:Memristor(gain_dtod=0.4)"
#
# Next: get those numbers :doc:`from measurements <plot_3_calibrate>`. More on devices
# stands in :doc:`Your own </your_own>`.
