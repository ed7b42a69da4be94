"""The artefact gallery: one ReLU run, four rulers, three of which show compression that is not.

You learn how a ruler makes a result. The network that does not compress (see szt.py) is trained
once per seed and read with four rulers at the same moments. The frozen one sees a hidden layer, the
fourth of five, keep its bits. Bins on [-1, 1] that clip what outgrows them (Shwartz-Ziv & Tishby's,
used on ReLU), bins from each unit's least to its largest activation of the epoch, and quantiles of
each unit and epoch show it losing bits after a peak in the first epochs: an information plane, and
nothing of it is the network's.

    python examples/reproduce/artefacts.py [--fast] [--out DIR]

A plain run takes about a minute and a half.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from signatures import Signature, conclude, drop, parser
from torch import nn
from training import (
    Classifier,
    batches,
    curve,
    fit,
    has_learnt,
    part_of_szt_task,
    save_curves,
    seeded,
)

from it_callbacks import InformationPlaneMonitor, LogSpaced, Record
from it_callbacks.rulers import Quantile, Refitted, Width, idnns
from it_callbacks.tasks import szt_network, szt_task

LAYER = "net.hidden4.relu"


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    lr: float
    batch_size: int
    epochs: int


USUAL = Settings((0, 2, 3), lr=4e-3, batch_size=256, epochs=800)
FAST = Settings((0,), lr=8e-3, batch_size=512, epochs=400)
FALSE = {
    "clipped to [-1, 1]": idnns(30),
    "least to largest": Refitted(30, "unit"),
    "quantiles": Quantile(30, "unit"),
}


def by_ruler(plane: InformationPlaneMonitor) -> list[Record]:
    """What each ruler has read, as if it were a set of its own, to be drawn side by side."""
    names = {"I_XT": "frozen", **{f"I_XT_{ruler.slug}": name for name, ruler in FALSE.items()}}
    return [
        replace(record, quantity="I_XT", set=names[record.quantity])
        for quantity in names
        for record in plane.history
        if record.quantity == quantity
    ]


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    drops: dict[str, dict[int, float]] = {name: {} for name in ("frozen", *FALSE)}
    for seed in settings.seeds:
        seeded(seed)
        net = szt_network(nn.ReLU)
        training = part_of_szt_task()
        plane = InformationPlaneMonitor(
            [LAYER],
            bins=[Width(0.07), *FALSE.values()],
            data=szt_task(),
            exhaustive=True,
            schedule=LogSpaced(),
        )
        model = Classifier(net, lr=settings.lr)
        fit(model, batches(training, settings.batch_size), settings.epochs, [plane])
        save_curves(by_ruler(plane), out, f"artefacts_{seed}")
        if not has_learnt(f"seed {seed}", model.accuracy(training)):
            continue
        drops["frozen"][seed] = drop(curve(plane, f"information_plane/data/I_XT/{LAYER}"))
        for name, ruler in FALSE.items():
            drops[name][seed] = drop(
                curve(plane, f"information_plane/data/I_XT_{ruler.slug}/{LAYER}")
            )
    return [
        Signature("frozen, width .07: bits lost", drops["frozen"], high=1.2),
        *(Signature(f"{name}: bits lost", drops[name], low=1.0, high=4.0) for name in FALSE),
    ]


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
