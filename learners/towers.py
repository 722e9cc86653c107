"""Updates that tune their own hyper-parameters by another update, to any height.

Chandra, Xie, Ragan-Kelley and Meijer, "Gradient Descent: The Ultimate Optimizer" (NeurIPS 2022). The slope of
the next loss at a hyper-parameter phi of the last drive, inner state held fixed, is

    dL(t+1) / d phi = g(t+1) . d drive(t) / d phi,

two consecutive gradients, which is what an `Update` sees: no graph and no second pass. Each level's
hyper-parameters are what the level above descends on, as if they were knobs; higher levels move first.

Where we differ: the slopes are written out (`learners.rules`) instead of taken through a graph, so memory is
flat by construction; rates are exp of what is turned; every chip of a fleet has hyper-parameters of its own.
On a chip the two gradients are estimates from independent probes, so the hypergradient is unbiased wherever
they are; `laws.hypergradient` has its variance.

Unbiased, but of the next loss alone, hence greedy: a step pays its noise at once and is paid for where it
leads only later (the short-horizon bias of Wu et al., ICLR 2018), so rates end far too low. `horizon` is
against that, `warmup` against a start that would break the knobs before anything is told.
"""

from typing import Any
from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Knobs

from .rules import Dial
from .rules import Rule
from .updates import Update

LARGEST = 1e15  # hypergradient whose square still fits float32
FIRST = 1e-4  # share of the drive at the start of a warm-up


class Storey(NamedTuple):
    """One level of a tower at work; its size never changes after the first step."""

    turned: Knobs  # its dials as they stand, (*fleet, 1, 1, 1) each
    memory: Any  # the rule's
    slopes: tuple[Knobs, ...] | None  # of its drives at its hyper-parameters; None before the first


class Standing(NamedTuple):
    """A tower at work."""

    steps: int  # made
    storeys: tuple[Storey, ...]  # from the knobs upwards


def tower(*levels: Rule[Any], horizon: float = 0.4, warmup: int = 0) -> Update:
    """The first rule drives the knobs, the second turns the first's dials, and so on upwards.

    horizon: what slopes of the past are remembered for, as a share of the steps made. 0 is the source: a
        hyper-parameter answers for the last drive alone. Else d drive / d phi is summed over past drives,
        as if what they did still stood, each worth 1 - 1/(1 + horizon t) of the next at step t after the
        warm-up; and a dial turns by 1/(1 + horizon t) at most, no faster than what it does is found out.
        0.3 to 0.5 served best on held-out training data of the `towers` study.
    warmup: steps in which drives grow from a ten-thousandth to all of what the first rule says, and dials may
        fall but not rise: a rate that is far too large is found out before it is used.

    The top's dials stay as they start. A hypergradient that is not a number turns nothing, and dials stop
    where their values would leave float32 (rates at 1e-20 and 1e20), so none is ever lost.
    """
    if not levels:
        raise ValueError("tower: wants at least one level, the rule that drives the knobs")
    if not 0 <= horizon < float("inf"):
        raise ValueError(f"tower: horizon is {horizon}, wanted a finite number of at least 0")
    if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 0:
        raise ValueError(f"tower: warmup is {warmup!r}, wanted an integer of at least 0")
    for rule in levels:
        _ = rule.dials  # which checks them

    def init(zeros: Knobs) -> Standing:
        storeys, below = [], zeros
        if any(z.ndim < 3 for z in zeros):
            raise ValueError(f"tower: wants knobs (*fleet, tiles, rows, cols), got {tuple(zeros[0].shape)}")
        for rule in levels:
            turned = tuple(_turned(dial, zeros[0]) for dial in rule.dials)
            storeys.append(Storey(turned, rule.init(tuple(torch.zeros_like(b) for b in below)), None))
            below = turned
        return Standing(0, tuple(storeys))

    def step(gradient: Knobs, state: Standing) -> tuple[Knobs, Standing]:
        turn, warming = 1 / (1 + horizon * max(0, state.steps - warmup)), state.steps < warmup
        share = FIRST ** (1 - state.steps / warmup) if warming else 1.0
        drive, storeys = _stepped(levels, gradient, state.storeys, turn, 0.0 if warming else turn, share)
        return drive, Standing(state.steps + 1, storeys)

    return Update(init, step)


