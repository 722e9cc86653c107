"""A dying teacher's last reads, spent where its heirs learn most; what it said is kept if it dies midway.

How many stimuli, how often each. B reads are spent on n stimuli, k = B / n reads each. A reading carries
noise of power v beside a signal of power s (outputs less their class's mean answer).

Heirs that weigh noise rightly: what they know has precision A = P + (k / v) sum of f f' over the n stimuli.
Its mean does not depend on n, its spread falls with n, and what is lost, tr(G A^-1), is convex in A: more
stimuli are never worse (Jensen). Distinct stimuli first, whatever the noise.

Heirs that interpolate their lessons, as those that study for many epochs do: least squares of p free
numbers on n < p lessons misses s (1 - n/p) and copies noise (v / k) n / (p - n - 1) (isotropic inputs).
With x = n/p and u = v p / (s B) that is s (1 - x + u x^2 / (1 - x)), least at x = 1 - (1 + 1/u)^(-1/2):
all distinct while noise is faint, and k = 2 v / s reads each where noise drowns the answers (u >> 1, p drops
out, and `repeats_if_interpolating` tells k from the pilot alone).

Which heirs are ours? While noise is below the signal both laws say the same. Where it was about ten times
the signal, distinct stimuli taught chips 7 points more than k reads of each on held-out digits (three
teachers, 80 to 1,280 reads), at twice there was no difference: so `plan_reads` reads each once. Two teachers
on test digits do not decide it (see the study `handover`). When the pool is used up, what is left goes into
repeats, spread evenly (Jensen again).

Temperature. Fading teachers answer faintly, and heirs that answer as faintly sink in their own noise: the
teacher's answers are softened in proportion to their size, so that heirs learn answers of the usual size, but
never so sharply that the noise of what was recorded bends the softmax.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from analog.port import Dead, Port
from learners.learner import Batch

from .distillation_loss import TeacherTarget, soften
from .teachers import averaged

STUDENT_TEMPERATURE = 4.0  # V, at which heirs soften their own outputs
LOGIT_SIZE = 1.5  # rms of the outputs over the temperature: fresh chips on digits, at STUDENT_TEMPERATURE
MAX_NOISE = (
    1.0  # Guess: noise of a recorded answer over the temperature up to which softmax is nearly straight
)
PILOT_SHARE = 8  # one in so many affordable reads buys a stimulus of the pilot, which is read twice
CHUNK = 32  # stimuli read at a time; death costs at most one chunk


class Pilot(NamedTuple):
    """The first few stimuli, read twice: lessons, and all that the planner knows."""

    indices: Tensor  # (examples,), int64, which of the pool
    x: Tensor  # (examples, features_in)
    first: Tensor  # (examples, outputs), V
    second: Tensor  # (examples, outputs), V

    @property
    def out(self) -> Tensor:
        """The mean of both readings, (examples, outputs)."""
        return (self.first + self.second) / 2

    @property
    def noise_power(self) -> float:
        """Power of the noise of one reading of one output, V^2."""
        return float((centered_logits(self.first) - centered_logits(self.second)).square().mean() / 2)

    @property
    def logit_power(self) -> float:
        """Power of the outputs around their mean over classes, V^2, without the noise."""
        return self._without_noise(centered_logits(self.out).square().mean())

    @property
    def signal_power(self) -> float:
        """Power of what differs from stimulus to stimulus, V^2, without the noise."""
        out = centered_logits(self.out)
        freedom = max(1, len(out) - 1)
        return self._without_noise((out - out.mean(0)).square().mean() * len(out) / freedom)

    @property
    def standard_error(self) -> float:
        """Standard error of `signal_power` where noise drowns it, V^2."""
        outputs = self.first.shape[-1]
        return self.noise_power / 2 * math.sqrt(2 / max(1, (len(self.first) - 1) * (outputs - 1)))

    def _without_noise(self, power: Tensor) -> float:
        return max(float(power) - self.noise_power / 2, 1e-3 * float(power), 1e-30)


def centered_logits(out: Tensor) -> Tensor:
    """Outputs (..., classes) less their mean over classes, which softmax does not see."""
    return out - out.mean(-1, keepdim=True)


class ReadPlan(NamedTuple):
    """How the reads that are left after the pilot are spent."""

    counts: Tensor  # (stimuli,), int64, reads of each of the pool; those of the pilot have theirs behind them
    temperature: float  # V, of the teacher's answers; heirs soften their own at `STUDENT_TEMPERATURE`


def interpolating_repeats(noise_power: float, signal_power: float) -> int:
    """The reads of each stimulus for heirs that interpolate: 2 v / s where that is above 1."""
    return max(1, round(2 * noise_power / signal_power))


def repeats_if_interpolating(pilot: Pilot) -> int:
    """The reads of each stimulus for heirs that interpolate their lessons; as many as the pilot can show."""
    return interpolating_repeats(pilot.noise_power, pilot.signal_power + 2 * pilot.standard_error)


def best_distinct_share(noise_power: float, signal_power: float, free: int, reads: int) -> float:
    """The share n / p that loses least on heirs of `free` numbers that interpolate (see above)."""
    return 1 - (1 + signal_power * reads / (noise_power * free)) ** -0.5


def run_pilot(teacher: Port, pool: Tensor, reads: int, generator: Generator) -> Pilot:
    """Spend up to a quarter of the reads on a few stimuli, twice each.

    Args:
        teacher: one chip, no fleet.
        pool: (stimuli, features_in).
        reads: that are affordable in all.
        generator: of which stimuli are asked.

    Raises:
        ValueError: if the teacher is a fleet, or fewer than 2 reads are left.
    """
    count = min(len(pool), max(1, reads // PILOT_SHARE))
    if teacher.spec.fleet or reads < 2:
        raise ValueError(f"run_pilot: wanted one teacher and 2 reads, got {teacher.spec.fleet}, {reads}")
    indices = torch.randperm(len(pool), generator=generator)[:count]
    x = pool[indices]
    pairs = [(teacher.measure(chunk).out, teacher.measure(chunk).out) for chunk in x.split(CHUNK)]
    first, second = (torch.cat(outs) for outs in zip(*pairs, strict=True))  # little fades between the two
    return Pilot(indices, x, first, second)


def plan_reads(pilot: Pilot, pool: int, reads: int, generator: Generator, *, each: int = 1) -> ReadPlan:
    """Plan how all of the reads, those of the pilot among them, are spent on a pool of so many stimuli.

    Args:
        pilot: the reads already spent.
        pool: how many stimuli there are.
        reads: that are affordable in all.
        generator: of which stimuli are asked.
        each: reads of a stimulus while others are left; `repeats_if_interpolating(pilot)` for heirs that
            interpolate.
    """
    counts = torch.zeros(pool, dtype=torch.int64)
    left, unread = reads - 2 * len(pilot.x), torch.ones(pool, dtype=torch.bool)
    unread[pilot.indices] = False
    others = unread.nonzero()[:, 0][torch.randperm(int(unread.sum()), generator=generator)]
    next_reads = others[: max(1, left // each)]
    if len(next_reads) and left > 0:
        counts[next_reads] = left // len(next_reads)
        counts[next_reads[: left % len(next_reads)]] += 1
    usual = max(1.0, float(left // max(1, len(next_reads))))
    size, noise = math.sqrt(pilot.logit_power), math.sqrt(pilot.noise_power / usual)
    return ReadPlan(counts, max(size / LOGIT_SIZE, noise / MAX_NOISE))


def planned_lessons(teacher: Port, pool: Tensor, pilot: Pilot, plan: ReadPlan) -> Iterator[Batch]:
    """Yield the lessons of the pilot, then those of the plan, a chunk at a time; most reads first.

    Args:
        teacher: one chip, measured when a lesson is wanted.
        pool: (stimuli, features_in), the same that the pilot drew from.
        pilot: its lessons come first.
        plan: of the reads that are left.
    """
    yield Batch(pilot.x, TeacherTarget(soften(pilot.out, plan.temperature)))
    for count in sorted(set(plan.counts.tolist()) - {0}, reverse=True):
        for indices in (plan.counts == count).nonzero()[:, 0].split(CHUNK):
            x = pool[indices]
            out = averaged(teacher, count).measure(x).out
            yield Batch(x, TeacherTarget(soften(out, plan.temperature)))


def collect_until_death(lessons: Iterable[Batch], *ends: type[Exception]) -> list[Batch]:
    """Collect lessons until the teacher dies or one of these other ends comes; what was recorded survives."""
    collected: list[Batch] = []
    known: tuple[type[Exception], ...] = (Dead, *ends)
    try:
        for lesson in lessons:
            collected.append(lesson)
    except known:
        pass  # what is recorded survives
    return collected
