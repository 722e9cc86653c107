"""LeCun's network of 1989, made for reading: python docs/lecun1989.py

The network of "Backpropagation applied to handwritten zip code recognition" (LeCun et al. 1989,
https://doi.org/10.1162/neco.1989.1.4.541) learns handwritten digits, as Karpathy reproduced it in 2022
(https://karpathy.github.io/2022/03/14/lecun1989/). The paper ends at 0.14 % of errors in training and 5.00 %
in test after 23 passes, his reproduction at 0.62 and 4.09 %.

This file and `python -m studies lecun1989 --rungs base --seeds 1` draw the same images, the same first
weights and the same orders, and give the same errors after each pass. That one derives by hand and trains
several seeds at once, some ten times as fast; this one is short.
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor
from torch.nn.functional import conv2d, pad

from analog import stream
from learners import Batch
from learners.data import Dataset, load_data
from studies.kit.data.lecun1989 import draw_digits

PASSES, LEARNING_RATE = 23, 0.03  # the paper's; found by Karpathy, for the paper does not say
OUTSIDE = -1.0  # value of what lies outside an image: that of paper without ink


class Network:
    """9,760 parameters in four layers, all of tanh."""

    def __init__(self, weights: Generator, dtype: torch.dtype = torch.float32) -> None:
        def drawn(rows: int, cols: int, fan_in: int) -> Tensor:
            """Uniform within 2.4 / sqrt(fan-in), to begin where tanh still bends little. Guess: the root."""
            uniform = torch.rand(rows, cols, generator=weights, dtype=dtype) * 2 - 1
            return uniform * (2.4 / fan_in**0.5)

        # H1: 12 maps look at 5 x 5 pixels at every second pixel. 25 x 12 weights, and a bias at each of the
        # 8 x 8 x 12 units: what a map looks for is the same everywhere, how easily it is pleased is not.
        self.h1_weights = drawn(25, 12, fan_in=25).T.reshape(12, 1, 5, 5)
        self.h1_biases = torch.zeros(12, 8, 8, dtype=dtype)
        # H2: 12 maps look at 5 x 5 units of 8 of the 12 maps below. The paper keeps to itself which 8 ("a
        # scheme that will not be discussed here"); the guess is Karpathy's, three overlapping groups (the
        # other third of these numbers is never used).
        self.h2_weights = drawn(300, 12, fan_in=200).view(5, 5, 12, 12).permute(3, 2, 0, 1).contiguous()
        self.h2_biases = torch.zeros(12, 4, 4, dtype=dtype)
        # H3 and the outputs see everything below them.
        self.h3_weights, self.h3_biases = drawn(192, 30, fan_in=192), torch.zeros(30, dtype=dtype)
        self.out_weights = drawn(30, 10, fan_in=30)
        self.out_biases = -torch.ones(10, dtype=dtype)  # Guess: nine of ten targets are -1
        for parameter in self.parameters():
            parameter.requires_grad_()

    def parameters(self) -> list[Tensor]:
        return [*vars(self).values()]

    def __call__(self, images: Tensor) -> Tensor:  # (images, 1, 16, 16) -> (images, 10)
        h1 = (conv2d(framed(images), self.h1_weights, stride=2) + self.h1_biases).tanh()
        left, middle, right = h1.split(4, 1)  # four maps each
        seen = ((left, middle), (middle, right), (left, right))
        h2 = torch.cat([self.second(k, torch.cat(maps, 1)) for k, maps in enumerate(seen)], 1)
        h2 = (h2 + self.h2_biases).tanh().movedim(1, -1).flatten(1)  # site by site, maps last
        h3 = (h2 @ self.h3_weights + self.h3_biases).tanh()
        return (h3 @ self.out_weights + self.out_biases).tanh()

    def second(self, group: int, maps: Tensor) -> Tensor:  # (images, 8, 8, 8) -> (images, 4, 4, 4)
        planes = ([0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 8, 9, 10, 11], [0, 1, 2, 3, 8, 9, 10, 11])[group]
        return conv2d(framed(maps), self.h2_weights[4 * group : 4 * group + 4, planes], stride=2)


def framed(maps: Tensor) -> Tensor:
    """Maps with a border of two units, which hold what blank paper gives."""
    return pad(maps, (2, 2, 2, 2), value=OUTSIDE)


def targets(labels: Tensor) -> Tensor:  # (images,) -> (images, 10)
    """1 for the right class, -1 for the others: what a tanh can say."""
    return 2 * torch.eye(10)[labels] - 1


def learn(network: Network, train: Batch, order: Generator) -> None:
    """One pass: each image alone, in a random order, moves the weights against the gradient of its error."""
    for k in torch.randperm(len(train.x), generator=order).tolist():
        answer = network(train.x[k].view(1, 1, 16, 16))
        loss = (answer - targets(train.target[k : k + 1])).square().mean()
        gradients = torch.autograd.grad(loss, network.parameters())
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter -= LEARNING_RATE * gradient


@torch.no_grad()
def score(network: Network, images: Batch) -> tuple[float, int]:
    """The mean squared error over images, and how many are named wrongly."""
    answers = network(images.x.view(-1, 1, 16, 16))
    misses = int((answers.argmax(1) != images.target).sum())
    return float((answers - targets(images.target)).square().mean()), misses


def passes(data: Dataset, count: int = PASSES, dtype: torch.dtype = torch.float32) -> Iterator[Network]:
    """The network after each of so many passes; the same at every call."""
    network = Network(stream(0, "lecun1989", "base", "weights", 0), dtype)
    order = stream(0, "lecun1989", "base", "order", 0)
    for _ in range(count):
        learn(network, data.train, order)
        yield network


if __name__ == "__main__":
    digits = draw_digits(load_data("mnist"))  # 7,291 images to learn from and 2,007 to be tested by
    for number, network in enumerate(passes(digits), 1):
        print(f"pass {number}")
        for half, images in (("train", digits.train), ("test", digits.test)):
            loss, misses = score(network, images)
            share = 100 * misses / len(images.x)
            print(f"  {half:5}  loss {loss:.2e}  error {share:.2f} %  misses {misses}", flush=True)
