"""Digits through two units: three estimators that share no assumption agree.

You learn how to check a plane. In 64-16-8-2-10 tanh, the layer of two units is narrow enough to be
measured honestly with 1437 samples. Read at 4 bins, by a linear reader (V-information), and with
noise added to its activations, it knows the same of the label at the end, to .2 bit. The estimators
have nothing in common but the truth; where they part, believe none of them.

    python examples/reproduce/bottleneck.py [--fast] [--out DIR]

A plain run takes about a minute. Needs `pip install "it_callbacks[demo]"`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from signatures import Signature, conclude, parser
from torch import nn
from training import Classifier, batches, curve, fit, save_planes, seeded

from it_callbacks import InformationPlaneMonitor
from it_callbacks.estimators import LinearVInformation, NoiseInjected
from it_callbacks.rulers import Uniform
from it_callbacks.tasks import digits_split

LAYER = "net.bottleneck"


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    lr: float
    batch_size: int
    epochs: int


USUAL = Settings((0, 1, 2), lr=1e-3, batch_size=64, epochs=300)
FAST = Settings((0,), lr=1e-2, batch_size=128, epochs=60)


class Bottleneck(nn.Sequential):
    """64-16-8-2-10, tanh, with the activation of the two units under a name of its own."""

    def __init__(self) -> None:
        super().__init__()
        wide = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh())
        self.add_module("wide", wide)
        self.add_module("two", nn.Linear(8, 2))
        self.add_module("bottleneck", nn.Tanh())
        self.add_module("output", nn.Linear(2, 10))


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    training, _ = digits_split()
    found: dict[str, dict[int, float]] = {name: {} for name in ESTIMATES}
    coverage, accuracy = {}, {}
    for seed in settings.seeds:
        seeded(seed)
        plane = InformationPlaneMonitor(
            ["net.bottleneck"],
            bins=Uniform(4, -1, 1),
            extra=[LinearVInformation(every=1), NoiseInjected(sigma=0.1, every=1)],
            data=training.tensors,
            schedule=[0, settings.epochs // 10, settings.epochs],
        )
        model = Classifier(Bottleneck(), lr=settings.lr)
        fit(model, batches(training, settings.batch_size), settings.epochs, [plane])
        save_planes([plane], out, f"bottleneck_{seed}")
        for name, quantity in ESTIMATES.items():
            found[name][seed] = curve(plane, f"information_plane/data/{quantity}/{LAYER}")[-1]
        coverage[seed] = min(curve(plane, f"information_plane/data/coverage/{LAYER}"))
        accuracy[seed] = model.accuracy(training)
    apart = {
        seed: max(values[seed] for values in found.values())
        - min(values[seed] for values in found.values())
        for seed in settings.seeds
    }
    return [
        Signature("train accuracy", accuracy),
        *(Signature(f"I(T;Y) {name}, bits", values) for name, values in found.items()),
        Signature("farthest apart, bits", apart, high=0.2),
        Signature("I(T;Y) binned, bits", found["binned"], low=2.0),
        Signature("least coverage", coverage, low=0.95),
    ]


ESTIMATES = {"binned": "I_TY", "by a linear reader": "linear_V_TY", "with noise": "noise_I_TY"}


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
