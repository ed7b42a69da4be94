"""Configure the monitors from YAML, with LightningCLI.

You learn how to name monitors, rulers and schedules in a configuration file: every argument of a
monitor is typed, so a wrong one is refused before anything trains. From the command line a single
value can be replaced, as in the second line. Needs `pip install "it_callbacks[cli,demo]"`.

    python examples/lightning_cli.py fit --config examples/lightning_cli.yaml
    python examples/lightning_cli.py fit --config examples/lightning_cli.yaml --trainer.max_epochs 3
"""

import pytorch_lightning as pl
import torch
from pytorch_lightning.cli import LightningCLI
from torch import Tensor
from torch.utils.data import DataLoader

from it_callbacks.tasks import digits_network, digits_split


class Digits(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        self.training, self.validation = digits_split()

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.training, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.validation, 512)


class Classifier(pl.LightningModule):
    def __init__(self, learning_rate: float = 1e-2) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.net = digits_network()
        self.loss = torch.nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss: Tensor = self.loss(self(batch[0]), batch[1])
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", self.loss(self(batch[0]), batch[1]), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.learning_rate)


if __name__ == "__main__":
    torch.set_num_threads(1)
    LightningCLI(Classifier, Digits, save_config_kwargs={"overwrite": True})
