"""The contract of gradient estimators: `check_estimator(MyEstimator(), stream(0))`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.contract import ContractError, Law, first_sentence, refuse_global_generators
from analog.layers.crossbar import Layer

from ..estimators.base import Estimator
from .exact_laws import check_batches, check_exactly, check_parts, uses_probed_taps
from .forms import REMEDY, at_knobs
from .independence import check_probes
from .linear_chip import CONVOLUTION, DEEP, DENSE, LinearChip, concatenate
from .mean_laws import Scales, check_entries, check_scale
from .two_stage import listed, refused, two_stage


class _Wiring(NamedTuple):
    """A chip that an estimator is tried on."""

    name: str
    layers: tuple[Layer, ...]
    fleet: int | None
    dtype: torch.dtype


_WIRINGS = (
    _Wiring("a fleet of 3 chips", DENSE, 3, torch.float64),
    _Wiring("a lone chip", DENSE, None, torch.float64),
    _Wiring("a fleet of 2 chips in float32", DENSE, 2, torch.float32),
    _Wiring("a lone chip with a convolution, in float32", CONVOLUTION, None, torch.float32),
    _Wiring("a fleet of 2 chips with a convolution", CONVOLUTION, 2, torch.float64),
)


_ROUNDING = {torch.float64: 1e-5, torch.float32: 2e-3}
_BENT = (
    "where taps rise under a probe, as rectifiers' do, the mean of the estimate is not the gradient (inputs "
    "taken from the probed reading?)"
)


def check_estimator(
    estimator: Estimator,
    generator: Generator,
    *,
    tolerance: float = 0.01,
    variance: Callable[[LinearChip], Tensor] | None = None,
) -> Scales:
    """Check that an estimator keeps the laws of unbiased perturbation estimates.

    It is tried on linear chips, where the exact gradient is known: of two and four layers, dense and with a
    convolution, alone and in fleets, in float64 and float32, with batches of one, two, five and 48 examples.

    Exactly: probes enter and gradients are told where the estimator says, in the form that it has to be, and
    nothing that was handed over is altered, nor torch's gradient mode or default dtype; `ask` is a function
    of its arguments and the generator (global generators, seeded differently, make no difference and are left
    alone), and no two of 300 steps are probed alike; the estimate is linear in the losses and does not change
    when all of them move by a constant, when other chips of the fleet measure something else, when x has an
    axis for the fleet, nor (for estimators without a memo) when examples are reordered, come twice or one by
    one, or a chip is alone; of losses in two parts each node learns from its own, unless `tell` raises a
    ValueError.

    In the mean: every coordinate of the estimate is that of the gradient, also where taps bend under probes;
    probes have no mean; any two chips of a fleet, any two examples probed at nodes and, where a
    `distribution` says so, any two directions are probed independently.

    Power: an error of the estimate's scale of `tolerance` (1 %) is found with probability .999, at any number
    of probes; one of a single layer at four times that. Probes of fixed length (signs, sphere, orthogonal,
    coordinates) show an error of scale exactly, from 1e-5 on. On chips with a convolution and in float32 it
    is five times `tolerance`. Single coordinates are found wrong by 6.5 standard errors of 6000 probes (8 %
    for Gaussian ones). Smaller errors pass: Gaussian probes clamped at 3 sd lack .5 %, which wants a
    `tolerance` of .005 and four times the samples.

    Not seen: what goes wrong at other sizes alone, or with a memo at other batches; examples that share
    probes in batches of more than 48; chips more than a dozen apart that share a part of their probes; more
    than two thousand steps that come again and again.

    A right estimator is refused less than once in 1e9 calls, as long as its probes move every coordinate at
    least once in a thousand; see `learners.check.sequential`.

    Args:
        estimator: for losses smooth enough that its probe size does not matter.
        generator: for the draws of the check; every call may have another.
        tolerance: the relative error of scale that has to be found.
        variance: what the estimator's author predicts on the linear chip: the variance of every knob's
            estimate, all layers flattened and joined (as `learners.laws` gives for ours); None: not checked.

    Returns:
        The smallest errors of scale that this call would have found with probability .999.

    Raises:
        ContractError: naming the law that is broken, and by how much.
        ValueError: `variance` predicts something of another shape, or `tolerance` is not between 0 and 1.
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"check_estimator: tolerance is {tolerance}, wanted one between 0 and 1")
    findings = [law.check(estimator, generator) for law in estimator_laws(tolerance, variance)]
    return next(found for found in findings if found is not None)


