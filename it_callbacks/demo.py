"""Train a demo network, with a TensorBoard run of it, and return a short table of the result.

What the command line's `demo` runs: the two tasks with all three monitors attached.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from lightning_utilities.core import rank_zero
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from torchmetrics.classification import MulticlassAccuracy
from typing_extensions import override

from it_callbacks.callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
)
from it_callbacks.records import Record, Status
from it_callbacks.rulers import Width
from it_callbacks.runs import Run, from_records
from it_callbacks.tables import STATUSES, Number, WideRow, layer_rows, wide_rows
from it_callbacks.tasks import digits_network, digits_split, digits_task, szt_network, szt_task

Batch = Sequence[Tensor]


def digits(logdir: Path, *, epochs: int, seed: int, progress: bool = True) -> str:
    """Train a tanh network on real handwritten digits; returns the table of what was learnt.

    The monitors of predictions listen to the validation loop. The plane is measured on all
    1797 images, and ever more rarely: most of the rise happens within the first epoch.

    Args:
        logdir: Folder of runs; a new ``version_N`` is made inside.
        epochs: How long to train.
        seed: Seed of the weights and of the order of images.
        progress: Show a bar, on standard error.

    Raises:
        ImportError: scikit-learn, which the images come with, is not installed.
    """
    training, validation = digits_split()
    predictions = PredictionEntropyMonitor()
    plane = InformationPlaneMonitor(
        bins=[30, 5], data=digits_task(), schedule=LogSpaced(unit="steps")
    )
    monitors = [predictions, ConditionalEntropyMonitor(), plane]
    pl.seed_everything(seed, verbose=False)
    trained = _fit(
        _Digits(digits_network(), epochs),
        DataLoader(training, batch_size=32, shuffle=True),
        DataLoader(validation, batch_size=len(validation)),
        logdir=logdir,
        epochs=epochs,
        monitors=monitors,
        progress=progress,
    )
    accuracy = trained.callback_metrics["val_accuracy"].item()
    return "\n".join(
        [
            f"Digits, {epochs} epochs, on {len(validation)} validation images:",
            _row("accuracy", f"{accuracy:.3f}"),
            *_predictions(predictions.history),
            "",
            f"Layers, on all {plane.history[-1].n_samples} images:",
            *_layers(plane, ["30", "5"]),
        ]
    )


def szt(
    logdir: Path,
    *,
    epochs: int,
    seed: int,
    activation: Literal["tanh", "relu"],
    progress: bool = True,
) -> str:
    """Train the network of Shwartz-Ziv and Tishby (2017) on their task; returns a table.

    All monitors measure all 4096 patterns: these are the whole population, so that every
    number is exact. 85 % of them are trained on.

    Args:
        logdir: Folder of runs; a new ``version_N`` is made inside.
        epochs: How long to train.
        seed: Seed of the weights, of the choice of patterns and of their order.
        activation: Of the hidden layers. tanh is read with 30 bins on [-1, 1], ReLU with bins
            of width 0.07, about as wide.
        progress: Show a bar, on standard error.
    """
    patterns, labels = szt_task()
    pl.seed_everything(seed, verbose=False)
    network = szt_network(nn.Tanh if activation == "tanh" else nn.ReLU)
    order = torch.randperm(len(labels))
    n_training = round(0.85 * len(labels))
    training, held_out = (
        TensorDataset(patterns[part], labels[part])
        for part in (order[:n_training], order[n_training:])
    )
    bins, named = (30, "30") if activation == "tanh" else (Width(0.07), "0.07 wide")
    all_patterns, schedule = (patterns, labels), LogSpaced()
    predictions = PredictionEntropyMonitor(data=all_patterns, schedule=schedule)
    plane = InformationPlaneMonitor(
        bins=bins, data=all_patterns, schedule=schedule, exhaustive=True
    )
    monitors = [
        predictions,
        ConditionalEntropyMonitor(data=all_patterns, schedule=schedule),
        plane,
    ]
    # Whole batches are sampled: collating 4096 patterns one by one takes several times as long
    # as training on them, and so does a validation loop in each of hundreds of epochs.
    batches = BatchSampler(RandomSampler(training), batch_size=256, drop_last=False)
    trained = _fit(
        _Szt(network, training, held_out),
        DataLoader(training, sampler=batches, batch_size=None),
        None,
        logdir=logdir,
        epochs=epochs,
        monitors=monitors,
        progress=progress,
    )
    accuracies = [
        trained.callback_metrics[name].item() for name in ("train_accuracy", "val_accuracy")
    ]
    last_hidden = f"net.hidden5.{activation}"
    rise = _series(plane.history, "I_XT", last_hidden)
    return "\n".join(
        [
            f"12-bit task, {activation}, {epochs} epochs, on all {len(labels)} patterns:",
            _row("accuracy", "{:.3f} trained on, {:.3f} held out".format(*accuracies)),
            *_predictions(predictions.history),
            "",
            f"Layers, on all {len(labels)} patterns:",
            *_layers(plane, [named]),
            "",
            f"I(X;T) of {last_hidden} dropped by {max(rise) - rise[-1]:.2f} bits from its peak.",
        ]
    )


class _Classifier(pl.LightningModule):
    """A network with cross-entropy; what the two tasks share."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.loss = nn.CrossEntropyLoss()

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)  # type: ignore[no-any-return] # modules are not typed by what they return

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        return self.loss(self(x), y)  # type: ignore[no-any-return] # as above


