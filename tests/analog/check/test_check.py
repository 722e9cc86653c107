"""Every shipped device keeps the contract, and every law of the contract can be broken and is caught."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from analog import ContractError, Costs, Device, Fabrication, Ideal, Mismatched, Noise, check, check_device
from analog.check import _WIRINGS, device_laws
from analog.check.life import check_lives
from analog.devices import SoftBoundsRRAM
from analog.devices.ideal import IdealCells
from analog.devices.mismatched import MismatchedCells
from analog.effects import Endurance
from tests.sampled import sampled

DEVICES = [
    Ideal(),
    Mismatched(),
    Mismatched(severity=0.3),
    SoftBoundsRRAM(),
    Endurance(Mismatched()),
    Endurance(Endurance(Ideal())),
]


@pytest.mark.parametrize("device", sampled(DEVICES, 2), ids=str)
def test_our_devices_keep_the_contract(device: Device) -> None:
    check_device(device, steps=0)  # their lives are lived in check/test_life.py


def test_the_laws_that_were_tried_are_told() -> None:
    laws = check_device(Ideal(), steps=0)
    assert len(laws) == 27 and all(law.endswith(".") for law in laws)
    assert any("Exact gradients agree with central differences" in law for law in laws)
    assert len(check_device(Ideal(), steps=30)) == 28


def test_wirings_end_in_a_linear_read_out() -> None:
    for layers in _WIRINGS:
        assert [layer.linear for layer in layers] == [False] * (len(layers) - 1) + [True]
    assert [len(layers) for layers in _WIRINGS] == [2, 3]


def test_fresh_laws_send_other_numbers_and_the_others_the_same() -> None:
    sent: list[float] = []

    def collect(c: IdealCells, x: Tensor, n: Noise) -> Tensor:
        sent.append(float(x.sum()))
        return x @ c.knobs.mT

    def tried(fresh: bool) -> list[float]:
        sent.clear()
        law = next(law for law in device_laws(0, fresh=fresh) if "influence each other" in law.sentence)
        law.check(Bent(collect=collect))
        return list(sent)

    assert tried(False) == tried(False)
    sent.clear()
    next(law for law in device_laws() if "influence each other" in law.sentence).check(Bent(collect=collect))
    assert sent == tried(False)
    assert tried(True) != tried(True) != tried(False)


def test_laws_are_fresh_only_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def none(steps: int, *, fresh: bool) -> tuple[()]:
        asked.append(fresh)
        return ()

    monkeypatch.setattr(check, "device_laws", none)
    assert check_device(Ideal()) == check_device(Ideal(), fresh=True) == ()
    assert asked == [False, True]


@given(severity=st.floats(0.0, 2.0), read_noise=st.floats(0.0, 0.2))
@settings(max_examples=2)
@pytest.mark.filterwarnings("error")
def test_it_runs_inside_a_property_test_of_ones_own(severity: float, read_noise: float) -> None:
    check_device(Mismatched(severity=severity, read_noise=read_noise), steps=25)


@given(st.integers(0, 1))
@settings(max_examples=1)
def test_lives_are_lived_inside_a_property_test_too(number: int) -> None:
    broken = Bent(bounds=lambda c: (0 * c.knobs, 0 * c.knobs))
    with pytest.raises(ContractError, match="outside the bounds"):
        check_lives(broken, _WIRINGS, 25)


def test_bounds_are_kept_once_they_are_stated() -> None:
    """An ideal device states no bounds; one that does has to keep them."""
    check_device(Ideal())
    broken = Bent(bounds=lambda c: (-torch.ones_like(c.knobs), torch.ones_like(c.knobs)))
    with pytest.raises(ContractError, match="outside the bounds that the device states"):
        check_device(broken, steps=0)


class Bent(Ideal):
    """An ideal device with one function replaced."""

    costs = Costs()

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for name, function in functions.items():
            object.__setattr__(self, name, function)


def twins(rows: int, cols: int, birth: Fabrication) -> IdealCells:
    return IdealCells(
        birth.normal("knobs", rows, cols)[..., :1, :1].expand_as(birth.normal("k", rows, cols)) * 0
    )


def forgetful(rows: int, cols: int, birth: Fabrication) -> IdealCells:
    made = birth.normal("knobs", rows, cols)
    return IdealCells(made * (1 + sum(made.shape) * 1e-9))  # depends on the size of the fleet


COUNT = iter(range(10**6))
FRESH = iter(range(10**6))


def restless(rows: int, cols: int, birth: Fabrication) -> IdealCells:
    return IdealCells(birth.normal(f"knobs {next(FRESH)}", rows, cols))


def eager(cells: IdealCells, drive: Tensor, noise: Noise) -> IdealCells:
    cells.knobs.add_(drive)
    return cells


def meddling(cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
    return x.mul_(1.0001) @ cells.knobs.mT


def global_dice(cells: IdealCells, u: Tensor, noise: Noise) -> Tensor:
    return u + 0 * torch.rand(())


BREACHES: list[tuple[str, Device, str]] = [
    ("all chips alike", Bent(fabricate=twins), "chips 3 and 4 are the same"),
    ("a birth that knows the fleet", Bent(fabricate=forgetful), "row 3 of a fleet is not chip 3"),
    ("a birth that never repeats", Bent(fabricate=restless), "same identity gave another chip"),
    (
        "not finite",
        Bent(fabricate=lambda r, c, b: IdealCells(b.normal("k", r, c) / 0)),
        "layer 0: cells.knobs is not finite",
    ),
    (
        "knobs of the wrong shape",
        Bent(fabricate=lambda r, c, b: IdealCells(b.normal("k", c, r))),
        "layer 0: cells.knobs is",
    ),
    ("a pulse in place", Bent(pulse=eager), "pulse altered knobs"),
    ("a changed input", Bent(collect=meddling), "collect altered what was sent"),
    (
        "a restless pulse",
        Bent(pulse=lambda c, d, n: IdealCells(c.knobs + d + 1e-6)),
        "a pulse of zero changed cells.knobs",
    ),
    ("a sum over the fleet", Bent(fire=lambda c, u, n: u.sum(0)), "fire gave"),
    (
        "neurons that leak between chips",
        Bent(fire=lambda c, u, n: u.relu() + 0.01 * u.sum() / u.numel()),
        r"influence each other",
    ),
    ("infinite outputs", Bent(sense=lambda c, u, n: u / 0), "not finite"),
    (
        "memory shared with the cells",
        Bent(sense=lambda c, u, n: c.knobs[..., :1, :1].expand_as(u)),
        "cells.knobs shares memory",
    ),
    (
        "a drive kept as the knobs",
        Bent(age=lambda c, s, n: IdealCells(c.knobs.mul_(0.9))),
        "age altered knobs",
    ),
    (
        "noise drawn once for all probes",
        Bent(sense=lambda c, u, n: u + n.normal(u[:1]) if u.ndim > 4 else u),
        "probes influence|chips influence|share noise",
    ),
    (
        "noise drawn once for a fleet",
        Bent(collect=lambda c, x, n: x @ (c.knobs + n.normal(c.knobs[:1])).mT),
        "probes influence|chips influence|share noise",
    ),
    (
        "write noise drawn once for a fleet",
        Bent(pulse=lambda c, d, n: IdealCells(c.knobs + d * (1 + 0.1 * n.normal(d[0])))),
        "when pulsed, with noise of its own for each chip, in cells.knobs: chips influence each other",
    ),
    (
        "an amplifier's noise drawn once for a batch",
        Bent(sense=lambda c, u, n: u + 0.1 * n.normal(u[..., :1, :])),
        r"layer 0: sense: examples.* share noise: correlation 1.00, .* draw it for each of them",
    ),
    (
        "a gain drawn once for a batch",
        Bent(sense=lambda c, u, n: u * (1 + 0.1 * n.normal(u[..., :1, :]))),
        "layer 0: sense: examples.* share noise",
    ),
    (
        "a neuron's noise drawn once for a batch",
        Bent(fire=lambda c, u, n: (u + 0.1 * n.normal(u) + 0.1 * n.normal(u[..., :1, :])).relu()),
        "layer 0: fire: examples.* share noise",
    ),
    (
        "synapses' noise drawn once for a batch",
        Bent(collect=lambda c, x, n: x @ c.knobs.mT + 0.1 * n.normal(c.knobs[..., :1].mT)),
        "layer 0: collect: examples.* share noise",
    ),
    (
        "dithering drawn once for a batch",
        Bent(sense=lambda c, u, n: u + n.uniform(u[..., :1, :])),
        "layer 0: sense: examples.* share noise",
    ),
    (
        "a drift that begins anew at every look",
        Bent(age=lambda c, s, n: IdealCells(c.knobs * (1 + s) ** -0.05)),
        "is not ageing by .* s, their sum; keep the age in the cells",
    ),
    (
        "a drift in no time",
        Bent(age=lambda c, s, n: IdealCells(c.knobs * 0.99)),
        r"layer 0: age\(cells, 0\) changes the response",
    ),
    (
        "a drift without end",
        Bent(age=lambda c, s, n: IdealCells(c.knobs * torch.tensor(s / 1e5).exp2())),
        "age gave cells.knobs that is not finite",
    ),
    (
        "a pulse that does nothing",
        Bent(pulse=lambda c, d, n: c),
        "move the knobs by 0, 0, 0 of what they are told",
    ),
    (
        "a pulse backwards",
        Bent(pulse=lambda c, d, n: IdealCells(c.knobs - d)),
        "move the knobs by -1, -1, -1",
    ),
    (
        "a pulse that leaks between chips",
        Bent(pulse=lambda c, d, n: IdealCells(c.knobs + d + 0.1 * d.sum())),
        "when pulsed.* influence each other",
    ),
    (
        "a pulse with a generator of its own",
        Bent(pulse=lambda c, d, n: IdealCells(c.knobs + d * (1 + next(COUNT)))),
        "pulse gives something else the second time",
    ),
    (
        "a nudge backwards",
        Bent(perturb=lambda c, o: IdealCells(c.knobs - o)),
        "perturb.* does not add the offset",
    ),
    ("readings of another dtype", Bent(sense=lambda c, u, n: u.double()), "sense gave torch.float64"),
    ("a function left empty", Bent(fire=lambda c, u, n: None), "fire gave NoneType, wanted a tensor"),
    (
        "noise of a width of its own",
        Bent(sense=lambda c, u, n: u + n.normal(u)[..., :1]),
        "sense raised IndexError: .*; without noise a draw is a scalar",
    ),
    ("a class", Mismatched, "got the class Mismatched"),  # type: ignore[list-item]
    (
        "costs that are no property",
        Bent(costs=lambda: None),
        "wanted Costs; is costs a property",
    ),
    (
        "a kink that hides its slope",
        Bent(fire=lambda c, u, n: u.detach().relu()),
        "is zero by autograd, and is not by differences",
    ),
    (
        "a probe without effect",
        Bent(perturb=lambda c, o: IdealCells(c.knobs + 0 * o.round())),
        "does not add the offset",
    ),
    ("global dice", Bent(sense=global_dice), "global torch generator"),
]


@pytest.mark.parametrize(("device", "says"), [b[1:] for b in BREACHES], ids=[b[0] for b in BREACHES])
def test_every_breach_is_caught(device: Device, says: str) -> None:
    before = torch.get_rng_state()
    with pytest.raises((ContractError, RuntimeError), match=says):
        check_device(device)
    torch.set_rng_state(before)


@dataclass(frozen=True)
class Stale(Mismatched):
    """Moves its knobs and forgets to work out the weights again: it would never learn."""

    def pulse(self, cells: MismatchedCells, drive: Tensor, noise: Noise) -> MismatchedCells:
        return cells._replace(knobs=cells.knobs + drive)


@dataclass(frozen=True)
class Faded(Mismatched):
    """Its knobs drift and its weights do not."""

    def age(self, cells: MismatchedCells, seconds: float, noise: Noise) -> MismatchedCells:
        return cells._replace(knobs=cells.knobs * 2 ** (-seconds / 1e6))


def test_stale_weights_are_caught() -> None:
    with pytest.raises(ContractError, match="after ageing the response is stale"):
        check_device(Faded())
    with pytest.raises(ContractError, match="after a pulse the response is stale"):
        check_device(Stale())


@dataclass(frozen=True)
class Warm(Ideal):
    """Honest: thermal noise in every cell at every reading, and knobs that drift at random."""

    def collect(self, cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
        return x @ (cells.knobs + 0.1 * noise.normal(cells.knobs)).mT

    def age(self, cells: IdealCells, seconds: float, noise: Noise) -> IdealCells:
        return IdealCells(cells.knobs + 0.01 * seconds**0.5 * noise.normal(cells.knobs))


def test_noise_in_cells_and_noisy_ageing_are_honest() -> None:
    check_device(Warm())


@dataclass(frozen=True)
class Switching(Ideal):
    """Honest: cells fall back to zero by chance, each with its own die, at a rate along the clock."""

    def age(self, cells: IdealCells, seconds: float, noise: Noise) -> IdealCells:
        return IdealCells(cells.knobs * (noise.uniform(cells.knobs) < 2 ** (-seconds / 1e7)))


def test_cells_that_switch_by_chance_are_honest() -> None:
    check_device(Switching())


@pytest.mark.parametrize(("step", "read_noise"), sampled(product((1 / 16, 1 / 4096), (0.0, 0.01, 0.1)), 5))
def test_converters_and_switches_are_honest(step: float, read_noise: float) -> None:
    """Slopes of zero are lawful where a finite probe shows an effect; readings may coincide."""
    check_device(Bent(sense=lambda c, u, n: ((u + read_noise * n.normal(u)) / step).round() * step), steps=0)
    check_device(Bent(fire=lambda c, u, n: (u + read_noise * n.normal(u)).sign()), steps=0)


@dataclass(frozen=True)
class Lazy(Ideal):
    """Detaches half of its gradient: right values, wrong slope."""

    def collect(self, cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
        full = x @ cells.knobs.mT
        return 0.5 * full + 0.5 * full.detach()


def test_a_wrong_gradient_is_caught_with_its_size() -> None:
    with pytest.raises(ContractError, match=r"layer \d: gradient at the knobs: differs by .* at a scale of"):
        check_device(Lazy())
