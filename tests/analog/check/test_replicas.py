"""Two chips of one history: what is required of them is told with their life, and leaves no trace in it."""

from pathlib import Path

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
        (lambda k: k / 0, r"layer 1: cells.knobs is not finite"),
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
