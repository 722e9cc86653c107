"""Every estimator's measured variance is the one that theory predicts.

For each probe distribution and difference scheme the total variance of the estimate is measured over many
independent chips and set beside `learners.laws`, over the number of coordinates D, of probes K, the probe
size and the reading noise, with and without curvature. All points should lie on the diagonal; the table
gives the worst relative deviation beside the sampling error of that point.

Beside ours: no public project tests the variance of its perturbation estimators against theory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure

from analog import Spec, dense, stream
from learners import antithetic, gaussian, laws, leave_one_out, rademacher
from learners.estimators import (
    Blocks,
    OneSided,
    ProbeDistribution,
    Scheme,
    coordinates,
    haar,
    hadamard,
    paired_baseline,
    rank_one,
    sparse,
    sphere,
    uniform,
)

from ..kit.report.figures import legend, looks, note, panels
from ..kit.report.tables import percent
from ..kit.run.ranges import Count
from ..kit.run.study import Row

DISTRIBUTIONS: dict[str, ProbeDistribution] = {
    "gaussian": gaussian,
    "rademacher": rademacher,
    "uniform": uniform,
    "sparse": sparse(4.0),
    "sphere": sphere,
    "haar": haar,
    "hadamard": hadamard,
    "coordinates": coordinates,
}
SPECIAL: dict[str, ProbeDistribution] = {  # fit some shapes only
    "2 blocks": Blocks(rademacher, 2),
    "rank one": rank_one,
}
SCHEMES: dict[str, Scheme] = {
    "one-sided": OneSided(1),
    "one-sided, 3 baselines": OneSided(3),
    "own baseline": paired_baseline,
    "antithetic": antithetic,
    "leave-one-out": leave_one_out,
}
CURVED = ("gaussian", "rademacher")  # whose curvature has a closed form


@dataclass(frozen=True)
class Args:
    samples: Count = 60_000  # independent estimates for each point
    seed: int = 0  # of the probes, gradients and noise


TOY = Args(samples=500)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    distribution: str = "rademacher"
    scheme: str = "one-sided"

    @property
    def name(self) -> str:
        return f"{self.distribution}, {self.scheme}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, name, scheme) for name in DISTRIBUTIONS | SPECIAL for scheme in SCHEMES]


def run(trial: Trial) -> Iterator[Row]:
    points = [(d, k, s, m, c) for d, k in ((4, 2), (8, 4), (16, 2), (32, 8)) for s, m, c in _CONDITIONS]
    points = [p for p in points if not p[4] or trial.distribution in CURVED]
    for number, (size, probes, probe_size, noise, curvature) in enumerate(points, 1):
        measured, error, predicted = _point(trial, size, probes, probe_size, noise, curvature)
        yield {
            "distribution": trial.distribution,
            "scheme": trial.scheme,
            "D": size,
            "K": probes,
            "probe_size": probe_size,
            "reading_noise": noise,
            "curvature": curvature,
            "measured": measured,
            "standard_error": error,
            "predicted": predicted,
            "done": number / len(points),
        }


_CONDITIONS = ((0.1, 0.0, 0.0), (0.1, 0.05, 0.0), (0.5, 0.05, 0.0), (0.5, 0.05, 0.3))


def _point(
    trial: Trial, size: int, probes: int, probe_size: float, noise: float, curvature: float
) -> tuple[float, float, float]:
    """Measured total variance, its standard error, and the prediction."""
    distribution = (DISTRIBUTIONS | SPECIAL)[trial.distribution]
    scheme, args = SCHEMES[trial.scheme], trial.args
    body = (2 ** (size.bit_length() // 2), size // 2 ** (size.bit_length() // 2))  # rows and columns
    generator = stream(args.seed, "laws", trial.name, size, probes, str((probe_size, noise, curvature)))
    spec = Spec((dense(1, 1),), dtype=torch.float64)
    g = torch.randn(size, generator=generator, dtype=torch.float64)
    hessian = torch.randn(size, size, generator=generator, dtype=torch.float64) * curvature
    hessian = (hessian + hessian.T) / 2
    predicted = laws.along_directions(
        distribution,
        scheme,
        g.view(body),
        probes=probes,
        size=probe_size,
        reading_noise=noise,
        hessian=hessian if curvature else None,
    )
    squares = []
    for first in range(0, args.samples, 10_000):
        count = min(10_000, args.samples - first)
        v = distribution.draw(probes, (count,), [body], spec, generator)[0].flatten(-2)
        u = scheme.perturbations(v) * probe_size
        losses = u @ g + (0.5 * ((u @ hessian) * u).sum(-1) if curvature else 0.0)
        losses = losses + noise * torch.randn(losses.shape, generator=generator, dtype=torch.float64)
        differences = scheme.differences(losses, torch.zeros(count, dtype=torch.float64), probe_size)
        squares.append(
            (torch.einsum("kn,kni->ni", differences, v) / probes - predicted.mean).square().sum(-1)
        )
    squared = torch.cat(squares)
    return float(squared.mean()), float(squared.std() / len(squared) ** 0.5), predicted.variance


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for distribution in dict.fromkeys(r["distribution"] for r in rows):
        for scheme in dict.fromkeys(r["scheme"] for r in rows):
            of_line = [
                r
                for r in rows
                if (r["distribution"], r["scheme"]) == (distribution, scheme) and r["predicted"] > 1e-9
            ]
            if not of_line:
                continue
            worst = max(of_line, key=lambda r: abs(r["measured"] / r["predicted"] - 1))
            lines.append(
                {
                    "distribution": distribution,
                    "scheme": scheme,
                    "points": len(of_line),
                    "worst deviation %": f"{100 * (worst['measured'] / worst['predicted'] - 1):+.2f}",
                    "its standard error %": percent(worst["standard_error"] / worst["predicted"]),
                }
            )
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (above, below) = panels(1, 2, width=4.6)
    look = looks(r["distribution"] for r in rows)
    for distribution, shown in look.items():
        points = [r for r in rows if r["distribution"] == distribution and r["predicted"] > 1e-9]
        predicted = [r["predicted"] for r in points]
        bars = [1.96 * r["standard_error"] for r in points]
        style = {"color": shown["color"], "marker": shown["marker"], "ls": "", "alpha": 0.7, "ms": 3}
        above.errorbar(predicted, [r["measured"] for r in points], bars, label=distribution, **style)
        ratios = [r["measured"] / r["predicted"] for r in points]
        relative = [bar / p for bar, p in zip(bars, predicted, strict=True)]
        below.errorbar(predicted, ratios, relative, **style)
    ends = [r["predicted"] for r in rows if r["predicted"] > 1e-9]
    if ends:
        above.plot([min(ends), max(ends)], [min(ends), max(ends)], color="black", lw=0.8)
        below.axhline(1.0, color="black", lw=0.8)
    variance = "total variance of the estimate, of g^2"
    above.set(xlabel=f"predicted {variance}", ylabel=f"measured {variance}", xscale="log", yscale="log")
    below.set(xlabel=f"predicted {variance}", ylabel="measured / predicted", xscale="log")
    legend(figure)
    note(
        figure,
        "a dot for each scheme, number of coordinates and of probes, probe size and reading noise;\n"
        "bars: 95 % of the sampling error",
    )
    return {"laws": figure}
