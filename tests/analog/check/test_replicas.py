"""Two chips of one history: what is required of them is told with their life, and leaves no trace in it."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from analog import ContractError, Ideal, Probe, dense
from analog.check.pulses import require_bounds
from analog.check.replicas import Replicas
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import bent

LAYERS = (dense(3, 2), dense(2, 2, linear=True))


def replicas(who: int | tuple[int, ...] = (3, 5), low: float = -1.0, high: float = 1.0) -> Replicas:
    """Chips whose knobs all lie at the upper bound."""
    device = bent(
        Ideal(),
        fabricate=lambda r, c, b: IdealCells(torch.full_like(b.normal("knobs", r, c), high)),
        bounds=lambda c: (torch.full_like(c.knobs, low), torch.full_like(c.knobs, high)),
    )
    return Replicas(device, LAYERS, who, torch.float64)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-3.0, 1.0), (-1.0, 0.0)])
def test_knobs_may_round_past_their_bounds_by_a_millionth_of_the_range(low: float, high: float) -> None:
    for past, kept in ((0.0, True), (0.9e-6, True), (1.1e-6, False)):
        pair = replicas(low=low, high=high)
        for cells in pair.chip._cells:
            cells.knobs[..., -1, -1] += past * (high - low)
        if kept:
            pair.bounded()
            require_bounds(pair.device, "here", pair.chip._cells[0], "now")
            continue
        with pytest.raises(ContractError, match=r"layer 0: knobs are .* outside the bounds .*This life: fab"):
            pair.bounded()
        with pytest.raises(ContractError, match="here: knobs are .* outside the bounds .* states now"):
            require_bounds(pair.device, "here", pair.chip._cells[0], "now")
    for cells in pair.chip._cells:
        cells.knobs[:] = low - 1e-5 * (high - low)
    with pytest.raises(ContractError, match="outside the bounds"):
        pair.bounded()


def test_the_range_is_that_of_the_widest_cell_and_bounds_are_not_upside_down() -> None:
    cells = IdealCells(torch.tensor([[[[0.0, 5.0]]]], dtype=torch.float64))
    width = torch.tensor([0.0, 10.0], dtype=torch.float64)
    for past, kept in ((0.9e-5, True), (1.1e-5, False)):
        device = bent(Ideal(), bounds=lambda c, past=past: (0 * c.knobs + past, width + past * (width == 0)))
        if kept:
            require_bounds(device, "here", cells, "now")
            continue
        with pytest.raises(ContractError, match="knobs are 1.1e-05 outside"):
            require_bounds(device, "here", cells, "now")
    for low in (11.0, float("nan")):  # of one cell alone
        turned = bent(
            Ideal(), bounds=lambda c, low=low: (0 * c.knobs + torch.tensor([0.0, low]), 0 * c.knobs + 10)
        )
        with pytest.raises(ContractError, match="here: bounds are no numbers, or upside down, now"):
            require_bounds(turned, "here", cells, "now")
    require_bounds(Ideal(), "here", cells, "now")


def leaky(trace: Any) -> Replicas:
    """Chips of which something reads or writes where it should not."""
    return Replicas(bent(Ideal(), **trace), LAYERS, 3, torch.float64)


def test_a_pulse_of_zero_of_either_sign_changes_nothing() -> None:
    for moved in (lambda d: d == 0, lambda d: d.signbit(), lambda d: ~d.signbit()):
        pair = leaky({"pulse": lambda c, d, n, moved=moved: IdealCells(c.knobs + moved(d))})
        with pytest.raises(ContractError, match="layer 0: a pulse of zero changed cells.knobs.*; a pulse"):
            pair.still("a pulse of 0")


def test_a_reading_that_is_not_finite_or_leaves_a_trace_is_told() -> None:
    probe = Probe(nodes=(torch.ones(2, 4, 2, dtype=torch.float64), None))
    burnt = leaky({"fire": lambda c, u, n: torch.cat((u[..., :1], u[..., 1:] / 0), -1)})
    with pytest.raises(ContractError, match="a reading is not finite. This life: .*; measure"):
        burnt.step("measure", lambda chip, port: port.measure(burnt.draw("x", 4, 3)).taps)
    with pytest.raises(ContractError, match="a reading is not finite"):
        replicas().step("x", lambda chip, port: (torch.ones(2), torch.tensor([1.0, torch.inf])))
    traced = leaky({"collect": lambda c, x, n: x @ c.knobs.mul_(0.5).mT})
    with pytest.raises(ContractError, match="layer 0: cells.knobs was altered by a reading"):
        traced.probed("a probe", traced.draw("x", 4, 3), probe)
    count = itertools.count()
    restless = leaky({"sense": lambda c, u, n: u + next(count)})
    with pytest.raises(ContractError, match="read differently; keep all state in cells"):
        restless.step("measure", lambda chip, port: port.measure(restless.draw("x", 4, 3)).taps)


def test_a_probe_is_read_like_any_other_by_both() -> None:
    pair = replicas(3)
    x, probe = pair.draw("x", 4, 3), Probe(nodes=(torch.ones(2, 4, 2, dtype=torch.float64), None))
    pair.probed("a probe", x, probe)
    assert pair.chip.clock == pair.twin.clock > 0 and pair.ledger.seconds == pair.chip.clock


def test_what_is_tried_in_between_is_no_part_of_a_life(tmp_path: Path) -> None:
    pair = replicas()
    x = pair.draw("x", 4, 3)
    pair.still("pulse 0")
    assert len(pair.history) == 1
    pair.probed("a probe", x, Probe(nodes=(torch.ones(2, 2, 4, 2, dtype=torch.float64), None)))
    pair.step("measure", lambda chip, port: port.measure(x).taps)
    pair.through_a_file(tmp_path / "chip")
    assert pair.history[1:] == ["a probe", "measure", "save and load"]
    assert not torch.equal(pair.draw("x", 4, 3), x)
    for law in (pair.sound, pair.bounded, pair.clocked):
        law()
    assert len(pair.history) == 4 and pair.before == pair.chip.clock > 0


def test_a_clock_that_shows_something_else_than_uses_took_is_told() -> None:
    pair = replicas()
    pair.chip.wait(3.0)
    with pytest.raises(ContractError, match="the clock shows 3.0 s, uses and waits took 0.0 s"):
        pair.clocked()
    pair.waited = 3.0
    pair.clocked()
    pair.waited = 3.0 * (1 + 1e-8)
    with pytest.raises(ContractError, match="uses and waits took"):
        pair.clocked()
    pair.chip._clock, pair.waited = 2.0, 2.0
    with pytest.raises(ContractError, match="the clock ran back from 3.0 to 2.0 s"):
        pair.clocked()


def test_two_chips_whose_cells_differ_or_changed_their_form_are_told_apart() -> None:
    for change, says in (
        (lambda k: k + 1, r"layer 1: cells.knobs differs between two chips of one history"),
        (lambda k: k / (k.cumsum(-1) != 1), r"layer 1: cells.knobs is not finite"),  # the first alone
        (lambda k: k.float(), r"torch.float32, and was \(2, 1, 2, 3\) torch.float64 at birth"),
        (lambda k: k[:1], r"is \(1, 1, 2, 3\) torch.float64, and was"),
    ):
        pair = replicas()
        first, second = pair.chip._cells
        pair.chip._cells = (first, second._replace(knobs=change(second.knobs)))
        with pytest.raises(ContractError, match=says):
            pair.sound()


def test_the_dead_answer_nobody() -> None:
    pair = replicas(3)
    with pytest.raises(
        ContractError, match="a dead chip should raise Dead at every wire; one gave an answer"
    ):
        pair.dead(pair.chip.port())
    pair.chip.die()
    pair.dead(pair.chip.port())
    with pytest.raises(ContractError, match="somebody should raise Dead"):
        pair.dead(pair.twin.port(), "somebody")
    with pytest.raises(ContractError, match="of two chips of one history one died and the other did not"):
        pair.step("nothing", lambda chip, port: ())
