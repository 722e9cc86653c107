"""Resistive memory programmed by write-verify, as it is one second later.

Wan et al., "A compute-in-memory chip based on resistive random-access memory", Nature 608 (2022), Extended
Data Fig. 3, https://doi.org/10.1038/s41586-022-04992-8. Provenance: two public fits to that figure, both
digitised, which disagree; sd in uS of the conductance around a target G, one second after writing: quartic, x
= G / 40 uS: .348 + 16.030 x - 43.853 x^2 + 45.393 x^3 - 16.815 x^4 (.35 at 0, 1.17 at 39 uS); cubic: 1.053 +
.2374 G - 1.167e-2 G^2 + 1.536e-4 G^3 (1.05 at 0, 1.67 at 39 uS). Valid up to 39.26 uS. read_noise: Guess, the
usual output noise of simulated periphery. Nothing is said about later times here: cells hold what they have.

Mapping: w > 0 is G+ = w * g_max, G- = 0; w < 0 the other way round; weight = (G+ - G-) / g_max. A cell
that falls below 0 is at 0.
"""

from dataclasses import dataclass
from math import inf
from typing import Literal

from torch import Tensor

from ..randomness import Fabrication
from ..settings import setting
from .programmed import Programmed, ProgrammedCells, blank_fields, one_sided_pair

FITS: dict[str, tuple[float, ...]] = {  # coefficients of G^k, uS
    "quartic": tuple(c / 40.0**k for k, c in enumerate((0.348, 16.030, -43.853, 45.393, -16.815))),
    "cubic": (1.053, 0.2374, -1.167e-2, 1.536e-4),
}


@dataclass(frozen=True)
class WanRRAM(Programmed[ProgrammedCells]):
    """Written with an error that depends on the conductance, then stable. Valid for 0 < g_max <= 39.26 uS."""

    read_noise: float = 0.06
    g_max: float = setting(
        39.26, "full scale of the controller", unit="uS", range=(0, 39.26), closed="right", fitted=False
    )
    fit: Literal["quartic", "cubic"] = setting(
        "quartic", "which public fit of the programming error", choices=tuple(FITS)
    )
    programming_error_scale: float = setting(1.0, "factor on the published programming error", range=(0, inf))

    @property
    def g_range(self) -> float:
        return self.g_max

    def conductances(self, target: Tensor) -> tuple[Tensor, Tensor]:
        return one_sided_pair(target, self.g_max)

    def programming_error(self, wanted: Tensor) -> Tensor:
        return self.programming_error_scale * polynomial(wanted, FITS[self.fit])

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> ProgrammedCells:
        return self.first_write(ProgrammedCells(**blank_fields(rows, cols, birth)), birth)


def polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """The sum of coefficients[k] * x^k, of the shape of x."""
    total = x.new_zeros(())
    for c in reversed(coefficients):
        total = total * x + c
    return total
