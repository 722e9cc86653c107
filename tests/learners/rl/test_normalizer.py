"""Merged moments of observations are those of all together."""

import pytest
import torch

from analog import Chip, Ideal, dense, stream
from learners.rl import ObservationNormalizer
from learners.rl.normalizer import CLIP


@pytest.mark.parametrize("fleet", [(), (3,)])
def test_merged_moments_are_those_of_all_together(fleet: tuple[int, ...]) -> None:
    seen = torch.randn(5, 2, *fleet, 4, 3, generator=stream(0, "senses"), dtype=torch.float64) + 1e3
    mask = torch.rand(5, 2, *fleet, 4, generator=stream(1, "senses")) < 0.6
    spec = Chip(Ideal(), (dense(3, 1, linear=True),), range(3) if fleet else 0).spec
    parts = (
        ObservationNormalizer.empty(spec)
        .merge(ObservationNormalizer.of(seen[:2], mask[:2], len(fleet)))
        .merge(ObservationNormalizer.empty(spec))
    )
    parts = parts.merge(ObservationNormalizer.of(seen[2:], mask[2:], len(fleet)))
    for chip in range(3) if fleet else [...]:
        own = seen[:, :, chip][mask[:, :, chip]] if fleet else seen[mask]
        assert float(parts.samples[chip].squeeze()) == len(own)
        assert torch.allclose(parts.mean[chip], own.mean(0), atol=1e-9)
        assert torch.allclose(parts.square[chip], own.var(0, correction=0) * len(own), rtol=1e-9)


def test_what_was_seen_comes_out_with_unit_variance_and_the_unseen_untouched() -> None:
    spec = Chip(Ideal(), (dense(2, 1, linear=True),)).spec
    seen = torch.randn(500, 2, generator=stream(0, "unit")) * torch.tensor([1e-3, 10.0]) + 5
    assert torch.equal(ObservationNormalizer.empty(spec).normalize(seen / 9), seen / 9)
    known = ObservationNormalizer.of(seen, torch.ones(500, dtype=torch.bool), 0)
    x = known.normalize(seen)
    assert x.mean(0).abs().max() < 1e-4 and (x.var(0) - 1).abs().max() < 0.02
    assert float(known.normalize(seen + 1e6).max()) == CLIP
    still = ObservationNormalizer.of(torch.ones(9, 2), torch.ones(9, dtype=torch.bool), 0)
    assert still.normalize(torch.full((1, 2), 1.5)).tolist() == [[0.5, 0.5]]  # a constant is only centred
