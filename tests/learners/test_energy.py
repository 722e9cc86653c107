"""Digital operations are counted as they would be carried out, and energies add up."""

from dataclasses import replace

import pytest
import torch

from analog import Chip, Costs, Ideal, Ledger, conv2d, dense, metered
from learners.energy import (
    DigitalCosts,
    Operations,
    backpropagation,
    cells,
    inference,
    macs,
    node_learning,
    training_energy,
)

CHIP = Chip(Ideal(), (conv2d((1, 6, 6), 2, 3), dense(32, 5), dense(5, 3, linear=True)), range(2))


def test_products_are_those_of_the_matrices_that_are_driven() -> None:
    seen = 0
    x = torch.ones(1, 36)
    for layer in CHIP.spec.layers:
        gathered = layer.gather(x)  # (tiles, sites, cols)
        seen += gathered.numel() * layer.rows
        x = torch.ones(1, layer.features)
    assert macs(CHIP.spec) == seen
    assert cells(CHIP.spec) == sum(s[-1] * s[-2] * s[-3] for s in CHIP.spec.shapes)


def test_what_grows_with_the_batch_grows_in_proportion_and_the_rest_stays() -> None:
    for count in (
        lambda batch: node_learning(CHIP.spec, batch, 4),
        lambda batch: node_learning(CHIP.spec, batch, 4, feedback=True),
        lambda batch: backpropagation(CHIP.spec, batch),
        lambda batch: inference(CHIP.spec, batch),
    ):
        one, two, four = count(1), count(2), count(4)
        for a, b, c in zip(one, two, four, strict=True):
            assert c - b == pytest.approx(2 * (b - a)) and b > a
    plain, fed = (node_learning(CHIP.spec, 8, 4, feedback=f) for f in (False, True))
    assert all(b > a for a, b in zip(plain[:1] + plain[2:], fed[:1] + fed[2:], strict=True))
    # backpropagation also goes forward, and back through all layers but the first
    assert backpropagation(CHIP.spec, 8).multiplications > node_learning(CHIP.spec, 8, 0).multiplications


def test_the_parts_add_up_to_what_the_ledger_and_the_prices_say() -> None:
    ledger = Ledger(CHIP.spec)
    metered(CHIP.port(), ledger).measure(torch.ones(3, 36))
    work, digital = Operations(10, 20, 30), DigitalCosts(1.0, 2.0, 3.0)
    energy = training_energy(ledger, work, digital=digital)
    assert energy.digital == 10 + 40 + 90
    assert energy.total.tolist() == pytest.approx((ledger.joules + 140).tolist())
    assert sum(float(share[0]) for share in list(energy.shares().values())[:2]) < 1
    free = replace(Costs(), array_joules=0.0, dac_joules=0.0, adc_joules_per_step=0.0)
    assert training_energy(ledger, work, costs=free, digital=digital).total.tolist() == [140, 140]
    with pytest.raises(ValueError, match="prices are finite"):
        DigitalCosts(word_joules=-1.0)
