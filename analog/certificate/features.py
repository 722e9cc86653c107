"""What is compared of two chips: summaries of their cells' responses, node by node and column by column."""

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

from ..costs import Costs
from .scans import Scan
from .statistics import tail

QUANTILES: Final = (0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97)  # of both chips' cells together
EARLIER: Final = 2  # scans before the last that it is compared with
RESPONDS: Final = 0.25  # of the size that a tenth of the cells exceed: what is below does not respond
SAME: Final = 0.05  # distance of one chip's responses from its own, in their root mean square, that is none
ROUNDING: Final = 1e-5  # of the largest response: below it two numbers are one


class Contrast(NamedTuple):
    """One summary of two chips side by side."""

    what: str  # e.g. "layer 0, a pulse back less a write repeated: spread over cells"
    value: float  # of the first port
    other: float  # of the second
    p: float  # probability of such a difference, or a larger one, between chips of one device

    def __str__(self) -> str:
        return f"{self.what}: {self.value:.4g} and {self.other:.4g} (p {self.p:.1g})"


def contrasts(
    stage: str, layer: int, scans: Sequence[tuple[Scan, ...]], stages: Sequence[str]
) -> list[Contrast]:
    """The contrasts of two chips by the last scan of a layer, and by its differences from earlier ones.

    Args:
        stage: what was done before the last scan.
        scans: of both chips after each stage.
        stages: what was done before each of them.
    """
    one, two = scans[-1]
    name = f"layer {layer}, {stage}"
    found = _of_cells(f"{name}: reading noise", one.noise, two.noise, centered=True)
    found.append(_welch(f"{name}: at rest, mean over nodes", one.rest, two.rest))
    found.append(_welch(f"{name}: at rest, spread over nodes", *_apart(one.rest, two.rest)))
    for parity, signs in (("rising", (1, 0)), ("falling", (0, 1)), ("either way", (1, -1))):
        driven = [
            (_columns_with_signs(a.response, signs), _columns_with_signs(b.response, signs)) for a, b in scans
        ]
        a, b = driven[-1]
        compared = {f"{name} ({parity})": (a, b)}
        for earlier, (before, before_two) in list(zip(stages, driven, strict=False))[-1 - EARLIER : -1]:
            compared[f"{name} ({parity}) less {earlier}"] = (a - before, b - before_two)
        for label, pair in compared.items():
            found += _of_cells(label, *pair)
        if len(scans) == 2:
            compared[f"layer {layer}, {stages[0]} ({parity})"] = driven[0]
        if len(scans) > 1:
            found += [_relative_spread(label, *pair, *driven[1]) for label, pair in compared.items()]
    return found


def datasheet_contrasts(one: Costs, two: Costs) -> list[Contrast]:
    """Whether two datasheets state the same knob change of one pulse, if both do."""
    if one.step is None or two.step is None or one.step == two.step:
        return []
    return [Contrast("datasheet: knob change of one pulse", one.step, two.step, 0.0)]


def paired_contrasts(
    stage: str, layer: int, scans: Sequence[tuple[Scan, ...]], stages: Sequence[str]
) -> list[Contrast]:
    """Whether two ports show the same cells: their responses differ by no more than reading noise.

    Args:
        stage: what was done before the scan.
        scans: of both chips, at least one pair, of which the last counts.
        stages: what was done before each of them.
    """
    del stages  # there is one
    one, two = scans[-1]
    halves = [(a - b).flatten(2) for a, b in zip(one.halves, two.halves, strict=True)]
    scale = max(float(one.response.square().mean()), float(two.response.square().mean()), 1e-30)
    distance = (halves[0] * halves[1]).mean(2).mean(0) / scale  # (nodes,); noise has mean 0 in it
    same = torch.full_like(distance, SAME**2) + 1e-12 * torch.arange(len(distance))
    found = _welch(
        f"layer {layer}, {stage}: distance of cells one by one, shares of their size", distance, same
    )
    if float(distance.mean()) <= SAME**2:
        found = found._replace(p=1.0)
    return [found._replace(value=max(found.value, 0.0) ** 0.5, other=SAME)]


def _relative_spread(name: str, one: Tensor, two: Tensor, write: Tensor, write_two: Tensor) -> Contrast:
    """Spreads of cells in shares of what the same node's, or column's, cells showed after the first write.

    What an amplifier does to all cells of a node is then gone.
    """

    def shares(group: Callable[[Tensor], Tensor], cells: Tensor, written: Tensor) -> Tensor:
        mean = group(written).abs().mean(0)
        return (group(cells).std(0).clamp(min=tiny) / mean.clamp(min=tiny)).log()

    tiny = ROUNDING * max(float(t.abs().max()) for t in (one, two, write, write_two)) + 1e-30
    label = f"{name}, spread in shares of the response to a write"
    by_node, by_column = (
        _welch(label, shares(group, one, write), shares(group, two, write_two))
        for group in (_nodes, _columns)
    )
    surer = max(by_node, by_column, key=lambda c: c.p)
    return surer._replace(value=math.exp(surer.value), other=math.exp(surer.other))


