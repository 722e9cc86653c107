"""The wiring of a periodic square lattice of nodes whose neighbors are joined by one cell each.

The networks of Dillavou et al. (2024), https://arxiv.org/abs/2311.00537, are such lattices of 4 x 4 nodes and
32 transistors. Like a chessboard a lattice of an even side has two halves, each the neighbors of the other:
with inputs and outputs on one half it is a chip of two layers, from the inputs to the other half, and from
that one to what is left of the first.
"""

from collections.abc import Sequence

from .convolution import Sites

Place = tuple[int, int]  # row and column


def periodic_lattice(side: int, inputs: Sequence[Place], outputs: Sequence[Place]) -> tuple[Sites, Sites]:
    """The two layers of a periodic square lattice, for chips whose cells act on both of their nodes.

    Tiles are alike, so where a node has fewer clamped neighbors than another the cell to one of them is there
    twice, side by side.

    Args:
        side: nodes of a row and of a column, even.
        inputs: (row, column) of the nodes that are clamped, in the order of the features that drive them.
        outputs: of the nodes that come first among the outputs; behind them come the nodes of their half that
            are neither, which nobody needs to read.

    Raises:
        ValueError: the side is odd or below 4, a place is not on the lattice or named twice, places lie on
            both halves, there is none, or a node has no clamped neighbor.
    """
    if side < 4 or side % 2:
        raise ValueError(f"periodic_lattice: side is {side}, wanted an even number from 4")
    named = [*inputs, *outputs]
    if not inputs or not outputs or len(set(named)) < len(named):
        raise ValueError(f"periodic_lattice: wanted inputs and outputs, each place once; got {named}")
    if any(not (0 <= row < side and 0 <= column < side) for row, column in named):
        raise ValueError(f"periodic_lattice: places are from (0, 0) to {(side - 1, side - 1)}; got {named}")
    half = {(row + column) % 2 for row, column in named}
    if len(half) > 1:
        raise ValueError(
            f"periodic_lattice: inputs and outputs must lie on one half of the board; got {named}"
        )
    board = [(row, column) for row in range(side) for column in range(side)]
    own = [place for place in board if sum(place) % 2 in half]
    others = [place for place in board if place not in own]
    above = [*outputs, *(place for place in own if place not in named)]
    known = {place: at for at, place in enumerate(inputs)}
    clamped = [[known[n] for n in _neighbors(p, side) if n in known] for p in others]
    if not all(clamped):
        alone = others[clamped.index([])]
        raise ValueError(f"periodic_lattice: the node at {alone} has no clamped neighbor; name more inputs")
    most = max(map(len, clamped))
    first = tuple(((*each, *each[:1] * (most - len(each))),) for each in clamped)
    second = tuple((tuple(others.index(n) for n in _neighbors(p, side)),) for p in above)
    return Sites(len(inputs), 1, first), Sites(len(others), 1, second)


def _neighbors(place: Place, side: int) -> list[Place]:
    row, column = place
    return [
        ((row + down) % side, (column + across) % side) for down, across in ((-1, 0), (0, -1), (0, 1), (1, 0))
    ]