class _Digits(_Classifier):
    def __init__(self, net: nn.Module, epochs: int) -> None:
        super().__init__(net)
        self.epochs = epochs
        self.accuracy = MulticlassAccuracy(10, average="micro")

    @override
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        logits = self(x)
        self.accuracy(logits, y)
        self.log("val_loss", self.loss(logits, y))
        self.log("val_accuracy", self.accuracy, prog_bar=True)

    @override
    def configure_optimizers(self) -> Any:
        adam = torch.optim.Adam(self.parameters(), lr=1e-2, weight_decay=1e-4)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, T_max=self.epochs)
        return {"optimizer": adam, "lr_scheduler": cosine}


class _Szt(_Classifier):
    def __init__(self, net: nn.Module, training: TensorDataset, held_out: TensorDataset) -> None:
        super().__init__(net)
        self.sets = {"train_accuracy": training.tensors, "val_accuracy": held_out.tensors}
        self.accuracy = MulticlassAccuracy(2, average="micro")

    @override
    def on_train_epoch_end(self) -> None:
        with torch.no_grad():
            for name, (x, y) in self.sets.items():
                self.log(name, self.accuracy(self(x), y), prog_bar=True)

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=4e-3)


def _fit(
    model: pl.LightningModule,
    training: DataLoader[Any],
    validation: DataLoader[Any] | None,
    *,
    logdir: Path,
    epochs: int,
    monitors: list[Any],
    progress: bool,
) -> pl.Trainer:
    torch.set_num_threads(1)  # several threads on a network this small are twenty times slower
    # Redrawn once per epoch: at each tiny step it would take a tenth of the time.
    bar = [TQDMProgressBar(refresh_rate=len(training))] if progress else []
    # Lightning's bar goes to standard output, which is for the result.
    with _only_the_bar(), redirect_stdout(sys.stderr):
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            callbacks=[*monitors, *bar],
            enable_progress_bar=progress,
            logger=TensorBoardLogger(logdir, name="", default_hp_metric=False),
            log_every_n_steps=len(training),
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(model, training, validation)
        except SystemExit as stop:  # how Lightning ends when it is interrupted
            if trainer.interrupted:
                raise KeyboardInterrupt from stop
            raise
    return trainer


@contextmanager
def _only_the_bar() -> Iterator[None]:
    """Lightning shows its progress bar, and none of its advice that does not concern a demo."""
    log = rank_zero.log  # the logger of whichever of Lightning's two names was imported last
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # Between versions of Lightning and torch: a user cannot mend it.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")
            # The table at the end says the same of each layer.
            for message in _IN_THE_TABLE:
                warnings.filterwarnings("ignore", message=message)
            # A demo of half a minute measures far more often than a training has to.
            warnings.filterwarnings("ignore", message="InformationPlaneMonitor: observing takes")
            yield
    finally:
        log.setLevel(level)


_IN_THE_TABLE = (
    r"InformationPlaneMonitor: layer '[^']+' (?!is skipped)",
    r"InformationPlaneMonitor: set '[^']+': too wide for the binned code",
    r"InformationPlaneMonitor: set '[^']+': layer '[^']+' has (grown|shrunk)",
    r"PredictionEntropyMonitor: set '[^']+': \d+ samples, \d+ in the smallest class, are few",
    r"it-callbacks: \d+ more warnings",
)


