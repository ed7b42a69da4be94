"""A size in; activations that look like a network's, their labels and small networks out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_CLASSES = 10
_N_LATENT = 8


def layer(n_samples: int, n_units: int, activation: nn.Module, seed: int = 0) -> Tensor:
    """Outputs ``(n_samples, n_units)`` of a random layer over ten clusters, one per class."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(N_CLASSES, _N_LATENT, generator=generator)
    # So near to each other that ten units in 30 bins show each state twice on average.
    around = 0.15 * torch.randn(n_samples, _N_LATENT, generator=generator)
    latent = centres[labels(n_samples)] + around
    weights = torch.randn(_N_LATENT, n_units, generator=generator) / _N_LATENT**0.5
    outputs: Tensor = activation(latent @ weights)
    return outputs


def labels(n_samples: int) -> Tensor:
    """Class numbers ``(n_samples,)`` int64 of the clusters."""
    return torch.arange(n_samples) % N_CLASSES


def images(n_samples: int, *shape: int) -> Tensor:
    """Inputs ``(n_samples, *shape)`` without any structure."""
    return torch.randn(n_samples, *shape, generator=torch.Generator().manual_seed(0))


def mlp(n_hidden: int = 1024) -> nn.Sequential:
    """784 inputs, two hidden layers of tanh units, ten outputs."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(784, n_hidden),
        nn.Tanh(),
        nn.Linear(n_hidden, n_hidden),
        nn.Tanh(),
        nn.Linear(n_hidden, N_CLASSES),
    )


def cnn(size: int = 28) -> nn.Sequential:
    """Three convolutions of 32, 64 and 64 maps and ten outputs: 40 778 activations at size 28."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * (size // 4) ** 2, N_CLASSES),
    )


def deep(n_layers: int = 60, n_units: int = 32) -> nn.Sequential:
    """So many layers of ReLU units, and ten outputs."""
    torch.manual_seed(0)
    pairs = [(nn.Linear(n_units, n_units), nn.ReLU()) for _ in range(n_layers)]
    for linear, _ in pairs:  # so that what is deep tells something of what came in
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
    return nn.Sequential(*(part for pair in pairs for part in pair), nn.Linear(n_units, N_CLASSES))
