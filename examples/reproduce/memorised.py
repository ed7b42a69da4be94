"""Zhang et al. (2017): a network fits labels by lot as well as true ones; held-out sets tell.

You learn which numbers tell learnt labels from memorised ones, and which do not. A ReLU network
learns 898 digits with their labels, and again with labels that were dealt anew by lot, those of 898
held-out images among them. Both times it fits all training labels. The rest is theory: about labels
that have nothing to do with the images, no layer and no prediction has any bits on images that were
not trained on. The binned code of layers so wide is the counter-example: it shows all bits of any
labels, on both sets, even before training.

    python examples/reproduce/memorised.py [--fast] [--out DIR]

A plain run takes about a minute. Needs `pip install "it_callbacks[demo]"`.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from signatures import Signature, conclude, of_each, parser
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from training import (
    OVER_FITTING,
    Classifier,
    batches,
    fit,
    is_over_fitted,
    last,
    points,
    run_of,
    save_planes,
    seeded,
)

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
)
from it_callbacks.findings import findings
from it_callbacks.runs import Key, Run
from it_callbacks.tasks import digits_task


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    epochs: int


USUAL = Settings((0, 1, 2, 3, 4), epochs=100)
FAST = Settings((0,), epochs=100)
N = 898
"""Images of either set: as many of each, since y of fewer samples is lower."""
K = 10
LAYERS = ("net.hidden1.1", "net.hidden2.1", "net.hidden3.1", "net.logits")

H_Y = math.log2(K)
NEARLY_ALL = round(0.9 * H_Y, 2)
FITTED = 0.99
"""Least share of the training labels: Zhang et al. (2017) fit all of them."""
CHANCE = round(3 * math.sqrt(2) * (K - 1) / (2 * N * math.log(2)), 3)
"""Three standard deviations of I(Y; argmax) if the two are independent, in bits: 2 N ln 2 times it
is chi-square with (K - 1)² degrees of freedom, and its variance is twice that."""
NO_BITS = 0.05
"""What V(T->Y) of independent labels may show. Its mean is at most 0, its error about .01."""
GAPS = round(H_Y / 4, 2), round(H_Y / 2, 2)
"""The most that y of learnt labels may lack on held-out images, and the least of memorised ones.

Of digits 90 % of which are right, Fano's inequality leaves .79 bit open, a quarter of H(Y)."""
SHOWN = {*OVER_FITTING, "learnt", "gap_unsure", "no_gap"}
"""Rules of findings that are printed."""


def network() -> nn.Module:
    """Three hidden layers of 256 units: 150 000 weights for 898 labels."""
    widths = (64, 256, 256, 256)
    hidden = {
        f"hidden{number}": nn.Sequential(nn.Linear(before, after), nn.ReLU())
        for number, (before, after) in enumerate(pairwise(widths), start=1)
    }
    return nn.Sequential(OrderedDict({**hidden, "logits": nn.Linear(widths[-1], K)}))


class Trained(NamedTuple):
    """What the monitors of a training have, and the share of each set that is classified right."""

    run: Run
    accuracy: Mapping[str, float]

    @property
    def epochs_to_half(self) -> int:
        """Epochs until the predictions tell half of what there is to know of training labels."""
        bound = points(self.run, Key("prediction_entropy", "train", "label_bound"))
        return next((epoch for epoch, bits in bound.items() if bits >= H_Y / 2), max(bound))

    def gap(self) -> float:
        """The gap of y in the logits, of the training set above the other one."""
        return self.last("V_TY", "train", LAYERS[-1]) - self.last("V_TY", "val", LAYERS[-1])

    def last(self, quantity: str, set_: str, layer: str) -> float:
        """The last of these values."""
        return last(self.run, Key(quantity, set_, layer))


def train(images: Tensor, labels: Tensor, epochs: int, out: Path | None, name: str) -> Trained:
    """Train on one half of the images, with all three monitors on either half."""
    parts = torch.randperm(len(images))[: 2 * N].chunk(2)
    sets = {
        set_: TensorDataset(images[part], labels[part])
        for set_, part in zip(("train", "val"), parts, strict=True)
    }
    schedule = LogSpaced(5)
    planes = [
        InformationPlaneMonitor(data=samples.tensors, schedule=schedule, name=set_)
        for set_, samples in sets.items()
    ]
    monitors = [
        *planes,
        *(
            monitor(data=samples.tensors, schedule=schedule, name=set_)
            for monitor in (PredictionEntropyMonitor, ConditionalEntropyMonitor)
            for set_, samples in sets.items()
        ),
    ]
    model = Classifier(network(), lr=2e-3)
    fit(model, batches(sets["train"], 64), epochs, monitors)
    save_planes(planes, out, name)
    accuracy = {set_: model.accuracy(samples) for set_, samples in sets.items()}
    return Trained(run_of(name, monitors), accuracy)


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    images, labels = digits_task()
    learnt, by_lot = {}, {}
    for seed in settings.seeds:
        seeded(seed)
        learnt[seed] = train(images, labels, settings.epochs, out, f"memorised_true_{seed}")
        seeded(seed)
        drawn = labels[torch.randperm(len(labels))]
        by_lot[seed] = train(images, drawn, settings.epochs, out, f"memorised_lot_{seed}")
        describe(f"seed {seed}", learnt[seed], by_lot[seed])
    return [
        *of_either("true labels", learnt),
        *of_either("labels by lot", by_lot),
        *of_labels_by_lot(by_lot),
        *of_both(learnt, by_lot),
    ]