def set_to(levels: tuple[Rule[Any], ...], state: Standing) -> list[dict[str, Tensor]]:
    """The hyper-parameters of every level as they stand, by name, (*fleet,) each."""
    return [
        {
            dial.name: dial.value(turned)[..., 0, 0, 0]
            for dial, turned in zip(rule.dials, storey.turned, strict=True)
        }
        for rule, storey in zip(levels, state.storeys, strict=True)
    ]


def layerwise(update: Update) -> Update:
    """The same update for each layer by itself, so that every layer of a tower has dials of its own."""

    def step(gradient: Knobs, states: tuple[Any, ...]) -> tuple[Knobs, tuple[Any, ...]]:
        made = [update.step((g,), state) for g, state in zip(gradient, states, strict=True)]
        return tuple(drive for (drive,), _ in made), tuple(state for _, state in made)

    return Update(lambda zeros: tuple(update.init((z,)) for z in zeros), step)


def _stepped(
    levels: tuple[Rule[Any], ...],
    gradient: Knobs,
    state: tuple[Storey, ...],
    turn: float,  # of a dial at most; what it lacks to 1 is what slopes of the past are worth
    rise: float,  # likewise upwards
    share: float = 1.0,
) -> tuple[Knobs, tuple[Storey, ...]]:
    rule, storey, above = levels[0], state[0], state[1:]
    turned = storey.turned
    if above and storey.slopes is not None:
        used = (dial.slope(dial.value(at)) for dial, at in zip(rule.dials, turned, strict=True))
        told = tuple(_sane(_along(gradient, s) * chain) for s, chain in zip(storey.slopes, used, strict=True))
        moves, above = _stepped(levels[1:], told, above, turn, rise)
        turned = tuple(
            (at + move.clamp(-turn, rise)).clamp(-dial.end, dial.end)
            for dial, at, move in zip(rule.dials, turned, moves, strict=True)
        )
    hyper = tuple(dial.value(at) for dial, at in zip(rule.dials, turned, strict=True))
    slopes = None
    if above:
        fresh = rule.slopes(gradient, storey.memory, hyper)
        slopes = _remembered(fresh, share, storey.slopes, 1 - turn)
    drive, memory = rule.step(gradient, storey.memory, hyper)
    return _scaled(drive, share), (Storey(turned, memory, slopes), *above)


def _remembered(
    fresh: tuple[Knobs, ...], share: float, before: tuple[Knobs, ...] | None, keep: float
) -> tuple[Knobs, ...]:
    """Slopes of this drive, and of those before it by what they are worth."""
    fresh = tuple(_scaled(own, share) for own in fresh)
    if before is None or keep == 0:
        return fresh
    return tuple(
        tuple(torch.add(s, b, alpha=keep) for s, b in zip(now, old, strict=True))
        for now, old in zip(fresh, before, strict=True)
    )


def _scaled(parts: Knobs, share: float) -> Knobs:
    return parts if share == 1 else tuple(p * share for p in parts)


def _along(gradient: Knobs, slopes: Knobs) -> Tensor:  # (*fleet, 1, 1, 1)
    """What a loss of this gradient does along such slopes."""
    parts = [torch.linalg.vecdot(g.flatten(-3), s.flatten(-3)) for g, s in zip(gradient, slopes, strict=True)]
    return torch.stack(parts).sum(0)[..., None, None, None]


def _sane(hypergradient: Tensor) -> Tensor:
    return hypergradient.nan_to_num(0.0, LARGEST, -LARGEST).clamp(-LARGEST, LARGEST)


def _turned(dial: Dial, like: Tensor) -> Tensor:  # (*fleet, 1, 1, 1)
    """A dial at its start, for every chip."""
    fleet = like.shape[:-3]
    start = torch.as_tensor(dial.start, dtype=like.dtype, device=like.device)
    if start.ndim and start.shape != fleet:
        raise ValueError(
            f"tower: {dial.name} has shape {tuple(start.shape)}, wanted one number or one for each "
            f"chip of the fleet {tuple(fleet)}"
        )
    return dial.turned(start).expand(fleet)[..., None, None, None].clone()
