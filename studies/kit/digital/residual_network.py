"""The residual networks of He et al. for CIFAR-10, of any width and depth.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2016), section 4.2,
https://arxiv.org/abs/1512.03385: a 3 x 3 convolution, stages of blocks of two of them, each behind a batch
normalization, shortcuts that skip pixels and add planes of zeros where a stage begins, and one linear layer
on the mean of each plane. 16, 32 and 64 planes with three blocks each are ResNet-20.
"""

from torch import Generator, Tensor, nn
from torch.nn.functional import pad


class ResidualNetwork(nn.Module):
    """A residual network of the form for small images; weights normal, variance 2 / fan-in, as in the source.

    Args:
        planes: of an image.
        channels: of each stage; all but the first halve the image's sides.
        blocks: of each stage.
        classes: outputs.
        generator: of the weights.
    """

    def __init__(
        self, planes: int, channels: tuple[int, ...], blocks: int, classes: int, generator: Generator
    ) -> None:
        super().__init__()
        first = channels[0]
        parts: list[nn.Module] = [*_convolution(planes, first, 1), nn.ReLU()]
        before = first
        for stage, width in enumerate(channels):
            for number in range(blocks):
                parts.append(_Block(before, width, 2 if stage and not number else 1))
                before = width
        parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes, device="meta")]
        self.parts = nn.Sequential(*parts).to_empty(device="cpu")
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.reset_parameters()  # ones and zeros
            elif isinstance(part, nn.Conv2d | nn.Linear):
                fan_in = part.weight[0].numel()
                nn.init.normal_(part.weight, std=(2 / fan_in) ** 0.5, generator=generator)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:  # (images, planes, height, width) -> (images, classes)
        answers: Tensor = self.parts(x)
        return answers


class _Block(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self._added, self._stride = width - before, stride
        self.inner = nn.Sequential(
            *_convolution(before, width, stride), nn.ReLU(), *_convolution(width, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = pad(x[..., :: self._stride, :: self._stride], (0, 0, 0, 0, 0, self._added))
        return (self.inner(x) + shortcut).relu()


def _convolution(before: int, width: int, stride: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(before, width, 3, stride, 1, bias=False, device="meta")
    return convolution, nn.BatchNorm2d(width, device="meta")
