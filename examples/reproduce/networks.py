"""Five small networks for images: two perceptrons, a CNN, a ResNet and a transformer."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn


def perceptron(side: int, activation: type[nn.Module]) -> nn.Module:
    """Layers of 1024, 20, 20 and 20 units, and ten logits."""
    widths = (side**2, 1024, 20, 20, 20)
    hidden = {
        f"hidden{number}": nn.Sequential(nn.Linear(before, width), activation())
        for number, (before, width) in enumerate(pairwise(widths), start=1)
    }
    return _chain(flat=nn.Flatten(), **hidden, logits=nn.Linear(20, 10))


def convolutional(side: int) -> nn.Module:
    """Three convolutions, two of them with a stride, a layer of 64 units, and ten logits."""
    left = (side + 3) // 4
    return _chain(
        conv1=nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()),
        conv2=nn.Sequential(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
        conv3=nn.Sequential(nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.ReLU()),
        flat=nn.Flatten(),
        linear=nn.Sequential(nn.Linear(32 * left**2, 64), nn.ReLU()),
        logits=nn.Linear(64, 10),
    )


def residual(side: int) -> nn.Module:
    """A stem, three blocks, and ten logits, with batch norm throughout; for images of any side."""
    return _chain(
        stem=nn.Sequential(_convolution(1, 8, 1), nn.ReLU()),
        block1=Block(8, 8, 1),
        block2=Block(8, 16, 2),
        block3=Block(16, 32, 2),
        pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        logits=nn.Linear(32, 10),
    )


class Block(nn.Module):
    """Two convolutions with batch norm, and a shortcut past both."""

    def __init__(self, n_inputs: int, n_channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_convolution(n_inputs, n_channels, stride), nn.ReLU())
        self.second = _convolution(n_channels, n_channels, 1)
        self.shortcut = nn.Conv2d(n_inputs, n_channels, 1, stride=stride)
        self.sum = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        return torch.as_tensor(self.sum(self.second(self.first(maps)) + self.shortcut(maps)))


class Transformer(nn.Module):
    """Two encoder blocks that read an image as tokens, its rows of pixels, and ten logits."""

    def __init__(self, side: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Linear(side, width)
        self.positions = nn.Parameter(torch.randn(side, width) / 2)
        self.block1, self.block2 = (
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
            for _ in range(2)
        )
        self.logits = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.embedding(images.flatten(0, 1)) + self.positions
        return torch.as_tensor(self.logits(self.block2(self.block1(tokens)).mean(1)))


def _convolution(n_inputs: int, n_channels: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(n_inputs, n_channels, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_channels))


def _chain(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))
