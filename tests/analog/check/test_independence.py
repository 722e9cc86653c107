"""Tests of the laws that refuse noise that is shared, or comes again."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import ContractError, Ideal, Noise, grouped
from analog.check.independence import (
    _changes,
    _differences,
    _fields,
    _knobs,
    _noisy,
    _readings,
    _require_fresh,
    _twins,
    check_fresh_noise,
    check_noise_of_readings,
    check_noise_of_writes,
)
from analog.check.trial import Trial, scenes
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import judge, law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_fresh_noise,
    check_noise_of_readings,
    check_noise_of_writes,
)


TRIAL = Trial(Ideal(), (grouped(8, 6, 2),))
STAGES = ("collect", "sense", "fire")


@pytest.mark.parametrize("stage", STAGES)
def test_twins_are_chips_alike_that_are_sent_the_same(stage: str) -> None:
    bench = TRIAL.bench()
    for scene in scenes(TRIAL, bench, stage, examples=4).values():
        twins = _twins(scene, stage)
        assert twins.sent.shape == scene.sent.shape
        assert all(torch.equal(chip, scene.cells.knobs[0]) for chip in twins.cells.knobs)
        assert all(torch.equal(chip, twins.sent.select(-4, 0)) for chip in twins.sent.unbind(-4))
        assert twins.offset is None if scene.offset is None else not bool(torch.as_tensor(twins.offset).any())
        if stage == "collect":  # every example drives a column of its own
            assert torch.equal(twins.sent, torch.eye(4, 5, dtype=torch.float64).expand(twins.sent.shape))
        else:
            rows = twins.sent.flatten(0, -2).unique(dim=0)
            assert len(rows) == 1 and rows[0].tolist() == [0.7, -6.0, 0.03]
    wide = scenes(TRIAL, bench, "sense", examples=2)[""]
    sums = _twins(wide._replace(sent=wide.sent.repeat(1, 1, 1, 3)), "sense").sent[0, 0, 0].tolist()
    assert min(sums) < -5 and max(sums) > 5 and min(map(abs, sums)) < 0.05
    assert any(-1 < each < 0 for each in sums) and any(0.5 < each < 1 for each in sums)


def counted(stage: str) -> tuple[Any, list[tuple[int, ...]]]:
    """A device that writes down the shape of what a stage is sent."""
    shapes: list[tuple[int, ...]] = []
    function = getattr(Ideal(), stage)

    def use(c: Any, sent: Tensor, n: Noise) -> Tensor:
        shapes.append(tuple(sent.shape))
        out: Tensor = function(c, sent, n)
        return out + n.normal(out)

    return bent(Ideal(), **{stage: use}), shapes


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_read_without_probes_with_them_on_two_axes_and_before_they_come(stage: str) -> None:
    device, shapes = counted(stage)
    trial = Trial(device, (grouped(8, 6, 2),))
    readings = _readings(trial, trial.bench(), stage)
    assert list(readings) == ["", ", with probes", ", with probes of the knobs", ", before probes have come"]
    ndims: list[int] = []
    for read in readings.values():
        shapes.clear()
        shown = read(trial.noise())
        assert shown.shape == (1 if not ndims else 4, 3, 2, 16, 3)
        ndims += [len(shape) for shape in shapes]
    assert ndims == [4, 5, 6, 4]
    still = Trial(Ideal(), (grouped(8, 6, 2),))
    assert ", before probes have come" not in _readings(still, still.bench(), stage)


def test_pairs_of_uses_are_as_many_as_are_asked_for_unless_nothing_differs() -> None:
    noise = Noise(torch.Generator())
    like = torch.zeros(1, 3, 1, 1, 2)
    d = _differences(lambda n: torch.as_tensor(n.normal(like)), noise, 6)
    assert d.shape == (6, *like.shape) and len(d.flatten().unique()) == d.numel()
    assert _differences(lambda n: like, noise, 6).shape == (2, *like.shape)
    late = iter([0.0, 0.0, 0.0, 1.0, *[0.0] * 20])
    assert len(_differences(lambda n: like + next(late), noise, 6)) == 6
    assert _noisy(lambda n: torch.as_tensor(n.normal(like)), noise) and not _noisy(lambda n: like, noise)
    late = iter([0.0, 0.0, 0.0, 1.0])
    assert _noisy(lambda n: like + next(late), noise)


def test_writes_are_those_of_twins_that_are_driven_alike_some_of_them_far() -> None:
    bench = TRIAL.bench()
    acts = _changes(TRIAL, bench)
    pulsed: Any = acts["pulse"](Noise.none())
    moved = pulsed.knobs - bench.cells.knobs[:1]
    assert (
        all(torch.allclose(chip, moved[0]) for chip in moved)
        and pulsed.knobs.shape == bench.cells.knobs.shape
    )
    assert float(moved[..., ::2].std()) > 5 * float(moved[..., 1::2].std()) > 0.2
    assert not torch.allclose(moved[0, 0], moved[0, 1])
    waits = [float(what.split()[2]) for what in acts if what != "pulse"]
    assert min(waits) < 1e-3 and max(waits) > 1e5 and waits == sorted(waits, reverse=True)
    seconds: list[float] = []

    def age(c: IdealCells, s: float, n: Noise) -> IdealCells:
        seconds.append(s)
        return c

    for act in _changes(Trial(bent(Ideal(), age=age), TRIAL.layers), bench).values():
        act(Noise.none())
    assert seconds == waits


def test_fields_are_told_chip_by_chip_and_knobs_tile_by_tile() -> None:
    cells = TRIAL.bench().cells
    assert _fields(cells).shape == (1, 3, 1, 1, 30) and _knobs(cells).shape == (1, 3, 2, 1, 15)
    assert torch.equal(_fields(cells)[0, 1, 0, 0], cells.knobs[1].flatten())
    assert torch.equal(_knobs(cells)[0, 1, 1, 0], cells.knobs[1, 1].flatten())


def fresh(use: Callable[[Noise], Tensor], *alike: str) -> None:
    _require_fresh(TRIAL, "here", "reading", use, alike or ("chips", "probes", "examples"))


def test_noise_that_comes_again_is_refused_if_twins_differ_by_it() -> None:
    shape = (1, 3, 1, 4, 2)  # probes, chips, tiles, examples, rows
    like = torch.ones(shape, dtype=torch.float64)
    frozen = torch.randn(shape, generator=torch.Generator(), dtype=torch.float64)

    def noisy(own: Tensor) -> Callable[[Noise], Tensor]:
        return lambda n: like + own * bool(torch.as_tensor(n.normal(like)).any())

    fresh(lambda n: like + n.normal(like))
    fresh(lambda n: frozen)  # chips that differ, without noise
    fresh(noisy(like))  # an offset for all
    fresh(noisy(1e-10 * frozen))
    partly = like.index_fill(-1, torch.tensor([0]), 0.0)
    fresh(lambda n: partly + 1e-10 * frozen * bool(torch.as_tensor(n.normal(like)).any()))
    with pytest.raises(ContractError, match="the same again"):
        fresh(lambda n: 1e3 * like + 1e-4 * frozen * bool(torch.as_tensor(n.normal(like)).any()))
    for axis, own in (("chips", frozen[:, :, :, :1]), ("examples", frozen[:, :1]), ("chips", -frozen)):
        with pytest.raises(ContractError, match="here: noise is the same again at every reading; draw it"):
            fresh(noisy(own.expand(shape)), axis)
    fresh(noisy(frozen[:, :1].expand(shape)), "chips")

    def when_it_goes_on(n: Noise) -> Tensor:
        """Draws, and gives the same in the noise that goes on alone."""
        drawn = torch.as_tensor(n.normal(like))
        return like + (frozen if bool(drawn.any()) else 0 * frozen)

    with pytest.raises(ContractError, match="the same again"):
        fresh(when_it_goes_on)


def test_noise_that_hangs_on_the_generators_first_number_alone_is_fresh_from_one_to_the_next() -> None:
    """Two generators give two noises; one that goes on gives the same again."""
    like = torch.ones(1, 3, 1, 4, 2, dtype=torch.float64)
    first: dict[int, Tensor] = {}

    def stale(n: Noise) -> Tensor:
        drawn = like + n.normal(like)
        return first.setdefault(id(n._generator), drawn)

    with pytest.raises(ContractError, match="the same again"):
        fresh(stale)


def test_a_comparator_whose_mean_is_smooth_is_honest() -> None:
    """Its noise never shows, and what it gives without any differs from example to example."""

    def collect(c: IdealCells, x: Tensor, n: Noise) -> Tensor:
        sums = 10 * x @ c.knobs.mT
        return sums.sign() if bool(torch.as_tensor(n.normal(sums)).any()) else sums.tanh()

    judge(check_fresh_noise, bent(Ideal(), collect=collect))


@pytest.mark.parametrize("stage", STAGES)
def test_noise_that_every_pulse_begins_anew_is_named(stage: str) -> None:
    function = getattr(Ideal(), stage)
    pulses: list[int] = []
    frozen: dict[tuple[int, ...], Tensor] = {}

    def use(c: Any, sent: Tensor, n: Noise) -> Tensor:
        out: Tensor = function(c, sent, n)
        drawn = torch.as_tensor(n.normal(out))
        if pulses and bool(drawn.any()):
            drawn = frozen.setdefault(tuple(out.shape), drawn)
        pulses.clear()
        return out + drawn

    def pulse(c: IdealCells, d: Tensor, n: Noise) -> IdealCells:
        pulses.append(1)
        return IdealCells(c.knobs + d)

    with pytest.raises(
        ContractError, match=f"layer .: {stage} after a pulse: noise is the same again at every pulse"
    ):
        judge(check_fresh_noise, bent(Ideal(), **{stage: use, "pulse": pulse}))
