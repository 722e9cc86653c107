"""Phase-change memory programmed by write-verify: misses, drifts, and flickers with a memory.

Nandakumar et al., "Phase-change memory models for deep learning training and inference", ICECS 2019,
https://doi.org/10.1109/ICECS46596.2019.8964852, and Joshi et al., "Accurate deep neural network inference
using computational phase-change memory", Nature Communications 11 (2020), Fig. 3b,
https://doi.org/10.1038/s41467-020-16108-9. Provenance: fits to measured cells, x = G / 25 uS:
writing, sd .26348 + 1.9650 x - 1.1731 x^2 uS (`joshi`: .28638599 + .07585724 G - .00178767 G^2 uS);
drift g (t/20 s)^-nu with nu = |N(mu, sd)|, mu = clip(-.0155 ln x + .0244, .049, .1) and sd = clip(-.0125
ln x - .0059, .008, .045); reading, sd g Q sqrt(ln((t + 250 ns) / 500 ns)), Q = min(.0088 / x^.65, .2).
read_noise: Guess, the usual output noise of simulated periphery. Valid up to 25 uS and to about a year.

Law: t is 20 s plus the time since the write. A cell has one standard normal for life, its drift exponent
follows from that and from its target (Guess: the quirk stays with the cell). The reading noise is 1/f, so
correlated in time: five Ornstein-Uhlenbeck processes of equal variance ln 100, a factor 100 apart from 63 ms
to 73 days, of which the three slow ones start at zero at each write, and what is faster as white noise of
every vector; together they follow the published variance within 3.2 % (sd within 1.6 %) up to a year.
Where we differ and why: noise between 250 ns and a millisecond is white, not correlated, so that a reading
draws one number for each output instead of one for each cell.

Mapping: w > 0 is G+ = w * g_max, G- = 0; w < 0 the other way round; weight = (G+ - G-) / g_max. The two
cells of a pair share one flicker, of their summed variance.
"""

import math
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ..measurement import MeasurementPlan
from ..precision import rough_matmul
from ..randomness import Fabrication, Noise
from ..settings import setting
from .programmed import Programmed, blank_fields, one_sided_pair
from .wan_rram import polynomial

FULL = 25.0  # uS, to which the fits refer
FITS: dict[str, tuple[float, ...]] = {  # coefficients of G^k, uS
    "nandakumar": (0.26348, 1.9650 / FULL, -1.1731 / FULL**2),
    "joshi": (0.28638599, 0.07585724, -0.00178767),
}
FIRST = 20.0  # s after programming at which time is counted from
TIMES = tuple(6.31 * 100.0**k for k in (-1, 0, 1, 2, 3))  # s, correlation times of flicker
SHARE = math.log(100)  # variance of each
KEPT = (1.0, 1.0, 0.0, 0.0, 0.0)  # what a write leaves of each: fast ones go on, slow ones begin anew
WHITE = math.log((FIRST + 250e-9) / 500e-9) - 2 * SHARE  # variance of what is faster


class PCMCells(NamedTuple):
    """As `ProgrammedCells`, with drift and flicker."""

    knobs: Tensor  # (*fleet, tiles, rows, cols)
    weights: Tensor
    target: Tensor
    plus: Tensor  # uS, as written
    minus: Tensor  # uS, as written
    since_write: Tensor
    pending_seconds: Tensor
    quirk_plus: Tensor  # standard normal for life
    quirk_minus: Tensor
    flicker: Tensor  # (*fleet, tiles, rows, modes * cols), in units of a cell's Q
    white_variance: Tensor  # variance of white noise, full scale squared


