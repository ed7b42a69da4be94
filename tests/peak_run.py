"""A training whose validation has large maps, with monitors or without: prints its peak memory.

Training batches are small, so that what is kept for the backward pass does not hide what a monitor
keeps of a validation batch.
"""

from __future__ import annotations

import logging
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import it_callbacks as it
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Calibrated

N_LAYERS, CHANNELS, SIZE, N_VALIDATION = 20, 4, 128, 32


class Maps(pl.LightningModule):
    """Layers whose outputs are maps of one size."""

    def __init__(self, size: int, n_layers: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(CHANNELS if n else 1, CHANNELS, 1) for n in range(n_layers)]
        self.net = nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(CHANNELS, 4)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x))

    def training_step(self, batch: list[Tensor]) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor]) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1e-3)

    def loader(self, n_samples: int, batch_size: int) -> DataLoader[tuple[Tensor, ...]]:
        images = torch.rand(n_samples, 1, self.size, self.size)
        return DataLoader(TensorDataset(images, torch.arange(n_samples) % 4), batch_size)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return self.loader(4, 2)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return self.loader(N_VALIDATION, N_VALIDATION // 2)


def fit(model: Maps, monitors: list[pl.Callback], n_sanity: int = 2) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pl.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=TensorBoardLogger(folder),
            callbacks=monitors,
            num_sanity_val_steps=n_sanity,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(model)


def monitors(reduce: Any, bins: Any = 30) -> list[pl.Callback]:
    return [
        it.InformationPlaneMonitor(reduce=reduce, bins=bins),
        it.PredictionEntropyMonitor(),
        it.ConditionalEntropyMonitor(),
    ]


WAYS: dict[str, Callable[[], list[pl.Callback]]] = {
    "none": list,
    "defaults": lambda: monitors("auto"),
    "whole maps": lambda: monitors(Joint()),
    "whole maps, from the first epoch on": lambda: monitors(Joint()),
    "whole maps, units apart": lambda: monitors(Joint(), Calibrated(30, "unit")),
}


def main(way: str) -> None:
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    fit(Maps(8, 4), monitors("auto"))  # what is loaded on first use
    fit(Maps(SIZE, N_LAYERS), WAYS[way](), n_sanity=0 if "first epoch" in way else 2)
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main(sys.argv[1])
