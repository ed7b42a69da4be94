"""What the experiments share: a classifier, and a Trainer that says nothing and trains fast."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_utilities.core import rank_zero
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
    Record,
)
from it_callbacks.figures import READINGS, Figure, Panel, Request, curves, draw, panels
from it_callbacks.findings import findings
from it_callbacks.pictures import save
from it_callbacks.runs import Key, Run, from_records
from it_callbacks.tasks import szt_task

OVER_FITTING = {"gap_of_layers", "gap_of_predictions", "rises_again"}
"""Rules of findings."""

Monitor = InformationPlaneMonitor | PredictionEntropyMonitor | ConditionalEntropyMonitor


class Classifier(LightningModule):
    """Any network with cross-entropy and Adam."""

    def __init__(self, net: nn.Module, *, lr: float) -> None:
        super().__init__()
        self.net = net
        self.lr = lr

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.net(x))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def accuracy(self, samples: TensorDataset) -> float:
        """Share of the samples that are classified as labelled."""
        x, y = samples.tensors
        with torch.no_grad():
            return float((self.eval()(x).argmax(1) == y).double().mean())


def has_learnt(name: str, accuracy: float, least: float = 0.9) -> bool:
    """Whether a run's accuracy on what it was trained on is enough; if not, a warning says so.

    Units of a ReLU network can be dead from the start or die on the way. Such a run is not of the
    kind that a signature is about: it is set apart.
    """
    if accuracy < least:
        told = f"{name}: train accuracy {accuracy:.2f} is below {least:g} (dead units?)"
        warnings.warn(f"{told}; it is set apart", stacklevel=2)
    return accuracy >= least


def part_of_szt_task() -> TensorDataset:
    """85 % of the patterns of the 12-bit task, drawn by lot: what is trained on."""
    patterns, labels = szt_task()
    chosen = torch.randperm(len(labels))[: round(0.85 * len(labels))]
    return TensorDataset(patterns[chosen], labels[chosen])


def batches(samples: TensorDataset, size: int) -> DataLoader[Any]:
    """Shuffled batches, each taken from the tensors whole.

    Collated item by item, a batch takes longer than the step that trains a small network on it.
    """
    order = BatchSampler(RandomSampler(samples), size, drop_last=False)
    return DataLoader(samples, sampler=order, batch_size=None)


def seeded(seed: int) -> None:
    """One thread, since more only slow a small network down, and random numbers by seed."""
    torch.set_num_threads(1)
    seed_everything(seed, verbose=False)


def fit(
    model: LightningModule,
    training: DataLoader[Any],
    epochs: int,
    monitors: Sequence[Callback],
    logger: Logger | None = None,
) -> None:
    """Train in silence; what there is to tell stands in the table."""
    log = rank_zero.log  # the logger of whichever of Lightning's two names was imported last
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")
            warnings.filterwarnings("ignore", message=".*the Trainer has no logger.*")
            # What there is to know of each layer and set here, the scripts say.
            told = r"InformationPlaneMonitor: (layer|set) '[^']+'(?! is left out)"
            warnings.filterwarnings("ignore", message=told)
            warnings.filterwarnings("ignore", message=r"it-callbacks: \d+ more warnings? ")
            # Of epochs as short as these, observing is a large part.
            warnings.filterwarnings("ignore", message="InformationPlaneMonitor: observing takes")
            Trainer(
                accelerator="cpu",
                devices=1,
                max_epochs=epochs,
                callbacks=list(monitors),
                logger=logger or False,
                log_every_n_steps=len(training),
                enable_checkpointing=False,
                enable_model_summary=False,
                enable_progress_bar=False,
            ).fit(model, training)
    finally:
        log.setLevel(level)


class Activations(NamedTuple):
    """What a layer gave for every sample of a set, and when."""

    epoch: int
    step: int
    values: Tensor


class Recorder(Callback):
    """Keeps the activations of a layer on a set, at the moments of a schedule, in `recorded`.

    At the moments at which a monitor with the same set and schedule measures: before the first
    step, at the end of each epoch that is due, and at the end of the training.

    Args:
        layer: Name of the module in the `LightningModule`.
        inputs: The samples, passed in one batch.
        schedule: Which epochs are due.
    """

    def __init__(self, layer: str, inputs: Tensor, schedule: LogSpaced) -> None:
        self.layer = layer
        self.inputs = inputs
        self.schedule = schedule
        self.recorded: list[Activations] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._record(trainer, pl_module, epoch=0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.schedule.includes(trainer.current_epoch + 1):
            self._record(trainer, pl_module, trainer.current_epoch + 1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.recorded[-1].epoch != trainer.current_epoch:
            self._record(trainer, pl_module, trainer.current_epoch)

    def _record(self, trainer: Trainer, model: LightningModule, epoch: int) -> None:
        def keep(module: nn.Module, args: object, output: Tensor) -> None:
            self.recorded.append(Activations(epoch, trainer.global_step, output.clone()))

        was_training = model.training
        handle = model.get_submodule(self.layer).register_forward_hook(keep)
        with torch.no_grad():
            model.eval()(self.inputs)
        model.train(was_training)
        handle.remove()


def as_it_is(output: Tensor) -> Tensor:
    """A layer's output, read as it is."""
    return output


