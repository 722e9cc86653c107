"""The energy of a training is the sum of its parts, at the prices that were given."""

from dataclasses import replace

import pytest
import torch

from analog import Chip, Costs, Ideal, Ledger, conv2d, dense, metered
from learners.energy import DigitalCosts, training_energy
from learners.operations import Operations

CHIP = Chip(Ideal(), (conv2d((1, 6, 6), 2, 3), dense(32, 5), dense(5, 3, linear=True)), range(2))


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
