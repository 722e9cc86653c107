import gc
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from analog import stream
from analog.spec import Knobs
from learners import Update
from learners import adagrad
from learners import adam
from learners import layerwise
from learners import momentum
from learners import rmsprop
from learners import rules
from learners import sgd
from learners import tower
from learners.towers import FIRST
from learners.towers import set_to

F64 = torch.float64
SHAPES = ((2, 3, 2), (1, 2, 4))  # tiles, rows, cols of two layers
LEVELS: dict[str, rules.Rule[Any]] = {
    "sgd": rules.SGD(0.02),
    "momentum": rules.Momentum(0.02, 0.8),
    "adagrad": rules.AdaGrad(0.02),
    "rmsprop": rules.RMSProp(0.02, 0.9),
    "adam": rules.Adam(0.02, 0.8, 0.95),
}
PLAIN: dict[str, Update] = {
    "sgd": sgd(0.02),
    "momentum": momentum(0.02, 0.8),
    "adagrad": adagrad(0.02),
    "rmsprop": rmsprop(0.02, 0.9),
    "adam": adam(0.02, 0.8, 0.95),
}


def gradients(steps: int, *path: str | int, fleet: tuple[int, ...] = ()) -> list[Knobs]:
    """With a common part, so that rates have something to follow."""
    generator = stream(0, "towers", *path)
    common = [torch.randn(*fleet, *s, generator=generator, dtype=F64) for s in SHAPES]
    drawn = [[torch.randn(*fleet, *s, generator=generator, dtype=F64) for s in SHAPES] for _ in range(steps)]
    return [tuple((c + 0.5 * d) / 10 for c, d in zip(common, row, strict=True)) for row in drawn]


def drives(update: Update, given: list[Knobs]) -> list[Tensor]:
    state, made = update.init(tuple(torch.zeros_like(g) for g in given[0])), []
    for gradient in given:
        drive, state = update.step(gradient, state)
        made.append(torch.cat([d.flatten() for d in drive]))
    return made


