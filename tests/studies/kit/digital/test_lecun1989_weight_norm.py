"""Weight normalization beside the formula that it stands for."""

import torch

from analog import stream
from studies.kit.digital.lecun1989 import Copies, NetworkKind, kernel_patches
from studies.kit.digital.lecun1989_weight_norm import WeightNormalized

F64 = torch.float64
KIND = NetworkKind("tanh", "softmax")


def generators() -> list[torch.Generator]:
    return [stream(0, "weight norm", k) for k in range(2)]


def test_it_begins_as_the_network_without() -> None:
    images = torch.rand(5, 256, generator=stream(0, "images"), dtype=F64) * 2 - 1
    network, plain = WeightNormalized(KIND, generators(), F64), Copies(KIND, generators(), F64)
    network.predict(network.prepare(images))
    torch.testing.assert_close(network._copies.knobs, plain.knobs)


def test_its_gradient_is_the_chain_rule_through_length_and_direction() -> None:
    """Beside automatic derivatives of <gradient of Copies at w, w(v, g)>, at knobs that are not the first."""
    generator = stream(0, "knobs")
    network, plain = WeightNormalized(KIND, generators(), F64), Copies(KIND, generators(), F64)
    network.knobs.mul_(1 + 0.5 * torch.rand(network.knobs.shape, generator=generator, dtype=F64))
    patches = kernel_patches(torch.rand(2, 256, generator=generator, dtype=F64))
    target = torch.eye(10, dtype=F64)[[3, 7]].unsqueeze(1)
    network.compute_gradient(patches, target)
    knobs = network.knobs.clone().requires_grad_()
    directions = [part.view_as(w) for part, w in zip(_split(knobs, plain), plain.weights, strict=True)]
    at, weights = len(plain.knobs), []
    for place, part in enumerate(directions):
        if place % 2 == 0:  # a weight, not a bias
            units = part.shape[0] * part.shape[2]
            gain = knobs[at : at + units].view(part.shape[0], 1, -1)
            part, at = part * gain / part.square().sum(1, keepdim=True).sqrt(), at + units
        weights.append(part.flatten())
    assert at == len(knobs)
    flat = torch.cat(weights)
    plain.knobs.copy_(flat.detach())
    plain.compute_gradient(patches, target)
    (wanted,) = torch.autograd.grad((flat * plain.gradient).sum(), knobs)
    torch.testing.assert_close(network.gradient, wanted, rtol=1e-9, atol=1e-12)
    assert network.gradient.abs().max() > 1e-3


def _split(knobs: torch.Tensor, plain: Copies) -> tuple[torch.Tensor, ...]:
    return knobs[: len(plain.knobs)].split([w.numel() for w in plain.weights])
