"""The laws of an estimate's mean, from the whole linear map that a probe makes of the true gradient.

For given probes an estimate is linear in the loss's gradient, so it is a matrix that is known exactly: `tell`
is given one loss for each unit gradient. Its trace is the scale of the estimate, free of the noise with which
one coordinate's estimate is strewn by all others: for probes of fixed length it is no longer random at all.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from analog.contract import ContractError

from ..estimators.base import Estimator
from ..estimators.gradient import Gradient
from .linear_chip import LinearChip, concatenate
from .sequential import Looked, sequential

LAYER = 4  # times the tolerance of the whole
_AT_ONCE = 200_000  # numbers of a probe that are drawn at once
_MOST = 2**26  # numbers of probes in one run


class Scales(NamedTuple):
    """The smallest relative errors of scale that a check finds with probability .999."""

    whole: float  # of the estimate as a whole
    layers: tuple[float, ...]  # of one layer alone


class Plan(NamedTuple):
    """How many chips are sampled: at first, at once, and at most."""

    start: int
    chunk: int
    most: int


def plan(estimator: Estimator, chip: LinearChip, generator: Generator, first: int) -> Plan:
    """How many chips to sample of an estimator: fewer, the more probes a step has.

    Args:
        first: probes of the first look, all chips together.
    """
    changes = chip.ask(estimator, chip.spec(1), generator).changes
    probes = next(change for change in changes if change is not None).shape[0]
    size = probes * sum(g.numel() for g in chip.gradient)
    return Plan(max(600, first // probes), max(16, _AT_ONCE // size), max(6000, _MOST // size))


def check_scale(
    estimator: Estimator,
    chip: LinearChip,
    tolerance: float,
    generator: Generator,
    *,
    rounding: float = 1e-5,
    first: int = 6000,
) -> Scales:
    """The estimate's projection on the gradient is the gradient: as a whole, and in each layer.

    Args:
        tolerance: the relative error of the whole that is found with probability .999; of one layer alone it
            is `LAYER` times that.
        rounding: the relative error that is put down to rounding.
        first: probes of the first look.

    Raises:
        ContractError: it is another multiple; the message says which.
    """
    basis = chip.basis(estimator)
    layer = torch.tensor([at for at, _, _ in basis])
    lengths = torch.stack([wanted @ wanted for _, _, wanted in basis]).double()
    member = torch.stack([torch.ones(len(basis)), *(layer == at for at in range(len(chip.layers)))]).double()
    weight = member * lengths / (member * lengths).sum(-1, keepdim=True)

    def scales(n: int, generator: Generator) -> Tensor:  # (n, 1 + layers)
        columns = [
            (estimate.double() @ wanted.double()) / (wanted.double() @ wanted.double())
            for (_, _, wanted), estimate in zip(basis, _columns(estimator, chip, n, generator), strict=True)
        ]
        return torch.stack(columns, -1) @ weight.mT

    wanted = torch.ones(len(weight), dtype=torch.float64)
    tolerances = torch.tensor([tolerance, *[LAYER * tolerance] * len(chip.layers)], dtype=torch.float64)
    looked = sequential(
        scales,
        wanted,
        tolerances,
        generator,
        **plan(estimator, chip, generator, first)._asdict(),
        rounding=rounding,
    )
    if not looked.kept:
        told = " and ".join(f"{m:.4g} times in layer {i}" for i, m in enumerate(looked.mean[1:].tolist()))
        raise ContractError(
            "the mean of the estimate is not the gradient: along it, it is "
            f"{float(looked.mean[0]):.4g} times the gradient ({told}); |z| = {looked.z:.1f}"
        )
    whole, *layers = looked.caught(tolerances, rounding).tolist()
    return Scales(whole, tuple(layers))


def check_entries(
    estimator: Estimator,
    chip: LinearChip,
    generator: Generator,
    *,
    bend: float = 0.0,
    first: int = 6000,
    statement: str = "the mean of the estimate is not the gradient",
) -> None:
    """Each coordinate of the estimate has the mean that it should, whatever coordinate the gradient has.

    Args:
        bend: how far taps rise under a probe.
        first: probes that are sampled, all chips together.
        statement: what is broken where it is.

    Raises:
        ContractError: naming the coordinate that is worst.
    """
    basis = chip.basis(estimator)
    wanted = torch.stack([told for _, _, told in basis]).double().flatten()

    def entries(n: int, generator: Generator) -> Tensor:  # (n, basis * coordinates)
        return torch.stack(list(_columns(estimator, chip, n, generator, bend)), 1).flatten(1).double()

    start, chunk, _ = plan(estimator, chip, generator, first)
    looked = sequential(
        entries,
        wanted,
        torch.full_like(wanted, torch.inf),
        generator,
        start=start,
        chunk=chunk,
        most=start,
        rounding=1e-5,
        pooled=True,
    )
    if not looked.kept:
        raise ContractError(f"{statement}: {_worst(looked, wanted, len(basis))}")


def _worst(looked: Looked, wanted: Tensor, rows: int) -> str:
    width = wanted.numel() // rows
    at = int(((looked.mean - wanted).abs() / looked.error.clamp(min=1e-9)).argmax())
    return (
        f"where the loss depends on coordinate {at // width} alone, coordinate {at % width} of the "
        f"estimate is {float(looked.mean[at]):.3g}, wanted {float(wanted[at]):.3g}; |z| = {looked.z:.1f}"
    )


def _columns(
    estimator: Estimator, chip: LinearChip, n: int, generator: Generator, bend: float = 0.0
) -> list[Tensor]:
    """What is told of each unit gradient from the same probes of n chips, (n, coordinates) each."""
    spec = chip.spec(n)
    asked = chip.ask(estimator, spec, generator)
    result = chip.result(spec, asked, bend=bend)
    return [
        flatten_estimate(estimator.tell(spec, result._replace(losses=chip.losses(asked, gradient))), chip, n)
        for _, gradient, _ in chip.basis(estimator)
    ]


def flatten_estimate(gradient: Gradient, chip: LinearChip, fleet: int) -> Tensor:
    """An estimate of a fleet as (fleet, coordinates), all layers joined; 0 of layers that were left alone."""
    at_knobs = gradient.nodes is None
    entries = (gradient.knobs if at_knobs else gradient.nodes) or ()
    like = chip.gradient if at_knobs else chip.node_gradients
    parts = [
        zeros.expand(fleet, *zeros.shape) * 0 if e is None else e
        for e, zeros in zip(entries, like, strict=True)
    ]
    return concatenate(parts, 1)
