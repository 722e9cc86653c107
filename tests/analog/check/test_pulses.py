"""Tests of the laws that refuse writes that do something else than they are told."""

import itertools
from typing import Any

import pytest
import torch

from analog import ContractError, Ideal, dense
from analog.check.pulses import (
    _bounded,
    _huge,
    check_histories,
    check_huge_pulses,
    check_probes,
    check_pulses,
    check_zero_pulses,
    require_bounds,
)
from analog.check.trial import Trial
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import judge, law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_probes,
    check_pulses,
    check_zero_pulses,
    check_huge_pulses,
    check_histories,
)


def test_two_chips_of_one_history_are_pulsed_alike_and_differ_if_pulses_do() -> None:
    count = itertools.count()
    restless = bent(Ideal(), pulse=lambda c, d, n: IdealCells(c.knobs + d * (1 + next(count))))
    with pytest.raises(ContractError, match=r"layer \d: cells.knobs differs between two chips"):
        judge(check_histories, restless)


def one_way(up: float, down: float, least: float = 0.0) -> Any:
    """A device that moves shares of its drive either way, of drives of a size at least."""
    return bent(
        Ideal(),
        pulse=lambda c, d, n: IdealCells(
            c.knobs + (up * d.clamp(min=0) + down * d.clamp(max=0)) * (d.abs() >= least)
        ),
    )


def banded() -> Any:
    """A device that follows small and large drives, and not those between."""
    return bent(
        Ideal(),
        pulse=lambda c, d, n: IdealCells(c.knobs + d * ((d.abs() < 0.1) | (d.abs() > 1.9))),
    )


@pytest.mark.parametrize(
    ("device", "says"),
    [
        (banded(), r"pulses both ways of 0.05, 0.5, 2.0 move the knobs by \S+, 0.00"),
        (one_way(1, 1), None),
        (one_way(1, 0), None),
        (one_way(0, 1), None),
        (one_way(0.1, -0.005), None),
        (one_way(1, 1, least=0.3), None),
        (one_way(0, 0), "pulses both ways of 0.05, 0.5, 2.0 move the knobs by 0, 0, 0 of what"),
        (one_way(0.01, 0.005), "pulses both ways .* by 0.0075, 0.0075, 0.0075"),
        (one_way(1, -0.02), "pulses downwards of .* by -0.02, -0.02, -0.02"),
        (one_way(-0.02, 1), "pulses upwards of .* by -0.02, -0.02, -0.02"),
        (one_way(0, 1, least=9.0), "pulses both ways"),
    ],
    ids=range(11),
)
def test_knobs_follow_one_way_at_least_and_none_backwards(device: Any, says: str | None) -> None:
    if says is None:
        return judge(check_pulses, device)
    with pytest.raises(ContractError, match=f"layer 0: {says}"):
        judge(check_pulses, device)


@pytest.mark.parametrize("only", ["with noise", "small", "large"])
def test_pulses_backwards_at_times_are_named(only: str) -> None:
    def pulse(c: IdealCells, d: torch.Tensor, n: Any) -> IdealCells:
        back = {
            "with noise": bool(torch.as_tensor(n.normal(d)).any()),
            "small": d.abs().max() < 0.3,
            "large": d.abs().max() > 3,
        }[only]
        return IdealCells(c.knobs + (-d if back else d))

    says = ", with noise, move" if only == "with noise" else "pulses upwards of"
    with pytest.raises(ContractError, match=says):
        judge(check_pulses, bent(Ideal(), pulse=pulse))


@pytest.mark.parametrize(
    ("wrong", "size"),
    [(lambda o: o.abs() > 50, "1000"), (lambda o: o.abs() < 1e-2, "0.001"), (lambda o: o.abs() > 1, "3")],
)
def test_an_offset_that_is_not_added_is_named_by_its_size(wrong: Any, size: str) -> None:
    device = bent(Ideal(), perturb=lambda c, o: IdealCells(c.knobs + o * ~wrong(o)))
    sized = {"3": "(0.05|3)"}.get(size, size)
    with pytest.raises(
        ContractError, match=f"layer 0: .* does not add the offset to the knobs, of size {sized}:"
    ):
        judge(check_probes, device)


def test_knobs_may_be_held_to_one_value() -> None:
    cells = Trial(Ideal(), (dense(5, 4),)).bench().cells
    require_bounds(bent(Ideal(), bounds=lambda c: (c.knobs, c.knobs)), "here", cells, "at birth")


def stated(width: float) -> Any:
    return bent(
        Ideal(),
        bounds=lambda c: (torch.full_like(c.knobs, -width), torch.full_like(c.knobs, width)),
        pulse=lambda c, d, n: IdealCells((c.knobs + d).clamp(-width, width)),
    )


