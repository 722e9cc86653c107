"""Phase-change memory programmed by write-verify: misses, drifts, and flickers with a memory.

Nandakumar et al., "Phase-change memory models for deep learning training and inference", ICECS 2019, and
Joshi et al., Nature Communications 11 (2020), Fig. 3b. Provenance: fits to measured cells, x = G / 25 uS:
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
from typing import Literal
from typing import NamedTuple

import torch
from torch import Tensor

from ..randomness import Fabrication
from ..randomness import Noise
from .programmed import Programmed
from .programmed import at_least_zero
from .programmed import fresh
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
    """As `HeldCells`, with drift and flicker."""

    knobs: Tensor  # (*fleet, tiles, rows, cols)
    weights: Tensor
    target: Tensor
    plus: Tensor  # uS, as written
    minus: Tensor  # uS, as written
    since: Tensor
    idle: Tensor
    quirk_plus: Tensor  # standard normal for life
    quirk_minus: Tensor
    flicker: Tensor  # (*fleet, tiles, rows, modes * cols), in units of a cell's Q
    hum: Tensor  # variance of white noise, full scale squared


@dataclass(frozen=True)
class PCM(Programmed[PCMCells]):
    """Drifting, flickering, written with an error. Valid for 0 < g_max <= 25 uS."""

    read_noise: float = 0.06
    g_max: float = 25.0  # uS
    fit: Literal["nandakumar", "joshi"] = "nandakumar"  # of programming noise
    miss_scale: float = 1.0  # of the programming error
    drift_scale: float = 1.0  # of the drift exponents
    flicker_scale: float = 1.0  # of the sd of reading noise

    def __post_init__(self) -> None:
        at_least_zero(
            self,
            read_noise=self.read_noise,
            miss_scale=self.miss_scale,
            drift_scale=self.drift_scale,
            flicker_scale=self.flicker_scale,
        )
        if not 0 < self.g_max <= FULL:
            raise ValueError(f"PCM: g_max is {self.g_max} uS, measured up to {FULL} uS")
        if self.fit not in FITS:
            raise ValueError(f"PCM: fit is {self.fit!r}, wanted one of {', '.join(FITS)}")

    @property
    def full(self) -> float:
        return self.g_max

    @property
    def patience(self) -> float:
        return 1e-3  # s; the fastest flicker has then moved by a twentieth of its sd

    def pair(self, target: Tensor) -> tuple[Tensor, Tensor]:
        return self.g_max * target.clamp(min=0), self.g_max * (-target).clamp(min=0)

    def miss(self, wanted: Tensor) -> Tensor:
        return self.miss_scale * polynomial(wanted, FITS[self.fit])

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PCMCells:
        modes = _modes(birth.normal("flicker", rows, len(TIMES) * cols))
        blank = PCMCells(
            **fresh(rows, cols, birth),
            quirk_plus=birth.normal("quirk plus", rows, cols),
            quirk_minus=birth.normal("quirk minus", rows, cols),
            flicker=(SHARE**0.5 * modes * _column(KEPT, modes)).flatten(-2),
            hum=torch.zeros_like(birth.normal("hum", rows, cols)),
        )
        return self.born(blank, birth)

    def rewritten(
        self, cells: PCMCells, target: Tensor, touched: Tensor, normals: tuple[Tensor, Tensor]
    ) -> PCMCells:
        written = super().rewritten(cells, target, touched, normals)
        modes = _modes(cells.flicker)
        kept = torch.where(touched.unsqueeze(-2), modes * _column(KEPT, modes), modes)
        return written._replace(flicker=kept.flatten(-2))

    def weighed(self, cells: PCMCells) -> PCMCells:
        drifting = torch.log1p(cells.since.clamp(min=0) / FIRST).to(cells.plus)
        held, power = [], []
        sides = zip(
            self.pair(cells.target),
            (cells.plus, cells.minus),
            (cells.quirk_plus, cells.quirk_minus),
            strict=True,
        )
        for wanted, written, quirk in sides:
            log = (wanted / FULL).clamp(min=1e-6).log()
            held.append(written * (-self.drift_scale * exponent(log, quirk) * drifting).exp())
            power.append((self.flicker_scale * held[-1] * loudness(log)).square())
        variance = (power[0] + power[1]) / self.g_max**2
        swing = _modes(cells.flicker).sum(-2)
        return cells._replace(
            weights=torch.addcmul((held[0] - held[1]) / self.g_max, variance.sqrt(), swing),
            hum=WHITE * variance,
        )

    def aged(self, cells: PCMCells, before: Tensor, after: Tensor, seconds: float, noise: Noise) -> PCMCells:
        del before, after  # flicker goes on; drift is worked out from the clock
        modes = _modes(cells.flicker)
        kept = tuple(math.exp(-seconds / t) for t in TIMES)
        added = tuple((-SHARE * math.expm1(-2 * seconds / t)) ** 0.5 for t in TIMES)
        modes = modes * _column(kept, modes) + _column(added, modes) * noise.normal(modes)
        return cells._replace(flicker=modes.flatten(-2))

    def collect(self, cells: PCMCells, x: Tensor, noise: Noise) -> Tensor:
        mean = x @ cells.weights.mT
        with torch.no_grad():  # noise has no slope
            spread = (x.square() @ cells.hum.mT).add_(self.read_noise**2).sqrt_()
        return torch.addcmul(mean, spread, noise.normal(mean))

    def sense(self, cells: PCMCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # the amplifier's read noise was drawn together with the cells', which is cheaper
        return u


def exponent(log: Tensor, quirk: Tensor) -> Tensor:
    """Drift exponent of cells at ln(G / 25 uS), given their standard normals."""
    mean = (0.0244 - 0.0155 * log).clamp(0.049, 0.1)
    sd = (-0.0059 - 0.0125 * log).clamp(0.008, 0.045)
    return torch.addcmul(mean, sd, quirk).abs()


def loudness(log: Tensor) -> Tensor:
    """Reading noise Q of cells at ln(G / 25 uS)."""
    return (0.0088 * (-0.65 * log).exp()).clamp(max=0.2)


def _modes(flicker: Tensor) -> Tensor:  # (*fleet, tiles, rows, modes, cols)
    return flicker.unflatten(-1, (len(TIMES), -1))


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:  # (modes, 1)
    return like.new_tensor(values).unsqueeze(-1)
