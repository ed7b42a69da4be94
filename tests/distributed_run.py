"""Trains under several processes and writes down what each monitor measured on each of them.

Run by tests/test_distributed.py: python distributed_run.py OUT --devices 2 --strategy ddp ...
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset
from typing_extensions import override

torch.set_num_threads(1)
sys.path.insert(0, str(Path(__file__).parent))

from toys import (  # noqa: E402 - found beside this script
    ROOTS,
    Classifier,
    IllOnTheLastProcess,
    Sharded,
    Stream,
    samples,
)

from it_callbacks import (  # noqa: E402 - torch's threads are pinned first
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.estimators import LinearVInformation, SlicedInformation  # noqa: E402
from it_callbacks.reductions import PCA  # noqa: E402
from it_callbacks.rulers import Calibrated, Width  # noqa: E402

LATE = Calibrated(8, at=2)


def fails_on_process_1() -> ConditionalEntropyMonitor:
    """A monitor that finds no labels for its second point, on one process only."""

    def target(batch: Any) -> Any:
        if os.environ.get("LOCAL_RANK", "0") == "1" and monitor.history:
            raise ValueError("something on process 1 only")
        return batch[1]

    monitor = ConditionalEntropyMonitor(target=target)
    return monitor


def monitors(case: str, max_samples: int | None) -> list[Any]:
    if case == "listen":
        return [
            PredictionEntropyMonitor(max_samples=max_samples),
            ConditionalEntropyMonitor(),
            InformationPlaneMonitor(bins=[30, 5], max_samples=max_samples or 10_000),
            InformationPlaneMonitor(["net.1"], bins=LATE, reduce=PCA(2), name="late"),
        ]
    if case == "data":
        # Six batches, dealt out unevenly; and one, which leaves all processes but one without.
        batches = DataLoader(TensorDataset(*samples(41, seed=3)), 8)
        return [
            PredictionEntropyMonitor(data=batches, max_samples=max_samples),
            InformationPlaneMonitor(
                data=batches, bins=[30, 5], schedule=2, max_samples=max_samples or 10_000
            ),
            InformationPlaneMonitor(["net.1"], data=samples(41, seed=3), reduce=PCA(2), name="pca"),
            InformationPlaneMonitor(["net.1"], data=batches, bins=LATE, reduce=PCA(2), name="late"),
            InformationPlaneMonitor(
                data="train", extra=[LinearVInformation(every=1)], exhaustive=True
            ),
        ]
    if case == "lopsided":
        return [InformationPlaneMonitor(data=samples(41, seed=3)), PredictionEntropyMonitor()]
    if case == "lost":
        lost = LostOnProcess1(TensorDataset(*samples(41)), 8)
        return [InformationPlaneMonitor(data=lost), PredictionEntropyMonitor()]
    if case == "fails":
        return [fails_on_process_1(), InformationPlaneMonitor()]
    if case == "disagree":
        # Only the first process wants to measure the second epoch.
        first = os.environ.get("LOCAL_RANK", "0") == "0"
        return [InformationPlaneMonitor(schedule=lambda epoch: epoch < 2 or first)]
    if case == "shares":
        return [InformationPlaneMonitor()]
    if case == "wrong":
        return [
            InformationPlaneMonitor(target=1 if os.environ.get("LOCAL_RANK", "0") == "0" else 7)
        ]
    if case == "nan":
        return [
            InformationPlaneMonitor(bins=[30, 5]),
            InformationPlaneMonitor(bins=Width(0.3), name="given"),
        ]
    if case in ("parts", "tokens", "loaders"):
        return [PredictionEntropyMonitor(), ConditionalEntropyMonitor(), InformationPlaneMonitor()]
    if case == "numbers":
        return [InformationPlaneMonitor()]
    if case == "classes":
        sliced = SlicedInformation(every=1)
        return [
            InformationPlaneMonitor(),
            InformationPlaneMonitor(extra=[sliced], max_samples=500, wide=None, name="sliced"),
        ]
    if case.startswith("alone"):
        return []
    raise SystemExit(f"no case {case!r}")


def is_first() -> bool:
    return os.environ.get("LOCAL_RANK", "0") == "0"


class OnTheFirst(Stream):
    """Samples on the first process, none on the others."""

    @override
    def __iter__(self) -> Any:
        return super().__iter__() if is_first() else iter(())


class LostOnProcess1(DataLoader[Any]):
    """A loader that cannot be read on one process."""

    @override
    def __iter__(self) -> Any:
        if not is_first():
            raise OSError("the disk is gone")
        return super().__iter__()


class WaitsForAll(Classifier):
    """Its processes wait for one another at the end of a validation, not in its steps."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self(batch[0])

    @override
    def on_validation_epoch_end(self) -> None:
        self.log("user_one", 1.0, sync_dist=True)


