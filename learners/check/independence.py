"""The laws of probes: they have no mean, and chips, examples and directions are probed independently.

Independence is judged by what units (two chips, say) have in common: products of any coordinate of the one
with any of the other, of products of neighboring coordinates likewise (so a copy with flipped signs or moved
coordinates is found too), and for weak ties the sum over equal coordinates. Such products are symmetric about
0 if the units are independent, so that their sum exceeds z times the root of the sum of their squares with
probability exp(-z^2 / 2) at most, however heavy their tails and however few there are.
"""

import math
from itertools import takewhile

import torch
from torch import Generator, Tensor

from analog.contract import ContractError
from analog.tree import tree_leaves

from ..estimators.base import Estimator, ProbingEstimator
from .linear_chip import LinearChip
from .sequential import LEVEL, RUNS, sequential

_FLEET = 12  # chips of a small fleet, every pair of which is compared
_ASKED = 100  # small fleets
_LARGE = 2400  # chips of one large fleet, compared within groups of `_FLEET`
_CLOSELY = 12  # units whose every coordinate is compared with every other
_COORDINATES = 24  # of a unit that are looked at
_BATCH = 48  # examples of one large batch, every pair of which is compared
_STEPS = 300  # steps, no two of which are alike: of 2000 different ones some would be, but once in 1e9 calls
_COPIES = 24  # steps in which two chips of a large fleet are alike before one is called a copy


def check_probes(estimator: Estimator, chip: LinearChip, generator: Generator) -> None:
    """Probes have no mean, and chips, examples and (where it is said) directions are probed independently.

    Raises:
        ContractError: naming what is broken.
    """
    if estimator.probes_at is None:  # none are sent
        return
    places = [(name, at) for at in range(len(chip.layers)) for name in ("knobs", "nodes")]
    for name, at in places:
        first = _entry(estimator, chip, name, at, 4, generator)
        if first is not None and bool(first.any()):
            _check_pairs(estimator, chip, (name, at), generator)
            _check_mean(estimator, chip, (name, at), generator)
            _check_large_batch(estimator, chip, (name, at), generator)
    _check_repeated(estimator, chip, generator)


def _check_large_batch(
    estimator: Estimator, chip: LinearChip, place: tuple[str, int], generator: Generator
) -> None:
    """Examples far apart in a batch are probed independently too."""
    if place[0] != "nodes":
        return
    wide, tie = LinearChip(chip.layers, chip.dtype, _BATCH), None
    for _ in range(RUNS):
        entry = _entry(estimator, wide, *place, 300, generator)
        assert entry is not None
        tie = _tie(entry.movedim((1, 2), (0, 1)).flatten(2).double())
        if tie is None:
            return
    assert tie is not None
    (a, b), z = tie
    raise ContractError(
        f"probes of nodes of layer {place[1]} of two examples hang together: {a} and {b} of a batch of "
        f"{_BATCH}; |z| = {z:.1f}"
    )


def _check_repeated(estimator: Estimator, chip: LinearChip, generator: Generator) -> None:
    """No step is that of another time, nor does a chip copy another's probes, however far apart they are."""

    def repeated() -> int:
        steps = torch.stack([_prints(estimator, chip, 24, generator) for _ in range(_STEPS)])
        return _STEPS - len(torch.unique(steps, dim=0))

    found = list(takewhile(bool, (repeated() for _ in range(RUNS))))
    if len(found) == RUNS:
        raise ContractError(
            f"{min(found)} of {_STEPS} steps had the probes of another; draw them from the generator that "
            "`ask` is handed, not from one that it starts from a small number of seeds"
        )
    fleets = torch.stack([_prints(estimator, chip, _LARGE, generator) for _ in range(_COPIES)])
    _, owner, count = torch.unique(fleets, dim=1, return_inverse=True, return_counts=True)
    copied = (count[owner] > 1).nonzero().flatten().tolist()
    if copied:
        pair = [k for k in copied if owner[k] == owner[copied[0]]][:2]
        raise ContractError(
            f"probes of two chips of a fleet hang together: {pair[0]} and {pair[1]} of {_LARGE} are alike"
        )


def _prints(estimator: Estimator, chip: LinearChip, n: int, generator: Generator) -> Tensor:
    """A number for the probes of each of n chips, whatever their sign, (n,)."""
    spec = chip.spec(n)
    probe, _ = estimator.ask(spec, chip.x, chip.baseline(spec), generator)
    total = torch.zeros(n, dtype=torch.float64)
    for place, entry in enumerate(tree_leaves(probe).values()):
        own = entry.double().movedim(1, 0).flatten(1)
        weight = (torch.arange(1, own.shape[1] + 1, dtype=torch.float64) * (2 + place)).sqrt()
        total = total + (own * (weight % 1 + 0.1)).sum(1)
    return (total.abs() * 1e9).round()


