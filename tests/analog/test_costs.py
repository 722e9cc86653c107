"""Costs: a chip's energy falls into parts, and writing in turn takes the time of all turns."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from analog import Chip, Costs, Ideal, Ledger, conv2d, dense, metered, stream

LAYERS = (dense(6, 4), dense(4, 3, linear=True))


def test_an_array_of_published_size_is_as_efficient_as_published_chips() -> None:
    """8 to 20 TOPS/W at 8 bits, two operations a cell."""
    (layer,) = (dense(255, 256),)
    joules = Costs().read_joules([layer]) / (256 * 256)
    assert 8e12 < 2 / joules < 20e12


def test_every_bit_doubles_what_an_output_costs() -> None:
    costs, wide = Costs(adc_bits=6), Costs(adc_bits=9)
    for layer in (*LAYERS, conv2d((2, 5, 5), 3, 2)):
        assert wide.vector_energy(layer).converters - costs.dac_joules * _lines(layer) == pytest.approx(
            8 * (costs.vector_energy(layer).converters - costs.dac_joules * _lines(layer))
        )
        assert wide.vector_energy(layer).array == costs.vector_energy(layer).array


def _lines(layer: object) -> int:
    return int(layer.features / layer.rows * layer.cols)  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", [None, 0.01])
def test_writing_in_turn_adds_up_what_parallel_writing_does_at_once(step: float | None) -> None:
    """Against one turn after the other, written out; fleets, tiles and layers are written side by side."""
    drive = [torch.randn(2, 3, 4, 5, generator=stream(1, n)) * 0.05 for n in ("a", "b")]
    drive[0][:, :, 2] = 0  # a row that is passed over
    drive[1][..., 1] = 0
    parallel = Costs(step=step)
    rows, cells = replace(parallel, writing="rows"), replace(parallel, writing="cells")

    def longest(part: Tensor) -> float:
        return parallel.pulsing_seconds([part]) if bool(part.any()) else 0.0

    by_rows = max(sum(longest(d[..., r, :]) for r in range(4)) for d in drive)
    by_cells = max(sum(longest(d[..., r, c]) for r in range(4) for c in range(5)) for d in drive)
    assert rows.pulsing_seconds(drive) == pytest.approx(by_rows)
    assert cells.pulsing_seconds(drive) == pytest.approx(by_cells)
    assert parallel.pulsing_seconds(drive) < by_rows < by_cells


@pytest.mark.parametrize("writing", ["parallel", "rows", "cells"])
@pytest.mark.parametrize("step", [None, 0.01])
def test_no_drive_takes_longer_than_the_longest(writing: str, step: float | None) -> None:
    costs = Costs(step=step, writing=writing)  # type: ignore[arg-type]
    full = [torch.full((la.tiles, la.rows, la.cols), 0.05) for la in LAYERS]
    assert costs.longest_seconds(LAYERS, 0.05) == pytest.approx(costs.pulsing_seconds(full))
    assert costs.pulsing_seconds([torch.zeros_like(d) for d in full]) == costs.pulse_seconds


@dataclass(frozen=True)
class ByRows(Ideal):
    """An ideal device that is written row by row."""

    @property
    def costs(self) -> Costs:
        return Costs(writing="rows")


def test_clock_and_ledger_agree_on_the_time_of_writing_by_rows() -> None:
    chip = Chip(ByRows(), LAYERS, (1, 2))
    ledger = Ledger(chip.spec)
    metered(chip.port(), ledger).pulse(tuple(torch.full(s, 0.1) for s in chip.spec.shapes))
    assert chip.clock == pytest.approx(4 * Costs().pulse_seconds)
    assert ledger.seconds == chip.clock
    assert ledger.pulses_per_cell.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"adc_bits": 0}, "adc_bits is 0"),
        ({"adc_bits": 8.0}, "adc_bits is 8.0"),
        ({"settling": -1}, "settling is -1"),
        ({"settling": 1.5}, "settling is 1.5"),
        ({"writing": "rws"}, "wanted one of"),
    ],
)
def test_prices_that_make_no_sense_are_refused(setting: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Costs(**setting)  # type: ignore[arg-type]
    for name in ("array_joules", "dac_joules", "adc_joules_per_step", "pulse_joules", "read_seconds"):
        for bad in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="costs are finite"):
                Costs(**{name: bad})  # type: ignore[arg-type]
