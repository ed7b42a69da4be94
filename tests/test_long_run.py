"""A long run leaves memory, threads, open files, hooks and tensors as a short one does."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor

from .toys import Classifier, LogsMetrics, all_three, epochs, fit, loader, n_hooks
from .warned import OF_TINY_SETS, warned

FD = Path("/proc/self/fd")
STATUS = Path("/proc/self/statm")


class Leaks(pl.Callback):
    """What a careless callback does: keeps an output of every epoch with all it hangs on."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    @override
    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, *args: Any, **kwargs: Any
    ) -> None:
        self.kept.append(pl_module(batch[0]))


class Watch(pl.Callback):
    """At the end of every `every` epochs: hooks, threads, open files, tensors, pages of memory."""

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.seen: list[dict[str, int]] = []

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch % self.every:
            return
        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # type() of some lazy modules' objects warns
            n_tensors = sum(isinstance(item, Tensor) for item in gc.get_objects())
        self.seen.append(
            {
                "hooks": n_hooks(pl_module),
                "threads": threading.active_count(),
                "files": len(list(FD.iterdir())) if FD.is_dir() else 0,
                "tensors": n_tensors,
                "memory": int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                if STATUS.is_file()
                else 0,
            }
        )


def _tiny() -> Classifier:
    return LogsMetrics(nn.Sequential(nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 3)))


def _monitors() -> list[Any]:
    return [*all_three(), InformationPlaneMonitor(data="train")]


def _train(n_epochs: int, folder: Path, callbacks: list[Any], every: int = 1) -> Watch:
    watch = Watch(every)
    logger = TensorBoardLogger(folder, name="run", version=0)
    data = loader(40, 20)
    fit([*callbacks, watch], _tiny, train=data, val=data, max_epochs=n_epochs, logger=logger)
    return watch


def _flat(watch: Watch, what: str) -> bool:
    """Whether a count never rises again once the first points are over.

    It may fall: the metrics of a reading that is not due are kept beside those of the point.
    """
    first, *later = [seen[what] for seen in watch.seen][len(watch.seen) // 6 :]
    return max(later) <= first


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Watch, list[Any], Path]:
    """Thirty epochs with four monitors."""
    folder, monitors = tmp_path_factory.mktemp("long"), _monitors()
    return _train(30, folder, monitors, every=5), monitors, folder


@pytest.mark.parametrize("what", ["hooks", "threads", "files", "tensors"])
def test_thirty_epochs_leave_no_more_than_six(thirty: Any, what: str) -> None:
    """Counted every five epochs, from the sixth on: the first may still fill what is kept."""
    watch, _, _ = thirty
    assert len(watch.seen) == 6
    assert _flat(watch, what), [seen[what] for seen in watch.seen]
    if what == "hooks":
        assert watch.seen[-1]["hooks"] == 0


def test_a_leak_is_noticed(tmp_path: Path) -> None:
    """The counts above mean something."""
    assert not _flat(_train(8, tmp_path, [Leaks()], every=2), "tensors")


def test_the_events_of_a_point_are_bounded(thirty: Any) -> None:
    """At most 120 bytes a number, whatever the length of the run; settings come once."""
    _, monitors, folder = thirty
    (file,) = folder.rglob("events*")
    n_numbers = sum(len(monitor.history) for monitor in monitors)
    assert n_numbers > 30 * 50
    own = 30 * 10 * 120 + 30_000  # Lightning's epoch and losses; settings and the layout
    assert file.stat().st_size < 120 * n_numbers + own


def test_what_a_monitor_keeps_of_a_point_is_sixteen_bytes_a_number(thirty: Any) -> None:
    """And 24 for the point itself; nothing else in a state grows with the epochs."""

    def size(state: Any) -> int:
        if isinstance(state, Tensor):
            return state.numel() * state.element_size()
        if isinstance(state, dict):
            return sum(map(size, state.values()))
        return sum(map(size, state)) if isinstance(state, (list, tuple)) else len(str(state))

    _, monitors, _ = thirty
    for monitor in monitors:
        state = monitor.state_dict()
        columns = sum(size(v) for v in state.values() if isinstance(v, Tensor))
        assert columns == 16 * len(monitor.history) + 24 * len(epochs(monitor))
        assert size(state) - columns < 20_000


def test_a_fixed_set_is_fetched_once() -> None:
    """However often it is measured."""
    read = []  # no attribute: those are put back

    class Counts(TensorDataset):
        @override
        def __getitem__(self, index: Any) -> Any:
            read.append(index)
            return super().__getitem__(index)

    batches = loader(40, 20)
    assert isinstance(batches.dataset, TensorDataset)
    plane = InformationPlaneMonitor(data=DataLoader(Counts(*batches.dataset.tensors), 20))
    fit([plane], _tiny, train=batches, val=batches, max_epochs=5)
    assert sorted(read) == list(range(40))


@pytest.mark.slow
@pytest.mark.parametrize("make", [_monitors], ids=["all"])
def test_a_thousand_epochs_leave_memory_flat(tmp_path: Path, make: Callable[[], list[Any]]) -> None:
    """Beyond the history itself, 40 bytes a number."""
    torch.manual_seed(0)
    monitors = make()
    with warned() as given:
        watch = _train(1000, tmp_path, monitors, every=20)
    assert {one.cause for one in given} - OF_TINY_SETS <= {"growth"}
    for what in ("hooks", "threads", "files"):
        assert _flat(watch, what)
    # A tag whose value is finite for the first time adds its one tensor to callback_metrics; one
    # tensor kept per epoch would be several hundred.
    tensors = [seen["tensors"] for seen in watch.seen[len(watch.seen) // 3 :]]
    assert max(tensors) - min(tensors) < 50
    memory = np.array([seen["memory"] for seen in watch.seen], float)
    settled = memory[len(memory) // 3 :]
    per_epoch = np.polyfit(20 * np.arange(len(settled)), settled, 1)[0]
    numbers_per_epoch = sum(len(monitor.history) for monitor in monitors) / 1000
    # Twice the columns, since they grow by doubling what is reserved.
    assert per_epoch < 2 * 40 * numbers_per_epoch + 4096