class Parts(Classifier):
    """Its step calls its network, never its forward, and returns something with rows."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        logits = self.net(batch[0])
        self.log("user_mean", logits.mean(), sync_dist=True, batch_size=len(logits))
        return torch.randn(len(logits), 4, generator=torch.Generator().manual_seed(0))


class Tokens(Classifier):
    """A class for each of eight numbers."""

    def __init__(self, lr: float) -> None:
        super().__init__(nn.Sequential(nn.Unflatten(1, (8, 1)), nn.Linear(1, 3)), lr)

    @override
    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self(batch[0]).square().mean()  # type: ignore[no-any-return] # a tensor

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self(batch[0])


class Classes(Classifier):
    """Sixty classes, which its outputs know nothing of."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self(batch[0])


class Numbers(Classifier):
    """A regression."""

    @override
    def step(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        out = self(batch[0])
        return (out[:, 0] - batch[1]).square().mean(), out


KINDS: dict[str, type[Classifier]] = {
    "nan": IllOnTheLastProcess,
    "lopsided": WaitsForAll,
    "parts": Parts,
    "alone parts": Parts,
    "tokens": Tokens,
    "numbers": Numbers,
    "classes": Classes,
}


def validation(case: str, n: int, n_processes: int) -> Any:
    """What is validated on."""
    x, y = samples(n, seed=2)
    if case == "tokens":
        labels = torch.where(x > 1.5, -100, (x > 0).long() + (x > 1).long())
        return DataLoader(TensorDataset(x, labels), 8)
    if case == "classes":  # the first batches of all processes hold what that of one would
        x, _ = samples(1300, seed=2)
        order = torch.randperm(1300, generator=torch.Generator().manual_seed(4))
        return DataLoader(TensorDataset(x, (torch.arange(1300) % 60)[order]), 60 // n_processes)
    if case == "lopsided":
        return DataLoader(OnTheFirst(x, y), 8)
    if case == "numbers":
        return DataLoader(TensorDataset(x, x[:, 0] * 3), 8)
    if case == "loaders":  # the second has one sample, so that one process has a copy of it only
        sets = {"many": TensorDataset(x, y), "one": TensorDataset(x[:1], y[:1])}
        return {name: DataLoader(each, 8) for name, each in sets.items()}
    return DataLoader(TensorDataset(x, y), 100 if case == "nan" else 8)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--case", default="listen")
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--strategy", default="ddp")
    parser.add_argument("--max-samples", type=int, default=None)
    arguments = parser.parse_args()
    strategy: Any = arguments.strategy
    if strategy == "fsdp2":
        from pytorch_lightning.strategies import ModelParallelStrategy

        strategy = ModelParallelStrategy(data_parallel_size=1, tensor_parallel_size=1)
    torch.manual_seed(1)
    # At a rate of 0 weights stay equal, however the training batches are dealt out.
    kind = KINDS.get(arguments.case, Classifier)
    model = (Sharded if arguments.strategy == "fsdp2" else kind)(lr=0.0)
    callbacks = monitors(arguments.case, arguments.max_samples)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=arguments.devices,
        strategy=strategy,
        max_epochs=2,
        callbacks=callbacks,
        logger=False,
        use_distributed_sampler=arguments.case != "shares",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    train = DataLoader(TensorDataset(*samples(60)), 10, shuffle=True)
    # With NaN it lies beyond the rows that calibrate, so that one process only comes upon it.
    n_val = 1100 if arguments.case == "nan" else 41
    val = validation(arguments.case, n_val, arguments.devices)
    if arguments.case == "shares":
        share = range(trainer.global_rank, n_val, trainer.world_size)
        val = DataLoader(Subset(val.dataset, share), 8)
    trainer.fit(model, train, val)
    measured = [
        {
            f"{record.tag} {record.epoch}": record.bits
            for record in monitor.history
            if record.layer != "overhead" and record.bits == record.bits
        }
        for monitor in callbacks
    ]
    n_samples = [sorted({record.n_samples for record in m.history}) for m in callbacks]
    ours = [tag for tag in trainer.callback_metrics if tag.partition("/")[0] in ROOTS]
    seen = {tag: float(trainer.callback_metrics[tag]) for tag in ours}
    seen = {tag: bits for tag, bits in seen.items() if not tag.endswith("/overhead")}
    users = {tag: float(value) for tag, value in trainer.callback_metrics.items() if "user" in tag}
    sources = [m.settings.get("val", {}).get("predictions", "") for m in callbacks]
    weights = [s.get("weights") for m in callbacks for s in m.settings.values()]
    wide = [s["wide"] for m in callbacks for s in m.settings.values() if "wide" in s]
    looks = {
        f"{number} {'/'.join(place)}": of_ruler.state()["looks"].tolist()
        for number, monitor in enumerate(callbacks)
        if isinstance(monitor, InformationPlaneMonitor)
        for place, of_ruler in monitor._instrument._memory.looks.items()
    }
    document = {
        "among": [each["classes"] for each in wide],
        "measured": measured,
        "n_samples": n_samples,
        "callback_metrics": seen,
        "users": users,
        "sources": sources,
        "weights": weights,
        "looks": looks,
    }
    out = arguments.out / f"rank{trainer.global_rank}.json"
    out.write_text(json.dumps(document))


if __name__ == "__main__":
    main()
