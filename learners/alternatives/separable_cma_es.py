"""Separable CMA-ES: an evolution strategy that learns how far to vary each knob.

Ros and Hansen, "A simple modification in CMA-ES achieving linear time and space complexity" (2008),
https://doi.org/10.1007/978-3-540-87700-4_30, as the library `cmaes` has it, Nomura and Shibata (2024),
https://arxiv.org/abs/2402.01373. Where we differ: candidates are probes at the knobs, and never written.
"""

from functools import partial
from importlib import import_module
from importlib.util import find_spec

from ..losses import Loss
from .evolution_strategy import EvolutionStrategy

SIGMA = 0.05  # full scale; best of .005, .02 and .05 on held-out digits


def separable_cma_es(loss: Loss, *, sigma: float = SIGMA, population: int | None = None) -> EvolutionStrategy:
    """Separable CMA-ES on the knobs of a chip; needs no more than the order of its losses.

    It has step sizes of its own, so no update descends.

    Args:
        loss: any; all candidates of a generation are judged by the same batch.
        sigma: full scale, sd by which each knob is varied at first.
        population: candidates of a step; None: 4 + 3 ln(knobs).

    Raises:
        ImportError: the library `cmaes` is not installed.
        ValueError: `sigma` or `population` is out of its range.
    """
    if find_spec("cmaes") is None:
        raise ImportError("separable_cma_es: wants the library cmaes; pip install 'mortal[evolution]'")
    if not 0 < sigma < float("inf"):
        raise ValueError(f"separable_cma_es: sigma is {sigma}, wanted a finite number above 0")
    if population is not None and (isinstance(population, bool) or population < 2):
        raise ValueError(f"separable_cma_es: population is {population!r}, wanted at least 2 or None")
    strategy = import_module("cmaes").SepCMA
    return EvolutionStrategy(partial(strategy, sigma=sigma, population_size=population), loss)
