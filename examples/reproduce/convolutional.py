"""A convolutional network and labels drawn by lot: learnt or memorised, two planes tell.

You learn to read the training and the validation plane together. The network is trained twice, on
the labels of the images and on labels drawn by lot. Both times it ends with about all that there is
to know of its training labels. On images that it has not seen, what it knows of the first remains,
and of the second nothing: the control that every rise of I(T;Y) has to stand.
Maps and probabilities are read through two random projections, frozen and the same for all; both
planes have the same number of samples, since that number bounds what they show.

    python examples/reproduce/convolutional.py [--fast] [--data DIR] [--out DIR]

DIR holds MNIST as it is distributed, of which 2 x 400 digits are used: train-images-idx3-ubyte.gz
and train-labels-idx1-ubyte.gz, or the same of t10k. Without it the small digits of scikit-learn are
used (`pip install "it_callbacks[demo]"`). A plain run takes about a minute.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from signatures import Signature, conclude, parser
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from training import Classifier, as_it_is, batches, curve, fit, probabilities, save_planes, seeded

from it_callbacks import InformationPlaneMonitor, LogSpaced
from it_callbacks.reductions import RandomProjection
from it_callbacks.rulers import Width
from it_callbacks.tasks import digits_task


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    epochs: int
    data: Path | None = None


USUAL = Settings((0, 1, 2), epochs=80)
FAST = Settings((0,), epochs=60)
N = 400  # images of either set: few enough to be memorised soon


def network(side: int) -> nn.Sequential:
    """Two convolutions and two linear layers, for square images."""
    left = (side - 5) // 2 + 1  # after two kernels of 3, the second with a stride of 2
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(), nn.Flatten()),
        nn.Sequential(nn.Linear(16 * left**2, 128), nn.ReLU()),
        nn.Linear(128, 10),
    )


def mnist(folder: Path) -> tuple[Tensor, Tensor]:
    """MNIST from its files: images ``(n, 1, 28, 28)`` between 0 and 1, labels ``(n,)``."""
    for part in ("train", "t10k"):
        images, labels = (folder / f"{part}-{of}-ubyte.gz" for of in ("images-idx3", "labels-idx1"))
        if images.is_file() and labels.is_file():
            pixels = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16)
            which = np.frombuffer(gzip.decompress(labels.read_bytes()), np.uint8, offset=8)
            return torch.tensor(pixels).reshape(-1, 1, 28, 28) / 255, torch.tensor(which).long()
    raise FileNotFoundError(f"--data: {folder} has neither MNIST's training nor its test files")


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    if settings.data is None:
        images, labels = digits_task()
        images = images.reshape(-1, 1, 8, 8)
    else:
        images, labels = mnist(settings.data)
    signatures = []
    for name, by_lot in (("labels of the images", False), ("labels by lot", True)):
        accuracy: dict[str, dict[int, float]] = {"train": {}, "val": {}}
        known: dict[str, dict[int, float]] = {"train": {}, "val": {}}
        for seed in settings.seeds:
            seeded(seed)
            shown = labels[torch.randperm(len(labels))] if by_lot else labels
            chosen = torch.randperm(len(labels))[: 2 * N].chunk(2)
            sets = {
                set_: TensorDataset(images[of_set], shown[of_set])
                for set_, of_set in zip(accuracy, chosen, strict=True)
            }
            planes = {
                set_: InformationPlaneMonitor(
                    {"net.[012]": as_it_is, "net.3": probabilities},
                    bins={"net.[012]": 10, "net.3": Width(0.1)},
                    reduce=RandomProjection(2),
                    data=samples.tensors,
                    schedule=LogSpaced(),
                    name=set_,
                )
                for set_, samples in sets.items()
            }
            model = Classifier(network(images.shape[-1]), lr=3e-3)
            fit(model, batches(sets["train"], 32), settings.epochs, list(planes.values()))
            drawn = f"convolutional_{'lot' if by_lot else 'true'}_{seed}"
            save_planes(list(planes.values()), out, drawn)
            for set_, plane in planes.items():
                accuracy[set_][seed] = model.accuracy(sets[set_])
                known[set_][seed] = curve(plane, f"information_plane/{set_}/I_TY_adjusted/net.3")[
                    -1
                ]
        signatures += [
            Signature(f"{name}: accuracy on {set_}", accuracy[set_]) for set_ in accuracy
        ]
        of_train, of_val = (f"{name}: output knows of {set_}, bits" for set_ in known)
        signatures += [
            Signature(of_train, known["train"], low=2.0),
            Signature(of_val, known["val"], high=0.2)
            if by_lot
            else Signature(of_val, known["val"], low=2.0),
        ]
    return signatures


if __name__ == "__main__":
    command = parser(__doc__, USUAL, fast=FAST)
    command.add_argument("--data", type=Path, metavar="DIR", help="read MNIST from this folder")
    arguments = command.parse_args()
    found = experiment(arguments.settings._replace(data=arguments.data), arguments.out)
    sys.exit(conclude(__doc__, found))
