"""Difference schemes: what is measured, what losses then say, and how much noise readings add."""

import pytest
import torch

from analog import Spec, dense, stream
from learners import antithetic, gaussian, one_sided
from learners.estimators import OneSided, paired_baseline
from studies.perturbation.laws import SCHEMES

SPEC = Spec((dense(2, 2),), dtype=torch.float64)
READINGS = {
    "one-sided": 6,
    "one-sided, 3 baselines": 8,
    "own baseline": 10,
    "antithetic": 10,
    "leave-one-out": 5,
}


def directions(count: int = 5, size: int = 4) -> torch.Tensor:
    return gaussian.draw(count, (), [(size,)], SPEC, stream(0, "schemes"))[0]


@pytest.mark.parametrize("name", SCHEMES)
def test_what_is_sent_comes_back(name: str) -> None:
    v, scheme = directions(), SCHEMES[name]
    sent = scheme.perturbations(v)
    assert torch.equal(scheme.directions(sent), v) and len(sent) == READINGS[name]


def test_the_learners_own_baseline_reading_may_serve() -> None:
    v, baseline = directions(), torch.tensor(7.0, dtype=torch.float64)
    assert torch.equal(one_sided.perturbations(v), v)
    torch.testing.assert_close(one_sided.differences(v.sum(-1) + 7, baseline, 0.5), 2 * v.sum(-1))
    assert one_sided.reading_noise(5) == OneSided(1).reading_noise(5)


def test_pairs_stand_side_by_side() -> None:
    sent = antithetic.perturbations(directions())
    assert torch.equal(sent[::2], -sent[1::2])
    assert float(paired_baseline.perturbations(directions())[1::2].abs().max()) == 0


@pytest.mark.parametrize("name", SCHEMES)
def test_differences_on_a_curved_loss(name: str) -> None:
    """L = b.v + 3 |v|^2 + 7: pairs see b.v, a baseline adds size * 3 |v|^2, leave-one-out centres both."""
    v, scheme, size = directions(), SCHEMES[name], 0.1
    b = torch.arange(4.0, dtype=torch.float64)
    u = scheme.perturbations(v) * size
    losses = u @ b + 3 * u.square().sum(-1) + 7
    differences = scheme.differences(losses, torch.tensor(7.0, dtype=torch.float64), size)
    curved = v @ b + size * 3 * v.square().sum(-1)
    wanted = {"antithetic": v @ b, "leave-one-out": (curved - curved.mean()) * 5 / 4}.get(name, curved)
    torch.testing.assert_close(differences, wanted)


@pytest.mark.parametrize("name", SCHEMES)
def test_reading_noise_is_as_stated(name: str) -> None:
    """Noise of a mean over K directions, exactly: the differences are linear in the readings' noise.

    For directions with E v v' = I the variance added to a coordinate is E (sum over readings of
    coefficient^2); with the coefficients of all readings this is found without any sampling.
    """
    scheme, count = SCHEMES[name], 5
    sent = scheme.perturbations(directions())
    readings = len(sent) + 1  # and the baseline
    unit = torch.eye(readings, dtype=torch.float64)
    differences = scheme.differences(
        unit[:, : len(sent)].T, unit[:, -1], 1.0
    )  # (K, readings): each reading's weight
    weight = torch.einsum("kr,lr->kl", differences, differences) / count**2
    # E v_k v_l' = 0 for k != l, so only the diagonal counts
    assert float(weight.diagonal().sum()) == pytest.approx(scheme.reading_noise(count))


@pytest.mark.parametrize("baselines", [0, -2])
def test_bad_baselines_are_refused(baselines: int) -> None:
    with pytest.raises(ValueError, match="baselines"):
        OneSided(baselines)
