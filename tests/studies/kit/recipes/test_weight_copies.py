"""Blind copies of weights, and digital trims."""

import torch

from analog import Chip, Ideal, mlp, stream
from studies.kit.recipes.weight_copies import Trim, fit_trims, trimmed


def test_trims_undo_gains_and_offsets_behind_the_nodes() -> None:
    chip = Chip(Ideal(), mlp(12, 10, 4), 1)
    x = torch.rand(40, 12, generator=stream(0, "inputs"))
    taps = chip.port().measure(x).taps
    wanted = tuple(2.0 * tap + 0.5 for tap in taps)
    first = fit_trims(chip.port(), x, wanted)[0]
    fired = taps[0].std(0) > 1e-3
    torch.testing.assert_close(first.gain[0][fired], torch.full_like(first.gain[0][fired], 2.0))
    torch.testing.assert_close(
        trimmed(chip.port(), (first, Trim(*map(torch.ones_like, first)))).measure(x, last=0).out[:, fired],
        wanted[0][:, fired],
    )