def describe(title: str, learnt: Trained, by_lot: Trained) -> None:
    """Print y and the sliced information of all layers at the end, and what was found."""
    print(f"{title}: V(T->Y) of train, of val, sliced I(T;Y) of train, I(bin T;Y) of val")
    for name, trained in (("true labels", learnt), ("labels by lot", by_lot)):
        print(f"  {name}")
        for layer in LAYERS:
            bits = (
                trained.last(quantity, set_, layer)
                for quantity, set_ in (
                    ("V_TY", "train"),
                    ("V_TY", "val"),
                    ("sliced_I_TY", "train"),
                    ("I_TY", "val"),
                )
            )
            print(f"    {layer:<16}", "".join(f"{each:8.2f}" for each in bits))
        for found in findings([trained.run]):
            if found.rule in SHOWN:
                print(f"    {found.text}")
    print(flush=True)


def of_either(name: str, runs: Mapping[int, Trained]) -> list[Signature]:
    """All training labels are fitted, and the binned code has all bits of any labels."""
    fitted = of_each(runs, lambda run: run.accuracy["train"])
    told = of_each(runs, lambda run: run.last("prediction_entropy", "train", "label_bound"))
    binned = of_each(runs, lambda run: run.last("I_TY", "val", LAYERS[0]))
    return [
        Signature(f"{name}: accuracy on train", fitted, low=FITTED),
        Signature(f"{name}: accuracy on val", of_each(runs, lambda run: run.accuracy["val"])),
        Signature(f"{name}: H(Y) - CE of train, bits", told, low=NEARLY_ALL),
        Signature(f"{name}: I(bin T;Y) of val, first layer, bits", binned, low=NEARLY_ALL),
    ]


def of_labels_by_lot(runs: Mapping[int, Trained]) -> list[Signature]:
    """Nothing is known of labels that were not trained on: not by layers, not by predictions."""
    layers = of_each(runs, lambda run: max(run.last("V_TY", "val", each) for each in LAYERS))
    hard = of_each(runs, lambda run: abs(run.last("label_information", "val", "hard_adjusted")))
    bound = of_each(runs, lambda run: run.last("prediction_entropy", "val", "label_bound"))
    within = of_each(
        runs,
        lambda run: (
            run.last("prediction_entropy", "val", "marginal")
            - run.last("conditional_entropy", "val", "all")
        ),
    )
    name = "labels by lot"
    return [
        Signature(f"{name}: V(T->Y) of val, any layer, bits", layers, high=NO_BITS),
        Signature(f"{name}: I(Y;argmax) of val, off 0 by, bits", hard, high=CHANCE),
        Signature(f"{name}: H(Y) - CE of val, bits", bound, high=0.0),
        Signature(f"{name}: H(Y^) - H(Y^|Y) of val, bits", within),
    ]


def of_both(learnt: Mapping[int, Trained], by_lot: Mapping[int, Trained]) -> list[Signature]:
    """What differs between the two, of training labels that are fitted both times."""
    pairs = {seed: (learnt[seed], by_lot[seed]) for seed in learnt}
    slices = {
        seed: lot.last("sliced_I_TY", "train", LAYERS[1])
        / true.last("sliced_I_TY", "train", LAYERS[1])
        for seed, (true, lot) in pairs.items()
    }
    slower = {seed: lot.epochs_to_half / true.epochs_to_half for seed, (true, lot) in pairs.items()}
    gap = "V(T->Y) of logits, train above val, bits"
    told = "called over-fitted"
    return [
        Signature(f"true labels: {gap}", of_each(learnt, Trained.gap), high=GAPS[0]),
        Signature(f"labels by lot: {gap}", of_each(by_lot, Trained.gap), low=GAPS[1]),
        Signature("sliced I(T;Y) of hidden layer 2, memorised / learnt", slices, high=1.0),
        Signature("epochs to half of H(Y), by lot / true", slower, low=1.0),
        Signature(f"true labels: {told}", of_each(learnt, over_fitted)),
        Signature(f"labels by lot: {told}", of_each(by_lot, over_fitted), low=1.0),
    ]


def over_fitted(trained: Trained) -> float:
    """1 if a finding says so, else 0."""
    return float(is_over_fitted(trained.run))


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
