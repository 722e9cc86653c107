"""Update rules with their hyper-parameters in sight: what the levels of a tower are made of.

A rule says what it would do with hyper-parameters of any value, and how that would change with them:
the closed form of d drive / d hyper-parameter, what the rule remembers held fixed. The rules themselves are
those of `learners.updates`; of Chandra et al. (NeurIPS 2022) we keep which hyper-parameters are tuned, and
differ where said.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar

import torch
from torch import Tensor

from analog.spec import Knobs

S = TypeVar("S")
_SLOW = 100.0  # how much more slowly fractions turn than rates
_FARTHEST = 46.0  # ln of the smallest and largest rates, 1e-20 and 1e20; beyond float32 squares overflow
_DEEPEST = 8.0  # likewise of fractions, 1e-7 from 0 and 1


class Dial(NamedTuple):
    """A hyper-parameter as it is turned: any number is a setting.

    Rates are exp of it, so that they stay positive and a turn means the same at any size (the source turns
    the rate itself, which may become negative); fractions are (tanh + 1)/2 of a hundredth of it (the source:
    of it), so that they turn a hundred times more slowly than rates, as held-out training data of the
    `towers` study would have it: early slopes praise decays near 1, and a late return from there is slow.
    """

    name: str
    start: float | Tensor  # the hyper-parameter itself; a tensor (*fleet,) has one for each chip
    fraction: bool  # of 1; else a rate

    @property
    def end(self) -> float:
        """How far from 0 it may be turned."""
        return _SLOW * _DEEPEST if self.fraction else _FARTHEST

    def value(self, turned: Tensor) -> Tensor:
        return ((turned / _SLOW).tanh() + 1) / 2 if self.fraction else turned.exp()

    def turned(self, value: Tensor) -> Tensor:
        """The inverse of `value`."""
        return _SLOW * torch.atanh(2 * value - 1) if self.fraction else value.log()

    def slope(self, value: Tensor) -> Tensor:
        """d value / d turned, at a value."""
        return 2 * value * (1 - value) / _SLOW if self.fraction else value


class Rule(Protocol[S]):
    """A level. Hyper-parameters arrive in the order of `dials`, each (*fleet, 1, 1, 1)."""

    @property
    def dials(self) -> tuple[Dial, ...]: ...

    def init(self, zeros: Knobs) -> S: ...

    def step(self, gradient: Knobs, state: S, hyper: tuple[Tensor, ...]) -> tuple[Knobs, S]:
        """The drive, and what is remembered."""
        ...

    def slopes(self, gradient: Knobs, state: S, hyper: tuple[Tensor, ...]) -> tuple[Knobs, ...]:
        """d drive / d hyper-parameter of this very step, for each; `state` is that before the step."""
        ...


@dataclass(frozen=True)
class SGD:
    """drive = -rate g."""

    rate: float | Tensor

    @property
    def dials(self) -> tuple[Dial, ...]:
        return (_rate("SGD", self.rate),)

    def init(self, zeros: Knobs) -> tuple[()]:
        del zeros  # nothing to remember
        return ()

    def step(self, gradient: Knobs, state: tuple[()], hyper: tuple[Tensor, ...]) -> tuple[Knobs, tuple[()]]:
        return tuple(g * -hyper[0] for g in gradient), state

    def slopes(self, gradient: Knobs, state: tuple[()], hyper: tuple[Tensor, ...]) -> tuple[Knobs, ...]:
        del state, hyper
        return (tuple(-g for g in gradient),)


@dataclass(frozen=True)
class Momentum:
    """v = decay v_ + g, drive = -rate v."""

    rate: float | Tensor
    decay: float | Tensor = 0.9

    @property
    def dials(self) -> tuple[Dial, ...]:
        return _rate("Momentum", self.rate), _fraction("Momentum", "decay", self.decay)

    def init(self, zeros: Knobs) -> Knobs:
        return zeros

    def step(self, gradient: Knobs, state: Knobs, hyper: tuple[Tensor, ...]) -> tuple[Knobs, Knobs]:
        rate, decay = hyper
        moved = tuple(torch.addcmul(g, v, decay) for g, v in zip(gradient, state, strict=True))
        return tuple(v * -rate for v in moved), moved

    def slopes(self, gradient: Knobs, state: Knobs, hyper: tuple[Tensor, ...]) -> tuple[Knobs, ...]:
        rate, decay = hyper
        along = tuple(torch.addcmul(g, v, decay).neg_() for g, v in zip(gradient, state, strict=True))
        return along, tuple(v * -rate for v in state)


@dataclass(frozen=True)
class AdaGrad:
    """s = s_ + g^2, drive = -rate g / (sqrt s + epsilon) (Duchi, Hazan and Singer 2011)."""

    rate: float | Tensor
    epsilon: float = 1e-10

    @property
    def dials(self) -> tuple[Dial, ...]:
        return (_rate("AdaGrad", self.rate),)

    def init(self, zeros: Knobs) -> Knobs:
        return zeros

    def step(self, gradient: Knobs, state: Knobs, hyper: tuple[Tensor, ...]) -> tuple[Knobs, Knobs]:
        total = tuple(torch.addcmul(s, g, g) for g, s in zip(gradient, state, strict=True))
        drive = (g / s.sqrt().add_(self.epsilon) for g, s in zip(gradient, total, strict=True))
        return tuple(d.mul_(-hyper[0]) for d in drive), total

    def slopes(self, gradient: Knobs, state: Knobs, hyper: tuple[Tensor, ...]) -> tuple[Knobs, ...]:
        unit, _ = self.step(gradient, state, (torch.ones_like(hyper[0]),))
        return (unit,)


@dataclass(frozen=True)
class RMSProp:
    """s = decay s_ + (1 - decay) g^2, drive = -rate g / (sqrt s + epsilon) (Tieleman and Hinton 2012)."""

    rate: float | Tensor
    decay: float | Tensor = 0.99
    epsilon: float = 1e-8

    @property
    def dials(self) -> tuple[Dial, ...]:
        return _rate("RMSProp", self.rate), _fraction("RMSProp", "decay", self.decay)

    def init(self, zeros: Knobs) -> Knobs:
        return zeros

    def step(self, gradient: Knobs, state: Knobs, hyper: tuple[Tensor, ...]) -> tuple[Knobs, Knobs]:
        rate, decay = hyper
        square = tuple(_faded(s, g * g, decay) for g, s in zip(gradient, state, strict=True))
        drive = (g / s.sqrt().add_(self.epsilon) for g, s in zip(gradient, square, strict=True))
        return tuple(d.mul_(-rate) for d in drive), square

    def slopes(self, gradient: Knobs, state: Knobs, hyper: tuple[Tensor, ...]) -> tuple[Knobs, ...]:
        rate, decay = hyper
        along, faster = [], []
        for g, before in zip(gradient, state, strict=True):
            own = g * g
            root = _faded(before, own, decay).sqrt_()
            below = root + self.epsilon
            unit = g / below
            along.append(-unit)
            faster.append(_through_root(unit, root, below, own.sub_(before).neg_(), rate))
        return tuple(along), tuple(faster)


class Moments(NamedTuple):
    """What Adam remembers."""

    steps: int
    mean: Knobs
    square: Knobs


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1); its two decays are dials as well.

    Both moments are corrected for having begun at 0, by the decays of the present step; the source's
    second moment begins at epsilon.
    """

    rate: float | Tensor
    decay: float | Tensor = 0.9
    square_decay: float | Tensor = 0.999
    epsilon: float = 1e-8

    @property
    def dials(self) -> tuple[Dial, ...]:
        decays = (("decay", self.decay), ("square_decay", self.square_decay))
        return _rate("Adam", self.rate), *(_fraction("Adam", word, value) for word, value in decays)

    def init(self, zeros: Knobs) -> Moments:
        return Moments(0, zeros, zeros)

    def step(self, gradient: Knobs, state: Moments, hyper: tuple[Tensor, ...]) -> tuple[Knobs, Moments]:
        rate, decay, square_decay = hyper
        count = state.steps + 1
        mean = tuple(_faded(m, g, decay) for g, m in zip(gradient, state.mean, strict=True))
        square = tuple(_faded(s, g * g, square_decay) for g, s in zip(gradient, state.square, strict=True))
        whole = (1 - square_decay**count).sqrt()
        scale = -rate * whole / (1 - decay**count)
        drive = (m / s.sqrt().add_(self.epsilon * whole) for m, s in zip(mean, square, strict=True))
        return tuple(d.mul_(scale) for d in drive), Moments(count, mean, square)

    def slopes(self, gradient: Knobs, state: Moments, hyper: tuple[Tensor, ...]) -> tuple[Knobs, ...]:
        rate, decay, square_decay = hyper
        count = state.steps + 1
        left, square_left = 1 - decay**count, 1 - square_decay**count
        lost = count * decay ** (count - 1) / left**2  # of the quotient rule, d (1 / left) / d decay
        square_lost = count * square_decay ** (count - 1) / square_left**2
        along, mean_slope, square_slope = [], [], []
        for g, m, s in zip(gradient, state.mean, state.square, strict=True):
            mean, own = _faded(m, g, decay), g * g
            square = _faded(s, own, square_decay)
            root = square.sqrt().mul_(square_left.rsqrt())
            below = root + self.epsilon
            unit = (mean / below).div_(left)
            along.append(-unit)
            turned = (m - g).div_(left).addcmul_(mean, lost)
            mean_slope.append(turned.mul_(-rate).div_(below))
            turned = own.sub_(s).neg_().div_(square_left).addcmul_(square, square_lost)
            square_slope.append(_through_root(unit, root, below, turned, rate))
        return tuple(along), tuple(mean_slope), tuple(square_slope)


