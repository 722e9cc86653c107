"""Do the sampled checks alarm as seldom as they say? True laws, over and over, with other dice each time.

    python -m tests.nulls 1000

repeats every sampled check of the probe laws, and prints how often the first stage alarmed (1e-3 per mean is
stated) and how often both did (1e-9 per mean). `python -m tests.power` does it for `check_estimator`.
"""

import itertools
import os
import sys
from typing import NamedTuple

import pytest
import torch

from learners.check.two_stage import refused
from studies.perturbation.laws import DISTRIBUTIONS
from tests import twostage
from tests.learners.estimators import test_distributions


class Count(NamedTuple):
    """What a repetition showed."""

    means: int  # tested against a law
    first: int  # checks whose first stage alarmed
    expected: float  # of them, at 1e-3 for each mean
    both: int  # checks that refused a true law


def repetition(seed: int) -> Count:
    """Every sampled check once, with a generator of its own."""
    tally = [0, 0, 0.0, 0]

    def counting(
        sample: object, wanted: torch.Tensor, size: int, generator: torch.Generator
    ) -> tuple[float, ...]:
        worst = check_two_stage(sample, wanted, size, generator)  # type: ignore[arg-type]
        tally[0] += wanted.numel()
        tally[1] += len(worst) > 1
        tally[2] += 1 - (1 - 1e-3) ** wanted.numel()
        tally[3] += refused(worst)
        return worst

    check_two_stage = twostage.two_stage
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MORTAL_SEED", str(seed))
        patch.setattr(twostage, "two_stage", counting)
        for name, size in itertools.product(DISTRIBUTIONS, (4, 5)):
            for count in (1, 3):
                test_distributions.test_directions_have_mean_0_and_identity_covariance(name, count, size)
            for count in (1, 2, 4):
                test_distributions.test_the_estimate_spreads_as_the_law_says(name, count, size)
    return Count(int(tally[0]), int(tally[1]), tally[2], int(tally[3]))


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    counts = [repetition(seed) for seed in range(1, 1 + int(sys.argv[1]))]
    means, first, expected, both = (sum(part) for part in zip(*counts, strict=True))
    print(f"{len(counts)} repetitions, {means} means: the first stage alarmed in {first} checks,")
    print(f"{expected:.0f} expected where means are independent; both stages in {both}")


if __name__ == "__main__":
    main()
