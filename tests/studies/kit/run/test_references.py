"""Parts are named on the command line by where they are imported from, and mistakes in one line."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

import distill
from analog import Ideal, Mismatched
from analog.devices import SoftBoundsRRAM
from analog.effects import Endurance
from studies.kit.run.references import BadReference, public_reference, reference, resolve, short_reference


@dataclass(frozen=True)
class Part:
    sizes: tuple[int, ...] = field(default_factory=lambda: (1,))
    words: str = "a"
    inner: Any = None
    total: int = field(init=False, default=0)


@pytest.mark.parametrize(
    "part",
    [
        Ideal(),
        Mismatched(),
        Mismatched(severity=0.5, read_noise=0.1),
        SoftBoundsRRAM(step=0.01),
        Endurance(Mismatched(severity=0.5), pulses=1e3),
        Part((1,), "analog:Ideal(1)"),
        Part((2,), inner=(Part(), Ideal())),
        Part(inner=(len,)),
        distill.distill,
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_a_reference_names_what_it_was_made_from(part: Any) -> None:
    assert resolve(reference(part)) == part


def test_a_reference_names_only_what_differs_from_the_defaults() -> None:
    assert reference(Part((1,), "b")) == f"{__name__}:Part(words='b')"
    assert short_reference(reference(Endurance(Mismatched(severity=0.5), pulses=1e3))) == (
        "Endurance(device=Mismatched(severity=0.5), ...)"
    )
    assert short_reference("digital network") == "digital network"


def test_the_public_reference_is_the_shortest() -> None:
    device = Endurance(Mismatched(severity=0.5), pulses=1e3)
    words = "analog.effects:Endurance(device=analog:Mismatched(severity=0.5), pulses=1000.0)"
    assert public_reference(device) == words and resolve(words) == device
    assert public_reference(Part(words="analog.port:Port")) == f"{__name__}:Part(words='analog.port:Port')"


def test_arguments_may_come_without_words() -> None:
    assert resolve("analog:Mismatched(0.5)") == Mismatched(0.5)
    assert resolve("analog.effects:Endurance(analog:Mismatched, 1e3)") == Endurance(Mismatched(), 1e3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Mismatched", "wanted module:name or module:name(word=value), as in analog:Mismatched"),
        ("analog:Mismatch", "analog has no 'Mismatch', perhaps 'Mismatched'"),
        ("analog:MISMATCHED", "analog has no 'MISMATCHED', perhaps 'Mismatched'"),
        ("nowhere:Class", "No module named 'nowhere'"),
        ("analog:Mismatched(severity=9)", "severity is 9"),
        ("analog:Mismatched(severty=1)", "Mismatched has no 'severty', perhaps 'severity'"),
        ("analog:Mismatched(color=1)", "Mismatched has no 'color'; it has severity, "),
        ("analog:Mismatched(severity=__import__('os'))", "is no value"),
        ("analog:Mismatched(severity=1", "was never closed"),
        ("analog:Mismatched()()", "wanted module:name"),
        ("analog:Mismatched, 3", "wanted module:name"),
        ("analog.effects:Endurance()", "missing"),
        ("analog.effects:Endurance(analog:Nothing)", "analog has no 'Nothing'"),
        ("mine.py:Memristor(levels=3)", "for a file write mine:Memristor(levels=3)"),
        ("./chips/mine.py:Memristor", "for a file write chips.mine:Memristor"),
        ("mine.py", "for a file write mine:name"),
    ],
)
def test_bad_references_say_what_was_wrong_in_one_line(words: str, said: str) -> None:
    with pytest.raises(BadReference, match=re.escape(said)) as error:
        resolve(words)
    assert "\n" not in str(error.value) and str(error.value).startswith(f"{words}: ")