def test_huge_drives_are_alike_different_and_in_stripes_of_either_sign_and_any_size() -> None:
    largest = torch.finfo(torch.float32).max
    for device, bounded in ((stated(9.0), True), (stated(float("inf")), False), (Ideal(), False)):
        trial = Trial(device, (dense(5, 4),))
        bench = trial.bench(torch.float32)
        assert _bounded(trial, bench) is bounded
        partly = bent(
            device, bounds=lambda c: (c.knobs - 1, c.knobs + torch.tensor([1.0] * 5 + [float("inf")]))
        )
        assert not _bounded(Trial(partly, trial.layers), bench)
        drives = list(_huge(trial, bench, largest))
        sizes = [size for size, _ in drives]
        assert {abs(size) for size in sizes} >= {1.0, 1e3, 1e30, largest / 2, largest}
        assert sorted(sizes) == sorted(-size for size in sizes)
        for size, drive in drives:
            assert bool(drive.isfinite().all()) and drive.shape == bench.cells.knobs.shape
            assert bool((drive[0] == size).all()) and 2 * len(drive[1].unique()) > drive[1].numel()
            assert bool((drive[1].abs() <= abs(size)).all()) and bool((drive[2].abs() == abs(size)).all())
            signs = drive.sign().flatten(1).mean(1) * (1 if size > 0 else -1)
            assert signs[0] == 1 and (signs[2] == 0 if bounded else signs.tolist() == [1, 1, 1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"pulse": lambda c, d, n: IdealCells((c.knobs + d).clamp(-9, 9).nan_to_num() / (d.abs() < 1e38))},
            "not finite",
        ),
        (
            {"pulse": lambda c, d, n: IdealCells((c.knobs + d).clamp(-9, 9.1))},
            "after a drive of 30 .* outside|outside .* after a drive",
        ),
        (
            {
                "pulse": lambda c, d, n: IdealCells(
                    torch.where(c.knobs.abs() < 9, (c.knobs + d).clamp(-9, 9), 2 * c.knobs)
                )
            },
            "outside the bounds .* after a drive",
        ),
        (
            {"age": lambda c, s, n: IdealCells(c.knobs + 20 * (s > 1e6))},
            r"outside the bounds .* after 1e\+08 s",
        ),
        ({"age": lambda c, s, n: IdealCells(c.knobs + 20 * (s < 1e6))}, "outside the bounds .* after 1000 s"),
        (
            {"fabricate": lambda r, c, b: IdealCells(20 + b.normal("k", r, c))},
            "outside the bounds .* at birth",
        ),
    ],
    ids=range(6),
)
def test_bounds_are_kept_at_birth_by_age_and_after_any_drive(change: Any, says: str) -> None:
    sound = {"bounds": stated(9.0).bounds, "pulse": stated(9.0).pulse}
    with pytest.raises(ContractError, match=f"layer 0: .*{says}"):
        judge(check_huge_pulses, bent(Ideal(), **{**sound, **change}))
    judge(check_huge_pulses, bent(Ideal(), **sound))


@pytest.mark.parametrize(
    "moved",
    [
        lambda c, d, n: (d == 0) & (d.abs().sum() == 0),
        lambda c, d, n: (d == 0) & d.signbit(),
        lambda c, d, n: (d == 0) & ~d.signbit(),
        lambda c, d, n: (d == 0) & d.signbit() & (d.abs().sum() == 0),
        lambda c, d, n: (d == 0) & (d.dtype == torch.float64),
        lambda c, d, n: (d == 0) & (d.ndim == 3),
        lambda c, d, n: (d == 0) & (d.ndim == 4) & (d.shape[0] > 9),
        lambda c, d, n: (d == 0) & (not bool(torch.as_tensor(n.normal(d)).any())),
        lambda c, d, n: (d == 0) & bool(torch.as_tensor(n.normal(d)).any()),
        lambda c, d, n: (d == 0) & (c.knobs.abs() > 3),
        lambda c, d, n: (d == 0) & bool(d.any()),
        lambda c, d, n: (d == 0) & bool(d.any()) & d.signbit(),
        lambda c, d, n: (d == 0) & bool(d.any()) & ~d.signbit(),
    ],
    ids=range(13),
)
def test_a_cell_that_moves_without_a_drive_is_named(moved: Any) -> None:
    device = bent(Ideal(), pulse=lambda c, d, n: IdealCells(c.knobs + d + 0.1 * moved(c, d, n)))
    with pytest.raises(
        ContractError, match="a pulse of zero changed cells.knobs|cells whose drive is 0, beside"
    ):
        judge(check_zero_pulses, device)
