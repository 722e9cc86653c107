"""A test of whether two uses of a device share noise, for noise of any law.

Two uses alike differ by noise alone, and their difference d is symmetric whatever the noise is. If it is
independent between a and b, the products d_a d_b have signs like thrown coins, so T = sum / sqrt(sum of
squares) exceeds t with a probability of at most 2 exp(-t^2 / 2), exactly and for noise of any shape
(Hoeffding 1963, https://doi.org/10.1080/01621459.1963.10500830). What one chip, probe or example shows is
one product: its rows, and its tiles, may share noise among themselves.
"""

from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

import torch
from torch import Tensor

from .assertions import require
from .trial import Trial

DIMS: Final = ("uses", "probes", "chips", "tiles", "examples", "rows")  # of differences of uses
_LIMIT: Final = 8.5  # 4e-16 a test; of a few thousand tests a device, 1e-12


class _Shared(NamedTuple):
    t: float  # sum over its standard error
    correlation: float
    who: str


def require_independent(trial: Trial, where: str, d: Tensor, axes: list[str], *, pairs: bool = True) -> None:
    """Refuse uses of which two along an axis share noise; of several such the most alike are named.

    Args:
        where: what was read, written or aged, for the message.
        d: differences of uses, (uses, probes, chips, tiles, examples, rows).
        axes: those of `DIMS` along which nothing may be shared.
        pairs: whether every two are judged, or neighbors alone, who are many.

    Raises:
        ContractError: two share noise; the message says who, and how much of it.
    """
    if not bool(d.any()):
        return
    size = torch.linalg.vector_norm(d, dim=0)
    d = (d / size).nan_to_num()  # symmetric still
    sizes = d[0::2].abs() - d[1::2].abs()  # symmetric too, and shows who shares the size of his noise
    shared = [s for each in (d, sizes) for s in _all_pairs(trial, each, axes, pairs) if s.t > _LIMIT]
    if shared:
        worst = max(shared, key=lambda s: s.correlation)
        law = (
            f"{where}: {worst.who} share noise: correlation {worst.correlation:.2f}, {worst.t:.0f} standard "
            "errors from 0; draw it for each of them, as in noise.normal(u)"
        )
        require(False, law)


def _all_pairs(trial: Trial, d: Tensor, axes: list[str], pairs: bool) -> Iterator[_Shared]:
    """Every two along an axis, if wanted, then every step along axes, of (uses, probes, ..., rows)."""
    unit = [i for i, name in enumerate(DIMS) if name == "rows" or name in trial.device.couples]
    whole = sorted({*unit, DIMS.index("tiles")})
    for axis in axes if pairs else ():
        place = DIMS.index(axis)
        if d.shape[place] < 2:
            continue
        inner = unit if axis == "tiles" else whole
        a, b = torch.triu_indices(d.shape[place], d.shape[place], 1)
        products = d.index_select(place, a) * d.index_select(place, b)
        who = [f"{axis} {i} and {j}" for i, j in zip(a.tolist(), b.tolist(), strict=True)]
        yield _shared(products.sum(inner, keepdim=True), place, who)
    free = [DIMS.index(axis) for axis in axes if axis != "tiles"]
    for step in product(*(range(min(d.shape[i], 3)) for i in free)):
        if any(step):
            one, other = d, d
            for i, by in zip(free, step, strict=True):
                one, other = one.narrow(i, 0, d.shape[i] - by), other.narrow(i, by, d.shape[i] - by)
            pair = " of other ".join(DIMS[i] for i, by in zip(free, step, strict=True) if by)
            yield _shared((one * other).sum(whole).reshape(-1, 1), 1, [pair])


def _shared(products: Tensor, place: int, who: list[str]) -> _Shared:
    """The largest T along an axis of products, whose other axes are tries."""
    tries = products.movedim(place, 0).flatten(1)
    t = tries.sum(1).abs() / tries.square().sum(1).sqrt().clamp(min=1e-300)
    k = int(t.argmax())
    correlation = float(tries[k].sum().abs() / tries[k].abs().sum().clamp(min=1e-300))
    return _Shared(float(t[k]), correlation, who[k])
