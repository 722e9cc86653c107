"""A dying teacher's last readings, spent where its heirs learn most; what it said is kept if it dies midway.

How many stimuli, how often each. B readings are spent on n stimuli, k = B / n readings each. A reading
carries noise of power v beside knowledge of power s (outputs less their class's mean answer).

Heirs that weigh noise rightly: what they know has precision A = P + (k / v) sum of f f' over the n stimuli.
Its mean does not depend on n, its spread falls with n, and what is lost, tr(G A^-1), is convex in A: more
stimuli are never worse (Jensen). Distinct stimuli first, whatever the noise.

Heirs that learn their lessons by heart, as those that study for many epochs do: least squares of p free
numbers on n < p lessons misses s (1 - n/p) and copies noise (v / k) n / (p - n - 1) (isotropic inputs).
With x = n/p and u = v p / (s B) that is s (1 - x + u x^2 / (1 - x)), least at x = 1 - (1 + 1/u)^(-1/2):
all distinct while noise is faint, and k = 2 v / s readings each where noise drowns the answers (u >> 1,
p drops out, and `by_heart` tells k from the pilot alone).

Which heirs are ours? While noise is below knowledge both laws say the same. Where it was about ten times
knowledge, distinct stimuli taught chips 7 points more than k by heart on held-out digits (three teachers, 80
to 1,280 readings), at twice there was no difference: so `planned` reads each once. Two teachers on test
digits do not decide it (see the study `handover`). When the pool is used up, what is left goes into repeats,
spread evenly (Jensen again).

Temperature. Fading teachers answer faintly, and heirs that answer as faintly sink in their own noise: the
teacher's answers are softened in proportion to their size, so that heirs hear them at full voice, but
never so sharply that the noise of what is written bends the softmax.
"""

import math
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog.port import Dead
from analog.port import Port
from analog.spec import Spec
from learners.learner import Batch

from .softening import Answer
from .softening import soften
from .teachers import steadied

HEARD = 4.0  # temperature at which heirs soften their own outputs
VOICE = 1.5  # size of the outputs over the temperature: fresh chips on digits, at HEARD
STRAIGHT = 1.0  # Guess: noise of a written answer over the temperature up to which softmax is nearly straight
SHARE = 8  # one in so many affordable readings buys a stimulus of the pilot, which is read twice
PIECE = 32  # stimuli read at a time; death costs at most one piece


