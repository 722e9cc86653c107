"""Every device lives through any history, and every law of a life can be broken and is caught."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import settings
from torch import Tensor

from analog import Chip, ContractError, Costs, Device, Fabrication, Ideal, Mismatched, Noise, load, stream
from analog.check import _WIRINGS, life
from analog.check.life import check_lives
from analog.check.replicas import Replicas
from analog.devices import PCM, ZOO, CapacitorCell, PCMPair, SoftBoundsRRAM
from analog.devices.ideal import IdealCells
from analog.effects import (
    Clipped,
    Converters,
    DifferentialPair,
    Endurance,
    IRDrop,
    Stuck,
    Temperature,
    Tiled,
    Wafer,
)

MORTAL = Endurance(Mismatched(), pulses=6, pulses_dtod=0.5)  # dies of use within most lives
LIVES: list[Device] = [
    Ideal(),
    Mismatched(),
    Mismatched(severity=0.3),
    *ZOO,
    Endurance(SoftBoundsRRAM(), pulses=300),
    Endurance(Endurance(Ideal()), pulses=20),
    MORTAL,
    Converters(IRDrop(Temperature(Wafer(Stuck(CapacitorCell()))))),
    DifferentialPair(Tiled(Clipped(PCMPair()), 2, 2)),
    Endurance(Stuck(PCM()), pulses=300),
]


def test_ten_thousand_steps_across_the_zoo() -> None:
    """In `make fuzz`, other ones at every run; a few of the same ones otherwise."""
    many = settings.get_current_profile_name() == "fuzz"
    wanted, taken = 10_000 if many else 300, 0
    while taken < wanted:
        for device in LIVES:
            taken += check_lives(device, _WIRINGS, 1 + 11 * wanted // (10 * len(LIVES)), fresh=many)


class Watched(Ideal):
    """Writes down what it was sent."""

    sent: list[float] = []  # noqa: RUF012

    def pulse(self, cells: IdealCells, drive: Tensor, noise: Noise) -> IdealCells:
        self.sent.append(float(drive.sum()))
        return super().pulse(cells, drive, noise)


def test_lives_are_the_same_every_time() -> None:
    seen = []
    for _ in range(2):
        Watched.sent.clear()
        check_lives(Watched(), _WIRINGS, 200)
        seen.append(list(Watched.sent))
    assert seen[0] == seen[1] and len(seen[0]) > 10


def test_chips_die_of_use_within_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws of the dead are reached without `kill` too."""
    ends: list[int] = []
    bury = Chip._bury_worn_out

    def counted(chip: Chip) -> None:
        bury(chip)
        if not chip.alive:
            ends.append(len(ends))

    monkeypatch.setattr(Chip, "_bury_worn_out", counted)
    check_lives(MORTAL, _WIRINGS, 200)
    assert ends


class Bent(Ideal):
    """An ideal device with one function replaced."""

    costs = Costs()

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for name, function in functions.items():
            object.__setattr__(self, name, function)


COUNT = iter(range(10**9))


def tallied(cells: IdealCells, drive: Tensor, noise: Noise) -> IdealCells:
    """Counts pulses beside the cells, where no file finds the count."""
    made = cells.knobs + drive
    made.tally = getattr(cells.knobs, "tally", 0) + 1  # type: ignore[attr-defined]
    return IdealCells(made)


