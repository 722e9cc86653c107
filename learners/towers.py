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
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from analog.port import Knobs

from .rules import Dial, Rule
from .updates import Update

FARTHEST = 46.0  # ln of the smallest and largest rates, 1e-20 and 1e20; beyond float32 squares overflow
FALL = 1.0  # turn in one step: rates fall to 1/e at most
DEEPEST = 80.0  # likewise of fractions, 1e-7 from 0 and 1
LARGEST = 1e15  # hypergradient whose square still fits float32


class Storey(NamedTuple):
    """One level of a tower at work; its size never changes after the first step."""

    turned: Knobs  # its dials as they stand, (*fleet, 1, 1, 1) each
    memory: Any  # the rule's
    slopes: tuple[Knobs, ...] | None  # of its last drive at its hyper-parameters; None before the first


def tower(*levels: Rule[Any], memory: float = 0.0) -> Update:
    """The first rule drives the knobs, the second turns the first's dials, and so on upwards.

    memory: of slopes. 0 is the source: a hyper-parameter answers for the last drive alone, and learns to be
        greedy, which with noisy gradients means too slow. Else d drive / d phi is summed over past drives,
        each step worth `memory` of the next, as if what they did still stood.

    The top's dials stay as they start. Where a rate was far too large (the paper is silent): a hypergradient
    that is not a number turns nothing; rates fall to 1/e a step at most and rise by 1 - memory of themselves,
    no faster than what they do is found out; they stop at 1e-20 and 1e20. So no dial is lost, but what the
    knobs have lost by then is lost.
    """
    if not levels:
        raise ValueError("tower: wants at least one level, the rule that drives the knobs")
    if not 0 <= memory < 1:
        raise ValueError(f"tower: memory is {memory}, wanted 0 <= memory < 1")
    for rule in levels:
        _ = rule.dials  # which checks them

    def init(zeros: Knobs) -> tuple[Storey, ...]:
        storeys, below = [], zeros
        if any(z.ndim < 3 for z in zeros):
            raise ValueError(f"tower: wants knobs (*fleet, tiles, rows, cols), got {tuple(zeros[0].shape)}")
        for rule in levels:
            turned = tuple(_turned(dial, zeros[0]) for dial in rule.dials)
            storeys.append(Storey(turned, rule.init(tuple(torch.zeros_like(b) for b in below)), None))
            below = turned
        return tuple(storeys)

    def step(gradient: Knobs, state: tuple[Storey, ...]) -> tuple[Knobs, tuple[Storey, ...]]:
        return _stepped(levels, gradient, state, memory)

    return Update(init, step)


def set_to(levels: tuple[Rule[Any], ...], state: tuple[Storey, ...]) -> list[dict[str, Tensor]]:
    """The hyper-parameters of every level as they stand, by name, (*fleet,) each."""
    return [
        {
            dial.name: dial.value(turned)[..., 0, 0, 0]
            for dial, turned in zip(rule.dials, storey.turned, strict=True)
        }
        for rule, storey in zip(levels, state, strict=True)
    ]


def layerwise(update: Update) -> Update:
    """The same update for each layer by itself, so that every layer of a tower has dials of its own."""

    def step(gradient: Knobs, states: tuple[Any, ...]) -> tuple[Knobs, tuple[Any, ...]]:
        made = [update.step((g,), state) for g, state in zip(gradient, states, strict=True)]
        return tuple(drive for (drive,), _ in made), tuple(state for _, state in made)

    return Update(lambda zeros: tuple(update.init((z,)) for z in zeros), step)


def _stepped(
    levels: tuple[Rule[Any], ...], gradient: Knobs, state: tuple[Storey, ...], keep: float
) -> tuple[Knobs, tuple[Storey, ...]]:
    rule, storey, above = levels[0], state[0], state[1:]
    turned = storey.turned
    if above and storey.slopes is not None:
        used = (dial.slope(dial.value(at)) for dial, at in zip(rule.dials, turned, strict=True))
        told = tuple(_sane(_along(gradient, s) * chain) for s, chain in zip(storey.slopes, used, strict=True))
        moves, above = _stepped(levels[1:], told, above, keep)
        turned = tuple(
            _within(dial, at + move.clamp(-FALL, FALL if dial.fraction else 1 - keep))
            for dial, at, move in zip(rule.dials, turned, moves, strict=True)
        )
    hyper = tuple(dial.value(at) for dial, at in zip(rule.dials, turned, strict=True))
    slopes = _kept(rule.slopes(gradient, storey.memory, hyper), storey.slopes, keep) if above else None
    drive, memory = rule.step(gradient, storey.memory, hyper)
    return drive, (Storey(turned, memory, slopes), *above)


def _kept(slopes: tuple[Knobs, ...], before: tuple[Knobs, ...] | None, keep: float) -> tuple[Knobs, ...]:
    if before is None or keep == 0:
        return slopes
    return tuple(
        tuple(torch.add(s, b, alpha=keep) for s, b in zip(now, old, strict=True))
        for now, old in zip(slopes, before, strict=True)
    )


def _along(gradient: Knobs, slopes: Knobs) -> Tensor:  # (*fleet, 1, 1, 1)
    """What a loss of this gradient does along such slopes."""
    parts = [torch.linalg.vecdot(g.flatten(-3), s.flatten(-3)) for g, s in zip(gradient, slopes, strict=True)]
    return torch.stack(parts).sum(0)[..., None, None, None]


def _sane(hypergradient: Tensor) -> Tensor:
    return hypergradient.nan_to_num(0.0, LARGEST, -LARGEST).clamp(-LARGEST, LARGEST)


def _within(dial: Dial, turned: Tensor) -> Tensor:
    end = DEEPEST if dial.fraction else FARTHEST
    return turned.clamp(-end, end)


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
