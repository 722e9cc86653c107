"""A periodic lattice is wired as its neighbors are, from clamped nodes to the others and back."""

import pytest
import torch

from analog import Chip
from analog.devices import Resistive
from analog.layers import periodic_lattice
from analog.port import Probe
from analog.randomness import Noise
from analog.relaxation import settle

INPUTS = [(3, 3), (3, 1), (1, 1), (1, 3)]


def test_the_published_lattice_has_32_cells_between_16_nodes() -> None:
    first, second = periodic_lattice(4, INPUTS, [(2, 2), (0, 0)])
    assert sum(la.tiles * la.rows * la.cols for la in (first, second)) == 32
    assert (first.features_in, first.features, second.features) == (4, 8, 4)


@pytest.mark.parametrize("inputs", [INPUTS, [(5, 5), (3, 1), (0, 0), (1, 3), (4, 2), (2, 4), (2, 0), (5, 1)]])
def test_resistors_settle_on_it_as_kirchhoff_says_of_the_whole_board(inputs: list[tuple[int, int]]) -> None:
    """Solved as one linear system of all nodes of the board, each joined to its four neighbors."""
    side = 4 if inputs is INPUTS else 6
    device = Resistive(severity=0.0, sweeps=800)
    half = [(r, c) for r in range(side) for c in range(side) if (r + c) % 2 == 0]
    output = next(place for place in half if place not in inputs)
    layers = periodic_lattice(side, inputs, [output])
    chip = Chip(device, layers, 0, dtype=torch.float64)
    knobs = tuple(torch.ones_like(c.knobs) for c in chip._cells)  # equal conductances, of two units
    cells = [device.perturb(c, k - c.knobs) for c, k in zip(chip._cells, knobs, strict=True)]
    cells = [
        c._replace(conductance=torch.ones_like(c.knobs), low=-9 + 0 * c.low, high=9 + 0 * c.high)
        for c in cells
    ]
    x = torch.linspace(0.1, 0.9, len(inputs), dtype=torch.float64)[None]
    taps = settle(device, chip.spec, cells, x, Probe(), Noise.none())
    others = [(r, c) for r in range(side) for c in range(side) if (r + c) % 2]
    upper = [output, *(place for place in half if place not in [*inputs, output])]
    volts = dict(zip([*inputs, *others, *upper], torch.cat((x, *taps), -1)[0].tolist(), strict=True))
    doubled = layers[0].cols
    for r, c in [*others, *upper]:
        near = [((r + 1) % side, c), ((r - 1) % side, c), (r, (c + 1) % side), (r, (c - 1) % side)]
        clamped = [place for place in near if place in inputs]
        extra = doubled - len(clamped) if (r, c) in others else 0  # cells to a neighbor that are there twice
        current = sum(volts[place] - volts[r, c] for place in near)
        if extra:
            first = layers[0].table[others.index((r, c))][0][-1]
            current += extra * (volts[inputs[first]] - volts[r, c])
        assert abs(current) < 1e-9


@pytest.mark.parametrize(
    ("side", "inputs", "outputs", "says"),
    [
        (3, INPUTS, [(0, 0)], "side is 3"),
        (2, [(0, 0)], [(1, 1)], "side is 2"),
        (4, [], [(0, 0)], "wanted inputs and outputs"),
        (4, INPUTS, [], "wanted inputs and outputs"),
        (4, INPUTS, [(3, 3)], "each place once"),
        (4, INPUTS, [(4, 0)], "places are from"),
        (4, INPUTS, [(0, 1)], "one half of the board"),
        (4, [(0, 0)], [(2, 2)], "has no clamped neighbor"),
    ],
)
def test_what_is_no_lattice_is_refused(
    side: int, inputs: list[tuple[int, int]], outputs: list[tuple[int, int]], says: str
) -> None:
    with pytest.raises(ValueError, match=f"periodic_lattice: .*{says}"):
        periodic_lattice(side, inputs, outputs)