def estimator_laws(
    tolerance: float = 0.01, variance: Callable[[LinearChip], Tensor] | None = None
) -> tuple[Law, ...]:
    """The laws of unbiased estimates, each to be tried by itself: `law.check(estimator, generator)`.

    Args:
        tolerance: the relative error of scale that has to be found.
        variance: what the estimator's author predicts, as `check_estimator` takes it.
    """

    def exactly(estimator: Estimator, generator: Generator) -> None:
        """An estimate is a pure, linear function of its losses, chip by chip and example by example."""
        for wiring in _WIRINGS:
            with _told(wiring.name):
                check_exactly(estimator, LinearChip(wiring.layers, wiring.dtype), wiring.fleet, generator)

    def probes(estimator: Estimator, generator: Generator) -> None:
        """Probes have no mean, come never again, and chips, examples and directions share none."""
        check_probes(estimator, LinearChip(), generator)

    def scale(estimator: Estimator, generator: Generator) -> Scales:
        """The estimate along the gradient is as large as the gradient, layer by layer."""
        return check_scale(estimator, LinearChip(), tolerance, generator)

    def entries(estimator: Estimator, generator: Generator) -> None:
        """The mean of the estimate is the gradient, coordinate by coordinate."""
        check_entries(estimator, LinearChip(), generator)

    def batches(estimator: Estimator, generator: Generator) -> None:
        """An example is told the same in a batch of one and in one of twice the size."""
        check_batches(estimator, LinearChip(), generator)

    def elsewhere(estimator: Estimator, generator: Generator) -> None:
        """The mean is the gradient on other wirings and in another precision too."""
        _check_elsewhere(estimator, 5 * tolerance, generator)

    def bent(estimator: Estimator, generator: Generator) -> None:
        """The mean is the gradient where taps rise under a probe, as those of rectifiers do."""
        chip = LinearChip()
        if uses_probed_taps(estimator, chip, generator):
            check_entries(estimator, chip, generator, bend=0.5, statement=_BENT)

    def spread(estimator: Estimator, generator: Generator) -> None:
        """The variance of the estimate is what its author predicts."""
        if variance is not None:
            _check_variance(estimator, LinearChip(), variance(LinearChip()), generator)

    def parts(estimator: Estimator, generator: Generator) -> None:
        """A node learns from the losses of its own part alone, or losses in parts are refused."""
        check_parts(estimator, LinearChip(), generator)

    laws = (exactly, probes, scale, entries, batches, elsewhere, bent, spread, parts)
    return tuple(Law(first_sentence(law), _watched(law)) for law in laws)


def _watched(law: Callable[[Estimator, Generator], Any]) -> Callable[[Estimator, Generator], Any]:
    """The check of a law that refuses a class, and whatever draws from a global generator."""

    def check(estimator: Estimator, generator: Generator) -> Any:
        if isinstance(estimator, type):
            name = estimator.__name__
            raise ContractError(f"got the class {name}, wanted an estimator: write {name}(...)")
        with refuse_global_generators(type(estimator).__name__, REMEDY):
            return law(estimator, generator)

    return check


def _check_elsewhere(estimator: Estimator, tolerance: float, generator: Generator) -> None:
    """The mean is the gradient on other wirings and in another precision too."""
    for name, layers, dtype, examples in (
        ("chips with a convolution, one example", CONVOLUTION, torch.float64, 1),
        ("chips of four layers in float32, two examples", DEEP, torch.float32, 2),
    ):
        chip = LinearChip(layers, dtype, examples)
        with _told(name):
            rounding = _ROUNDING[dtype]
            check_scale(estimator, chip, tolerance, generator, rounding=rounding, first=1500)
            if dtype == torch.float64:
                check_entries(estimator, chip, generator, first=1500)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Add to an error on which chip it is.

    Raises:
        ContractError: what was raised, and where.
    """
    try:
        yield
    except ContractError as error:
        raise ContractError(f"{error} (on {where})") from error


def _check_variance(estimator: Estimator, chip: LinearChip, predicted: Tensor, generator: Generator) -> None:
    """Each knob's estimate varies as predicted, by the two-stage rule on squared deviations."""
    mean = concatenate(chip.gradient)
    if predicted.shape != mean.shape:
        raise ValueError(
            f"check_estimator: variance gave {tuple(predicted.shape)}, knobs are {tuple(mean.shape)}"
        )

    def squares(n: int, generator: Generator) -> Tensor:
        spec = chip.spec(n)
        result = chip.result(spec, chip.ask(estimator, spec, generator))
        return (concatenate(at_knobs(estimator, spec, result), 1) - mean).square()

    worst = two_stage(squares, predicted, 4000, generator)
    if refused(worst):
        measured = squares(40_000, generator).mean(0)
        at = int(((measured - predicted).abs() / (predicted + 1e-12)).argmax())
        raise ContractError(
            f"the variance is not as predicted: at knob {at} it is {float(measured[at]):.3g}, "
            f"predicted {float(predicted[at]):.3g}; |z| = {listed(worst)}"
        )