def _of_cells(name: str, one: Tensor, two: Tensor, *, centered: bool = False) -> list[Contrast]:
    """Mean, spread and quantiles of cells (inputs, nodes, any), by node and by column.

    Args:
        centered: whether the mean is 0 by construction.
    """
    together = torch.cat((one.flatten(), two.flatten()))
    scale = float(together.abs().max())
    if scale == 0:
        return []
    summaries: dict[str, Callable[[Tensor], Tensor]] = {"spread over cells": _log_spread(ROUNDING * scale)}
    if not centered:
        summaries["mean over cells"] = lambda cells: cells.mean(0)
        least = RESPONDS * float(together.abs().quantile(0.9))
        summaries["share that responds"] = lambda cells: (cells.abs() > least).to(cells.dtype).mean(0)
        summaries["spread over cells that respond"] = _log_spread_where(least, ROUNDING * scale)
        summaries["spread of the logarithm over cells"] = _log_spread_of_logarithm(scale)
    cuts = together.quantile(torch.tensor(QUANTILES, dtype=together.dtype)) if len(together) < 2**24 else ()
    for share, cut in zip(QUANTILES, cuts, strict=False):
        summaries[f"share below {float(cut):.3g}, the {100 * share:g} % quantile,"] = _below(float(cut))
    found = []
    for what, summary in summaries.items():
        by_node, by_column = (
            _welch(f"{name}, {what}", summary(a), summary(b), ROUNDING * scale if "mean" in what else 1e-9)
            for a, b in ((_nodes(one), _nodes(two)), (_columns(one), _columns(two)))
        )
        surer = max(by_node, by_column, key=lambda c: c.p)
        if what.startswith("spread"):
            surer = surer._replace(value=math.exp(surer.value), other=math.exp(surer.other))
        found.append(surer)
    return found


def _columns_with_signs(response: Tensor, signs: tuple[int, int]) -> Tensor:  # (inputs, ...) -> (some, ...)
    """The columns that were driven upwards and those driven downwards, with these signs, or without them."""
    parts = [sign * response[k::2] for k, sign in enumerate(signs) if sign]
    return torch.cat(parts)


def _nodes(cells: Tensor) -> Tensor:  # (inputs, nodes, any) -> (members, nodes)
    return cells.transpose(1, 2).flatten(0, 1)


def _columns(cells: Tensor) -> Tensor:  # (inputs, nodes, any) -> (members, inputs)
    return cells.flatten(1).T


def _log_spread(floor: float) -> Callable[[Tensor], Tensor]:
    return lambda cells: cells.std(0).clamp(min=floor).log()


def _log_spread_where(least: float, floor: float) -> Callable[[Tensor], Tensor]:
    def summary(cells: Tensor) -> Tensor:  # (members, groups) -> (groups,)
        chosen = (cells.abs() > least).to(cells.dtype)
        count = chosen.sum(0).clamp(min=2)
        mean = (chosen * cells).sum(0) / count
        variance = (chosen * (cells - mean).square()).sum(0) / (count - 1)
        return variance.sqrt().clamp(min=floor).log()

    return summary


def _log_spread_of_logarithm(scale: float) -> Callable[[Tensor], Tensor]:
    """For gains, which spread lognormally: a factor that a node's cells share leaves it as it is."""
    return lambda cells: (cells.abs() + 0.01 * scale).log().std(0).clamp(min=1e-9).log()


def _below(cut: float) -> Callable[[Tensor], Tensor]:
    return lambda cells: (cells <= cut).to(cells.dtype).mean(0)


def _apart(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """How far each value lies from its chip's median."""
    return (one - one.median()).abs(), (two - two.median()).abs()


def _welch(what: str, one: Tensor, two: Tensor, floor: float = 1e-9) -> Contrast:
    """Welch's t-test of two samples, (n,) each; differences up to a floor are none."""
    means = float(one.mean()), float(two.mean())
    variances = [float(v.var()) / len(v) if len(v) > 1 else float("inf") for v in (one, two)]
    gap, variance = max(abs(means[0] - means[1]) - floor, 0.0), sum(variances)
    if gap == 0 or variance == float("inf"):
        return Contrast(what, *means, 1.0)
    if variance == 0:
        return Contrast(what, *means, 0.0)
    counts = (len(one), len(two))
    freedom = variance**2 / sum(v**2 / (n - 1) for v, n in zip(variances, counts, strict=True))
    p = tail(torch.tensor(gap / variance**0.5), torch.tensor(freedom))
    return Contrast(what, *means, float(p))
