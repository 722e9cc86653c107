"""A digital number per class, added to a chip's outputs, so that it expects a class as often as it comes.

A student that never saw a class learns from soft answers what it looks like, and that it never comes.
Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015, section 3) raise the bias of
such a class by a number that suits the test set best. Where we differ and why: no test set is consulted; at
our numbers the mean probability of each named class, over unlabelled stimuli, is its prior.

Which stimuli and which prior belong together:
- stimuli in which every class comes as often as it will later: the classes' frequencies. Nobody labels them,
  the teacher is not asked, the student is only read.
- only the stimuli that the student was taught with: what the teacher gave each class on average over them.
  To ask for a left-out class's frequency there would be wrong: none of them belongs to it.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.special import softmax
from torch import Tensor

from analog.port import Port

from .outputs import reworded

MET = 1e-6  # how near a mean probability comes to its prior
FAR = 1000.0  # of one output from another; further apart, double precision may not find the way


def prior_shift(out: Tensor, prior: Mapping[int, float]) -> Tensor:  # (..., classes), float64
    """The numbers to add to outputs (..., stimuli, classes) so that the named classes meet their priors.

    They are where mean(logsumexp(out + shift)) - prior . shift is least: a convex function, whose slope is
    what the means lack. There is one such place if only some classes are named; the others get 0. If all
    are named, a number common to all is free, and the shifts have mean 0.

    Args:
        prior: by class number; above 0, in sum below 1, or 1 if it names all classes.

    Raises:
        ValueError: priors that no probabilities can have, outputs that are not finite, or so far apart
            that nothing was found which meets the priors to 1e-6.
    """
    _possible(out, prior)
    fleet = out.detach().to("cpu", torch.float64).reshape(-1, *out.shape[-2:]).numpy()
    rows = torch.stack([torch.from_numpy(_solved(chip, prior)) for chip in fleet])
    return rows.reshape(*out.shape[:-2], out.shape[-1]).to(out.device)


def shifted(port: Port, shift: Tensor) -> Port:
    """The same wires, a number (*fleet, classes) added digitally to each output of the read-out."""
    wanted = (*port.spec.fleet, port.spec.layers[-1].features)
    if tuple(shift.shape) not in (wanted, wanted[-1:]):
        raise ValueError(f"shifted: the shift is {tuple(shift.shape)}, wanted {wanted} or {wanted[-1:]}")
    added = shift.to(port.spec.on, port.spec.dtype).unsqueeze(-2)
    return reworded(port, lambda out: out + added)


def _solved(out: NDArray[np.float64], prior: Mapping[int, float]) -> NDArray[np.float64]:  # (classes,)
    """For one chip's outputs (stimuli, classes)."""
    classes = out.shape[-1]
    free = sorted(prior)[: classes - 1]  # if all are named, the last may stay where it is
    wanted = np.array([prior[c] for c in free])

    def moved(by: NDArray[np.float64]) -> NDArray[np.float64]:
        shift = np.zeros(classes)
        shift[free] = by
        return out + shift

    def value(by: NDArray[np.float64]) -> float:
        return float(logsumexp(moved(by), axis=-1).mean() - wanted @ by)

    def lacking(by: NDArray[np.float64]) -> NDArray[np.float64]:
        return softmax(moved(by), axis=-1)[:, free].mean(0) - wanted

    def curvature(by: NDArray[np.float64]) -> NDArray[np.float64]:
        p = softmax(moved(by), axis=-1)[:, free]
        return np.diag(p.mean(0)) - p.T @ p / len(p)

    found = minimize(
        value,
        np.zeros(len(free)),
        jac=lacking,
        hess=curvature,
        method="trust-exact",
        options={"gtol": MET / 100, "max_trust_radius": 1e6},
    )
    worst = float(np.abs(lacking(found.x)).max())
    if not worst <= MET:
        raise ValueError(f"prior_shift: priors missed by {worst:.2g}: {found.message}")
    shift = np.zeros(classes)
    shift[free] = found.x
    return shift - shift.mean() if len(prior) == classes else shift


def _possible(out: Tensor, prior: Mapping[int, float]) -> None:
    """Refuse what no solver could meet."""
    if out.ndim < 2 or not out.numel() or not torch.isfinite(out).all():
        raise ValueError(
            f"prior_shift: wanted finite outputs (..., stimuli, classes), got {tuple(out.shape)}"
        )
    spread = float(out.max() - out.min())
    if spread > FAR:
        raise ValueError(f"prior_shift: outputs spread over {spread:.4g}, wanted at most {FAR:.4g}")
    classes, total = out.shape[-1], sum(prior.values())
    strange = [c for c in prior if not 0 <= c < classes]
    if strange or not prior:
        raise ValueError(f"prior_shift: wanted some of classes 0 to {classes - 1}, got {sorted(prior)}")
    if not all(p > 0 for p in prior.values()):
        raise ValueError(f"prior_shift: priors are above 0, got {dict(prior)}; leave a class out instead")
    if abs(total - 1) > MET if len(prior) == classes else not total < 1:
        wanted = "1, all classes being named" if len(prior) == classes else "less than 1"
        raise ValueError(f"prior_shift: the priors' sum is {total}, wanted {wanted}")
