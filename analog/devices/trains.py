"""Trains of n equal pulses in closed form, for the two step laws of published pulsed cells.

Between cells nothing is shared, so a train is one elementwise expression: no loop over pulses. Each law
gives where the train ends and the size of its last step. The noise of a train follows from the latter for
*any* law: an error made at pulse k is carried on by the flow's slope f(end)/f(at k), and it was made in
proportion to f(at k), so each of n pulses adds an error in proportion to the last step, and together
sqrt(n) of them (exact in the first order of the noise).
"""

import torch
from torch import Tensor


def affine(start: Tensor, count: Tensor, step: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """A train of steps of step * (1 - slope * w): constant (0), linear, or with soft bounds (1/bound).

    Exact, at any step size: the recursion is geometric.

    Args:
        start: knobs before the train; all tensors have shapes that broadcast with each other.
        count: pulses, whole or not.
        step: the step at zero, signed.
        slope: 1 / full scale; step * slope lies in [0, 1].

    Returns:
        The knobs after the train, and the size of its last step.
    """
    fade = (step * slope).clamp(1e-12, 1 - 1e-6)  # what each pulse takes off the speed; 0 and 1 in the limit
    first = step * (1 - start * slope)
    lost = torch.expm1(count * torch.log1p(-fade))  # of the speed, negative
    return start - first * lost / fade, first * (1 + lost) / (1 - fade)


def exponential(
    start: Tensor, count: Tensor, step: Tensor, height: Tensor, rate: Tensor, zero: Tensor
) -> tuple[Tensor, Tensor]:
    """A train of steps of step * (1 + height * exp(rate * (w - zero))).

    The first pulse is exact; those after it follow the flow dw/dn, which with p = exp(-rate * (w - zero)) is
    dp/dn = -k * (p + height), k = rate * step, so p is geometric. Pulses are steps of finite size, where
    the flow is smooth: each that follows it errs by about half the relative change of speed over a pulse.

    Args:
        start: knobs before the train; all tensors have shapes that broadcast with each other.
        count: pulses, whole or not.
        step: the step without the exponential, signed.
        height: of the exponential, at least 0.
        rate: of the exponential, 1 / full scale.
        zero: the knob at which the exponential is 1.

    Returns:
        The knobs after the train, and the size of its last step.
    """
    first = step * (1 + height * (rate * (start - zero)).exp())
    once = torch.addcmul(start, first, count.clamp(max=1))
    p = (-rate * (once - zero)).exp()
    k = rate * step
    grown = (p + height) * (-k * (count - 1).clamp(min=0)).clamp(-60, 60).exp()  # 60: far beyond any bound
    end = (grown - height).clamp(min=1e-30)
    before = (grown * k.exp() - height).clamp(min=1e-30)
    last = torch.where(count > 1, step * (1 + height / before), first)
    return torch.where(count > 1, zero - end.log() / rate, once), last