@dataclass(frozen=True)
class Deadline:
    """What a teacher has left; None is no limit."""

    measurements: float | None = None  # stimuli driven through the whole chip, repeats included
    joules: float | None = None  # J
    seconds: float | None = None  # s, on the clock of its wires

    def __post_init__(self) -> None:
        given = [v for v in (self.measurements, self.joules, self.seconds) if v is not None]
        if not given or not all(0 <= v < math.inf for v in given):
            raise ValueError(f"Deadline: wanted at least one limit, finite and at least 0; got {self}")

    def readings(self, spec: Spec) -> int:
        """Readings of one stimulus that fit, by the datasheet."""
        layers = spec.layers
        cells = sum(la.tiles * la.rows * la.cols * (la.features // (la.tiles * la.rows)) for la in layers)
        each = (1.0, spec.costs.read_joules * cells, spec.costs.read_seconds * len(layers))
        limits = (self.measurements, self.joules, self.seconds)
        fit = [v / cost * (1 + 1e-9) for v, cost in zip(limits, each, strict=True) if v is not None and cost]
        if not fit:
            raise ValueError(f"Deadline: {self} limits nothing on a chip whose readings cost {spec.costs}")
        return int(min(fit))


class Pilot(NamedTuple):
    """The first few stimuli, read twice: lessons, and all that the planner knows."""

    chosen: Tensor  # (examples,), int64, which of the pool
    x: Tensor  # (examples, features_in)
    first: Tensor  # (examples, outputs)
    second: Tensor  # (examples, outputs)

    @property
    def out(self) -> Tensor:
        """The mean of both readings."""
        return (self.first + self.second) / 2

    @property
    def noise(self) -> float:
        """Power of the noise of one reading of one output, V^2."""
        return float((voiced(self.first) - voiced(self.second)).square().mean() / 2)

    @property
    def size(self) -> float:
        """Power of the outputs around their mean over classes, V^2, without the noise."""
        return self._cleaned(voiced(self.out).square().mean())

    @property
    def knowledge(self) -> float:
        """Power of what differs from stimulus to stimulus, V^2, without the noise."""
        out = voiced(self.out)
        spare = max(1, len(out) - 1)
        return self._cleaned((out - out.mean(0)).square().mean() * len(out) / spare)

    @property
    def doubt(self) -> float:
        """Standard error of `knowledge` where noise drowns it, V^2."""
        outputs = self.first.shape[-1]
        return self.noise / 2 * math.sqrt(2 / max(1, (len(self.first) - 1) * (outputs - 1)))

    def _cleaned(self, power: Tensor) -> float:
        return max(float(power) - self.noise / 2, 1e-3 * float(power), 1e-30)


def voiced(out: Tensor) -> Tensor:
    """Outputs without what softmax does not hear."""
    return out - out.mean(-1, keepdim=True)


class Plan(NamedTuple):
    """How what is left after the pilot is spent."""

    counts: (
        Tensor  # readings of each of the pool (stimuli,), int64; those of the pilot have theirs behind them
    )
    temperature: float  # of the teacher's answers; heirs soften their own at `HEARD`


def repeats(noise: float, knowledge: float) -> int:
    """Readings of each stimulus for heirs that learn by heart: 2 v / s where that is above 1."""
    return max(1, round(2 * noise / knowledge))


def by_heart(pilot: Pilot) -> int:
    """Readings of each stimulus for heirs that learn by heart; only as many as the pilot can show."""
    return repeats(pilot.noise, pilot.knowledge + 2 * pilot.doubt)


def best_share(noise: float, knowledge: float, free: int, readings: int) -> float:
    """n / p that loses least on heirs of `free` numbers that learn by heart (see above)."""
    return 1 - (1 + knowledge * readings / (noise * free)) ** -0.5


def listen(teacher: Port, pool: Tensor, readings: int, generator: Generator) -> Pilot:
    """Spend up to a quarter of the readings: a few stimuli, twice each."""
    count = min(len(pool), max(1, readings // SHARE))
    if teacher.spec.fleet or readings < 2:
        raise ValueError(f"listen: wanted one teacher and 2 readings, got {teacher.spec.fleet}, {readings}")
    chosen = torch.randperm(len(pool), generator=generator)[:count]
    x = pool[chosen]
    read = [(teacher.measure(piece).out, teacher.measure(piece).out) for piece in x.split(PIECE)]
    first, second = (torch.cat(said) for said in zip(*read, strict=True))  # little fades between the two
    return Pilot(chosen, x, first, second)


def planned(pilot: Pilot, pool: int, readings: int, generator: Generator, *, each: int = 1) -> Plan:
    """Spend all of the readings, those of the pilot among them, on a pool of so many stimuli.

    Args:
        each: readings of a stimulus while others are left; `by_heart(pilot)` for heirs that learn by heart.
    """
    counts = torch.zeros(pool, dtype=torch.int64)
    left, rest = readings - 2 * len(pilot.x), torch.ones(pool, dtype=torch.bool)
    rest[pilot.chosen] = False
    others = rest.nonzero()[:, 0][torch.randperm(int(rest.sum()), generator=generator)]
    chosen = others[: max(1, left // each)]
    if len(chosen) and left > 0:
        counts[chosen] = left // len(chosen)
        counts[chosen[: left % len(chosen)]] += 1
    usual = max(1.0, float(left // max(1, len(chosen))))
    temperature = max(math.sqrt(pilot.size) / VOICE, math.sqrt(pilot.noise / usual) / STRAIGHT)
    return Plan(counts, temperature)


def told(teacher: Port, pool: Tensor, pilot: Pilot, plan: Plan) -> Iterator[Batch]:
    """The lessons of the pilot, then those of the plan, a piece at a time; most readings first."""
    yield Batch(pilot.x, Answer(soften(pilot.out, plan.temperature)))
    for count in sorted(set(plan.counts.tolist()) - {0}, reverse=True):
        for chosen in (plan.counts == count).nonzero()[:, 0].split(PIECE):
            x = pool[chosen]
            yield Batch(x, Answer(soften(steadied(teacher, count).measure(x).out, plan.temperature)))


def saved(taught: Iterable[Batch], *ends: type[Exception]) -> list[Batch]:
    """What was written before the teacher died, or before one of these other ends."""
    kept: list[Batch] = []
    known: tuple[type[Exception], ...] = (Dead, *ends)
    try:
        for lesson in taught:
            kept.append(lesson)
    except known:
        pass  # what is written survives
    return kept