def _check_mean(estimator: Estimator, chip: LinearChip, place: tuple[str, int], generator: Generator) -> None:
    first = _entry(estimator, chip, *place, 100, generator)
    assert first is not None
    loudest = int(
        torch.linalg.vector_norm(first.flatten(1), dim=1).argmax()
    )  # some are of size zero, for a baseline

    def pushes(n: int, generator: Generator) -> Tensor:
        entry = _entry(estimator, chip, *place, n, generator)
        assert entry is not None
        return entry[loudest].flatten(1)

    wanted = torch.zeros(first[0, 0].numel(), dtype=torch.float64)
    looked = sequential(
        pushes,
        wanted,
        torch.full_like(wanted, torch.inf),
        generator,
        start=3000,
        chunk=3000,
        most=3000,
        rounding=1e-12,
        pooled=True,
    )
    if not looked.kept:
        raise ContractError(f"probes of {place[0]} of layer {place[1]} have a mean: |z| = {looked.z:.1f}")


def _check_pairs(
    estimator: Estimator, chip: LinearChip, place: tuple[str, int], generator: Generator
) -> None:
    name, layer = place
    found = None
    for _ in range(RUNS):
        fleets = [_entry(estimator, chip, name, layer, _FLEET, generator) for _ in range(_ASKED)]
        small = torch.stack([fleet.movedim(1, 0) for fleet in fleets if fleet is not None])
        large = _entry(estimator, chip, name, layer, _LARGE, generator)
        assert large is not None
        grouped = large.movedim(1, 0).unflatten(0, (-1, _FLEET))  # (groups, chips, probes, ...)
        found = _ties(estimator, name, small) or _ties(estimator, name, grouped)
        if found is None:
            return
    assert found is not None
    unit, pair, z = found
    raise ContractError(
        f"probes of {name} of layer {layer} of two {unit} hang together: {pair[0]} and {pair[1]}; "
        f"|z| = {z:.1f}"
    )


def _ties(estimator: Estimator, name: str, probes: Tensor) -> tuple[str, tuple[int, int], float] | None:
    """The units that hang together, if any do; probes are (samples, chips, probes, ...)."""
    units = {"chips of a fleet": probes.flatten(2)}
    flat = probes.flatten(0, 1)  # (samples, probes, ...)
    if name == "nodes":
        units["examples"] = flat.movedim(2, 1).flatten(2)
    if isinstance(estimator, ProbingEstimator) and estimator.distribution.directions_independent:
        directions = estimator.scheme.directions(flat.movedim(1, 0)).movedim(0, 1)
        units["directions"] = directions.flatten(2)[:, :8]
    for unit, values in units.items():
        tie = _tie(values.double())
        if tie is not None:
            return unit, *tie
    return None


def _tie(values: Tensor) -> tuple[tuple[int, int], float] | None:  # (samples, units, coordinates)
    """The two units that have most in common, if that is too much."""
    values = values[..., values.flatten(0, 1).any(0)]
    many = values.shape[-1]
    if many > _COORDINATES:  # the same ones of every unit, spread over all
        values = values[..., torch.arange(_COORDINATES) * many // _COORDINATES]
    together = torch.einsum("saf,sbf->sab", values, values)
    a, b = torch.triu_indices(values.shape[1], values.shape[1], 1)
    worst = _loudest(together[:, a, b].sum(0), together[:, a, b].square().sum(0))
    if worst is not None:
        return (int(a[worst[0]]), int(b[worst[0]])), worst[1]
    close = values[:, :_CLOSELY]
    close = torch.cat((close, close * close.roll(1, -1)), -1)
    if many <= 2:  # one has no neighbors, and those of two are the same pair
        close = close[..., : 2 * many - 1]
    count, width = close.shape[1:]
    flat = close.flatten(1)
    sums, squares = flat.mT @ flat, flat.square().mT @ flat.square()
    owner = torch.arange(count).repeat_interleave(width)
    i, j = (owner.unsqueeze(-1) < owner).nonzero(as_tuple=True)
    worst = _loudest(sums[i, j], squares[i, j])
    return None if worst is None else ((int(owner[i[worst[0]]]), int(owner[j[worst[0]]])), worst[1])


def _loudest(sums: Tensor, squares: Tensor) -> tuple[int, float] | None:
    """The largest sum in units of the root of its squares, if it is too large; by its number."""
    if not sums.numel():
        return None
    z = sums.abs() / squares.sqrt().clamp(min=1e-300)
    bound = math.sqrt(2 * math.log(2 * 100 * sums.numel() / LEVEL))  # 100 families a call
    at = int(z.argmax())
    return (at, float(z[at])) if float(z[at]) > bound else None


def _entry(
    estimator: Estimator, chip: LinearChip, name: str, layer: int, n: int, generator: Generator
) -> Tensor | None:
    """What a probe of n chips adds to one layer, (probes, n, ...)."""
    spec = chip.spec(n)
    probe, _ = estimator.ask(spec, chip.x, chip.baseline(spec), generator)
    entries = probe.knobs if name == "knobs" else probe.nodes
    return None if entries is None else entries[layer]
