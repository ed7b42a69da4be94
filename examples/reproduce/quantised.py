"""Lorenzen et al. (2022): activations of 8 bits, whose information is exact.

You learn what can be measured without any bin. Training fakes the quantisation: each activation is
rounded to one of 256 levels, and gradients pass through as if it were not. Each layer then is a
function of the discrete one before it, so information can only fall with depth
(data-processing inequality), and it does, to the last digit. What remains of the debate when
no bin is left: the output layer compresses, hidden layers as their activation has it.

    python examples/reproduce/quantised.py [--fast] [--out DIR]

A plain run takes about three minutes.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from signatures import Signature, conclude, drop, keep, parser
from torch import Tensor, nn
from training import (
    Classifier,
    as_it_is,
    batches,
    curve,
    fit,
    has_learnt,
    part_of_szt_task,
    save_planes,
    seeded,
)

from it_callbacks import InformationPlaneMonitor, LogSpaced
from it_callbacks.rulers import Exact
from it_callbacks.tasks import szt_network, szt_task

LEVELS = 256
ROUNDING = 1e-12  # equal bits differ by less, where logarithms are summed in another order
LAYERS = [*(f"net.hidden{n}.quantise" for n in range(1, 6)), "net.output"]
KEPT = {"tanh": (0.0, 0.75), "relu": (0.75, 1.0)}  # of the last hidden layer's bits, at the end


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    lr: float
    batch_size: int
    epochs: int


USUAL = Settings((0, 2), lr=4e-3, batch_size=256, epochs=800)
FAST = Settings((0,), lr=8e-3, batch_size=512, epochs=200)


class Quantise(nn.Module):
    """An activation, rounded to 256 levels of equal distance.

    Those of tanh lie between -1 and 1, those of ReLU between 0 and the largest activation seen in
    training, of which a moving mean is kept.
    """

    high: Tensor

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.bounded = isinstance(activation, nn.Tanh)
        self.low = -1.0 if self.bounded else 0.0
        self.register_buffer("high", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        t = torch.as_tensor(self.activation(x))
        if self.training and not self.bounded:
            self.high.lerp_(t.detach().max().clamp_min(1e-3), 0.01)
        step = (self.high - self.low) / (LEVELS - 1)
        level = ((t.detach() - self.low) / step).round().clamp(0, LEVELS - 1)
        # The value is the level's to the last digit; the gradient is that of the activation.
        return level * step + self.low + (t - t.detach())


def levels_of_probabilities(logits: Tensor) -> Tensor:
    """The output as it is read: probabilities, rounded likewise."""
    return (logits.softmax(-1) * (LEVELS - 1)).round()


def train(
    activation: type[nn.Module], seed: int, settings: Settings
) -> tuple[InformationPlaneMonitor, float]:
    """The plane of all 4096 patterns, and the accuracy on the 85 % that are trained on."""
    seeded(seed)
    net = szt_network(lambda: Quantise(activation()))
    training = part_of_szt_task()
    plane = InformationPlaneMonitor(
        {"net.hidden?.quantise": as_it_is, "net.output": levels_of_probabilities},
        bins=Exact(),
        data=szt_task(),
        exhaustive=True,
        schedule=LogSpaced(),
    )
    model = Classifier(net, lr=settings.lr)
    fit(model, batches(training, settings.batch_size), settings.epochs, [plane])
    return plane, model.accuracy(training)


def violation(plane: InformationPlaneMonitor, quantity: str) -> float:
    """The most bits by which a layer seems to know more than the one before it, ever."""
    depths = [curve(plane, f"information_plane/data/{quantity}/{layer}") for layer in LAYERS]
    rises = [
        after - before
        for of_before, of_after in pairwise(depths)
        for before, after in zip(of_before, of_after, strict=True)
    ]
    return max((rise for rise in rises if rise > ROUNDING), default=0.0)


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    signatures = []
    for activation in (nn.Tanh, nn.ReLU):
        name = activation.__name__.lower()
        accuracies: dict[int, float] = {}
        excess: dict[str, dict[int, float]] = {"I_XT": {}, "I_TY": {}}
        hidden, output = {}, {}
        for seed in settings.seeds:
            plane, accuracies[seed] = train(activation, seed, settings)
            save_planes([plane], out, f"quantised_{name}_{seed}")
            for quantity, of_seed in excess.items():
                of_seed[seed] = violation(plane, quantity)
            if has_learnt(f"{name}, seed {seed}", accuracies[seed]):
                hidden[seed] = keep(curve(plane, f"information_plane/data/I_XT/{LAYERS[-2]}"))
                output[seed] = drop(curve(plane, f"information_plane/data/I_XT/{LAYERS[-1]}"))
        signatures += [
            Signature(f"{name}: train accuracy", accuracies),
            Signature(f"{name}: I(X;T) rises with depth by, bits", excess["I_XT"], high=0.0),
            Signature(f"{name}: I(T;Y) rises with depth by, bits", excess["I_TY"], high=0.0),
            Signature(f"{name}: last hidden layer, share kept", hidden, *KEPT[name]),
            Signature(f"{name}: output, bits lost", output, low=1.0),
        ]
    return signatures


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
