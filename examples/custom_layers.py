"""Choose what of a layer is read, and with which ruler.

You learn three things. A layer whose output is no plain tensor is named with a function that picks
`(n_samples, ...)` out of it: here, the last time step of an LSTM that reads digits row by row.
A glob names several layers at once. And a ruler of your own is a frozen dataclass with a slug, for
tags, and a rule from activations to whole numbers. Needs `pip install "it_callbacks[demo]"`.

    python examples/custom_layers.py [--epochs N]
    tensorboard --logdir lightning_logs
"""

import argparse
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.utils.data import DataLoader

from it_callbacks import InformationPlaneMonitor, Ruler
from it_callbacks.rulers import Uniform
from it_callbacks.tasks import digits_split


@dataclass(frozen=True)
class Ternary(Ruler):
    """Three states: clearly negative, near zero, clearly positive."""

    threshold: float

    @property
    def slug(self) -> str:
        return f"ternary{self.threshold:g}"

    def levels(self, activations: Tensor) -> Tensor:
        return activations.sign() * (activations.abs() > self.threshold)


def last_time_step(output: tuple[Tensor, Any]) -> Tensor:
    """Of what an LSTM returns, the state after the last row, ``(n_samples, n_units)``."""
    states, _ = output
    return states[:, -1]


class RowByRow(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 10))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, 8, 8)
        return torch.as_tensor(self.head(last_time_step(self.lstm(rows))))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    epochs = parser.parse_args().epochs
    seed_everything(0)
    torch.set_num_threads(1)  # several only slow down a network this small
    training, validation = digits_split()
    plane = InformationPlaneMonitor(
        layers={"lstm": last_time_step, "head.*": lambda output: output},
        bins={"lstm": Uniform(5, -1, 1), "head.*": Ternary(0.5)},
    )
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", callbacks=[plane])
    trainer.fit(RowByRow(), DataLoader(training, 32, shuffle=True), DataLoader(validation, 512))

    for record in plane.history:
        if record.epoch == epochs and record.quantity in ("I_XT", "I_TY", "I_TY_chance"):
            print(f"{record.tag:<24}{record.bits:6.2f} bits")
