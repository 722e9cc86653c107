"""The micro vision transformer beside torch's transformer."""

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from torch.utils.flop_counter import FlopCounterMode

from analog import stream
from studies.kit.data.lecun1989 import PARAMETERS
from studies.kit.digital.lecun1989 import Copies
from studies.kit.digital.micro_vit import BLOCKS, HEADS, UNITS, WIDTH, MicroViT

F64 = torch.float64


def made() -> MicroViT:
    network = MicroViT([stream(0, "ViT", k) for k in range(2)], F64)
    network.knobs.add_(torch.randn(network.knobs.shape, generator=stream(0, "moved"), dtype=F64) * 0.1)
    return network


def of_torch(parts: list[Tensor], patches: Tensor) -> Tensor:
    """Logits of one copy by torch's layers, whose parameters are views of ours."""
    tokens = patches @ parts[0] + parts[1] + parts[2]
    for k in range(BLOCKS):
        gains, w_in, b_in, w_out, b_out, gains2, w_up, b_up, w_down, b_down = parts[3 + 10 * k : 13 + 10 * k]
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, UNITS, dropout=0.0, batch_first=True, norm_first=True, device="meta"
        )
        named = {"norm1.weight": gains[0], "norm1.bias": gains[1], "self_attn.in_proj_weight": w_in.T}
        named |= {"self_attn.in_proj_bias": b_in[0], "self_attn.out_proj.weight": w_out.T}
        named |= {"self_attn.out_proj.bias": b_out[0], "norm2.weight": gains2[0], "norm2.bias": gains2[1]}
        named |= {"linear1.weight": w_up.T, "linear1.bias": b_up[0]}
        named |= {"linear2.weight": w_down.T, "linear2.bias": b_down[0]}
        tokens = torch.func.functional_call(layer, named, (tokens,))
    seen = layer_norm(tokens, (WIDTH,), parts[-3][0], parts[-3][1]).flatten(1)
    return seen @ parts[-2] + parts[-1]


def test_it_is_torchs_transformer_and_its_gradient_too() -> None:
    network = made()
    images = torch.rand(2, 256, generator=stream(0, "images"), dtype=F64) * 2 - 1
    patches, labels = network.prepare(images), torch.tensor([3, 7])
    network.compute_gradient(patches, torch.eye(10, dtype=F64)[labels].unsqueeze(1))
    for row in range(2):
        parts = [p[row].clone().requires_grad_() for p in network._parts(network.knobs)]
        logits = of_torch(parts, patches)
        assert torch.equal(network.predict(patches)[row], logits.argmax(-1))
        loss = nn.functional.cross_entropy(logits[row : row + 1], labels[row : row + 1])
        own = [p[row] for p in network._parts(network.gradient)]
        for mine, theirs in zip(own, torch.autograd.grad(loss, parts), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-10)


def test_patches_tile_the_image_and_its_border() -> None:
    image = torch.arange(256.0)
    patches = made().prepare(image)
    assert patches.shape == (9, 36)
    assert sorted(patches.flatten().tolist()) == sorted([*image.tolist(), *[-1.0] * (9 * 36 - 256)])
    assert patches[4].view(6, 6)[0].tolist() == [85.0, 86.0, 87.0, 88.0, 89.0, 90.0]  # row 5, columns 5 to 10


def test_its_size_and_its_price_roughly_match_those_of_the_network() -> None:
    network = made()
    patches = network.prepare(torch.zeros(1, 256, dtype=F64)).expand(2, 1, 9, 36)
    with FlopCounterMode(display=False) as counter:
        network.forward(network._parts(network.knobs), patches)
    assert counter.get_total_flops() == 2 * 2 * network.products  # two copies, two operations a product
    assert len(network.knobs) == 2 * network.parameters
    assert 0.85 < network.parameters / sum(PARAMETERS) < 1.15
    assert 0.85 < network.products / Copies.products < 1.15
