"""The law of the weights that a device states in place of gathering what drives it."""

from ..device import stated_weights
from .assertions import require, require_close
from .trial import Trial


def check_stated_weights(trial: Trial) -> None:
    """The weights that a device states are what it multiplies activities by, drawing no noise."""
    device = trial.device
    for bench in trial.benches():
        offset = trial.like("offset", bench.cells.knobs, 0.3)
        for what, cells in (("", bench.cells), (", probed", device.perturb(bench.cells, offset))):
            weights = stated_weights(device, cells)
            if weights is None:
                continue
            for size in (1.0, 20.0):
                x, noise = size * trial.inputs(bench, 4), trial.noise()
                law = f"{bench.name}{what}: `collect` is not the product with the weights that are stated"
                require_close(device.collect(cells, x, noise), x @ weights.mT, 1e-9, law)
                require(not noise.drawn, f"{bench.name}{what}: `collect` draws noise; weights are stated")
