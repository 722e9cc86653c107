"""Charge-trap transistors (SONOS) read as currents, which spread over days.

Agrawal et al., "Subthreshold operation of SONOS analog memory to enable accurate low-power neural network
inference", IEDM 2022, https://doi.org/10.1109/IEDM45625.2022.10019564: 128K cells, up to 3200 nA. Provenance:
fits to measured cells; sd of the current around its target is A (1 - exp(-I / B)) nA with A = 19.89, 25.59,
28.73, 31.04, 33.76, 34.58 and B = 176.3, 186.9, 193.6, 198.9, 204.8, 207.3 nA at days 0 to 5. read_noise:
Guess, usual noise of simulated periphery.

Law: loose fit of ours to those days, A = 19.89 + 8.265 ln(1 + days), B = 176.3 + 16.91 ln(1 + days), within
1.7 %; the spread of day 0 belongs to the write, later ones grow from it by independent steps. Beyond day 5
the logarithm goes on (extrapolated).

Mapping: w > 0 is I+ = w * i_max, I- = 0; w < 0 the other way round; weight = (I+ - I-) / i_max. Inputs
gate the currents on for a time in proportion (Guess), so that readings are linear in them.
"""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from ..measurement import MeasurementPlan
from ..randomness import Fabrication, Noise
from ..settings import setting
from .programmed import Programmed, ProgrammedCells, blank_fields, one_sided_pair

DAY = 86_400.0  # s


@dataclass(frozen=True)
class SONOS(Programmed[ProgrammedCells]):
    """Written with an error that saturates, spreading over days. Valid for 0 < i_max <= 3200 nA."""

    read_noise: float = 0.06
    i_max: float = setting(
        1600.0, "full scale of the controller", unit="nA", range=(0, 3200), closed="right", fitted=False
    )
    current_spread_scale: float = setting(
        1.0, "factor on the published spread of currents, of writes and later", range=(0, inf)
    )

    @property
    def g_range(self) -> float:
        return self.i_max

    @property
    def aging_interval(self) -> float:
        return 1e-3 * DAY  # the spread grows by less than .05 % meanwhile

    def conductances(self, target: Tensor) -> tuple[Tensor, Tensor]:
        return one_sided_pair(target, self.i_max)

    def programming_error(self, wanted: Tensor) -> Tensor:
        return self.current_spread_scale * current_std(wanted, torch.zeros_like(wanted))

    def evolve(
        self, cells: ProgrammedCells, before: Tensor, after: Tensor, seconds: float, noise: Noise
    ) -> ProgrammedCells:
        del seconds
        plus, minus = (
            self._walk(wanted, current, before, after, noise)
            for wanted, current in zip(
                self.conductances(cells.target), (cells.plus, cells.minus), strict=True
            )
        )
        return cells._replace(plus=plus, minus=minus)

    def _walk(self, wanted: Tensor, current: Tensor, before: Tensor, after: Tensor, noise: Noise) -> Tensor:
        """Currents in nA after an independent step by which their variance grows as the law has it."""
        growth = current_std(wanted, after).square() - current_std(wanted, before).square()
        step = self.current_spread_scale * growth.clamp(min=0).sqrt().to(current) * noise.normal(current)
        return (current + step).clamp(min=0)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> ProgrammedCells:
        return self.first_write(ProgrammedCells(**blank_fields(rows, cols, birth)), birth)

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """Levels, each read often over a month."""
        times = [days * DAY + seconds for days in (0.0, 2.0, 30.0) for seconds in (0.0, 1.0, 2.0, 3.0)]
        return MeasurementPlan.targets(cells, (-0.9, -0.3, 0.3, 0.9), times, (1.0,) * len(times))


def current_std(current: Tensor, seconds: Tensor) -> Tensor:
    """Sd in nA of cells written to `current` in nA, `seconds` after the write; the shapes broadcast."""
    late = torch.log1p(seconds / DAY)
    return (19.89 + 8.265 * late) * -torch.expm1(-current / (176.3 + 16.91 * late))