def close(one: list[Tensor], other: list[Tensor]) -> None:
    torch.testing.assert_close(torch.stack(one), torch.stack(other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LEVELS)
def test_a_tower_of_one_level_is_the_plain_update(name: str) -> None:
    given = gradients(20, name)
    close(drives(tower(LEVELS[name]), given), drives(PLAIN[name], given))


class Oracle:
    """A tower by autograd as the source has it: every move keeps its graph until the next gradient."""

    def __init__(self, names: tuple[str, ...], zeros: Knobs) -> None:
        self.names = names
        self.dials = [[d.turned(torch.tensor(d.start, dtype=F64)) for d in LEVELS[n].dials] for n in names]
        sizes = [sum(z.numel() for z in zeros), *(len(d) for d in self.dials)]
        self.memory = [[torch.zeros(s, dtype=F64)] * 2 for s in sizes[: len(names)]]
        self.counts = [0] * len(names)
        self.last: Tensor | None = None

    def step(self, gradient: Tensor) -> Tensor:
        told: list[list[Tensor | None]] = [[None] * len(own) for own in self.dials]
        if self.last is not None:
            flat = [d for own in self.dials for d in own]
            slopes = iter(torch.autograd.grad((gradient * self.last).sum(), flat, allow_unused=True))
            told = [[next(slopes) for _ in own] for own in self.dials]
        above: list[Tensor] = []
        for at in reversed(range(len(self.names))):
            fresh = [d.detach().requires_grad_() for d in self.dials[at]]
            slope = told[at]
            if at + 1 < len(self.names) and slope[0] is not None:
                drive = self._drive(at + 1, torch.stack([s for s in slope if s is not None]), above)
                fresh = [f.detach() + d for f, d in zip(fresh, drive, strict=True)]
            above = self.dials[at] = fresh
        self.last = self._drive(0, gradient, above)
        return self.last.detach()

    def _drive(self, at: int, g: Tensor, dials: list[Tensor]) -> Tensor:
        hyper = [d.exp() if k == 0 else ((d / 100).tanh() + 1) / 2 for k, d in enumerate(dials)]
        one, two = self.memory[at]
        self.counts[at] += 1
        count, name, rate = self.counts[at], self.names[at], hyper[0]
        if name == "sgd":
            unit = g
        elif name == "momentum":
            unit = one = hyper[1] * one + g
        elif name == "adagrad":
            one = one + g**2
            unit = g / (one.sqrt() + 1e-10)
        elif name == "rmsprop":
            one = hyper[1] * one + (1 - hyper[1]) * g**2
            unit = g / (one.sqrt() + 1e-8)
        else:
            one, two = hyper[1] * one + (1 - hyper[1]) * g, hyper[2] * two + (1 - hyper[2]) * g**2
            square = two / (1 - hyper[2] ** count) + (two == 0)  # 0/1 instead of autograd's 0/0
            unit = one / (1 - hyper[1] ** count) / (square.sqrt() + 1e-8)
        self.memory[at] = [one.detach(), two.detach()]
        return -rate * unit


HIGH = [(n, "sgd") for n in LEVELS] + [("sgd", n) for n in LEVELS]
HIGH += [("adam", "adam", "adam"), ("sgd", "momentum", "rmsprop"), ("momentum", "adagrad", "sgd", "adam")]


@pytest.mark.parametrize("names", HIGH, ids="/".join)
def test_a_tower_does_what_autograd_would(names: tuple[str, ...]) -> None:
    given = gradients(12, *names)
    oracle = Oracle(names, given[0])
    wanted = [oracle.step(torch.cat([g.flatten() for g in row])) for row in given]
    made = torch.stack(drives(tower(*(LEVELS[n] for n in names), horizon=0.0), given))
    torch.testing.assert_close(
        made, torch.stack(wanted), rtol=1e-6, atol=1e-9
    )  # Adam divides rounding by 1e-8
    if len(names) > 1:  # and it makes a difference
        assert (wanted[-1] - drives(PLAIN[names[0]], given)[-1]).abs().max() > 1e-6


@pytest.mark.parametrize("name", LEVELS)
@given(seed=st.integers(0, 20))
def test_slopes_are_those_of_the_drive(name: str, seed: int) -> None:
    """Central differences of the drive, hyper-parameter by hyper-parameter."""
    rule, generator = LEVELS[name], stream(0, "slopes", name, seed)
    past = gradients(4, name, seed)
    state = rule.init(tuple(torch.zeros_like(g) for g in past[0]))
    hyper = tuple(torch.rand((), generator=generator, dtype=F64) * 0.8 + 0.1 for _ in rule.dials)
    for g in past[:3]:
        _, state = rule.step(g, state, hyper)
    for at, slopes in enumerate(rule.slopes(past[3], state, hyper)):
        ends = []
        for side in (1e-5, -1e-5):
            moved = tuple(h + side * (k == at) for k, h in enumerate(hyper))
            ends.append(rule.step(past[3], state, moved)[0])
        for up, down, slope in zip(*ends, slopes, strict=True):
            torch.testing.assert_close((up - down) / 2e-5, slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LEVELS)
def test_cells_without_a_gradient_have_no_slope(name: str) -> None:
    """As with pixels that are always black: 0, not 0/0."""
    rule, zeros = LEVELS[name], tuple(torch.zeros(s) for s in SHAPES)
    hyper = tuple(torch.full((1, 1, 1), 0.5) for _ in rule.dials)
    slopes = rule.slopes(zeros, rule.init(zeros), hyper)
    assert all(bool((s == 0).all()) for own in slopes for s in own)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_every_chip_of_a_fleet_has_its_own(name: str) -> None:
    """A fleet whose chips start at rates of their own does what each chip would do alone."""
    rates = (0.01, 0.1, 1.0)
    given = gradients(10, "fleet", name, fleet=(3,))
    kind = type(LEVELS[name])
    made = tower(
        kind(torch.tensor(rates, dtype=F64)), rules.RMSProp(0.05), rules.SGD(0.1), horizon=0.5, warmup=3
    )
    state = made.init(tuple(torch.zeros_like(g) for g in given[0]))
    alone = [tower(kind(r), rules.RMSProp(0.05), rules.SGD(0.1), horizon=0.5, warmup=3) for r in rates]
    states = [a.init(tuple(torch.zeros_like(g[0]) for g in given[0])) for a in alone]
    for gradient in given:
        fleet, state = made.step(gradient, state)
        for row, update in enumerate(alone):
            own, states[row] = update.step(tuple(g[row] for g in gradient), states[row])
            for one, all_of_them in zip(own, fleet, strict=True):
                torch.testing.assert_close(one, all_of_them[row], rtol=1e-9, atol=1e-12)


def test_a_horizon_adds_up_past_slopes() -> None:
    """By hand, SGD below SGD: ln rate falls by kappa g(t+1) . a trace of slopes."""
    given, horizon, kappa = gradients(6, "horizon"), 0.7, 0.01
    update = tower(rules.SGD(0.1), rules.SGD(kappa), horizon=horizon)
    state = update.init(tuple(torch.zeros_like(g) for g in given[0]))
    log, trace = math.log(0.1), torch.zeros(20, dtype=F64)
    for t, gradient in enumerate(given):
        flat = torch.cat([g.flatten() for g in gradient])
        if t:
            log -= kappa * float(flat @ trace) * math.exp(log)
        trace = trace * (horizon * t / (1 + horizon * t)) - flat
        drive, state = update.step(gradient, state)
        torch.testing.assert_close(torch.cat([d.flatten() for d in drive]), -math.exp(log) * flat)


def test_a_warm_up_grows_to_the_whole_drive() -> None:
    """By factors alike, from a ten-thousandth; what is told then is of what was driven."""
    given = gradients(8, "warm")
    levels = rules.SGD(0.1), rules.SGD(1e-9)  # whose rate hardly turns
    made = drives(tower(*levels, warmup=4), given)
    shares = [FIRST ** (1 - t / 4) for t in range(4)] + [1.0] * 4
    plain = drives(sgd(0.1), given)
    torch.testing.assert_close(
        torch.stack(made), torch.stack([p * share for p, share in zip(plain, shares, strict=True)])
    )
    update = tower(rules.SGD(0.1), rules.SGD(0.01), warmup=4)
    state = update.init(tuple(torch.zeros_like(g) for g in given[0]))
    _, state = update.step(given[0], state)
    told = state.storeys[0].slopes
    assert told is not None
    for slope, g in zip(told[0], given[0], strict=True):
        torch.testing.assert_close(slope, -FIRST * g)


def test_it_finds_the_rate_of_a_quadratic() -> None:
    """L = h |w|^2 / 2, from a rate far too low and from one that is not stable: all the way down."""
    h, rates = 4.0, torch.tensor([1e-5, 1e-2, 2.0], dtype=F64)
    levels = (rules.SGD(rates), rules.RMSProp(0.05, 0.9))
    update, w = tower(*levels), torch.ones(3, 1, 1, 5, dtype=F64)
    state = update.init((torch.zeros_like(w),))
    for _ in range(400):
        (drive,), state = update.step((h * w,), state)
        w = w + drive
    assert bool((w.abs() < 1e-6).all()), w
    assert bool((set_to(levels, state)[0]["rate"] < 2 / h).all())


@pytest.mark.parametrize("horizon", [0.0, 0.3, 2.0])
def test_dials_turn_no_faster_than_is_found_out(horizon: float) -> None:
    """However sure the level above is, both ways; in a warm-up they fall only."""
    for warmup in (0, 10):
        update = tower(rules.SGD(1.0), rules.SGD(1e20), horizon=horizon, warmup=warmup)
        for side in (1.0, -1.0):  # the same gradients again, or each the opposite of what was driven
            state = update.init((torch.zeros(1, 1, 2),))
            _, state = update.step((torch.ones(1, 1, 2),), state)
            for t in (1, 2, 3):
                before = float(state.storeys[0].turned[0])
                _, state = update.step((torch.ones(1, 1, 2) * side**t,), state)
                turn = float(state.storeys[0].turned[0]) - before
                if warmup:  # memory and bounds begin after it
                    assert turn == pytest.approx(min(side, 0))
                elif t == 1 or side > 0 or horizon == 0:  # later opposites partly cancel
                    assert turn == pytest.approx(side / (1 + horizon * t), rel=1e-5)


def test_a_warm_up_finds_out_a_rate_a_hundred_times_too_large() -> None:
    """L = 4 ln cosh w is stable below a rate of .5: without a warm-up its knobs are thrown far out."""
    farthest = {}
    for warmup in (0, 200):
        update = tower(rules.SGD(50.0), rules.AdaGrad(0.6), horizon=0.3, warmup=warmup)
        generator, w, most = stream(0, "warm"), torch.full((1, 1, 5), 3.0, dtype=F64), 0.0
        state = update.init((torch.zeros_like(w),))
        for _ in range(1000):
            noise = torch.randn(5, generator=generator, dtype=F64)
            (drive,), state = update.step((4 * w.tanh() + noise,), state)
            w = w + drive
            most = max(most, float(w.abs().max()))
        farthest[warmup] = most
    assert farthest[200] < farthest[0] / 10, farthest


def test_a_horizon_is_less_greedy() -> None:
    """A shallow direction beside a steep noisy one: without a horizon the rate falls and progress stalls."""
    curved, noise = torch.tensor([0.01, 1.0], dtype=F64), torch.tensor([0.0, 1.0], dtype=F64)
    left = {}
    for horizon in (0.0, 0.3):
        generator = stream(0, "greedy")
        update = tower(rules.SGD(0.3), rules.AdaGrad(0.6), horizon=horizon)
        w = torch.tensor([[[10.0, 1.0]]], dtype=F64)
        state = update.init((torch.zeros_like(w),))
        for _ in range(3000):
            drawn = torch.randn(2, generator=generator, dtype=F64)
            (drive,), state = update.step((curved * w + noise * drawn,), state)
            w = w + drive
        left[horizon] = float(w.abs()[0, 0, 0])
    assert left[0.3] < left[0.0] / 3, left


@pytest.mark.parametrize("kinds", [("sgd", "sgd"), ("momentum", "adam"), ("adam", "adagrad", "rmsprop")])
def test_nothing_overflows_but_what_was_driven_there(kinds: tuple[str, ...]) -> None:
    """Huge, infinite and lost gradients leave every hyper-parameter finite and within its range."""
    levels = tuple(LEVELS[k] for k in kinds)
    update, zeros = tower(*levels), tuple(torch.zeros(s) for s in SHAPES)
    state = update.init(zeros)
    for size in (1.0, 1e30, float("inf"), float("nan"), 1.0, 1.0):
        _, state = update.step(tuple(z + size for z in zeros), state)
        for rule, storey in zip(levels, state.storeys, strict=True):
            for dial, at in zip(rule.dials, storey.turned, strict=True):
                assert float(at.abs().max()) <= dial.end


def held(state: object) -> list[Tensor]:
    if isinstance(state, Tensor):
        return [state]
    return [t for part in state for t in held(part)] if isinstance(state, tuple) else []


def test_memory_is_flat_over_10_000_steps() -> None:
    """No graph, and as many numbers and live tensors after 10,000 steps as after 10."""
    update = tower(rules.SGD(1e-3), rules.SGD(1e-3), rules.SGD(1e-3), horizon=0.5)
    gradient = (torch.ones(1, 1, 2),)
    state, sizes = update.init((torch.zeros(1, 1, 2),)), []
    for number in range(1, 10_001):
        _, state = update.step(gradient, state)
        if number in (10, 10_000):
            gc.collect()
            alive = sum(type(o) is Tensor for o in gc.get_objects())
            sizes.append((alive, sum(t.numel() for t in held(state)), len(held(state))))
            assert not any(t.requires_grad for t in held(state))
    assert sizes[0] == sizes[1]


def test_layers_by_themselves() -> None:
    """What needs no common number is the same; a tower's dials then go ways of their own."""
    given = gradients(10, "layerwise")
    close(drives(layerwise(adam(0.1)), given), drives(adam(0.1), given))
    each = tower(rules.SGD(0.1), rules.RMSProp(0.02))
    made = drives(layerwise(each), given)
    for at, part in enumerate((slice(0, 12), slice(12, 20))):
        close([m[part] for m in made], drives(each, [(g[at],) for g in given]))
    assert (torch.stack(made) - torch.stack(drives(each, given))).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tower(), "wants at least one level"),
        (lambda: tower(rules.SGD(1.0), horizon=-1.0), "horizon is -1.0, wanted a finite number"),
        (lambda: tower(rules.SGD(1.0), warmup=1.5), "warmup is 1.5, wanted an integer"),
        (lambda: tower(rules.SGD(0.0)), "SGD: rate is 0.0, wanted finite numbers above 0"),
        (lambda: tower(rules.Adam(0.1, 1.0)), "Adam: decay is 1.0, wanted 0 < decay < 1"),
        (
            lambda: tower(rules.SGD(torch.ones(2))).init((torch.zeros(3, 1, 1, 1),)),
            r"rate has shape \(2,\), wanted one number or one for each chip of the fleet \(3,\)",
        ),
        (lambda: tower(rules.SGD(1.0)).init((torch.zeros(4),)), r"wants knobs .*rows, cols\), got \(4,\)"),
    ],
)
def test_bad_towers_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


@settings(max_examples=5)
@given(rate=st.floats(1e-6, 1e6), share=st.floats(1e-3, 0.999))
def test_dials_turn_back(rate: float, share: float) -> None:
    for value, fraction in ((rate, False), (share, True)):
        dial = rules.Dial("it", value, fraction)
        exact = torch.tensor(value, dtype=F64)
        turned = dial.turned(exact).requires_grad_()
        (slope,) = torch.autograd.grad(dial.value(turned), turned)
        torch.testing.assert_close(dial.value(turned).detach(), exact)
        torch.testing.assert_close(dial.slope(exact), slope)
