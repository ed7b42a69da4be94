"""Watch a convolutional network on MNIST, read from files that you have.

You learn what becomes of feature maps: by default each channel is averaged over its positions
before it is read (`reduce="auto"`), and the settings of the run say so. Read at 30 and at 5 bins:
the coarser ruler still tells something where the finer one is saturated.

DIR holds MNIST's test set as it is distributed, t10k-images-idx3-ubyte.gz and
t10k-labels-idx1-ubyte.gz. Of its 10 000 digits, 8000 are trained on and 2000 validated on.

    python examples/mnist_cnn.py --data DIR [--epochs N]
    tensorboard --logdir lightning_logs
"""

import argparse
import gzip
import math
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import LightningModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics.classification import MulticlassAccuracy

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)

IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


class Cnn(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.ReLU())
        self.conv2 = nn.Sequential(nn.Conv2d(8, 6, 3, stride=2), nn.Tanh())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(6 * 6 * 6, 10))
        self.accuracy = MulticlassAccuracy(10, average="micro")

    def forward(self, images: Tensor) -> Tensor:
        return torch.as_tensor(self.head(self.conv2(self.conv1(images))))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.accuracy(self(batch[0]), batch[1])
        self.log("val_accuracy", self.accuracy, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def read_idx(path: Path) -> Tensor:
    """The array of bytes in an idx file: 0, 0, 8, its number of axes, their lengths, the bytes."""
    with gzip.open(path) as file:
        content = file.read()
    n_axes = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    shape = [int.from_bytes(content[4 * i : 4 * i + 4], "big") for i in range(1, n_axes + 1)]
    if not n_axes or len(content) != 4 + 4 * n_axes + math.prod(shape):
        raise ValueError(f"{path} is no complete idx file of bytes")
    return torch.tensor(np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes)).reshape(shape)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=f"with {IMAGES}")
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    missing = [name for name in (IMAGES, LABELS) if not (arguments.data / name).is_file()]
    if missing:
        parser.error(f"argument --data: {arguments.data} has no {' and no '.join(missing)}")

    seed_everything(0)
    images, labels = (read_idx(arguments.data / name) for name in (IMAGES, LABELS))
    digits = TensorDataset(images[:, None] / 255, labels.long())
    training, validation = random_split(digits, [0.8, 0.2])
    trainer = Trainer(
        max_epochs=arguments.epochs,
        accelerator="cpu",
        callbacks=[
            PredictionEntropyMonitor(),
            ConditionalEntropyMonitor(),
            InformationPlaneMonitor(["conv1", "conv2", "head"], bins=[30, 5]),
        ],
    )
    trainer.fit(Cnn(), DataLoader(training, 128, shuffle=True), DataLoader(validation, 500))
