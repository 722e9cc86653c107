"""What a table cannot tell: reasons for which an estimate's distribution is not to be trusted."""

from collections.abc import Sequence

from torch import Tensor

from .confidence import STEEPEST, ConfidenceDistribution
from .report import Diagnostic
from .scales import SearchScale

UNTOLD = "not identifiable from this table"  # how such a reason begins
EITHER_SIGN = 0.5  # standard error beyond which a parameter of either sign counts as not identifiable
MISFIT = 4.0  # standard errors of a property of the residuals
FEW = 10.0  # degrees of freedom of a standard error
TIED = 0.5  # standard errors that an estimate moves, beyond what these count, with an open parameter
FAR = 4.0  # standard errors at which a table should suit an estimate far less
CLEAR = 3.0  # standard errors that an estimate keeps from an end of its range


def allowed_error(scale: SearchScale, limit: float) -> float:
    """The standard error beyond which a parameter counts as not identifiable."""
    return limit if scale.sign else EITHER_SIGN


def doubts(distribution: ConfidenceDistribution, limit: float, prior_sd: float) -> tuple[str, ...]:
    """Reasons not to trust an estimate, each in a few words.

    Args:
        distribution: of the estimate.
        limit: as `calibrate` has it.
        prior_sd: standard deviation of the parameter's prior, in search coordinates.
    """
    found, error = [], distribution.error
    kind = "relative standard error" if distribution.scale.sign else "standard error"
    if not error <= min(allowed_error(distribution.scale, limit), prior_sd / 2):
        found.append(f"{UNTOLD} ({kind} {error:.2g})")
    deciding = distribution.freedom * distribution.share
    if deciding < FEW:
        found.append(f"told by a few cells of a long tail ({deciding:.2g} degrees of freedom)")
    if 3 * abs(distribution.bend) > STEEPEST:
        found.append(f"curved within its standard error ({distribution.bend:+.2g})")
    for end in (distribution.low, distribution.high):
        if abs(distribution.estimate - end) < CLEAR * error:
            found.append(f"within {CLEAR:g} standard errors of the end of its range")
    return tuple(found)


def misfits(tests: Sequence[Diagnostic]) -> tuple[str, ...]:
    """Properties of the residuals that the fitted device would not leave."""
    return tuple(
        f"residuals do not suit the device ({t.name}: z {t.z:+.1f})" for t in tests if abs(t.z) > MISFIT
    )


def tied(moves: Tensor, scales: Sequence[SearchScale], own: int) -> tuple[str, ...]:
    """Reasons not to trust an estimate that depends on open parameters, or may as well lie elsewhere.

    Args:
        moves: of the estimate with each parameter, in its standard errors, (parameters,).
        scales: of the parameters.
        own: which of them the estimate is of.
    """
    moved = [k for k, move in enumerate(moves.tolist()) if move > TIED]
    names = ", ".join(scales[k].name for k in moved if k != own)
    found = (f"{UNTOLD} (it shows only together with {names})",) if names else ()
    return (*found, f"{UNTOLD} (it may as well be {FAR:g} standard errors away)") if own in moved else found
