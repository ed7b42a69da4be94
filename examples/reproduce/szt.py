"""Shwartz-Ziv & Tishby (2017) and Saxe et al. (2018): tanh compresses, ReLU hardly.

You learn the experiment that started the debate: the 12-bit task through 12-10-7-5-4-3-2. Read with
rulers that are frozen in time, the last hidden layer of the tanh network loses bits after a peak;
that of the ReLU network keeps them; the output, here as probabilities, loses bits in both.
A ReLU network whose units die learns nothing: such a seed is warned of and set apart.

    python examples/reproduce/szt.py [--fast | --full] [--out DIR]

A plain run is ten times hotter and shorter than the papers, about three minutes; shorter or hotter
ones lose the signature. --full has the papers' settings and takes an hour.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from signatures import Signature, conclude, drop, keep, parser
from torch import nn
from training import (
    Classifier,
    as_it_is,
    batches,
    curve,
    fit,
    has_learnt,
    part_of_szt_task,
    probabilities,
    save_planes,
    seeded,
)

from it_callbacks import InformationPlaneMonitor, LogSpaced
from it_callbacks.rulers import Uniform, Width
from it_callbacks.tasks import szt_network, szt_task


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    lr: float
    batch_size: int
    epochs: int


USUAL = Settings((0, 1, 2), lr=4e-3, batch_size=256, epochs=800)
FULL = Settings((0, 1, 2), lr=4e-4, batch_size=256, epochs=10_000)
FAST = Settings((0,), lr=8e-3, batch_size=512, epochs=400)


def train(
    activation: type[nn.Module], seed: int, settings: Settings
) -> tuple[InformationPlaneMonitor, float]:
    """The plane of all 4096 patterns, and the accuracy on the 85 % that are trained on."""
    seeded(seed)
    net = szt_network(activation)
    training = part_of_szt_task()
    hidden = f"net.hidden?.{activation.__name__.lower()}"
    plane = InformationPlaneMonitor(
        {hidden: as_it_is, "net.output": probabilities},
        bins={
            hidden: Uniform(30, -1, 1) if activation is nn.Tanh else Width(0.07),
            "net.output": Width(0.07),
        },
        data=szt_task(),
        exhaustive=True,
        schedule=LogSpaced(),
    )
    model = Classifier(net, lr=settings.lr)
    fit(model, batches(training, settings.batch_size), settings.epochs, [plane])
    return plane, model.accuracy(training)


class Curves(NamedTuple):
    """H(bin T) over time, in bits, of the last hidden layer and of the output."""

    hidden: list[float]
    output: list[float]


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    signatures = []
    for activation in (nn.Tanh, nn.ReLU):
        name = activation.__name__.lower()
        accuracies, curves = {}, {}
        for seed in settings.seeds:
            plane, accuracies[seed] = train(activation, seed, settings)
            save_planes([plane], out, f"szt_{name}_{seed}")
            if has_learnt(f"{name}, seed {seed}", accuracies[seed]):
                curves[seed] = Curves(
                    curve(plane, f"information_plane/data/I_XT/net.hidden5.{name}"),
                    curve(plane, "information_plane/data/I_XT/net.output"),
                )
        signatures.append(Signature(f"{name}: train accuracy", accuracies))
        signatures += signatures_of(name, curves)
    return signatures


def signatures_of(name: str, curves: dict[int, Curves]) -> list[Signature]:
    drops = {seed: drop(each.hidden) for seed, each in curves.items()}
    keeps = {seed: keep(each.hidden) for seed, each in curves.items()}
    outputs = {seed: drop(each.output) for seed, each in curves.items()}
    lost, kept = f"{name}: last hidden layer, bits lost", f"{name}: last hidden layer, share kept"
    return [
        *(
            [Signature(lost, drops, low=2.0), Signature(kept, keeps, high=0.75)]
            if name == "tanh"
            else [Signature(lost, drops, high=1.2), Signature(kept, keeps, low=0.85)]
        ),
        Signature(f"{name}: output, bits lost", outputs, low=1.0),
    ]


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST, full=FULL).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
