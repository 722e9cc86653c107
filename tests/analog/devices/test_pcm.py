"""Phase-change memory: drift exponents, and reading noise in size and in time."""

import math

import pytest
import torch
from torch import Generator, Tensor

from analog import Noise
from analog.devices import PCM, pcm
from tests.twostage import kept
from tests.zoo import many

QUIET = {"programming_error_scale": 0.0, "read_noise": 0.0}


def held(device: PCM, target: float, seconds: float, noise: Noise, count: int) -> pcm.PCMCells:
    cells = many(device, count)
    cells = device.perturb(cells, -cells.knobs)
    cells = device.pulse(cells, torch.full_like(cells.knobs, target), noise)
    return device.age(cells, seconds, noise) if seconds else cells


@pytest.mark.parametrize("x", [0.05, 0.3, 1.0])
def test_drift_exponents_are_as_published(x: float) -> None:
    """ln g(t) / g(20 s) = -nu ln(t / 20 s), nu = |N(mu(x), sd(x))|, over fresh chips; 6 means in all."""
    device = PCM(flicker_scale=0.0, **QUIET)
    mu = min(max(-0.0155 * math.log(x) + 0.0244, 0.049), 0.1)
    sd = min(max(-0.0125 * math.log(x) - 0.0059, 0.008), 0.045)
    a, phi = mu / sd, math.exp(-((mu / sd) ** 2) / 2) / math.sqrt(2 * math.pi)
    folded = sd * 2 * phi + mu * math.erf(a / 2**0.5)  # the mean of |N(mu, sd)|

    def sample(n: int, generator: Generator) -> Tensor:
        identity = int(torch.randint(2**31, (1,), generator=generator))
        cells = many(device, n, identity)
        cells = device.perturb(cells, -cells.knobs)
        cells = device.pulse(cells, torch.full_like(cells.knobs, x), Noise(generator))
        late = device.age(cells, 1e4 - 20, Noise(generator))
        nu = -(late.weights / cells.weights).log().flatten() / math.log(1e4 / 20)
        return torch.stack((nu, nu.square()), -1)

    wanted = torch.tensor([folded, mu**2 + sd**2], dtype=torch.float64)
    assert kept(sample, wanted, 4000, "drift", str(x))


def test_drift_counts_from_each_cells_own_write() -> None:
    device = PCM(flicker_scale=0.0, **QUIET)
    none = Noise.none()
    cells = held(device, 0.5, 1e5, none, 2)
    drive = torch.tensor([0.1, 0.0], dtype=torch.float64).reshape(1, 2, 1)
    again = device.pulse(device.age(cells, 5e-4, none), drive, none)  # with time still gathering
    assert float(again.weights[0, 0, 0]) == pytest.approx(0.6)
    assert float(again.weights[0, 1, 0]) == pytest.approx(float(cells.weights[0, 1, 0]), rel=1e-6)


def published(t: float) -> float:
    """Variance of reading noise at t seconds after programming, in units of (g Q)^2."""
    return math.log((t + 250e-9) / 500e-9)


def modeled(t: float) -> float:
    kept_ones = [k > 0 for k in pcm.KEPT]
    since = t - pcm.FIRST
    slow = (-math.expm1(-2 * since / tau) for tau in pcm.TIMES)
    each = (1.0 if fast else grown for fast, grown in zip(kept_ones, slow, strict=True))
    return pcm.WHITE + pcm.SHARE * sum(each)


@pytest.mark.parametrize("t", [20.0, 30.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 3e7])
def test_the_sum_of_processes_follows_the_published_law(t: float) -> None:
    assert math.sqrt(modeled(t) / published(t)) == pytest.approx(1, abs=0.016)


@pytest.mark.parametrize("seconds", [0.0, 100.0, 1e5])
def test_reading_noise_has_the_modeled_variance(seconds: float) -> None:
    """Of one reading, over cells, in units of g Q; 6 means in all (the law itself is tested above)."""
    device = PCM(drift_scale=0.0, **QUIET)
    g_q = 0.4 * min(0.0088 / 0.4**0.65, 0.2)

    def sample(n: int, generator: Generator) -> Tensor:
        noise = Noise(generator)
        cells = many(device, n, int(torch.randint(2**31, (1,), generator=generator)))
        cells = device.perturb(cells, -cells.knobs)
        cells = device.pulse(cells, torch.full_like(cells.knobs, 0.4), noise)
        evolve = device.age(cells, seconds, noise)
        read = device.collect(evolve, torch.ones(1, 1, 1, dtype=torch.float64), noise).flatten()
        z = (read - 0.4) / g_q
        return torch.stack((z, z.square()), -1)

    wanted = torch.tensor([0.0, modeled(20 + seconds)], dtype=torch.float64)
    assert kept(sample, wanted, 4000, "reading", str(seconds))


@pytest.mark.parametrize("lag", [0.01, 10.0, 1e4])
def test_reading_noise_remembers(lag: float) -> None:
    """Covariance of held weights over a lag, 1e6 s after the write: the processes' own (3 means in all)."""
    device = PCM(drift_scale=0.0, **QUIET)
    g_q = 0.4 * min(0.0088 / 0.4**0.65, 0.2)
    evolve = 1e6
    wanted = sum(
        pcm.SHARE * math.exp(-lag / tau) * (1.0 if keep else -math.expm1(-2 * evolve / tau))
        for tau, keep in zip(pcm.TIMES, pcm.KEPT, strict=True)
    )

    def sample(n: int, generator: Generator) -> Tensor:
        noise = Noise(generator)
        cells = many(device, n, int(torch.randint(2**31, (1,), generator=generator)))
        cells = device.perturb(cells, -cells.knobs)
        first = device.age(device.pulse(cells, torch.full_like(cells.knobs, 0.4), noise), evolve, noise)
        second = device.age(first, lag, noise)
        one, two = ((c.weights.flatten() - 0.4) / g_q for c in (first, second))
        return (one * two).unsqueeze(-1)

    assert kept(sample, torch.tensor([wanted], dtype=torch.float64), 4000, "memory", str(lag))
    assert wanted == pytest.approx(math.log(2 * evolve / lag), abs=1)  # of a continuum of such processes


def test_silence_has_a_slope_even_without_input() -> None:
    """The noise of a reading with no input at all must not poison gradients."""
    device = PCM()
    cells = many(device, 3)
    offset = torch.zeros_like(cells.knobs, requires_grad=True)
    out = device.collect(
        device.perturb(cells, offset), torch.zeros(1, 1, 1, dtype=torch.float64), Noise.none()
    )
    (slope,) = torch.autograd.grad(out.sum(), offset)
    assert torch.equal(slope, torch.zeros_like(slope))
