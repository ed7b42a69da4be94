"""What a monitor takes of a training, its logging to TensorBoard included."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple, Protocol
from unittest import mock

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor
from it_callbacks.callbacks import outbox
from it_callbacks.loggers import log_points
from it_callbacks.tasks import szt_network, szt_task

from .clocks import Clock, hooks
from .data import images, labels, mlp
from .ratios import Ratio

Samples = tuple[Tensor, Tensor]


class Share(NamedTuple):
    """What a monitor took, each over the rest of the training.

    Args:
        total: All that it did.
        ours: The same without the probe's own way through the network.
        measuring: The same without giving the point to the loggers, too.
    """

    total: float
    ours: float
    measuring: float


class Classifier(pl.LightningModule):
    """A network that learns classes, and counts how often it is called."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.calls = Counter[str]()  # a plain number would be put back after a probe
        self.run: Callable[[Tensor], Tensor] = net.__call__

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.calls["forward"] += 1
        return self.run(x)

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._loss(batch)

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self._loss(batch))

    def _loss(self, batch: Any) -> Tensor:
        """Of each row, or of each position in it."""
        logits = self(batch[0])
        return nn.functional.cross_entropy(logits.flatten(0, -2), batch[1].flatten())

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())


class Timed(Protocol):
    """Whatever adds up seconds."""

    @property
    def seconds(self) -> float:
        """So far."""


class Epochs(pl.Callback):
    """Reads clocks at the end of each epoch; it has to come last."""

    def __init__(self, *clocks: Timed) -> None:
        self.clocks = clocks
        self.readings: list[list[float]] = []

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.readings.append([time.process_time(), *(clock.seconds for clock in self.clocks)])

    @property
    def spent(self) -> list[list[float]]:
        """Seconds of each epoch but the first, by the processor's clock and by each of ours."""
        pairs = zip(self.readings, self.readings[1:], strict=False)
        return [[b - a for a, b in zip(*pair, strict=True)] for pair in pairs]


def fit(
    model: pl.LightningModule,
    training: Samples,
    callbacks: list[pl.Callback],
    *,
    epochs: int,
    batch_size: int = 128,
    validation: Samples | None = None,
    folder: str | None = None,
) -> None:
    """Train quietly, with TensorBoard; where no folder is given, in one that is thrown away."""
    with tempfile.TemporaryDirectory() as thrown_away, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            callbacks=callbacks,
            logger=TensorBoardLogger(folder or thrown_away),
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            # Its first batch is passed again, to see whether the network is stochastic.
            num_sanity_val_steps=0,
        )
        loaders = [
            None if samples is None else DataLoader(TensorDataset(*samples), batch_size)
            for samples in (training, validation)
        ]
        trainer.fit(model, *loaders)


def share(net: nn.Module, training: Samples, probe: Samples, epochs: int) -> Share:
    """Of a monitor that looks at `probe` after each epoch; medians over epochs but the first.

    Not at any width, which in a training as short as this would be read at every epoch.
    """
    model, monitor = Classifier(net), InformationPlaneMonitor(data=probe, wide=None)
    in_monitor, in_forward = Clock(), Clock()
    forward, timed = model.run, in_forward.timed(model.run)
    model.run = lambda x: timed(x) if in_monitor.running else forward(x)
    for name in vars(pl.Callback):
        if name.startswith("on_"):
            setattr(monitor, name, in_monitor.timed(getattr(monitor, name)))
    in_logger = Clock()
    with (
        hooks() as in_hooks,
        mock.patch.object(outbox, "log_points", in_logger.timed(log_points)),
    ):
        clock = Epochs(in_monitor, in_forward, in_hooks, in_logger)
        fit(model, training, [monitor, clock], epochs=epochs)

    total, ours, measuring = [], [], []
    for in_all, in_ours, forward, heard, logged in clock.spent:
        rest, own = in_all - in_ours, in_ours - (forward - heard)
        total.append(in_ours / rest)
        ours.append(own / rest)
        measuring.append((own - logged) / rest)
    return Share(median(total), median(ours), median(measuring))


def of_mlp(n_samples: int = 10_000, n_hidden: int = 1024, epochs: int = 3) -> Iterator[Ratio]:
    """P10 and P11: a tenth of the training set as probe, and all of it."""
    training = images(n_samples, 784), labels(n_samples)
    tenth = (training[0][: n_samples // 10], training[1][: n_samples // 10])
    found = share(mlp(n_hidden), training, tenth, epochs)
    what = "monitor with its logging over the rest of training, MLP, fixed set of 10 %"
    yield Ratio("P10", what, found.total, 0.05, 0.03, percent=True)
    what = "the same less its forward pass, MLP, fixed set of 10 %"
    yield Ratio("P10", what, found.ours, 0.02, 0.003, percent=True)
    found = share(mlp(n_hidden), training, training, epochs)
    what = "the same less its forward pass, MLP, fixed set of 100 %"
    yield Ratio("P11", what, found.ours, 0.09, 0.02, percent=True)


def of_twelve_bits(epochs: int = 16) -> Iterator[Ratio]:
    """P11: the network of the 12-bit task, all 4096 patterns read after each epoch."""
    torch.manual_seed(0)
    found = share(szt_network(), szt_task(), szt_task(), epochs)
    what = "the same less logging, too, 12-bit task, all patterns each epoch"
    yield Ratio("P11", what, found.measuring, 0.2, 0.06, percent=True)
    what = "with logging, 12-bit task, all patterns each epoch"
    yield Ratio("", what, found.ours, percent=True)


def extra_forwards(n_samples: int = 1000, n_hidden: int = 64) -> Iterator[Ratio]:
    """P12: calls of the model with a monitor that listens, over those without."""
    samples = images(n_samples, 784), labels(n_samples)
    n_calls = []
    for monitors in ([InformationPlaneMonitor()], []):
        model = Classifier(mlp(n_hidden))
        fit(model, samples, [*monitors], epochs=2, validation=samples)
        n_calls.append(model.calls["forward"])
    what = "calls of the model, listening over not listening"
    yield Ratio("P12", what, n_calls[0] / n_calls[1], 1, 1)


BENCHMARKS = (of_mlp, of_twelve_bits, extra_forwards)
