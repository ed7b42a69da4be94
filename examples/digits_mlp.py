"""Watch a small network learn handwritten digits; needs `pip install "it_callbacks[demo]"`.

You learn that one line attaches all monitors; no other line knows of them. With 360 validation
images each layer ends SATURATED at 30 bins: try `InformationPlaneMonitor(bins=5, data="train")`.

    python examples/digits_mlp.py [--epochs N]
    tensorboard --logdir lightning_logs
"""

import argparse

import torch
from pytorch_lightning import LightningModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.utils.data import DataLoader

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.tasks import digits_split


class Digits(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        layers = nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 5), nn.Tanh(), nn.Linear(5, 10)
        self.net = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.net(x))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    epochs = parser.parse_args().epochs
    seed_everything(0)
    torch.set_num_threads(1)  # several only slow down a network this small
    training, validation = digits_split()
    trainer = Trainer(
        max_epochs=epochs,
        callbacks=[
            PredictionEntropyMonitor(),
            ConditionalEntropyMonitor(),
            InformationPlaneMonitor(),
        ],
    )
    trainer.fit(Digits(), DataLoader(training, 32, shuffle=True), DataLoader(validation, 512))
