"""What does `check_estimator` find, and how often is it wrong?

    python -m tests.power table           # smallest error of scale found with probability .999, for each K
    python -m tests.power misses 200      # so many trials at that error, for each K: how many were missed
    python -m tests.power alarms 3000     # so many calls on estimators that are right: how many were refused

The table's numbers follow from the test's own standard errors (`Looked.caught`): where probes have no fixed
length they are the tolerance at any K, because the test samples until it is reached.
"""

import itertools
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from analog import ContractError, stream
from learners import Estimator, NodePerturbation, WeightPerturbation, check_estimator, gaussian
from learners.check.linear_chip import LinearChip
from learners.check.mean_laws import check_scale
from learners.estimators import ProbeDistribution
from studies.perturbation.laws import DISTRIBUTIONS, SCHEMES
from tests.learners.check.test_hidden_defects import scaled

COUNTS = (1, 2, 3, 5, 8, 20, 50)
KINDS: tuple[Any, ...] = (NodePerturbation, WeightPerturbation)


def lawful() -> Iterator[Estimator]:
    """Every kind, distribution and scheme at 2, 3 and 5 probes, as far as they go together."""
    combinations = itertools.product(KINDS, DISTRIBUTIONS.values(), SCHEMES.values(), (2, 3, 5))
    return (kind(0.3, count, law, scheme) for kind, law, scheme, count in combinations)


def caught(kind: Any, law: ProbeDistribution, count: int) -> float:
    """The smallest relative error of the whole estimate's scale that is found with probability .999."""
    estimator = kind(0.3, count, law)
    return check_scale(estimator, LinearChip(), 0.01, stream(0, "power", count)).whole


def table() -> None:
    print("| probes | " + " | ".join(map(str, COUNTS)) + " |\n|" + "---|" * (1 + len(COUNTS)))
    for kind, (name, law) in itertools.product(KINDS, DISTRIBUTIONS.items()):
        most = law.max_directions(6 if kind is NodePerturbation else 26)
        fits = [most is None or count <= most for count in COUNTS]
        row = [
            f"{caught(kind, law, count):.2%}" if fit else "-" for count, fit in zip(COUNTS, fits, strict=True)
        ]
        print(
            f"| {kind.__name__[:4]}, {name} | "
            + " | ".join("<.01%" if c == "0.00%" else c for c in row)
            + " |"
        )


def misses(trials: int) -> None:
    for kind, count in itertools.product(KINDS, COUNTS):
        error, missed, start = caught(kind, gaussian, count), 0, time.process_time()
        for seed in range(trials):
            factor = 1 + error * (-1) ** seed
            try:
                check_scale(
                    scaled(factor, kind(0.3, count, gaussian)), LinearChip(), 0.01, stream(seed, "misses")
                )
                missed += 1
            except ContractError:
                pass
        spent = (time.process_time() - start) / trials
        print(
            f"{kind.__name__}, {count} probes, {error:.2%}: {missed} of {trials} missed, {spent:.2f} s each",
            flush=True,
        )


def alarms(calls: int) -> None:
    refused, start = 0, time.process_time()
    for number, estimator in enumerate(itertools.islice(itertools.cycle(lawful()), calls)):
        try:
            check_estimator(estimator, stream(number, "alarms"))
        except ContractError as error:
            refused += 1
            print(f"{estimator!r}, {number}: {error}", flush=True)
        if number % 100 == 99:
            spent = (time.process_time() - start) / (number + 1)
            print(f"{number + 1} calls, {refused} refused, {spent:.2f} s each", flush=True)


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    what, *number = sys.argv[1:]
    if what == "table":
        table()
    else:
        {"misses": misses, "alarms": alarms}[what](int(number[0]))


if __name__ == "__main__":
    main()
