"""A function that raises, alters what it is given, or gives no tensor of the wanted form, is named."""

from typing import Any

import pytest
import torch

from analog import Chip, ContractError, Device, Ideal, Noise, dense
from analog.check.watched import Watched
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import bent

NONE = Noise.none()


def cells(fleet: Any = range(2)) -> IdealCells:
    found: IdealCells = Chip(Ideal(), (dense(3, 2),), fleet, dtype=torch.float64)._cells[0]
    return found  # knobs (2, 1, 2, 4)


def sums(*lead: int) -> torch.Tensor:
    return torch.zeros(*lead, 2, 1, 5, 2, dtype=torch.float64)


CALLS: dict[str, Any] = {
    "pulse": lambda d: d.pulse(cells(), torch.ones(2, 1, 2, 4, dtype=torch.float64), NONE),
    "perturb": lambda d: d.perturb(cells(), torch.ones(2, 1, 2, 4, dtype=torch.float64)),
    "age": lambda d: d.age(cells(), 1.0, NONE),
    "collect": lambda d: d.collect(cells(), torch.zeros(2, 1, 5, 4, dtype=torch.float64), NONE),
    "sense": lambda d: d.sense(cells(), sums(), NONE),
    "fire": lambda d: d.fire(cells(), sums(), NONE),
    "worn_out": lambda d: d.worn_out(cells()),
    "bounds": lambda d: d.bounds(cells()),
    "fabricate": lambda d: d.fabricate(2, 3, None),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_that_raises_is_named(name: str) -> None:
    def fail(*given: Any) -> Any:
        raise ArithmeticError("burnt through")

    with pytest.raises(ContractError, match=f"^{name} raised ArithmeticError: burnt through"):
        CALLS[name](Watched(bent(Ideal(), **{name: fail})))

    def refuse(*given: Any) -> Any:
        raise ContractError("as it is")

    with pytest.raises(ContractError, match="^as it is$"):
        CALLS[name](Watched(bent(Ideal(), **{name: refuse})))


@pytest.mark.parametrize(
    ("name", "gives", "says"),
    [
        ("pulse", lambda *g: None, "pulse gave NoneType, wanted cells: a NamedTuple with `knobs`"),
        ("age", lambda *g: torch.zeros(2), "age gave Tensor, wanted cells"),
        ("perturb", lambda *g: IdealCells(3.0), "perturb gave IdealCells, wanted cells"),  # type: ignore[arg-type]
        ("sense", lambda *g: 3.0, "sense gave float, wanted a tensor"),
        ("fire", lambda c, u, n: u[..., :1], r"fire gave \(2, 1, 5, 1\), wanted \(2, 1, 5, 2\)"),
        ("collect", lambda c, x, n: x, r"collect gave \(2, 1, 5, 4\), wanted \(2, 1, 5, 2\)"),
        ("fire", lambda c, u, n: u.float(), "fire gave torch.float32, wanted torch.float64"),
        ("worn_out", lambda c: torch.zeros(3).bool(), r"worn_out gave \(3,\), wanted \(2,\)"),
        ("worn_out", lambda c: True, r"worn_out gave bool, wanted \(2,\)"),
        ("worn_out", lambda c: torch.zeros(2), "worn_out gave torch.float32, wanted a dtype of torch.bool"),
        ("bounds", lambda c: (c.knobs, c.knobs[0]), r"bounds gave \(1, 2, 4\), wanted"),
    ],
)
def test_what_has_another_form_is_named(name: str, gives: Any, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        CALLS[name](Watched(bent(Ideal(), **{name: gives})))


@pytest.mark.parametrize("name", ["pulse", "perturb", "collect", "sense", "fire"])
@pytest.mark.parametrize("which", [0, 1], ids=["cells", "sent"])
def test_a_function_that_alters_what_it_is_given_is_named(name: str, which: int) -> None:
    sound = getattr(Ideal(), name)

    def alter(*given: Any) -> Any:
        out = sound(*given)
        (given[0].knobs if which == 0 else given[1]).add_(1.0)
        return out

    field = ("knobs", "what was sent")[which]
    with pytest.raises(ContractError, match=f"^{name} altered {field}; device functions are pure"):
        CALLS[name](Watched(bent(Ideal(), **{name: alter})))


@pytest.mark.parametrize("name", [name for name in CALLS if name != "fabricate"])
def test_what_a_sound_device_gives_is_passed_on(name: str) -> None:
    device: Device = bent(
        Ideal(),
        worn_out=lambda c: torch.tensor([True, False]),
        bounds=lambda c: (c.knobs - 1, c.knobs + 1),
    )
    found, wanted = CALLS[name](Watched(device)), CALLS[name](device)
    assert torch.equal(torch.stack([*found]), torch.stack([*wanted]))
    assert Watched(Ideal()).worn_out(cells()) is None and Watched(Ideal()).bounds(cells()) is None


def test_noise_may_bring_the_axes_of_probes_that_have_not_come() -> None:
    noise = NONE.with_probe_axes((3,), 5)
    device = Watched(bent(Ideal(), sense=lambda c, u, n: u.expand(3, *u.shape)))
    assert device.sense(cells(), sums(), noise).shape == (3, 2, 1, 5, 2)
    assert Watched(Ideal()).sense(cells(), sums(), noise).shape == (2, 1, 5, 2)
    for wrong in (lambda c, u, n: u.expand(4, *u.shape), lambda c, u, n: u.expand(3, 3, *u.shape)):
        with pytest.raises(ContractError, match=r"sense gave \(.*\), wanted \(2, 1, 5, 2\)"):
            Watched(bent(Ideal(), sense=wrong)).sense(cells(), sums(), noise)


def test_errors_that_authors_make_come_with_a_hint() -> None:
    indexed = Watched(bent(Ideal(), sense=lambda c, u, n: u + n.normal(u)[0]))
    with pytest.raises(ContractError, match="; without noise a draw is a scalar"):
        indexed.sense(cells(), sums(), NONE)
    mixed = Watched(bent(Ideal(), collect=lambda c, x, n: x.float() @ c.knobs.mT))
    with pytest.raises(ContractError, match="; a field of another dtype, or state that is kept"):
        mixed.collect(cells(), torch.zeros(2, 1, 5, 4, dtype=torch.float64), NONE)
