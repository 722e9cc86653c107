"""Devices whose readings are not numbers, not of the wires' dtype, or of a slope that is not theirs."""

from typing import Any

import torch
from torch import Tensor

from .bent import DTYPE, FINITE, GRADIENT, PURE, SHAPE, WEIGHTS, Breach, breach, has_probes, knobs_to, product


class Crooked(torch.autograd.Function):
    """The identity, with half its slope."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        return u.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return 0.5 * gradients[0]


def with_hook(u: Tensor) -> Tensor:
    out = 1 * u
    if out.requires_grad:
        out.register_hook(lambda g: 1.01 * g)
    return out


NUMBERS: dict[str, Breach] = {
    "no number for an input of 0": breach(
        FINITE, collect=lambda c, x, n: product(c, x / x.abs() * x.abs()), fire=lambda c, u, n: u.tanh()
    ),
    "no number for an input of 0 in a probed chip": breach(
        FINITE,
        collect=lambda c, x, n: product(c, x / x.abs() * x.abs() if c.knobs.ndim > 4 else x),
        fire=lambda c, u, n: u.tanh(),
    ),
    "no number for an example that is black": breach(
        FINITE,
        collect=lambda c, x, n: product(c, x) / x.norm(dim=-1, keepdim=True),
        fire=lambda c, u, n: u.tanh(),
    ),
    "no number for an input of -0.0": breach(
        FINITE,
        collect=lambda c, x, n: product(c, torch.where(torch.signbit(x) & (x == 0), float("nan"), x)),
        fire=lambda c, u, n: u.tanh(),
    ),
    "no number for a sum of 0 in sense": breach(
        FINITE, sense=lambda c, u, n: u * u.abs().log().exp() / u.abs()
    ),
    "no number for a sum of 0 in fire": breach(FINITE, fire=lambda c, u, n: u.square() / u),
    "no number for rows that are all alike": breach(
        FINITE,
        fire=lambda c, u, n: (u - u.mean(-1, keepdim=True)) / u.var(-1, correction=0, keepdim=True).sqrt(),
    ),
    "no number for inputs above 100": breach(
        FINITE,
        collect=lambda c, x, n: product(c, torch.where(x.abs() > 100, torch.inf, x)),
        fire=lambda c, u, n: u.tanh(),
    ),
    "no number for sums below -100": breach(FINITE, fire=lambda c, u, n: (u + 100).sqrt()),
    "a softmax by hand": breach(FINITE, fire=lambda c, u, n: u.exp() / u.exp().sum(-1, keepdim=True)),
    "a softplus by hand": breach(FINITE, fire=lambda c, u, n: (1 + u.exp()).log()),
    "a power beyond float32": breach(FINITE, sense=lambda c, u, n: u + 0 * u.float().pow(20).to(u)),
    "no number when the knobs are blank": breach(
        FINITE,
        collect=lambda c, x, n: x @ (c.knobs.sign() * (c.knobs.abs().log().exp()) * c.knobs / c.knobs).mT,
    ),
    "no number for a knob of 30": breach(
        FINITE, collect=lambda c, x, n: x @ torch.where(c.knobs.abs() > 30, torch.inf, c.knobs).mT
    ),
    "no number when there is noise": breach(FINITE, sense=lambda c, u, n: u + 1e-3 * n.normal(u).sqrt()),
    "no number for a probe of 100": breach(
        FINITE, sense=lambda c, u, n: torch.where((u.abs() > 50) & has_probes(u), torch.nan, u)
    ),
}

TYPES: dict[str, Breach] = {
    "float64 from fire with probes": breach(
        DTYPE, fire=lambda c, u, n: u.relu().double() if has_probes(u) else u.relu()
    ),
    "float64 from sense when there is noise": breach(
        DTYPE, sense=lambda c, u, n: u + 0.1 * n.normal(u.double()) if n.normal(u).ndim else u
    ),
    "float64 from collect when knobs are probed": breach(
        DTYPE, collect=lambda c, x, n: product(c, x).double() if c.knobs.ndim > 4 else product(c, x)
    ),
    "float32 from a chip in float64": breach(DTYPE, sense=lambda c, u, n: u.float()),
    "float32 noise in a chip in float64": breach(
        rf"{DTYPE}|precision|gradient|float", sense=lambda c, u, n: u.float().to(u)
    ),
    "a row short with probes": breach(SHAPE, sense=lambda c, u, n: u[..., :-1] if has_probes(u) else u),
    "probes flattened into examples": breach(
        SHAPE, sense=lambda c, u, n: u.flatten(0, 1) if has_probes(u) else u
    ),
    "examples reversed": breach(r"example|order", sense=lambda c, u, n: u.flip(-2)),
    "chips in reverse": breach(r"fleet|chip", sense=lambda c, u, n: u.flip(-4) if u.ndim >= 4 else u),
    "probes in reverse": breach(r"probe", sense=lambda c, u, n: u.flip(0) if has_probes(u) else u),
}

SLOPES: dict[str, Breach] = {
    "a straight-through slope": breach(GRADIENT, sense=lambda c, u, n: u + ((u * 2).tanh() / 2 - u).detach()),
    "half of the slope detached": breach(
        GRADIENT, collect=lambda c, x, n: 0.5 * product(c, x) + 0.5 * product(c, x).detach()
    ),
    "a backward of its own": breach(GRADIENT, sense=lambda c, u, n: Crooked.apply(u)),
    "a hook that scales the gradient": breach(GRADIENT, sense=lambda c, u, n: with_hook(u)),
    "a scale without a slope": breach(
        GRADIENT, sense=lambda c, u, n: u / (1 + u.detach().square().mean(-1, keepdim=True))
    ),
    "inputs detached": breach(GRADIENT, collect=lambda c, x, n: product(c, x.detach())),
    "a wrong slope above two volts": breach(
        GRADIENT,
        sense=lambda c, u, n: torch.where(
            u.abs() > 2, u + (u - 2 * u.sign()) * 0.5 - ((u - 2 * u.sign()) * 0.5).detach(), u
        ),
    ),
    "a wrong slope for negative sums": breach(
        GRADIENT, fire=lambda c, u, n: torch.where(u < 0, 0.1 * u.detach(), u)
    ),
    "a response that is another under autograd": breach(
        r"gradient|autograd", sense=lambda c, u, n: u * (1.05 if torch.is_grad_enabled() else 1)
    ),
    "a response that is another for inputs with a gradient": breach(
        r"gradient|autograd", sense=lambda c, u, n: u * (1.05 if u.requires_grad else 1)
    ),
    "a collect without a graph": breach(
        GRADIENT,
        collect=lambda c, x, n: torch.tensor((x.detach() @ c.knobs.detach().mT).tolist(), dtype=x.dtype),
    ),
}


def altered(law: str = PURE, steps: int = 0, **functions: Any) -> Breach:
    return breach(law, None, steps, **functions)


def large_in_place(c: Any, d: Tensor, n: Any) -> Any:
    if float(d.abs().max()) > 0.3:
        c.knobs.add_(d)
        return c
    return knobs_to(c, c.knobs + d)


def drive_in_place(c: Any, d: Tensor, n: Any) -> Any:
    sent = d.clone()
    if float(d.abs().max()) > 0.3:
        d.mul_(0.5)
    return knobs_to(c, c.knobs + sent)


def perturb_in_place(c: Any, o: Tensor) -> Any:
    if float(o.detach().abs().max()) > 3:
        c.knobs.mul_(0.999)
    return knobs_to(c, c.knobs + o)


def offset_in_place(c: Any, o: Tensor) -> Any:
    if o.ndim > 4:
        o.mul_(0.999)
    return knobs_to(c, c.knobs + o)


def old_in_place(c: Any, s: float, n: Any) -> Any:
    if s > 1e5:
        c.knobs.mul_(0.9)
    return c


def seen_in_place(c: Any, x: Tensor, n: Any) -> Tensor:
    u = product(c, x)
    if float(x.abs().max()) > 30:
        x.clamp_(-1, 1)
    return u


def through_data(c: Any, u: Tensor, n: Any) -> Tensor:
    c.knobs.data.mul_(1 + 1e-7 * (c.knobs.dtype == torch.float64))
    return u


def rarely_in_place(c: Any, u: Tensor, n: Any) -> Tensor:
    if float(n.uniform(u[..., :1, :1]).flatten()[0]) < 0.2:
        c.knobs.mul_(0.99)
    return u


def bounds_in_place(c: Any) -> tuple[Tensor, Tensor]:
    return -torch.full_like(c.knobs, 1e9), c.knobs.clamp_(max=1.0).abs() + 1e9


def end_in_place(c: Any) -> Tensor:
    c.knobs.mul_(0.999)
    return (c.knobs > 1e9).flatten(-3).any(-1)


IMPURE: dict[str, Breach] = {
    "cells pulsed in place above .3": altered(pulse=large_in_place),
    "a drive altered above .3": altered(pulse=drive_in_place),
    "cells altered by a probe above 3": altered(perturb=perturb_in_place),
    "an offset altered when there are probes": altered(perturb=offset_in_place),
    "cells aged in place after a day": altered(age=old_in_place),
    "inputs clamped in place when large": altered(collect=seen_in_place),
    "cells altered through .data in float64": altered(sense=through_data),
    "cells altered by one reading in five": altered(sense=rarely_in_place),
    "sums altered in place in a read-out": altered(
        sense=lambda c, u, n: u.mul_(0.9) if u.shape[-1] == 3 else u
    ),
    "activity altered in place by neurons": altered(fire=lambda c, u, n: u.relu_()),
    "cells altered by bounds": altered(bounds=bounds_in_place),
    "cells altered by worn_out": altered(worn_out=end_in_place),
    "a reading that shares the cells' memory": altered(
        r"memory", sense=lambda c, u, n: c.knobs[..., :1, :1].expand_as(u) if not u.requires_grad else u
    ),
    "pulsed cells that share the drive's memory": altered(
        r"memory|altered", pulse=lambda c, d, n: knobs_to(c, d.add_(c.knobs))
    ),
}

STATED: dict[str, Breach] = {
    "weights that leave out what large inputs do": breach(
        WEIGHTS, collect=lambda c, x, n: product(c, 30 * (x / 30).tanh()), weights=lambda c: c.knobs
    ),
    "weights that are not quite those of the product": breach(
        WEIGHTS, collect=lambda c, x, n: product(c, x), weights=lambda c: 0.99 * c.knobs
    ),
    "weights beside noise that is drawn too": breach(
        WEIGHTS,
        collect=lambda c, x, n: product(c, x) + 1e-12 * n.normal(x[..., :1]),
        weights=lambda c: c.knobs,
    ),
}

VALUES: dict[str, Breach] = {**NUMBERS, **TYPES, **SLOPES, **IMPURE, **STATED}
