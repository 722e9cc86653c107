"""What laws are tried with: scenes of some along an axis, and noise that is alike or frozen."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from analog import Ideal, Noise, dense, grouped, stream
from analog.check.trial import (
    AXES,
    AlikeNoise,
    FrozenNoise,
    Scene,
    Trial,
    copies,
    first_of,
    like_first,
    respond,
    scenes,
)

PROBES, CHIPS, TILES, EXAMPLES, ROWS, COLS = 2, 3, 4, 5, 6, 7
SIZES = {"examples": EXAMPLES, "tiles": TILES, "chips": CHIPS, "probes": PROBES}


class Cells(NamedTuple):
    knobs: Tensor  # (chips, tiles, rows, cols)
    pairs: Tensor  # (chips, 2 * tiles, 1), of tiles that are made of two each
    clock: Tensor  # (chips,)


def scene() -> Scene:
    generator = stream(0, "scene")

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    cells = Cells(drawn(CHIPS, TILES, ROWS, COLS), drawn(CHIPS, 2 * TILES, 1), drawn(CHIPS))
    offset, sent = drawn(PROBES, CHIPS, TILES, ROWS, COLS), drawn(PROBES, CHIPS, TILES, EXAMPLES, COLS)
    return Scene(cells, offset, sent)


@pytest.mark.parametrize("axis", AXES)
def test_a_scene_of_some_along_an_axis_has_them_in_their_order(axis: str) -> None:
    whole, index = scene(), [SIZES[axis] - 1, 0, 0]
    some, place = whole.take(axis, index), {"probes": 0, "chips": 1, "tiles": 2, "examples": 3}[axis]
    assert torch.equal(some.sent, whole.sent.movedim(place, 0)[index].movedim(0, place))
    assert whole.offset is not None and some.offset is not None
    offset = whole.offset if axis == "examples" else whole.offset.movedim(place, 0)[index].movedim(0, place)
    assert torch.equal(some.offset, offset)
    cells: Any = whole.cells
    if axis == "chips":
        cells = Cells(*(leaf[index] for leaf in cells))
    if axis == "tiles":
        both = [2 * i + k for i in index for k in (0, 1)]
        cells = Cells(cells.knobs[:, index], cells.pairs[:, both], cells.clock)
    assert all(torch.equal(a, b) for a, b in zip(some.cells, cells, strict=True))
    assert whole._replace(offset=None).take(axis, index).offset is None


def test_a_lone_chip_has_no_axis_of_a_fleet() -> None:
    whole = scene()
    lone = whole.lone(1)
    assert all(torch.equal(a, b[1]) for a, b in zip(lone.cells, whole.cells, strict=True))
    assert torch.equal(lone.sent, whole.sent[:, 1]) and whole.offset is not None
    assert lone.offset is not None and torch.equal(lone.offset, whole.offset[:, 1])
    assert whole._replace(offset=None).lone(1).offset is None


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("last", [False, True])
def test_beside_others_one_stays_and_all_others_change(axis: str, last: bool) -> None:
    whole, kept = scene(), SIZES[axis] - 1 if last else 0
    beside = whole.beside_others(axis, kept, 30.0)
    place = {"probes": 0, "chips": 1, "tiles": 2, "examples": 3}[axis]
    assert whole.offset is not None and beside.offset is not None
    pairs = [(beside.sent, whole.sent)] + ([] if axis == "examples" else [(beside.offset, whole.offset)])
    for now, before in pairs:
        for i, (a, b) in enumerate(zip(now.unbind(place), before.unbind(place), strict=True)):
            assert torch.equal(a, b) if i == kept else not (a == b).any()
            slope = torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1]
            assert i == kept or (float(a.std()) > 10 * float(b.std()) and slope < -0.99)
    if axis == "chips":
        alike = [torch.equal(a, b) for a, b in zip(beside.cells.knobs, whole.cells.knobs, strict=True)]
        assert alike == [i == kept for i in range(CHIPS)]
    else:
        assert beside.cells is whole.cells
    assert axis != "examples" or beside.offset is whole.offset


def test_noise_that_is_alike_is_one_draw_for_everybody() -> None:
    noise = AlikeNoise(3)
    drawn = noise.normal(torch.zeros(4, 5, dtype=torch.float64))
    assert torch.equal(drawn, drawn[:1].expand(4, 5)) and len(set(drawn[0].tolist())) == 5
    assert torch.equal(noise.normal(torch.zeros(2, 5, dtype=torch.float64)), drawn[:2])
    assert not torch.equal(noise.uniform(torch.zeros(4, 5, dtype=torch.float64)), drawn)
    probed = noise.with_probe_axes((2,), 3)
    assert torch.equal(probed.normal(torch.zeros(4, 5, dtype=torch.float64)), drawn.expand(2, 4, 5))
    assert not torch.equal(AlikeNoise(4).normal(torch.zeros(4, 5, dtype=torch.float64)), drawn)


def test_frozen_noise_is_everybodys_own_and_the_same_again() -> None:
    noise = FrozenNoise(3)
    drawn = noise.normal(torch.zeros(4, 5, dtype=torch.float64))
    assert len(set(drawn.flatten().tolist())) == 20
    assert torch.equal(noise.normal(torch.zeros(4, 5, dtype=torch.float64)), drawn)
    assert torch.equal(noise.normal(torch.zeros(4, 5)), drawn.float())


@pytest.mark.parametrize("stage", ["collect", "sense", "fire"])
def test_scenes_are_of_one_stage_without_a_probe_and_with_probes_of_either_kind(stage: str) -> None:
    trial = Trial(Ideal(), (dense(5, 4), grouped(4, 6, 2)))
    bench = trial.bench()
    assert bench.name == "layer 0" and bench.layer is trial.layers[0]
    plain, nodes, knobs = scenes(trial, bench, stage, examples=2, probes=3).values()
    width = 6 if stage == "collect" else 4
    assert plain.sent.shape == (3, 1, 2, width) and nodes.sent.shape == (3, 3, 1, 2, width)
    assert plain.offset is None and nodes.offset is None and knobs.offset is not None
    assert knobs.offset.shape == (3, *bench.cells.knobs.shape) and torch.equal(knobs.sent, nodes.sent)
    read = getattr(trial.device, stage)
    for each in (plain, nodes):
        assert torch.equal(
            each.through(trial.device, stage, Noise.none()), read(each.cells, each.sent, Noise.none())
        )
    probed = trial.device.perturb(knobs.cells, knobs.offset)
    assert torch.equal(
        knobs.through(trial.device, stage, Noise.none()), read(probed, knobs.sent, Noise.none())
    )


def test_benches_are_copies_and_the_largest_is_the_one_that_is_tried_alone() -> None:
    trial = Trial(Ideal(), (dense(3, 2), dense(2, 9)))
    assert trial.bench().name == "layer 1"
    first, again = (next(trial.benches()) for _ in range(2))
    first.cells.knobs.zero_()
    assert bool(again.cells.knobs.any()) and again.cells.knobs.shape[0] == 3
    assert [bench.cells.knobs.dtype for bench in trial.benches(torch.float32)] == [torch.float32] * 2
    assert torch.equal(trial.draw("x", 4), trial.draw("x", 4))
    assert not torch.equal(trial.draw("x", 4), trial.draw("y", 4))
    assert not torch.equal(trial.draw("x", 4), Trial(Ideal(), trial.layers, 1).draw("x", 4))


def test_numbers_are_like_a_tensor_and_of_the_size_that_is_asked_for() -> None:
    trial = Trial(Ideal(), (dense(5, 4),))
    like = torch.zeros(50, 40)
    assert torch.equal(trial.like("a", like, 3.0), 3 * trial.draw("a", 50, 40).float())
    assert torch.equal(trial.like("a", like), trial.draw("a", 50, 40, dtype=torch.float32))
    for dtype in (torch.float32, torch.float64):
        inputs = trial.inputs(trial.bench(dtype), 3)
        assert inputs.shape == (3, 1, 3, 6) and inputs.dtype == dtype
        assert torch.equal(inputs, trial.draw("x", 3, 1, 3, 6, dtype=dtype))
    assert not torch.equal(trial.inputs(trial.bench(), 3, "other"), trial.inputs(trial.bench(), 3))


def test_what_is_sent_is_of_the_size_that_is_asked_for() -> None:
    trial = Trial(Ideal(), (dense(5, 4),))
    for small, large in zip(
        scenes(trial, trial.bench(), "sense").values(),
        scenes(trial, trial.bench(), "sense", size=9.0).values(),
        strict=True,
    ):
        assert torch.equal(9 * small.sent, large.sent)
        assert (small.offset is None) is (large.offset is None)
        assert small.offset is None or large.offset is None or torch.equal(small.offset, large.offset)


def test_the_first_of_a_fleet_is_alone_and_every_layer_is_tried_in_single_precision() -> None:
    cells: Any = scene().cells
    assert all(torch.equal(one, leaf[0]) for one, leaf in zip(first_of(cells), cells, strict=True))
    trial = Trial(Ideal(), (dense(5, 4), dense(4, 9)))
    found = [(bench.name, bench.cells.knobs.dtype, len(bench.cells.knobs)) for bench in trial.tried()]
    assert found == [
        ("layer 0", torch.float32, 3),
        ("layer 1", torch.float32, 3),
        ("layer 1", torch.float64, 3),
    ]


def test_copies_are_chips_over_again_and_twins_are_like_the_first() -> None:
    cells: Any = scene().cells
    for now, before in zip(copies(cells, 2), cells, strict=True):
        assert torch.equal(now, torch.cat((before, before)))
    for now, before in zip(like_first(cells), cells, strict=True):
        assert now.shape == before.shape and all(torch.equal(chip, before[0]) for chip in now)
        now[0].zero_()
        assert bool(before[0].any()) and bool(now[1].any())


def test_beside_others_two_chips_are_both_somebody() -> None:
    pair = scene().take("chips", [0, 1])
    beside = pair.beside_others("chips", 0, 30.0)
    assert torch.equal(beside.cells.knobs, pair.cells.knobs[[0, 0]])
    beside = pair.beside_others("chips", 1, 30.0)
    assert torch.equal(beside.cells.knobs, pair.cells.knobs[[1, 1]])


def test_a_response_is_what_is_sensed_beside_what_is_fired() -> None:
    trial = Trial(Ideal(), (dense(5, 4),))
    bench = trial.bench()
    x = trial.draw("x", 3, 1, 3, 6)
    u = x @ bench.cells.knobs.mT
    torch.testing.assert_close(respond(trial.device, bench.cells, x), torch.cat((u, u.relu()), -1))
