"""Power et al. (2022): a network memorises modular addition, and learns it long afterwards.

You learn what grokking looks like on the plane of any width. Half of all pairs (a, b) below 47 are
trained on, with (a + b) modulo 47 as the label and strong weight decay; the other half is held out.
Soon all training labels are fitted, and the plane is that of memorised labels: y is high in
training and about 0 in validation. Much later, with nothing left to gain in training accuracy, y of
validation rises as well: a linear reader finds the sum before the network's own accuracy shows it.
The binned code is saturated throughout, and shows nothing of it.

    python examples/reproduce/grokking.py [--fast] [--out DIR]

A plain run takes about a minute.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from signatures import Signature, conclude, of_each, parser
from torch import nn
from torch.utils.data import TensorDataset
from training import (
    OVER_FITTING,
    Classifier,
    Monitor,
    batches,
    fit,
    is_over_fitted,
    last,
    points,
    run_of,
    save_planes,
    seeded,
)

from it_callbacks import InformationPlaneMonitor, LogSpaced, PredictionEntropyMonitor
from it_callbacks.estimators import WideReading
from it_callbacks.findings import findings
from it_callbacks.runs import Key, Run


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    lr: float
    epochs: int


USUAL = Settings((0, 1, 2), lr=5e-3, epochs=2000)
FAST = Settings((0,), lr=1e-2, epochs=1200)
P = 47
"""The modulus, and the number of labels: half of its pairs are over 20 of each, which y needs."""
LAYERS = ("net.hidden1.1", "net.hidden2.1", "net.logits")
H_Y = math.log2(P)

FITTED, LEARNT = 0.99, 0.95
"""Shares of the training and of the held-out labels from which on a set counts as known."""
LONG = 10.0
"""Times as many epochs to learn as to fit: Power et al. (2022) speak of long after, and their
pictures have orders of magnitude; one is asked for."""

GAPS = round(H_Y / 4, 2), round(H_Y / 2, 2)
"""The most of a gap of y of learnt labels, and the least of memorised ones, as in memorised.py."""
KNOWN = round(H_Y - 0.57, 2)
"""Bits of the label that are known if 95 % are right: by Fano's inequality at most .57 bit,
h(.05) + .05 log2 46, is open then."""
SHOWN = {*OVER_FITTING, "no_gap", "learns_last", "learnt"}
"""Rules of findings that are printed."""


class Decaying(Classifier):
    """A classifier with strong weight decay, which makes it learn sooner after it has fitted."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.lr, betas=(0.9, 0.98), weight_decay=1.0)


class Accuracies(Callback):
    """Keeps the accuracy on some sets, by set and epoch, often enough to see when it rises."""

    def __init__(self, sets: Mapping[str, TensorDataset]) -> None:
        self.sets = sets
        self.schedule = LogSpaced(40)
        self.of: dict[str, dict[int, float]] = {name: {} for name in sets}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        is_last = epoch == trainer.max_epochs
        if isinstance(pl_module, Classifier) and (is_last or self.schedule.includes(epoch)):
            for name, samples in self.sets.items():
                self.of[name][epoch] = pl_module.accuracy(samples)
            pl_module.train()

    def first(self, name: str, share: float) -> int:
        """The first epoch with so much of a set right; the last one if there is none."""
        epochs = self.of[name]
        return next((epoch for epoch, right in epochs.items() if right >= share), max(epochs))


def network() -> nn.Module:
    """Two hidden layers, for both numbers as one-hot vectors."""
    return nn.Sequential(
        OrderedDict(
            hidden1=nn.Sequential(nn.Linear(2 * P, 128), nn.ReLU()),
            hidden2=nn.Sequential(nn.Linear(128, 128), nn.ReLU()),
            logits=nn.Linear(128, P),
        )
    )


def halves() -> dict[str, TensorDataset]:
    """All pairs and their sums, in two halves drawn by lot."""
    pairs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
    inputs = nn.functional.one_hot(pairs, P).flatten(1).float()
    labels = pairs.sum(1) % P
    train, val = torch.randperm(P * P).tensor_split(2)
    return {
        "train": TensorDataset(inputs[train], labels[train]),
        "val": TensorDataset(inputs[val], labels[val]),
    }


class Trained(NamedTuple):
    """What was measured of a training, and when its sets were known."""

    run: Run
    accuracies: Accuracies
    early: Run
    """The same as it stood when the training labels were fitted."""

    @property
    def fitted(self) -> int:
        """The epoch by which the training labels were."""
        return self.accuracies.first("train", FITTED)

    @property
    def learnt(self) -> int:
        """The epoch by which the held-out labels were."""
        return self.accuracies.first("val", LEARNT)

    @property
    def known(self) -> float:
        """Share of the held-out labels that are right in the end."""
        return [*self.accuracies.of["val"].values()][-1]

    @property
    def half(self) -> int:
        """The epoch by which a linear reader of hidden layer 2 finds half of held-out labels."""
        y = points(self.run, Key("V_TY", "val", LAYERS[1]))
        return next((epoch for epoch, bits in y.items() if bits >= H_Y / 2), max(y))

    def bits(self, quantity: str, set_: str, layer: str, *, early: bool) -> float:
        """The last value of a layer, of the whole training or of its first part."""
        return last(self.early if early else self.run, Key(quantity, set_, layer))

    def gap(self, *, early: bool) -> float:
        """The gap of y in the logits, of the training pairs above the others."""
        train, val = (self.bits("V_TY", set_, LAYERS[-1], early=early) for set_ in ("train", "val"))
        return train - val