def tired(cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
    return x @ cells.knobs.mT * 0.9 ** getattr(cells.knobs, "tally", 0)


def burnt(cells: IdealCells, u: Tensor, noise: Noise) -> Tensor:
    if float(cells.knobs.abs().max()) > 1.5:
        raise ArithmeticError("burnt through")
    return u.relu()


def worn(cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
    cells.knobs.mul_(0.999)
    return x @ cells.knobs.mT


class Mortal(NamedTuple):
    """Knobs, and what a chip has lived through."""

    knobs: Tensor
    pulses: Tensor  # (*fleet,)
    seconds: Tensor  # (*fleet,)


def mortal(ends: Callable[[Mortal], Tensor]) -> Device:
    """Honest: a chip that dies, of pulses or of time."""

    def born(rows: int, cols: int, birth: Fabrication) -> Mortal:
        knobs = birth.normal("knobs", rows, cols)
        none = torch.zeros_like(knobs[..., 0, 0, 0])
        return Mortal(knobs, none, none.clone())

    return Bent(
        fabricate=born,
        pulse=lambda c, d, n: c._replace(knobs=c.knobs + d, pulses=c.pulses + d.any(-1).any(-1).any(-1)),
        perturb=lambda c, o: c._replace(knobs=c.knobs + o),
        age=lambda c, s, n: c._replace(seconds=c.seconds + s),
        worn_out=ends,
    )


@pytest.mark.parametrize(
    "ends", [lambda c: c.pulses > 1, lambda c: c.seconds > 2.0], ids=["of pulses", "of time"]
)
def test_chips_may_die_of_pulses_or_of_time(
    ends: Callable[[Mortal], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    buried: list[Any] = []
    heirs = life._heirs

    def counted(who: Any) -> Any:
        buried.append(who)
        return heirs(who)

    monkeypatch.setattr(life, "_heirs", counted)
    check_lives(mortal(ends), _WIRINGS, 100)
    assert 3 in buried and (3,) in buried and max(buried, key=str) != 3


def test_chips_do_all_that_there_is_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    events: set[str] = set()
    step = Replicas.step

    def seen(replicas: Replicas, event: str, act: Any) -> None:
        events.add(event)
        step(replicas, event, act)

    monkeypatch.setattr(Replicas, "step", seen)
    check_lives(Ideal(), _WIRINGS, 300)
    assert {event.split()[0] for event in events} == {"program", "pulse", "measure", "probe", "wait"}
    for kind in ("knobs", "nodes"):
        assert any(event.startswith(f"probe the {kind}") for event in events)


@pytest.mark.parametrize("kind", ["knobs", "nodes"])
def test_probes_reach_every_layer(kind: str) -> None:
    class Alive(life._Life):
        device, wirings, taken = Ideal(), _WIRINGS, []

    alive, layers = Alive(), []
    alive.fabricate(0, (3,), "float64")
    count = len(_WIRINGS[0])
    for at in range(3):
        alive.here.probed = lambda event, x, probe: layers.append(getattr(probe, kind))  # type: ignore[method-assign]
        alive.probe(at, kind, 0.5)
    alive.teardown()
    for at, bodies in enumerate(layers):
        assert [body is not None for body in bodies] == [i == min(at, count - 1) for i in range(count)]


def test_what_killed_a_chip_is_told_and_all_the_dead_are_asked() -> None:
    class Alive(life._Life):
        device, wirings, taken = Ideal(), _WIRINGS, []

    alive, asked = Alive(), []
    alive.fabricate(0, (3,), "float64")
    for count in range(1, 4):
        alive.kill()
        assert alive.here.history[-1] == "kill"
        alive._bury(alive.here)
        alive.here.dead = lambda port, *how: asked.append(port)  # type: ignore[method-assign]
        asked.clear()
        alive.laws_hold()
        assert asked == alive.graves and len(asked) == count
    alive.teardown()


def test_who_takes_a_place_is_somebody_else() -> None:
    assert life._heirs(3) == 13 and life._heirs((3, 5)) == (13, 15)


def test_as_many_steps_are_lived_as_are_asked_for() -> None:
    for steps in (25, 100):
        assert steps / 3 <= check_lives(Ideal(), _WIRINGS, steps) <= 1.5 * steps


BREACHES: dict[str, tuple[Device, str]] = {
    "knobs that run away": (
        Bent(pulse=lambda c, d, n: IdealCells(c.knobs * (1e300 * d.abs() + 1))),
        r"is not finite. This life: fabricate .*; p",
    ),
    "readings that run away": (
        Bent(sense=lambda c, u, n: u / (c.knobs.abs().amax((-2, -1), keepdim=True) < 1.4)),
        r"a reading is not finite. This life: ",
    ),
    "bounds that are not kept": (
        Bent(bounds=lambda c: (-torch.ones_like(c.knobs), torch.ones_like(c.knobs))),
        r"layer \d: knobs are .* outside the bounds that the device states in its life; clamp them",
    ),
    "cells that change their dtype": (
        Bent(age=lambda c, s, n: IdealCells(c.knobs.half())),
        r"layer 0: cells.knobs is .* torch.float16, and was .* at birth",
    ),
    "state beside the cells": (
        Bent(pulse=tallied, collect=tired),
        r"read differently; keep all state in cells. This life: .*p.*; save and load; measure",
    ),
    "a generator of its own": (
        Bent(pulse=lambda c, d, n: IdealCells(c.knobs + d * (1 + next(COUNT)))),
        "differs between two chips of one history; draw from `noise` alone",
    ),
    "readings with dice of their own": (
        Bent(fire=lambda c, u, n: u.relu() + next(COUNT)),
        "two chips of one identity, noise seed and history read differently",
    ),
    "an end by chance": (
        Bent(worn_out=lambda c: torch.full(c.knobs.shape[:-3], next(COUNT) % 5 == 0)),
        "of two chips of one history one died and the other did not|lived twice",
    ),
    "a reading that leaves a trace": (Bent(collect=worn), r"layer \d: cells.knobs was altered by a reading"),
    "a function that fails late": (
        Bent(fire=burnt),
        r"[mp].* raised ArithmeticError: burnt through. This life: fabricate .*; p",
    ),
}


@pytest.mark.parametrize(("device", "says"), BREACHES.values(), ids=BREACHES)
def test_every_breach_is_caught(device: Device, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_lives(device, _WIRINGS, 200)


def test_the_history_told_is_a_short_one() -> None:
    """It is the shortest that hypothesis finds, so that an author sees what matters."""
    with pytest.raises(ContractError) as error:
        check_lives(BREACHES["bounds that are not kept"][0], _WIRINGS, 500)
    assert str(error.value).count(";") <= 3
    assert not any("reproduce_failure" in note for note in getattr(error.value, "__notes__", ()))


def revived(chip: Chip) -> None:
    """A chip that forgets that it died."""


def silent(chip: Chip, seconds: float) -> None:
    """A clock that stands still."""


def backwards(chip: Chip, seconds: float) -> None:
    chip._clock -= seconds


CHIPS: dict[str, tuple[str, Any, str]] = {
    "the dead answer": (
        "require_alive",
        revived,
        r"a dead chip should raise Dead at every wire; one gave \w+Error",
    ),
    "a clock that stands still": ("_elapse", silent, r"the clock shows 0.0 s, uses and waits took"),
    "a clock that runs back": ("_elapse", backwards, "the clock ran back from 0.0 to -"),
}


@pytest.mark.parametrize(("name", "bad", "says"), CHIPS.values(), ids=CHIPS)
def test_laws_of_the_chip_are_caught_too(
    name: str, bad: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Chip, name, bad)
    with pytest.raises(ContractError, match=says):
        check_lives(Ideal(), _WIRINGS, 200)


def test_a_file_that_forgets_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dice that begin anew after loading show in the next reading."""

    def forgetful(*given: Any) -> Chip:
        chip = load(*given)
        chip._generators[0].set_state(stream(0, "other dice").get_state())
        return chip

    monkeypatch.setattr("analog.check.replicas.load", forgetful)
    with pytest.raises(ContractError, match=r"read differently.*save and load; measure"):
        check_lives(Mismatched(), _WIRINGS, 200)