def _row(what: str, value: str) -> str:
    return f"  {what:<26}{value}"


def _predictions(history: Sequence[Record]) -> list[str]:
    """Rows of the last point of the predictions."""
    last = {record.layer: record.bits for record in history}
    label_entropy = last["label_bound"] + last["cross_entropy"]
    return [
        _row("mean predictive entropy", f"{last['mean']:.3f} bits"),
        _row(
            "label bound H(Y) - CE",
            f"{last['label_bound']:.2f} +- {last['label_bound_se']:.2f} bits, of H(Y) = "
            f"{label_entropy:.2f}",
        ),
    ]


def _layers(plane: InformationPlaneMonitor, resolutions: Sequence[str]) -> list[str]:
    """The table of layers: a row for each layer and resolution, in depth order."""
    ((set_, settings),) = plane.settings.items()
    run = from_records("demo", plane.history, {f"information_plane/{set_}": settings})
    return [*_table(run, set_, resolutions), "", *_verdicts(plane)]


def _table(run: Run, set_: str, resolutions: Sequence[str]) -> list[str]:
    """Rows of the binned code; below, of saturated layers, those of any width."""
    layers = run.settings[f"information_plane/{set_}"]["layers"]
    by_ruler = [layer_rows(run, set_, rulers) for rulers in run.rulers(set_)]
    cells = [
        (
            row.layer,
            bins,
            _arrows(row.i_xt.first, row.i_xt.peak, row.i_xt.last),
            _arrows(row.i_ty.first, row.i_ty.last),
            f"{row.coverage.value:.2f}",
            f"{row.chance_share.value:.2f}",
            "" if row.status is None else row.status.name,
        )
        for rows in zip(*by_ruler, strict=True)
        for bins, row in zip(resolutions, rows, strict=True)
    ]
    seen = {row.status for rows in by_ruler for row in rows}
    notes = [f"  {note}." for status, note in STATUSES.items() if status in seen and status]
    if len({str(layer["rulers"]) for layer in layers}) > 1:
        notes.append("  Each layer has bins of its own: compare it with itself over time.")
    saturated = {r.layer for rows in by_ruler for r in rows if r.status == Status.SATURATED}
    wide = [row for row in wide_rows(run, set_) if row.layer in saturated]
    return [*_aligned([_HEAD, *cells]), *notes, *_of_any_width(wide)]


def _of_any_width(rows: Sequence[WideRow]) -> list[str]:
    cells = [
        (
            row.layer,
            _arrows(row.i_xt.first, row.i_xt.peak, row.i_xt.last),
            _arrows(row.v_ty.first, row.v_ty.last),
            f"{row.v_ty_se.value:.2f}",
            "" if row.status is None else f"{row.status.name} {row.caution}".rstrip(),
        )
        for row in rows
    ]
    title = "Saturated layers, read at any width (V: what a linear reader predicts of the label):"
    return ["", title, *_aligned([_WIDE_HEAD, *cells])] if rows else []


_WIDE_HEAD = (
    "layer",
    "I(X;T+σZ) first -> peak -> last",
    "V(T→Y) first -> last",
    "SE",
    "status",
)


_HEAD = (
    "layer",
    "bins",
    "I(X;T) first -> peak -> last",
    "I(T;Y) first -> last",
    "coverage",
    "chance share",
    "status",
)


def _verdicts(plane: InformationPlaneMonitor) -> list[str]:
    """Whether each layer has compressed, in depth order."""
    (settings,) = plane.settings.values()
    (verdicts,) = plane.verdicts.values()
    layers = [layer["tag"] for layer in settings["layers"]]
    width = max(map(len, layers))
    lines = [f"  {layer.ljust(width)}  {verdicts[layer]}" for layer in layers]
    n_rulers = len(settings["layers"][0]["rulers"])
    by = ", by all bins together" if n_rulers > 1 else ""
    return [f"Compression since the peak of I(X;T){by}:", *lines]


def _series(history: Sequence[Record], quantity: str, layer: str) -> list[float]:
    return [r.bits for r in history if r.quantity == quantity and r.layer == layer]


def _arrows(*values: Number) -> str:
    return " -> ".join(f"{number.value:5.2f}" for number in values)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first and last column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *numbers, last in rows:
        cells = [first.ljust(widths[0])]
        cells += [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  " + "  ".join([*cells, last]))
    return lines
