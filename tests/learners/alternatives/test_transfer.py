"""Learners with a second array: what it gathers is what the chip is owed, whatever offsets its cells have."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import BadInput, Chip, Ideal, Mismatched, dense, grouped, stream, xray
from analog.devices import ConstantStep, SoftBoundsRRAM
from analog.wires.tape import ReplayMismatch
from learners import (
    CrossEntropy,
    MeasuredFeedback,
    Step,
    check_learner,
    evaluate,
    fit,
    sgd,
)
from learners.alternatives import AGAD, ChoppedTikiTaka, TikiTaka, second_layer, symmetric_points
from learners.alternatives.second_array import pack, read_columns, unpack
from learners.alternatives.transfer import Transfer
from learners.data import draw_batches, load_data
from tests.learners.alternatives.rule import labeled

LAYERS = (dense(6, 4), grouped(4, 4, 2), dense(4, 3, linear=True))
KINDS: list[type[Transfer]] = [TikiTaka, ChoppedTikiTaka, AGAD]
each_kind = pytest.mark.parametrize("kind", KINDS)


class Steady:
    """A learner that sends the same drive at every step."""

    def __init__(self, drive: Any) -> None:
        self.drive = drive

    def init(self, spec: Any) -> None:
        del spec

    def step(self, port: Any, batch: Any, state: None, generator: Generator) -> Any:
        del generator
        reading = port.measure(batch.x)
        port.pulse(self.drive)
        return state, Step(reading.out.mean((-1, -2)), reading)


def array(chip: Chip, device: Any = None) -> Chip:
    device = Ideal() if device is None else device
    return Chip(
        device, (second_layer(chip.spec),), tuple(range(9, 9 + len(chip.identities))), dtype=chip.spec.dtype
    )


def exact_chip() -> Chip:
    return Chip(Ideal(), LAYERS, range(2), dtype=torch.float64)


def normals(chip: Chip) -> tuple[Tensor, ...]:
    generator = stream(0, "transfer")
    return tuple(torch.randn(s, generator=generator, dtype=chip.spec.dtype) for s in chip.spec.shapes)


def test_knobs_of_all_layers_have_cells_of_their_own() -> None:
    chip = exact_chip()
    knobs = normals(chip)
    cells = pack(knobs, chip.spec)
    layer = second_layer(chip.spec)
    assert cells.shape == (2, layer.rows, layer.cols) == (2, 4 + 4 + 3, 7)
    assert all(map(torch.equal, unpack(cells, chip.spec), knobs))
    assert int((cells != 0).sum()) == sum(k.numel() for k in knobs)


def test_columns_are_read_through_the_wires_each_by_its_line() -> None:
    second = array(exact_chip())
    (cells,) = xray.knobs(second)
    assert torch.allclose(read_columns(second.port(), [5, 0, 2]), cells.squeeze(-3)[..., [5, 0, 2]])


def test_symmetric_points_are_where_up_and_down_are_alike() -> None:
    """Steps up and down are s (1 + a)(1 - w / b) and s (1 - a)(1 + w / b): alike at w = a b."""
    device = SoftBoundsRRAM(
        w_max=0.8, w_min=-0.8, w_max_dtod=0, w_min_dtod=0, up_down=0.2, up_down_dtod=0, cycle_to_cycle_std=0
    )
    quiet = {"write_noise": 0.0, "read_noise": 0.0, "step": 0.01, "step_dtod": 0.0}
    second = array(exact_chip(), SoftBoundsRRAM(**{**vars(device), **quiet}))
    found = symmetric_points(second.port(), 0.01, 300)
    assert torch.allclose(found, torch.full_like(found, 0.2 * 0.8), atol=0.01)  # a step beside it


@each_kind
def test_what_is_gathered_is_owed_or_sent(kind: type[Transfer]) -> None:
    """On ideal arrays nothing is lost: the chip and what it is owed come to rate times all signals."""
    chip = exact_chip()
    second, drive = array(chip), normals(chip)
    reference = read_columns(second.port(), range(7))
    learner = kind(Steady(drive), second.port(), 0.5, 0.25, 7, reference)
    before, steps = xray.knobs(chip), 5
    *_, (state, _) = fit(learner, chip.port(), [labeled(chip, 4)] * steps, stream(0, "p"))
    sent = pack(tuple(b - a for a, b in zip(before, xray.knobs(chip), strict=True)), chip.spec)
    assert torch.allclose((sent / 0.25).round(), sent / 0.25, atol=1e-9)  # whole thresholds
    assert float(state.hidden.abs().max()) < 0.25
    if kind is TikiTaka:  # step k shows k drives
        total = 0.5 * sum(range(1, steps + 1)) * pack(drive, chip.spec)
        assert torch.allclose(sent + state.hidden, total)


@pytest.mark.parametrize("offset", [0.0, 0.7])
def test_a_constant_offset_is_learned_by_tiki_taka_and_by_agad_only_until_its_first_switch(
    offset: float,
) -> None:
    chip = exact_chip()
    second = array(chip)
    still = Steady(chip.spec.zeros())
    reference = read_columns(second.port(), range(7)) - offset

    def owed(kind: type[Transfer], steps: int) -> Tensor:
        learner = kind(still, second.port(), 0.1, 1e6, 7, reference)
        *_, (state, _) = fit(learner, chip.port(), [labeled(chip, 4)] * steps, stream(0, "p"))
        hidden: Tensor = state.hidden
        return hidden

    for steps in (10, 25):
        assert torch.allclose(owed(TikiTaka, steps), torch.tensor(0.1 * offset * steps, dtype=torch.float64))
        assert torch.allclose(owed(AGAD, steps), torch.tensor(0.1 * offset * 10, dtype=torch.float64))
    always = ChoppedTikiTaka(still, second.port(), 0.1, 1e6, 7, reference, switching=1.0)
    *_, (state, _) = fit(always, chip.port(), [labeled(chip, 4)] * 10, stream(0, "p"))
    assert torch.allclose(state.hidden, torch.zeros((), dtype=torch.float64), atol=1e-12)


@each_kind
@pytest.mark.parametrize(("fleet", "device"), [(7, Mismatched()), ((1, 2), ConstantStep())])
def test_it_is_a_function_of_its_measurements_on_both_chips(
    kind: type[Transfer], fleet: Any, device: Any
) -> None:
    chip = Chip(device, (LAYERS[0], dense(4, 3, linear=True)), fleet)
    who = 9 if isinstance(fleet, int) else (9, 10)
    second = Chip(device, (second_layer(chip.spec),), who)
    learner = kind(MeasuredFeedback(sgd(0.1), CrossEntropy()), second.port(), 0.1, 0.001, 3)
    check_learner(learner, chip.port(), [labeled(chip, 4)] * 3, lambda: stream(0, "probes"))


class Peeping(TikiTaka):
    """A learner that looks into its second chip."""

    def signal(self, values: Tensor, columns: list[int], state: Any, generator: Generator) -> Any:
        return super().signal(values + float(PEEPED[0].clock) * 1e3, columns, state, generator)


PEEPED: list[Chip] = []


def test_what_is_known_of_the_second_chip_beside_its_wires_is_found() -> None:
    chip = Chip(Mismatched(), LAYERS, 7)
    PEEPED[:] = [Chip(Mismatched(), (second_layer(chip.spec),), 9)]
    learner = Peeping(MeasuredFeedback(sgd(0.1), CrossEntropy()), PEEPED[0].port(), 1.0, 0.001, 3)
    with pytest.raises(ReplayMismatch):
        check_learner(learner, chip.port(), [labeled(chip, 4)] * 3, lambda: stream(0, "probes"))


def test_a_second_array_that_does_not_fit_is_refused() -> None:
    chip = exact_chip()
    other = Chip(Ideal(), (dense(7, 11, bias=False),), range(2), dtype=torch.float64)
    learner = TikiTaka(Steady(chip.spec.zeros()), other.port())
    wrong = TikiTaka(Steady(()), array(chip).port(), reference=torch.zeros(11, 7))
    with pytest.raises(ValueError, match=r"reference is \(11, 7\), wanted \(2, 11, 7\)"):
        wrong.init(chip.spec)
    with pytest.raises(TypeError, match="TikiTaka"):
        TikiTaka(Steady(()), array(chip))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"wanted one linear layer of \(2, 1, 11, 7\); make it as"):
        learner.init(chip.spec)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda port: TikiTaka(Steady(()), port, 0.0), "transfer_rate is 0.0"),
        (lambda port: TikiTaka(Steady(()), port, threshold=-1.0), "threshold is -1.0"),
        (lambda port: TikiTaka(Steady(()), port, columns=0), "columns is 0"),
        (lambda port: ChoppedTikiTaka(Steady(()), port, switching=2.0), "switching is 2.0"),
        (lambda port: AGAD(Steady(()), port, period=0), "period is 0"),
        (lambda port: AGAD(Steady(()), port, tail=0.5), "tail is 0.5"),
    ],
)
def test_settings_out_of_their_ranges_are_refused(made: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made(array(exact_chip()).port())


def test_wrong_references_break_tiki_taka_and_neither_its_chopped_form_nor_agad() -> None:
    """The published order, on digits: two chips with true references, two that are wrong by .5 (sd)."""
    data = load_data("digits")
    cells = SoftBoundsRRAM(
        w_max=0.6, w_min=-0.6, cycle_to_cycle_std=1.0, write_noise=0.0, read_noise=0.01, up_down_dtod=0.05
    )

    def accuracy(kind: type[Transfer]) -> tuple[float, float]:
        chip = Chip(SoftBoundsRRAM(write_noise=0.0), (dense(64, 10, linear=True),), range(4))
        second = Chip(cells, (second_layer(chip.spec),), range(100, 104)).port()
        errors = torch.randn((4, 10, 65), generator=stream(0, "wrong"))
        errors[:2] = 0
        reference = symmetric_points(second, cells.step) + 0.5 * errors
        learner = kind(MeasuredFeedback(sgd(2.0), CrossEntropy()), second, 0.02, 0.01, 26, reference)
        examples = draw_batches(data.train, 32, 300, stream(0, "order"))
        for _ in fit(learner, chip.port(), examples, stream(0, "probes")):
            pass
        right, wrong = evaluate(chip.port(), data.test).view(2, 2).mean(-1).tolist()
        return right, wrong

    right, broken = accuracy(TikiTaka)
    assert right > 0.89 and broken < 0.82
    for survivor in (ChoppedTikiTaka, AGAD):
        right, wrong = accuracy(survivor)
        assert right > 0.87 and wrong > broken + 0.04, (survivor, right, wrong, broken)
