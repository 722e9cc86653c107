"""Layers that are measured through the wires."""

from analog import Chip, Mismatched, mlp
from studies.kit.recipes.layer_meter import LayerMeter


def test_weights_are_read_in_volts_at_the_summing_node_whatever_follows_it() -> None:
    chip = Chip(Mismatched(read_noise=0.005), mlp(12, 10, 4), range(3))
    for i in range(2):
        found, true = (
            LayerMeter().measure(chip.port(), i).weights,
            chip._cells[i].weights.squeeze(-3)[..., :-1],
        )
        assert float((found - true).abs().max()) < 0.1
        assert float((found - true).square().mean().sqrt()) < 0.02