def train(settings: Settings, seed: int, out: Path | None) -> Trained:
    """Train on one half, whole in each step, with monitors on both."""
    seeded(seed)
    sets = halves()
    schedule = LogSpaced(10)
    planes = [
        InformationPlaneMonitor(
            data=samples.tensors,
            schedule=schedule,
            wide=WideReading(schedule=schedule),
            name=set_,
        )
        for set_, samples in sets.items()
    ]
    predictions = [
        PredictionEntropyMonitor(data=samples.tensors, schedule=schedule, name=set_)
        for set_, samples in sets.items()
    ]
    monitors: list[Monitor] = [*planes, *predictions]
    accuracies = Accuracies(sets)
    training = batches(sets["train"], len(sets["train"]))
    model = Decaying(network(), lr=settings.lr)
    fit(model, training, settings.epochs, [*monitors, accuracies])
    name = f"grokking_{seed}"
    save_planes(planes, out, name)
    # The first reading at which all training labels are fitted.
    fitted = accuracies.first("train", FITTED)
    moments = (record.epoch for record in planes[0].history)
    until = min((epoch for epoch in moments if epoch >= fitted), default=settings.epochs)
    return Trained(run_of(name, monitors), accuracies, run_of(name, monitors, until))


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    runs = {seed: train(settings, seed, out) for seed in settings.seeds}
    for seed, run in runs.items():
        describe(f"seed {seed}", run)
    return [*of_accuracy(runs), *of_plane(runs)]


def describe(title: str, trained: Trained) -> None:
    """Print x and y of all layers when memorised and at the end, and what is found of both."""
    print(f"{title}: fitted by epoch {trained.fitted}, learnt by {trained.learnt}")
    print("  I(X;T+noise) and V(T->Y), memorised -> learnt")
    for set_ in ("train", "val"):
        for layer in LAYERS:
            x, y = (
                f"{trained.bits(quantity, set_, layer, early=True):5.2f} -> "
                f"{trained.bits(quantity, set_, layer, early=False):4.2f}"
                for quantity in ("relative_I_XT", "V_TY")
            )
            print(f"    {set_:<6}{layer:<15}{x}  {y}")
    for run in (trained.early, trained.run):
        for found in findings([run]):
            if found.rule in SHOWN:
                print(f"    {found.text}")
    print(flush=True)


def of_accuracy(runs: Mapping[int, Trained]) -> list[Signature]:
    """All of the training labels are known long before any of the others."""
    before = of_each(runs, lambda run: run.accuracies.of["val"][run.fitted])
    return [
        Signature("epochs until training labels are fitted", of_each(runs, lambda run: run.fitted)),
        Signature("epochs until held-out labels are known", of_each(runs, lambda run: run.learnt)),
        Signature("times as many", of_each(runs, lambda run: run.learnt / run.fitted), low=LONG),
        Signature("fitted: accuracy on val", before),
        Signature("learnt: accuracy on val", of_each(runs, lambda run: run.known), low=LEARNT),
    ]


def of_plane(runs: Mapping[int, Trained]) -> list[Signature]:
    """The plane is that of memorised labels first, and that of learnt ones in the end."""
    logits = LAYERS[-1]
    below = of_each(runs, lambda run: run.bits("V_TY", "val", logits, early=True))
    above = of_each(runs, lambda run: run.bits("V_TY", "val", logits, early=False))
    fall = of_each(
        runs,
        lambda run: (
            run.bits("relative_I_XT", "train", LAYERS[1], early=True)
            - run.bits("relative_I_XT", "train", LAYERS[1], early=False)
        ),
    )
    binned = of_each(runs, lambda run: run.bits("I_TY", "val", logits, early=True))
    ahead = of_each(runs, lambda run: run.half / run.accuracies.first("val", 0.5))
    right = of_each(runs, lambda run: run.accuracies.of["val"][run.half])
    gap = "y of logits, train above val, bits"
    return [
        Signature(f"fitted: {gap}", of_each(runs, lambda run: run.gap(early=True)), low=GAPS[1]),
        Signature(f"learnt: {gap}", of_each(runs, lambda run: run.gap(early=False)), high=GAPS[0]),
        Signature("fitted: y of logits of val, bits", below),
        Signature("learnt: y of logits of val, bits", above, low=KNOWN),
        Signature("epochs to half of y of val / of its accuracy", ahead, high=1.0),
        Signature("half of y of val: accuracy on val", right),
        Signature("x of hidden layer 2 of train falls by, bits", fall, low=0.0),
        Signature(
            "fitted: called over-fitted",
            of_each(runs, lambda run: float(is_over_fitted(run.early))),
            low=1.0,
        ),
        Signature(
            "learnt: called over-fitted",
            of_each(runs, lambda run: float(is_over_fitted(run.run))),
            high=0.0,
        ),
        Signature("fitted: I(bin T;Y) of logits of val, bits", binned, low=round(0.9 * H_Y, 2)),
    ]


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
