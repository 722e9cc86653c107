"""What a parameter says of itself: its meaning is inherited, its range is kept, its error names it."""

from dataclasses import FrozenInstanceError, dataclass, replace
from math import inf, nan
from typing import Any

import pytest
import torch

from analog import Ideal, setting
from analog.devices import ZOO
from analog.devices.ideal import IdealCells
from analog.effects import Endurance
from analog.settings import Setting, settings
from tests.zoo import birth


@dataclass(frozen=True)
class Resistor(Ideal):
    gain: float = setting(0.5, "of a cell", unit="uS", range=(0, 1))
    bits: int | None = setting(None, "of its converter", range=(2, 16))
    law: str = setting("linear", "of its current", choices=("linear", "cubic"))
    volts: float = setting(0.1, "of its driver", unit="V", range=(0, inf), closed="neither", fitted=False)
    plain: float = 3.0


@dataclass(frozen=True)
class Finer(Resistor):
    gain: float = 0.25


def test_a_parameter_says_what_is_known_of_it() -> None:
    known = settings(Resistor)
    assert list(known) == ["gain", "bits", "law", "volts", "plain"]
    assert known["gain"] == Setting("of a cell", "uS", (0, 1))
    assert known["gain"].comment == "uS, of a cell" and known["law"].comment == "of its current"
    assert not known["volts"].fitted and known["plain"] == Setting()


def test_a_subclass_that_only_changes_the_number_keeps_the_rest() -> None:
    assert settings(Finer) == settings(Resistor) and Finer().gain == 0.25
    with pytest.raises(ValueError, match=r"^Finer: gain is 1.5; wanted a number in \[0, 1\] uS$"):
        Finer(gain=1.5)


def test_a_setting_is_an_ordinary_frozen_field() -> None:
    resistor = Resistor(0.75)
    assert (resistor.gain, replace(resistor, bits=8).bits) == (0.75, 8)
    with pytest.raises(FrozenInstanceError):
        resistor.gain = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [("gain", 0.0), ("gain", 1), ("bits", 2), ("bits", None), ("law", "cubic"), ("plain", inf)],
)
def test_what_is_in_range_is_taken(name: str, value: Any) -> None:
    assert getattr(replace(Resistor(), **{name: value}), name) == value


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gain": -0.1}, r"gain is -0.1; wanted a number in \[0, 1\] uS"),
        ({"gain": nan}, r"gain is nan; wanted a number in \[0, 1\] uS"),
        ({"gain": "much"}, r"gain is 'much'; wanted a number in \[0, 1\] uS"),
        ({"bits": 1}, r"bits is 1; wanted a number in \[2, 16\]"),
        ({"law": "quartic"}, "law is 'quartic'; wanted one of linear, cubic"),
        ({"volts": 0.0}, r"volts is 0.0; wanted a number in \(0, inf\) V"),
        ({"volts": inf}, r"volts is inf; wanted a number in \(0, inf\) V"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^Resistor: {message}$"):
        Resistor(**wrong)


@pytest.mark.parametrize("closed", ["both", "left", "right", "neither"])
def test_an_end_belongs_to_a_range_where_it_is_closed(closed: Any) -> None:
    known = Setting(range=(-1, 1), closed=closed)
    assert known.allows(-1) is (closed in ("both", "left")) and known.allows(1) is (
        closed in ("both", "right")
    )
    assert known.allows(0) and not known.allows(1.1) and not known.allows(-1.1)


def test_a_device_of_ones_own_need_say_nothing() -> None:
    @dataclass(frozen=True)
    class Silent(Ideal):
        spread: float = 0.3  # relative

    assert settings(Silent) == {"spread": Setting()} and Silent(spread=-5.0).spread == -5.0


@pytest.mark.parametrize("device", [*ZOO, Endurance(Ideal())], ids=lambda d: type(d).__name__)
def test_every_number_of_a_device_of_ours_has_a_meaning(device: Any) -> None:
    assert all(known.meaning for name, known in settings(type(device)).items() if name != "device")


def test_checks_of_ones_own_come_after_the_ranges() -> None:
    @dataclass(frozen=True)
    class Bounded(Ideal):
        low: float = setting(-1.0, "lower bound", range=(-inf, 0))
        high: float = setting(1.0, "upper bound", range=(0, inf))

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.high < -self.low:
                raise ValueError("Bounded: high is below -low")

    with pytest.raises(ValueError, match="low is 1.0; wanted"):
        Bounded(low=1.0)
    with pytest.raises(ValueError, match="high is below -low"):
        Bounded(high=0.5)
    cells = Bounded().fabricate(2, 3, birth())
    assert isinstance(cells, IdealCells) and cells.knobs.dtype == torch.float64