def _faded(before: Tensor, now: Tensor, decay: Tensor) -> Tensor:
    """decay before + (1 - decay) now."""
    return torch.lerp(now, before, decay)


def _through_root(unit: Tensor, root: Tensor, below: Tensor, slope: Tensor, rate: Tensor) -> Tensor:
    """-d (rate unit), unit = a / below, below = sqrt s + epsilon, along ds = slope; 0 where s is 0.

    Overwrites root and slope.
    """
    tiny = torch.finfo(root.dtype).tiny ** 0.5
    return slope.mul_(unit).div_(root.clamp_(min=tiny)).div_(below).mul_(rate / 2)


def _rate(name: str, rate: float | Tensor) -> Dial:
    if not _all_within(rate, 0, math.inf):
        raise ValueError(f"{name}: rate is {rate}, wanted finite numbers above 0")
    return Dial("rate", rate, fraction=False)


def _fraction(name: str, word: str, value: float | Tensor) -> Dial:
    if not _all_within(value, 0, 1):
        raise ValueError(f"{name}: {word} is {value}, wanted 0 < {word} < 1")
    return Dial(word, value, fraction=True)


def _all_within(value: float | Tensor, low: float, high: float) -> bool:
    given = torch.as_tensor(value, dtype=torch.float64)
    return bool(((low < given) & (given < high)).all())
