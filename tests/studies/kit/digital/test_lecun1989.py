"""The digital network of 1989: gradients agree with autograd, answers with the source."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, cross_entropy, pad
from torch.utils.flop_counter import FlopCounterMode

from analog import stream
from studies.kit.data.lecun1989 import CONNECTED_MAPS, OUTSIDE, PARAMETERS
from studies.kit.digital.lecun1989 import ActivationName, Copies, Loss, NetworkKind, kernel_patches

F64 = torch.float64
COUNT = 3


def copies(kind: NetworkKind, seeds: tuple[int, ...] = (0, 1, 2)) -> Copies:
    made = Copies(kind, [stream(0, "copy", k) for k in seeds], F64)
    for row, k in enumerate(seeds):  # biases of any size, as after learning
        for at in (1, 3, 5, 7):
            bias = made.weights[at][row]
            bias += torch.randn(bias.shape, generator=stream(0, "bias", at, k), dtype=F64) * 0.3
    return made


def source(kind: NetworkKind, weights: list[Tensor], image: Tensor, kept: Tensor | None = None) -> Tensor:
    """The source's network, by torch's convolutions: outputs of one copy for one image (256,)."""
    w1, b1, w2, b2, w3, b3, w4, b4 = weights
    fire = torch.tanh if kind.activation == "tanh" else torch.relu
    padded = pad(image.view(1, 1, 16, 16), (2, 2, 2, 2), value=OUTSIDE)
    h1 = fire(conv2d(padded, w1.T.reshape(12, 1, 5, 5), stride=2) + b1.T.reshape(12, 8, 8))
    wide, kernels = pad(h1, (2, 2, 2, 2), value=OUTSIDE), w2.view(5, 5, 12, 12).permute(3, 2, 0, 1)
    seen = [
        conv2d(wide[:, g], kernels[4 * i : 4 * i + 4][:, g], stride=2) for i, g in enumerate(CONNECTED_MAPS)
    ]
    h2 = fire(torch.cat(seen, 1) + b2.T.reshape(12, 4, 4)).flatten(2).mT.reshape(1, 192)
    h3 = fire((h2 if kept is None else h2 * kept) @ w3 + b3)
    out = h3 @ w4 + b4
    return out if kind.loss == "softmax" else out.tanh()


def loss(kind: NetworkKind, out: Tensor, label: int) -> Tensor:
    if kind.loss == "softmax":
        return cross_entropy(out, torch.tensor([label]))
    target = -torch.ones(1, 10, dtype=F64)
    target[0, label] = 1.0
    return (out - target).square().mean()


@pytest.mark.parametrize("wanted", ["squared error", "softmax"])
@pytest.mark.parametrize("neuron", ["tanh", "relu"])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_slopes_agree_with_autograd(neuron: ActivationName, wanted: Loss, dropout: float) -> None:
    kind, generator = NetworkKind(neuron, wanted, dropout), stream(0, "slopes", neuron, wanted)
    made = copies(kind)
    images = torch.rand(COUNT, 256, generator=generator, dtype=F64) * 2 - 1
    kept = (torch.rand(COUNT, 1, 192, generator=generator, dtype=F64) >= dropout) / (1 - dropout)
    target = torch.eye(10, dtype=F64)[[2, 5, 9]].unsqueeze(1)
    made.compute_gradient(
        kernel_patches(images), target if wanted == "softmax" else 2 * target - 1, kept if dropout else None
    )
    own = torch.cat([g.flatten(1) for g in made._gradients], 1)
    for row, label in enumerate((2, 5, 9)):
        weights = [w[row].clone().requires_grad_() for w in made.weights]
        total = loss(kind, source(kind, weights, images[row], kept[row] if dropout else None), label)
        slopes = torch.autograd.grad(total, weights)
        torch.testing.assert_close(own[row], torch.cat([s.flatten() for s in slopes]), rtol=1e-9, atol=1e-12)


def test_answers_are_those_of_the_source() -> None:
    kind = NetworkKind("relu", "softmax", 0.25)
    made, images = copies(kind), torch.rand(7, 256, generator=stream(0, "answers"), dtype=F64) * 2 - 1
    named = made.predict(kernel_patches(images))
    for row in range(COUNT):
        weights = [w[row] for w in made.weights]
        wanted = [int(source(kind, weights, image).argmax()) for image in images]
        assert named[row].tolist() == wanted


def test_a_copy_alone_is_its_row_of_many() -> None:
    many, alone = copies(NetworkKind()), copies(NetworkKind(), (1,))
    for one, all_of_them in zip(alone.weights, many.weights, strict=True):
        assert torch.equal(one[0], all_of_them[1])
    image = kernel_patches(torch.rand(1, 256, generator=stream(0, "alone"), dtype=F64))
    target = -torch.ones(1, 1, 10, dtype=F64)
    alone.compute_gradient(image, target)
    many.compute_gradient(image.expand(3, -1, -1), target.expand(3, -1, -1))
    for one, all_of_them in zip(alone._gradients, many._gradients, strict=True):
        torch.testing.assert_close(one[0], all_of_them[1], rtol=1e-12, atol=1e-14)


def test_missing_connections_stay_missing() -> None:
    made = copies(NetworkKind())
    sizes = [int((w[0] != 0).sum()) for w in made.weights]
    assert (sizes[0] + sizes[1], sizes[2] + sizes[3], sum(sizes[4:6]), sum(sizes[6:])) == PARAMETERS
    image = kernel_patches(torch.rand(3, 256, generator=stream(0, "missing"), dtype=F64))
    made.compute_gradient(image, torch.ones(3, 1, 10, dtype=F64))
    assert int((made._gradients[2][0] != 0).sum()) == sizes[2]


def test_an_image_is_named_by_as_many_products_as_the_source_counts() -> None:
    weights = [w[0] for w in copies(NetworkKind()).weights]
    with FlopCounterMode(display=False) as counter:
        source(NetworkKind(), weights, torch.zeros(256, dtype=F64))
    assert counter.get_total_flops() == 2 * Copies.products == 2 * 63_660
