"""The artefact gallery: one ReLU run, four rulers, three of which show compression that is not.

You learn how a ruler makes a result. The network that does not compress (see szt.py) is trained
once per seed, and its activations are read with four rulers at the same moments. The frozen one
sees a hidden layer, the fourth of five, keep its bits. Bins on [-1, 1] that clip what outgrows them
(Shwartz-Ziv & Tishby's, used on ReLU), bins from each unit's least to its largest activation of the
epoch, and quantiles of each unit and epoch show it losing bits after a peak in the first epochs: an
information plane, and nothing of it is the network's.

    python examples/reproduce/artefacts.py [--fast] [--out DIR]

A plain run takes about a minute and a half.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from signatures import Signature, conclude, drop, parser
from torch import Tensor, nn
from training import (
    Activations,
    Classifier,
    Recorder,
    batches,
    fit,
    has_learnt,
    part_of_szt_task,
    save_curves,
    seeded,
)

from it_callbacks import LogSpaced, Record
from it_callbacks.codes import symbols
from it_callbacks.estimators import WideReading, entropy
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
RULERS: dict[str, Callable[[Tensor], Tensor]] = {
    "frozen": Width(0.07),
    "clipped to [-1, 1]": idnns(30),
    "least to largest": Refitted(30, "unit"),
    "quantiles": Quantile(30, "unit"),
}
"""What makes states of activations. The last two take their edges from what they are given, so no
monitor takes them: the activations are recorded, and read afterwards."""


def read(recorded: list[Activations], name: str) -> list[Record]:
    """I(X; bin T) at each moment by one of the rulers, as if that were a set of its own."""
    return [
        Record(
            "I_XT",
            name,
            LAYER,
            # The network is deterministic and the patterns are all there are.
            entropy(symbols(RULERS[name](values))).bits,
            step=step,
            epoch=epoch,
            n_samples=len(values),
        )
        for epoch, step, values in recorded
    ]


def at_any_width(recorded: list[Activations]) -> list[Record]:
    """I(X;T+noise) at each moment, which needs no ruler; of 1024 of the patterns."""
    labels = szt_task()[1].numpy()
    reading = WideReading()
    chosen = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[
        : reading.n_samples
    ]
    return [
        Record(
            "relative_I_XT",
            "any width",
            LAYER,
            reading(values[chosen].numpy(), labels[chosen])["relative_I_XT"],
            step=step,
            epoch=epoch,
            n_samples=len(chosen),
        )
        for epoch, step, values in recorded
    ]


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    drops: dict[str, dict[int, float]] = {name: {} for name in RULERS}
    of_wide: dict[int, float] = {}
    for seed in settings.seeds:
        seeded(seed)
        net = szt_network(nn.ReLU)
        training = part_of_szt_task()
        recorder = Recorder(LAYER, szt_task()[0], LogSpaced())
        model = Classifier(net, lr=settings.lr)
        fit(model, batches(training, settings.batch_size), settings.epochs, [recorder])
        by_ruler = {name: read(recorder.recorded, name) for name in RULERS}
        save_curves(
            [record for curve in by_ruler.values() for record in curve], out, f"artefacts_{seed}"
        )
        wide = at_any_width(recorder.recorded)
        save_curves(wide, out, f"artefacts_{seed}_wide")
        if not has_learnt(f"seed {seed}", model.accuracy(training)):
            continue
        of_wide[seed] = drop([record.bits for record in wide])
        for name, curve in by_ruler.items():
            drops[name][seed] = drop([record.bits for record in curve])
    frozen, *moving = drops
    return [
        Signature("frozen, width .07: bits lost", drops[frozen], high=1.2),
        *(Signature(f"{name}: bits lost", drops[name], low=1.0, high=4.0) for name in moving),
        Signature("any width: bits lost", of_wide),
    ]


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
