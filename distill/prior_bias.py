"""A digital bias per class, added to a chip's outputs, so that it expects a class as often as it comes.

A student that never saw a class learns from soft answers what it looks like, and that it never comes.
Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015,
https://arxiv.org/abs/1503.02531, section 3) raise the bias of such a class by a number that suits the test
set best. Where we differ and why: no test set is consulted; at our biases the mean probability of each named
class, over unlabeled stimuli, is its prior.

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
from scipy.special import logsumexp, softmax
from torch import Tensor

from analog.port import Port

from .outputs import map_outputs

TOLERANCE = 1e-6  # how near a mean probability comes to its prior
MAX_SPREAD = 1000.0  # V, of one output from another; further apart, double precision may not find the way


def fit_prior_bias(out: Tensor, prior: Mapping[int, float]) -> Tensor:  # (..., classes), float64
    """Find the bias to add to outputs so that the named classes meet their priors.

    It is where mean(logsumexp(out + bias)) - prior . bias is least: a convex function, whose gradient is
    what the means lack. There is one such place if only some classes are named; the others get 0. If all
    are named, a number common to all is free, and the bias has mean 0.

    Args:
        out: (..., stimuli, classes), logits.
        prior: by class number; above 0, in sum below 1, or 1 if it names all classes.

    Raises:
        ValueError: priors that no probabilities can have, outputs that are not finite, or so far apart
            that nothing was found which meets the priors to 1e-6.
    """
    _check_possible(out, prior)
    chips = out.detach().to("cpu", torch.float64).reshape(-1, *out.shape[-2:]).numpy()
    rows = torch.stack([torch.from_numpy(_solve(chip, prior)) for chip in chips])
    return rows.reshape(*out.shape[:-2], out.shape[-1]).to(out.device)


def with_output_bias(port: Port, bias: Tensor) -> Port:
    """Add a bias (*fleet, classes) or (classes,) digitally to each output of a port's read-out.

    Raises:
        ValueError: if the bias has another shape.
    """
    wanted = (*port.spec.fleet, port.spec.layers[-1].features)
    if tuple(bias.shape) not in (wanted, wanted[-1:]):
        raise ValueError(
            f"with_output_bias: the bias is {tuple(bias.shape)}, wanted {wanted} or {wanted[-1:]}"
        )
    row = bias.to(port.spec.on, port.spec.dtype).unsqueeze(-2)
    return map_outputs(port, lambda out: out + row)


def _solve(out: NDArray[np.float64], prior: Mapping[int, float]) -> NDArray[np.float64]:  # (classes,)
    """The bias for one chip's outputs (stimuli, classes)."""
    classes = out.shape[-1]
    free = sorted(prior)[: classes - 1]  # if all are named, the last may stay where it is
    wanted = np.array([prior[c] for c in free])

    def biased(values: NDArray[np.float64]) -> NDArray[np.float64]:
        bias = np.zeros(classes)
        bias[free] = values
        return out + bias

    def objective(values: NDArray[np.float64]) -> float:
        return float(logsumexp(biased(values), axis=-1).mean() - wanted @ values)

    def gradient(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return softmax(biased(values), axis=-1)[:, free].mean(0) - wanted

    def hessian(values: NDArray[np.float64]) -> NDArray[np.float64]:
        p = softmax(biased(values), axis=-1)[:, free]
        return np.diag(p.mean(0)) - p.T @ p / len(p)

    solution = minimize(
        objective,
        np.zeros(len(free)),
        jac=gradient,
        hess=hessian,
        method="trust-exact",
        options={"gtol": TOLERANCE / 100, "max_trust_radius": 1e6},
    )
    worst = float(np.abs(gradient(solution.x)).max())
    if not worst <= TOLERANCE:
        raise ValueError(f"fit_prior_bias: priors missed by {worst:.2g}: {solution.message}")
    bias = np.zeros(classes)
    bias[free] = solution.x
    return bias - bias.mean() if len(prior) == classes else bias


def _check_possible(out: Tensor, prior: Mapping[int, float]) -> None:
    """Refuse what no solver could meet."""
    if out.ndim < 2 or not out.numel() or not torch.isfinite(out).all():
        raise ValueError(
            f"fit_prior_bias: wanted finite outputs (..., stimuli, classes), got {tuple(out.shape)}"
        )
    spread = float(out.max() - out.min())
    if spread > MAX_SPREAD:
        raise ValueError(f"fit_prior_bias: outputs spread over {spread:.4g}, wanted at most {MAX_SPREAD:.4g}")
    classes, total = out.shape[-1], sum(prior.values())
    strange = [c for c in prior if not 0 <= c < classes]
    if strange or not prior:
        raise ValueError(f"fit_prior_bias: wanted some of classes 0 to {classes - 1}, got {sorted(prior)}")
    if not all(p > 0 for p in prior.values()):
        raise ValueError(f"fit_prior_bias: priors are above 0, got {dict(prior)}; leave a class out instead")
    if len(prior) == classes and abs(total - 1) > TOLERANCE:
        raise ValueError(f"fit_prior_bias: the priors' sum is {total}, wanted 1, all classes being named")
    if len(prior) < classes and not total < 1:
        raise ValueError(f"fit_prior_bias: the priors' sum is {total}, wanted less than 1")
