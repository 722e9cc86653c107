"""Updates tuned by others do what backpropagation would, for every chip by itself, and lose nothing."""

import gc
import math

import pytest
import torch
from torch import Tensor

from analog import stream
from learners import Tuner, Update, adagrad, adam, rmsprop, sgd
from learners.updates import current_hyperparameters
from tests.sampled import sampled

from .oracle import oracle_drives
from .sequences import F64, SHAPES, UPDATES, assert_fleet_is_its_chips, drives, gradients, zeros_like

HIGH = [(n, "sgd") for n in UPDATES] + [("sgd", n) for n in UPDATES]
HIGH += [("adam", "adam", "adam"), ("sgd", "momentum", "rmsprop"), ("momentum", "adagrad", "sgd", "adam")]


def nested(names: tuple[str, ...], rate: float | Tensor = 0.02, **settings: float) -> Update:
    """The first is tuned by the second, that by the third and so on; all begin at a learning rate of 0.02."""
    above: Update | None = None
    for name in reversed(names[1:]):
        above = UPDATES[name](0.02, tuned_by=above)
    tuner = None if above is None else Tuner(above, **settings)  # type: ignore[arg-type]
    return UPDATES[names[0]](rate, tuned_by=tuner)


@pytest.mark.parametrize("names", HIGH, ids="/".join)
def test_a_tuned_update_does_what_backpropagation_would(names: tuple[str, ...]) -> None:
    sequence, update = gradients(12, *names), nested(names, horizon=0.0)
    made = drives(update, sequence)
    torch.testing.assert_close(made, oracle_drives(update, sequence), rtol=1e-6, atol=1e-9)
    assert float((made - drives(UPDATES[names[0]](0.02), sequence))[-1].abs().max()) > 1e-6  # a difference


def test_settings_hold_for_all_that_is_nested() -> None:
    """One horizon and one warm-up, on one clock: three levels by hand, each of them SGD."""
    sequence, horizon, warmup = gradients(9, "clock"), 0.7, 3
    update = sgd(0.1, tuned_by=Tuner(sgd(0.3, tuned_by=sgd(0.2)), horizon, warmup))
    state = update.init(zeros_like(sequence[0]))
    logs, trace, above = [math.log(0.1), math.log(0.3)], torch.zeros(20, dtype=F64), 0.0
    for t, gradient in enumerate(sequence):
        flat = torch.cat([g.flatten() for g in gradient])
        move = 1 / (1 + horizon * max(0, t - warmup))
        rise, keep = 0.0 if t < warmup else move, 1 - move
        if t:
            told = float(flat @ trace) * math.exp(logs[0])
            if t > 1:
                logs[1] += min(rise, max(-move, -0.2 * told * above * math.exp(logs[1])))
            logs[0] += min(rise, max(-move, -math.exp(logs[1]) * told))
            above = above * keep - told
        share = 1e-4 ** (1 - t / warmup) if t < warmup else 1.0
        trace = trace * keep - share * flat
        drive, state = update.step(gradient, state)
        torch.testing.assert_close(torch.cat([d.flatten() for d in drive]), -share * math.exp(logs[0]) * flat)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_every_chip_of_a_fleet_is_tuned_by_itself(name: str) -> None:
    """A fleet whose chips start at rates of their own does what each chip would do alone."""
    rates, sequence = (0.01, 0.1, 1.0), gradients(10, "fleet", name, fleet=(3,))
    settings = {"horizon": 0.5, "warmup": 3}
    fleet = nested((name, "rmsprop", "sgd"), torch.tensor(rates, dtype=F64), **settings)
    alone = [nested((name, "rmsprop", "sgd"), rate, **settings) for rate in rates]
    assert_fleet_is_its_chips(fleet, alone, sequence)


def test_hyper_parameters_are_told_as_they_stand() -> None:
    """Of every level; the highest, and those of an update that is not tuned, are as they were given."""
    sequence = gradients(5, "told")
    update = adam(torch.tensor([0.01, 0.1], dtype=F64), tuned_by=adagrad(0.3, tuned_by=sgd(1e-3)))
    state = update.init(tuple(torch.zeros(2, *s, dtype=F64) for s in SHAPES))
    lowest, middle, highest = current_hyperparameters(update, state)
    assert lowest.keys() == {"learning_rate", "beta1", "beta2"}
    torch.testing.assert_close(lowest["learning_rate"], torch.tensor([0.01, 0.1], dtype=F64))
    torch.testing.assert_close(middle["learning_rate"], torch.tensor([0.3, 0.3], dtype=F64))
    for gradient in sequence:
        _, state = update.step(tuple(torch.stack([g, -g]) for g in gradient), state)
    now, above, _ = current_hyperparameters(update, state)
    assert not torch.equal(torch.as_tensor(now["beta1"]), torch.as_tensor(lowest["beta1"]))
    assert not torch.equal(torch.as_tensor(above["learning_rate"]), torch.as_tensor(middle["learning_rate"]))
    assert highest == {"learning_rate": 1e-3} == current_hyperparameters(sgd(1e-3), ())[0]
    assert current_hyperparameters(Update(lambda zeros: (), lambda g, s: (g, s)), ()) == [{}]


