"""A network of LSTM layers that predicts a text character by character, and the text as it reads it.

After char-rnn (Karpathy 2015, https://github.com/karpathy/char-rnn): symbols as one-hot vectors, a linear
read-out, many places of the text read side by side, derivatives through so many symbols and no further, the
state carried on. Where we differ: weights begin uniform within 1/sqrt(hidden), as torch has them; there is no
dropout and no clipping of gradients.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, one_hot


class CharacterLSTM(nn.Module):
    """LSTM layers behind one-hot symbols, and a linear read-out of the next one.

    Args:
        symbols: of the vocabulary.
        hidden: cells of each layer.
        layers: of cells.
        generator: of the weights.
    """

    def __init__(self, symbols: int, hidden: int, layers: int, generator: Generator) -> None:
        super().__init__()
        self.symbols = symbols
        self.cells = nn.LSTM(symbols, hidden, layers, batch_first=True, device="meta").to_empty(device="cpu")
        self.read_out = nn.Linear(hidden, symbols, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            for weights in self.parameters():
                weights.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The logits of each next symbol, and the state behind the last.

        Args:
            x: (rows, length) int64.
            state: as it was given back; None: at the beginning of a text.

        Returns:
            (rows, length, symbols), and the state without its derivatives.
        """
        hidden, state = self.cells(one_hot(x, self.symbols).float(), state)
        return self.read_out(hidden), tuple(part.detach() for part in state)


class Chunk(NamedTuple):
    """Some symbols of a text at several places, and those that follow each of them."""

    x: Tensor  # (rows, length) int64
    target: Tensor  # likewise
    is_first: bool  # whether nothing comes before it


def chunks(text: Tensor, rows: int, length: int) -> Iterator[Chunk]:
    """The chunks of a text that is read at so many places side by side; the rest at its end is left out.

    Args:
        text: (symbols,) int64.
        rows: places, each as far from the next.
        length: symbols of a chunk.
    """
    reach = (len(text) - 1) // rows // length * length  # symbols that each place reads
    sources, targets = (part[: rows * reach].view(rows, reach) for part in (text[:-1], text[1:]))
    for start in range(0, reach, length):
        piece = slice(start, start + length)
        yield Chunk(sources[:, piece], targets[:, piece], start == 0)


def losses(network: CharacterLSTM, pieces: Iterator[Chunk]) -> Iterator[Tensor]:
    """The mean loss of each chunk, nats a symbol, the state carried on from the chunk before."""
    state: Any = None
    for piece in pieces:
        logits, state = network(piece.x, None if piece.is_first else state)
        yield cross_entropy(logits.flatten(0, 1), piece.target.flatten())
