"""A large fleet at work, some chips at a time, so that what is made on the way stays near the processor.

Nothing passes between chips, so it does not matter where a fleet is cut. What a piece makes on the way is
small enough for a cache, and for the allocator to use the same memory again.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import torch
from torch import Tensor

from .port import Probe
from .tree import tree_leaves, tree_map, tree_unflatten

WHOLE: Final = 2**25  # bytes of the largest tensor of a fleet that is not cut; larger ones are mapped anew
PIECE: Final = 2**22  # bytes of that of a piece
P = TypeVar("P")
_BLOCK: Final = 16  # numbers that torch draws together


def fleet_slices(fleet: tuple[int, ...], bytes_of_a_chip: int) -> list[slice]:
    """The rows of a fleet that are worked at a time.

    Args:
        fleet: its axes, () or (chips,).
        bytes_of_a_chip: of the largest tensor that is made on the way; a chip is not cut.
    """
    if not fleet or fleet[0] * bytes_of_a_chip <= WHOLE:
        return [slice(None)]
    count = max(1, PIECE // bytes_of_a_chip)
    count -= count % _BLOCK if count > _BLOCK else 0  # a draw cut there is the draw of the whole
    return [slice(start, min(start + count, fleet[0])) for start in range(0, fleet[0], count)]


def change_cells(
    slices: Sequence[slice], cells: Any, drive: Tensor, change: Callable[[Any, Tensor, slice], Any]
) -> Any:
    """The cells of a fleet after something that changes them, some chips at a time.

    Args:
        slices: rows, in order and without gaps.
        cells: of all chips, which stay as they are.
        drive: (chips, tiles, rows, cols), what is done to them; they do not share its memory afterwards.
        change: takes cells, the drive and rows, and gives the cells of these rows afterwards.
    """
    if len(slices) == 1:
        return change(cells, drive.clone(), slices[0])
    before, after = tree_leaves(cells), dict[str, Tensor]()
    for rows in slices:
        part = rows_of(cells, rows)
        old, new = tree_leaves(part), tree_leaves(change(part, drive[rows], rows))
        for name, leaf in new.items():
            if name not in after and leaf is not old[name]:
                whole = before[name]
                after[name] = whole.clone() if rows.start else torch.empty_like(whole)
            if name in after:
                after[name][rows] = leaf
    return tree_unflatten(cells, {**before, **after})


def rows_of(cells: Any, rows: slice) -> Any:
    """The cells of some chips of a fleet, in the same memory."""
    return tree_map(lambda leaf: leaf[rows], cells)


class KeptRows(Generic[P]):
    """The cells of some chips of a fleet, made once as long as the fleet's are the same, and what goes along.

    Args:
        beside: whatever is kept beside them.
    """

    def __init__(self, beside: P) -> None:
        self.beside = beside
        self._rows: dict[int, tuple[Any, Any]] = {}

    def cells(self, layer: int, whole: Any, rows: slice) -> Any:
        """The rows of a layer's cells, the same object as long as `whole` is the same one."""
        if rows == slice(None):
            return whole
        if layer not in self._rows or self._rows[layer][0] is not whole:
            self._rows[layer] = whole, rows_of(whole, rows)
        return self._rows[layer][1]


def probe_of(probe: Probe, rows: slice) -> Probe:
    """The entries of a probe for some chips of a fleet."""
    return Probe(
        None
        if probe.knobs is None
        else tuple(None if e is None else e[..., rows, :, :, :] for e in probe.knobs),
        None
        if probe.nodes is None
        else tuple(None if e is None else e[..., rows, :, :] for e in probe.nodes),
    )
