"""Symbols decoded digitally: each lights one line of its own in front of a layer."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class OneHot:
    """Numbers of symbols, each decoded to as many lines as there are symbols, of which one is at 1 V.

    Input i is the number of a symbol, 0 to symbols - 1, and lights line i * symbols + number; what is the
    number of no symbol, such as -1 before a text begins, lights none. A layer that is driven through this
    takes `prepared(dense(context * symbols, features), OneHot(symbols))`; one whose tile all places share, an
    embedding, `prepared(channel_mixing(context, symbols, features), OneHot(symbols))`.

    Raises:
        ValueError: there is no symbol.
    """

    symbols: int

    def __post_init__(self) -> None:
        if self.symbols < 1:
            raise ValueError(f"OneHot: symbols is {self.symbols}, wanted at least 1")

    def features_in(self, features: int) -> int:
        """One for all the lines of a symbol.

        Raises:
            ValueError: the lines are not as many for every input.
        """
        if features % self.symbols:
            raise ValueError(f"OneHot: {features} lines are no inputs of {self.symbols} symbols each")
        return features // self.symbols

    def __call__(self, x: Tensor) -> Tensor:
        numbers = torch.arange(self.symbols, dtype=x.dtype, device=x.device)
        return (x.unsqueeze(-1) == numbers).to(x.dtype).flatten(-2)

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Nothing: the number of a symbol has no derivative; (..., batch, features_in)."""
        del gradient
        return torch.zeros_like(x)

    def lift(self, change: Tensor) -> Tensor:
        """Refuse any change (..., batch, features).

        Raises:
            ValueError: always.
        """
        raise ValueError("OneHot: no change of what comes in does that; symbols have no derivative")