def probabilities(logits: Tensor) -> Tensor:
    """An output's probabilities."""
    return logits.softmax(-1)


def curve(plane: InformationPlaneMonitor, tag: str) -> list[float]:
    """The values under a tag such as ``information_plane/data/I_XT/net.output``, by point."""
    values = [record.bits for record in plane.history if record.tag == tag]
    if not values:
        tags = sorted({record.tag for record in plane.history})
        raise KeyError(f"{tag!r} was not measured; there are {', '.join(tags)}")
    return values


def run_of(name: str, monitors: Iterable[Monitor], until: float = math.inf) -> Run:
    """What monitors of one training have measured, as one run: what findings and figures are of.

    Args:
        name: What to call it.
        monitors: Of any set.
        until: The last epoch that counts.
    """
    records = [record for monitor in monitors for record in monitor.history]
    settings = {
        f"{root}/{set_}": measured
        for monitor in monitors
        for root in dict.fromkeys(record.tag.partition("/")[0] for record in monitor.history)
        for set_, measured in monitor.settings.items()
    }
    return from_records(name, [each for each in records if each.epoch <= until], settings)


def points(run: Run, key: Key) -> dict[int, float]:
    """From finished epochs to what was measured then."""
    values = run.values(key)
    if not values:
        raise KeyError(f"{key} was not measured")
    return {run.epochs[step]: values[step] for step in sorted(values)}


def last(run: Run, key: Key) -> float:
    """The last value that was measured."""
    return [*points(run, key).values()][-1]


def is_over_fitted(run: Run) -> bool:
    """Whether a finding says so, of layers or of predictions."""
    return any(found.rule in OVER_FITTING for found in findings([run]))


def save_planes(planes: Sequence[InformationPlaneMonitor], out: Path | None, name: str) -> None:
    """Write the sets of a training into the folder, if there is one: the binned and the wide plane.

    One picture for each, so that they can be laid beside each other.
    """
    if out is not None:
        run = run_of(name, planes)
        for reading in READINGS:
            request = Request(reading=reading, arrange="side")
            save_picture(draw(request, panels(request, [run])), out, f"{name}_{reading}")


def save_curves(records: Sequence[Record], out: Path | None, name: str) -> None:
    """Write a quantity over the epochs into the folder, if there is one: a panel for each set."""
    if out is not None:
        run = from_records(name, records, {})
        panels = [Panel(run, set_) for set_ in dict.fromkeys(record.set for record in records)]
        save_picture(curves(panels, records[0].quantity), out, name)


def save_picture(figure: Figure, out: Path, name: str) -> None:
    """Write a figure as SVG into the folder, which is made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    save(figure, out / f"{name}.svg")