def test_a_warm_up_grows_to_the_whole_drive() -> None:
    """By factors alike, from a ten-thousandth."""
    sequence = gradients(8, "warm")
    warmed = drives(sgd(0.1, tuned_by=Tuner(sgd(1e-9), warmup=4)), sequence)  # whose rate hardly moves
    shares = torch.tensor([1e-4 ** (1 - t / 4) for t in range(4)] + [1.0] * 4, dtype=F64)
    torch.testing.assert_close(warmed, drives(sgd(0.1), sequence) * shares[:, None])


def test_it_finds_the_rate_of_a_quadratic() -> None:
    """L = h |w|^2 / 2, from a rate far too low and from one that is not stable: all the way down."""
    h, rates = 4.0, torch.tensor([1e-5, 1e-2, 2.0], dtype=F64)
    update, w = sgd(rates, tuned_by=rmsprop(0.05, 0.9)), torch.ones(3, 1, 1, 5, dtype=F64)
    state = update.init((torch.zeros_like(w),))
    for _ in range(400):
        (drive,), state = update.step((h * w,), state)
        w = w + drive
    assert bool((w.abs() < 1e-6).all()), w
    found = torch.as_tensor(current_hyperparameters(update, state)[0]["learning_rate"])
    assert bool((found < 2 / h).all())


@pytest.mark.parametrize("horizon", [0.0, 0.3, 2.0])
def test_rates_move_no_faster_than_is_found_out(horizon: float) -> None:
    """However sure the level above is, both ways; in a warm-up they fall only."""
    for warmup in (0, 10):
        update = sgd(1.0, tuned_by=Tuner(sgd(1e20), horizon, warmup))
        for side in (1.0, -1.0):  # the same gradients again, or each the opposite of what was driven
            state = update.init((torch.zeros(1, 1, 2),))
            _, state = update.step((torch.ones(1, 1, 2),), state)
            for t in (1, 2, 3):
                before = logarithm_of_rate(update, state)
                _, state = update.step((torch.ones(1, 1, 2) * side**t,), state)
                move = logarithm_of_rate(update, state) - before
                if warmup:  # memory and bounds begin after it
                    assert move == pytest.approx(min(side, 0), abs=1e-6)
                elif t == 1 or side > 0 or horizon == 0:  # later opposites partly cancel
                    assert move == pytest.approx(side / (1 + horizon * t), rel=1e-5)


def logarithm_of_rate(update: Update, state: object) -> float:
    return math.log(float(current_hyperparameters(update, state)[0]["learning_rate"]))


def test_a_warm_up_finds_out_a_rate_a_hundred_times_too_large() -> None:
    """L = 4 ln cosh w is stable below a rate of .5: without a warm-up its knobs are thrown far out."""
    farthest = {}
    for warmup in (0, 200):
        update = sgd(50.0, tuned_by=Tuner(adagrad(0.6), 0.3, warmup))
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
        update = sgd(0.3, tuned_by=Tuner(adagrad(0.6), horizon))
        w = torch.tensor([[[10.0, 1.0]]], dtype=F64)
        state = update.init((torch.zeros_like(w),))
        for _ in range(3000):
            drawn = torch.randn(2, generator=generator, dtype=F64)
            (drive,), state = update.step((curved * w + noise * drawn,), state)
            w = w + drive
        left[horizon] = float(w.abs()[0, 0, 0])
    assert left[0.3] < left[0.0] / 3, left


@pytest.mark.parametrize("names", [("sgd", "sgd"), ("momentum", "adam"), ("adam", "adagrad", "rmsprop")])
def test_nothing_overflows_but_what_was_driven_there(names: tuple[str, ...]) -> None:
    """Huge, infinite and lost gradients leave every hyper-parameter finite and within its range."""
    update, zeros = nested(names), tuple(torch.zeros(s) for s in SHAPES)
    state = update.init(zeros)
    for size in (1.0, 1e30, float("inf"), float("nan"), 1.0, 1.0):
        _, state = update.step(tuple(z + size for z in zeros), state)
        for values in current_hyperparameters(update, state):
            for name, value in values.items():
                high = 1.01e20 if name == "learning_rate" else 1.0
                assert 0 < float(value) < high, (size, name)


def tensors(state: object) -> list[Tensor]:
    if isinstance(state, Tensor):
        return [state]
    return [t for part in state for t in tensors(part)] if isinstance(state, tuple) else []


def test_memory_is_flat_over_thousands_of_steps() -> None:
    """No graph, and as many numbers and live tensors after 2,000 steps, or 10,000, as after 10."""
    last = sampled([2_000, 10_000], 2)[-1]
    update = sgd(1e-3, tuned_by=Tuner(sgd(1e-3, tuned_by=sgd(1e-3)), horizon=0.5))
    gradient = (torch.ones(1, 1, 2),)
    state, sizes = update.init((torch.zeros(1, 1, 2),)), []
    for number in range(1, last + 1):
        _, state = update.step(gradient, state)
        if number in (10, last):
            gc.collect()
            alive = sum(type(o) is Tensor for o in gc.get_objects())
            sizes.append((alive, sum(t.numel() for t in tensors(state)), len(tensors(state))))
            assert not any(t.requires_grad for t in tensors(state))
    assert sizes[0] == sizes[1]
