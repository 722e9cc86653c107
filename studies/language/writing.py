"""Text that chips write: each symbol is chosen by what a chip answers to those before it.

The largest of outputs to which Gumbel noise is added is distributed as their softmax; Maddison, Tarlow and
Minka, "A* sampling" (2014, https://arxiv.org/abs/1411.0030), section 2. A chip's own noise, read as the
difference of two readings and shaped digitally, serves for it beside numbers that are drawn elsewhere.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from analog import Port

Choose = Callable[[Port, Tensor], Tensor]
"""(port, contexts (*fleet, texts, context)) -> numbers of the symbols that follow, (*fleet, texts), int64."""


def write(port: Port, start: Tensor, length: int, choose: Choose) -> Tensor:
    """Let each chip write several texts side by side, symbol by symbol.

    Args:
        port: one chip, or a fleet.
        start: what stands before, (texts, context), numbers of symbols.
        length: of what is written, symbols.
        choose: the next symbols.

    Returns:
        (*fleet, texts, length), int64.
    """
    context, written = start.expand(*port.spec.fleet, *start.shape), []
    for _ in range(length):
        written.append(choose(port, context))
        context = torch.cat((context[..., 1:], written[-1].unsqueeze(-1).to(context)), -1)
    return torch.stack(written, -1)


def by_softmax(generator: Generator, temperature: float = 1.0) -> Choose:
    """Draw from the softmax of the outputs, read once, at a temperature."""

    def choose(port: Port, contexts: Tensor) -> Tensor:
        chances = (port.measure(contexts).out / temperature).softmax(-1)
        drawn = torch.multinomial(chances.flatten(0, -2).cpu(), 1, generator=generator)
        return drawn.reshape(chances.shape[:-1]).to(contexts.device)

    return choose


def by_noise(port: Port, contexts: Tensor, repeats: int = 8) -> Choose:
    """Take the largest output after each was given noise that is the chip's own; nothing else is drawn.

    Every choice takes two readings. Half their sum are the outputs; their difference, over its standard
    deviation, is normal, and brought to Gumbel's distribution.

    Args:
        port: one chip, or a fleet, whose noise is measured once.
        contexts: that it is measured for, (texts, context).
        repeats: pairs of readings of it.

    Raises:
        ValueError: there is no noise in some output.
    """
    first, second = (port.measure(contexts.repeat(repeats, 1)).out for _ in range(2))
    spread = (first - second).square().mean(-2, keepdim=True).sqrt()  # (*fleet, 1, symbols)
    if not bool((spread > 0).all()):
        raise ValueError("by_noise: two readings do not differ; this chip is silent and chooses nothing")

    def choose(port: Port, contexts: Tensor) -> Tensor:
        first, second = (port.measure(contexts).out for _ in range(2))
        normal = ((first - second) / spread).double()
        gumbel = -(-torch.special.log_ndtr(normal)).log()
        return ((first + second) / 2 + gumbel).argmax(-1)

    return choose


def distance_from_softmax(port: Port, contexts: Tensor, choose: Choose, draws: int) -> float:
    """How far choices are from the softmax of the outputs: total variation, 0 to 1, the contexts' mean.

    So many draws from the softmax itself are above 0 too; compare with `by_softmax`.

    Args:
        port: of one chip.
        contexts: (texts, context).
        choose: the next symbols.
        draws: for each context.
    """
    chances = port.measure(contexts.repeat(draws, 1)).out.softmax(-1)
    wanted = chances.unflatten(0, (draws, -1)).mean(0)
    chosen = choose(port, contexts.repeat(draws, 1))
    found = one_hot(chosen, chances.shape[-1]).to(chances).unflatten(0, (draws, -1)).mean(0)
    return float((found - wanted).abs().sum(-1).mean() / 2)