@dataclass(frozen=True)
class PCM(Programmed[PCMCells]):
    """Drifting, flickering, written with an error. Valid for 0 < g_max <= 25 uS."""

    read_noise: float = 0.06
    g_max: float = setting(
        25.0, "full scale of the controller", unit="uS", range=(0, FULL), closed="right", fitted=False
    )
    fit: Literal["nandakumar", "joshi"] = setting(
        "nandakumar", "whose fit of the programming error", choices=tuple(FITS)
    )
    programming_error_scale: float = setting(1.0, "factor on the published programming error", range=(0, inf))
    drift_scale: float = setting(1.0, "factor on the published drift exponents", range=(0, inf))
    flicker_scale: float = setting(1.0, "factor on the published sd of 1/f noise", range=(0, inf))

    @property
    def g_range(self) -> float:
        return self.g_max

    @property
    def aging_interval(self) -> float:
        return 1e-3  # s; the fastest flicker has then moved by a twentieth of its sd

    def conductances(self, target: Tensor) -> tuple[Tensor, Tensor]:
        return one_sided_pair(target, self.g_max)

    def programming_error(self, wanted: Tensor) -> Tensor:
        return self.programming_error_scale * polynomial(wanted, FITS[self.fit])

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PCMCells:
        modes = _modes(birth.normal("flicker", rows, len(TIMES) * cols))
        blank = PCMCells(
            **blank_fields(rows, cols, birth),
            quirk_plus=birth.normal("quirk plus", rows, cols),
            quirk_minus=birth.normal("quirk minus", rows, cols),
            flicker=(SHARE**0.5 * modes * _column(KEPT, modes)).flatten(-2),
            white_variance=torch.zeros_like(birth.normal("hum", rows, cols)),
        )
        return self.first_write(blank, birth)

    def write(
        self, cells: PCMCells, target: Tensor, touched: Tensor, normals: tuple[Tensor, Tensor]
    ) -> PCMCells:
        written = super().write(cells, target, touched, normals)
        modes = _modes(cells.flicker)
        modes = torch.where(touched.unsqueeze(-2), modes * _column(KEPT, modes), modes)
        return written._replace(flicker=modes.flatten(-2))

    def with_effective_weights(self, cells: PCMCells) -> PCMCells:
        log_time = torch.log1p(cells.since_write.clamp(min=0) / FIRST).to(cells.plus)
        wanted_plus, wanted_minus = self.conductances(cells.target)
        plus, power_plus = self._drifted(wanted_plus, cells.plus, cells.quirk_plus, log_time)
        minus, power_minus = self._drifted(wanted_minus, cells.minus, cells.quirk_minus, log_time)
        variance = (power_plus + power_minus) / self.g_max**2
        swing = _modes(cells.flicker).sum(-2)
        return cells._replace(
            weights=torch.addcmul((plus - minus) / self.g_max, variance.sqrt(), swing),
            white_variance=WHITE * variance,
        )

    def _drifted(
        self, wanted: Tensor, written: Tensor, quirk: Tensor, log_time: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Conductances in uS at ln(t / 20 s), and the variance that 1/f noise of one unit has there."""
        log = (wanted / FULL).clamp(min=1e-6).log()
        drifted = written * (-self.drift_scale * drift_exponent(log, quirk) * log_time).exp()
        return drifted, (self.flicker_scale * drifted * relative_noise(log)).square()

    def evolve(
        self, cells: PCMCells, before: Tensor, after: Tensor, seconds: float, noise: Noise
    ) -> PCMCells:
        del before, after  # flicker goes on; drift is worked out from the clock
        modes = _modes(cells.flicker)
        memory = tuple(math.exp(-seconds / t) for t in TIMES)
        fresh = tuple((-SHARE * math.expm1(-2 * seconds / t)) ** 0.5 for t in TIMES)
        modes = modes * _column(memory, modes) + _column(fresh, modes) * noise.normal(modes)
        return cells._replace(flicker=modes.flatten(-2))

    def collect(self, cells: PCMCells, x: Tensor, noise: Noise) -> Tensor:
        mean = x @ cells.weights.mT
        with torch.no_grad():  # noise has no slope
            variance = rough_matmul(x.square(), cells.white_variance.mT)
            std = variance.add_(self.read_noise**2).sqrt_()
        return torch.addcmul(mean, std, noise.normal(mean))

    def sense(self, cells: PCMCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # the amplifier's read noise was drawn together with the cells', which is cheaper
        return u

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """Levels, each read often over half a year."""
        times = (0.0, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1.5e7)
        return MeasurementPlan.targets(cells, (0.08, 0.25, 0.5, 0.75, 1.0), times, (1.0,) * len(times))


def drift_exponent(log: Tensor, quirk: Tensor) -> Tensor:
    """Drift exponents of cells at ln(G / 25 uS), given their standard normals of the same shape."""
    mean = (0.0244 - 0.0155 * log).clamp(0.049, 0.1)
    sd = (-0.0059 - 0.0125 * log).clamp(0.008, 0.045)
    return torch.addcmul(mean, sd, quirk).abs()


def relative_noise(log: Tensor) -> Tensor:
    """Relative 1/f noise Q of cells at ln(G / 25 uS), of the same shape."""
    return (0.0088 * (-0.65 * log).exp()).clamp(max=0.2)


def _modes(flicker: Tensor) -> Tensor:  # (*fleet, tiles, rows, modes, cols)
    return flicker.unflatten(-1, (len(TIMES), -1))


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:  # (modes, 1)
    return like.new_tensor(values).unsqueeze(-1)
