"""The plane of any width: layers that no bins can read lie in order, in five kinds of networks.

You learn to read it; it is on by default: across, how many inputs a layer keeps apart under noise
that goes with its spread; up, how many bits of the label a linear reader predicts on samples that
it has not seen. In a tanh and a ReLU perceptron, a CNN, a ResNet with batch norm and a transformer,
the first layer lies to the right and the logits to the left; training moves the logits up; and
training images lie above held-out ones. The binned code shows nothing of this: all these layers are
saturated. Labels by lot are the control: untrained, no layer has any of them. Maps and tokens are
read at all positions; their mean over positions loses what early layers have.

    python examples/reproduce/wide.py [--fast] [--data DIR] [--out DIR]

Two thirds of the images are trained on, and 1024 of these are measured; so are up to 1024 others.
DIR holds MNIST as it is distributed, of which 6000 images are used. Without it the 1797 digits of
scikit-learn are used (`pip install "it_callbacks[demo]"`): of these, 599 are held out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from convolutional import mnist
from networks import Transformer, convolutional, perceptron, residual
from signatures import Signature, conclude, parser
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from training import Classifier, batches, curve, fit, save_planes, seeded

from it_callbacks import InformationPlaneMonitor, LogSpaced
from it_callbacks.records import Status
from it_callbacks.tasks import digits_task


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    epochs: int
    epochs_by_lot: int
    """Of the perceptrons that learn labels by lot, which takes longer."""
    data: Path | None = None


USUAL = Settings((0, 1, 2), epochs=20, epochs_by_lot=80)
FAST = Settings((0,), epochs=8, epochs_by_lot=4)
N = 6000  # images at most

Sets = dict[str, TensorDataset]
Planes = dict[str, InformationPlaneMonitor]


class Network(NamedTuple):
    build: Callable[[int], nn.Module]
    """Makes it for images of this side."""
    lr: float = 1e-3
    pooled: Mapping[str, Callable[[Tensor], Tensor]] = {}
    """Layers that are also read as their mean over positions, from the first to the last."""


def over_pixels(maps: Tensor) -> Tensor:
    """The mean of each channel."""
    return maps.mean((2, 3))


def over_tokens(tokens: Tensor) -> Tensor:
    """The mean of each feature."""
    return tokens.mean(1)


NETWORKS = {
    "tanh": Network(partial(perceptron, activation=nn.Tanh)),
    "relu": Network(partial(perceptron, activation=nn.ReLU)),
    "cnn": Network(convolutional, pooled={"net.conv1.1": over_pixels, "net.conv3.1": over_pixels}),
    "resnet": Network(residual),
    "transformer": Network(
        Transformer, 3e-3, {"net.embedding": over_tokens, "net.block2": over_tokens}
    ),
}


class Axes(NamedTuple):
    """The quantities of a plane."""

    x: str
    y: str
    status: str


WIDE = Axes("relative_I_XT", "V_TY", "wide_status")
CODE = Axes("I_XT", "I_TY", "status")


class Layer(NamedTuple):
    """Where a layer lies, from before the first step to the end."""

    name: str
    x: list[float]
    y: list[float]
    status: list[float]

    @property
    def is_ok(self) -> bool:
        """Whether its last point can be trusted."""
        return self.status[-1] == Status.OK


class Trained(NamedTuple):
    """A network that was trained, and the planes of what it was trained on and of the rest."""

    model: Classifier
    sets: Sets
    planes: Planes

    def layers(self, set_: str, axes: Axes = WIDE) -> list[Layer]:
        """All layers of a set, in the order of the network."""
        plane = self.planes[set_]
        names = [layer["tag"] for layer in plane.settings[set_]["layers"]]
        return [
            Layer(name, *(curve(plane, f"information_plane/{set_}/{q}/{name}") for q in axes))
            for name in names
        ]

    def sliced(self, layer: str) -> float:
        """Information about the training labels in random directions of a layer, at the end."""
        return curve(self.planes["train"], f"information_plane/train/sliced_I_TY/{layer}")[-1]


def train(
    network: Network, images: Tensor, labels: Tensor, epochs: int, batch_size: int = 64
) -> Trained:
    """Train on two thirds of the images, and read all layers of a default monitor."""
    n = min(len(images), N)
    order = torch.randperm(len(images))[:n]
    parts = order[: 2 * n // 3], order[2 * n // 3 :]
    sets = {
        set_: TensorDataset(images[part], labels[part])
        for set_, part in zip(("train", "val"), parts, strict=True)
    }
    schedule = LogSpaced(2)  # more rarely than by default, since these epochs take milliseconds
    planes = {
        set_: InformationPlaneMonitor(data=samples.tensors, schedule=schedule, name=set_)
        for set_, samples in sets.items()
    }
    if network.pooled:
        planes["pooled"] = InformationPlaneMonitor(
            network.pooled, data=sets["train"].tensors, schedule=schedule, name="pooled"
        )
    model = Classifier(network.build(images.shape[-1]), lr=network.lr)
    fit(model, batches(sets["train"], batch_size), epochs, list(planes.values()))
    return Trained(model, sets, planes)


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    if settings.data is None:
        images, labels = digits_task()
        images = images.reshape(-1, 1, 8, 8)
    else:
        images, labels = mnist(settings.data)
    learnt: dict[str, dict[int, Trained]] = {name: {} for name in NETWORKS}
    by_lot: dict[str, dict[int, Trained]] = {"tanh": {}, "relu": {}}
    for seed in settings.seeds:
        for name, of_name in learnt.items():
            seeded(seed)
            of_name[seed] = train(NETWORKS[name], images, labels, settings.epochs)
        for name, of_name in by_lot.items():
            seeded(seed)
            drawn = labels[torch.randperm(len(labels))]
            of_name[seed] = train(NETWORKS[name], images, drawn, settings.epochs_by_lot, 32)
        for name, runs in (*learnt.items(), *((f"{n}_by_lot", of) for n, of in by_lot.items())):
            describe(f"{name}, seed {seed}", runs[seed])
            planes = runs[seed].planes
            save_planes([planes["val"], planes["train"]], out, f"wide_{name}_{seed}")
    return [
        *(one for name, runs in learnt.items() for one in of_network(name, runs)),
        *of_activations(learnt["tanh"], learnt["relu"]),
        *(one for name in ("cnn", "transformer") for one in of_positions(name, learnt[name])),
        *(one for name, runs in by_lot.items() for one in of_labels_by_lot(name, runs)),
        *memorised_or_learnt(by_lot, learnt),
    ]


def describe(title: str, trained: Trained) -> None:
    """Print where each layer lay untrained and lies now, and why any is to be read with care."""
    plane = trained.planes["train"]
    causes = plane.settings["train"]["wide"]["layers"]
    print(f"{title}: I(X;T+noise) and V(T->Y) of 1024 training images, untrained -> trained")
    for layer in trained.layers("train"):
        status = "OK" if layer.is_ok else f"CAUTION: {causes[layer.name]['caution']}"
        x, y = (f"{axis[0]:5.2f} -> {axis[-1]:4.2f}" for axis in (layer.x, layer.y))
        print(f"  {layer.name:<20}{x}  {y}  {status}")
    print(flush=True)


def of_network(name: str, runs: Mapping[int, Trained], axes: Axes = WIDE) -> list[Signature]:
    """What every network that learns has to show at any width; binned codes do not."""
    layers = {seed: run.layers("train", axes) for seed, run in runs.items()}
    val = {seed: run.layers("val", axes) for seed, run in runs.items()}
    apart = {seed: of[0].x[-1] - of[-1].x[-1] for seed, of in layers.items()}
    gained = {seed: of[-1].y[-1] - of[-1].y[0] for seed, of in layers.items()}
    # Of ten numbers, 599 samples read as much as 1024; of 127, less.
    gap = {seed: layers[seed][-1].y[-1] - val[seed][-1].y[-1] for seed in runs}
    ok = {seed: sum(layer.is_ok for layer in of) / len(of) for seed, of in layers.items()}
    return [
        *(
            Signature(
                f"{name}: accuracy on {set_}",
                {seed: run.model.accuracy(run.sets[set_]) for seed, run in runs.items()},
            )
            for set_ in ("train", "val")
        ),
        Signature(f"{name}: x of first layer above logits, bits", apart, low=1.0),
        Signature(f"{name}: y of logits rises by, bits", gained, low=0.5),
        Signature(f"{name}: y of logits, train above val, bits", gap, low=0.03),
        Signature(f"{name}: share of layers that are OK", ok, low=0.8),
    ]


def of_activations(tanh: Mapping[int, Trained], relu: Mapping[int, Trained]) -> list[Signature]:
    """Deep layers of tanh fall in x, one after the other; those of ReLU lie close together."""

    def x(runs: Mapping[int, Trained]) -> dict[int, list[float]]:
        return {seed: [of.x[-1] for of in run.layers("train")] for seed, run in runs.items()}

    falls = {seed: min(a - b for a, b in pairwise(of)) for seed, of in x(tanh).items()}
    fall = {seed: of[1] - of[3] for seed, of in x(tanh).items()}
    width = {seed: max(of[1:4]) - min(of[1:4]) for seed, of in x(relu).items()}
    return [
        Signature("tanh: x falls from layer to layer by at least, bits", falls, low=0.0),
        Signature("tanh: x falls from hidden layer 2 to 4 by, bits", fall, low=0.45),
        Signature("relu: x of hidden layers 2 to 4 is within, bits", width, high=0.45),
    ]


def of_positions(name: str, runs: Mapping[int, Trained]) -> list[Signature]:
    """A mean over positions loses what early layers have, and so their order."""
    lost_y, lost_x, of_all, of_mean = {}, {}, {}, {}
    for seed, run in runs.items():
        pooled = run.layers("pooled")
        whole = {layer.name: layer for layer in run.layers("train")}
        first, last = pooled[0], pooled[-1]
        lost_y[seed] = whole[first.name].y[-1] - first.y[-1]
        lost_x[seed] = whole[first.name].x[-1] - first.x[-1]
        of_all[seed] = whole[first.name].x[-1] - whole[last.name].x[-1]
        of_mean[seed] = first.x[-1] - last.x[-1]
    return [
        Signature(f"{name}: first layer, y that its mean loses, bits", lost_y, low=0.3),
        Signature(f"{name}: first layer, x that its mean loses, bits", lost_x, low=1.0),
        Signature(f"{name}: all positions, x of first above last, bits", of_all, low=0.3),
        Signature(f"{name}: their mean, x of first above last, bits", of_mean),
    ]


def of_labels_by_lot(name: str, runs: Mapping[int, Trained]) -> list[Signature]:
    """Nothing is known of them before training, and nothing ever on other images."""
    untrained, memorised, unseen = {}, {}, {}
    for seed, run in runs.items():
        untrained[seed] = max(abs(layer.y[0]) for layer in run.layers("train"))
        memorised[seed] = run.layers("train")[-1].y[-1]
        unseen[seed] = max(layer.y[-1] for layer in run.layers("val"))
    return [
        Signature(f"{name}, labels by lot: y of any layer untrained, bits", untrained, high=0.03),
        Signature(f"{name}, labels by lot: y of logits of train, bits", memorised),
        Signature(f"{name}, labels by lot: y of any layer of val, bits", unseen, high=0.05),
    ]


def memorised_or_learnt(
    by_lot: Mapping[str, Mapping[int, Trained]], learnt: Mapping[str, Mapping[int, Trained]]
) -> list[Signature]:
    """In a second hidden layer of tanh, random directions have learnt labels, not memorised ones.

    Of a ReLU layer they have some of either.
    """
    signatures = []
    for name, runs in by_lot.items():
        of_lot = {seed: run.sliced("net.hidden2.1") for seed, run in runs.items()}
        of_images = {seed: run.sliced("net.hidden2.1") for seed, run in learnt[name].items()}
        share = {seed: of_lot[seed] / of_images[seed] for seed in of_lot}
        what = f"{name}: sliced I(T;Y) of hidden layer 2"
        signatures += [
            Signature(f"{what}, memorised, bits", of_lot),
            Signature(f"{what}, learnt, bits", of_images),
            Signature(f"{what}, memorised / learnt", share, high=0.2)
            if name == "tanh"
            else Signature(f"{what}, memorised / learnt", share),
        ]
    return signatures


if __name__ == "__main__":
    command = parser(__doc__, USUAL, fast=FAST)
    command.add_argument("--data", type=Path, metavar="DIR", help="read MNIST from this folder")
    arguments = command.parse_args()
    found = experiment(arguments.settings._replace(data=arguments.data), arguments.out)
    sys.exit(conclude(__doc__, found))
