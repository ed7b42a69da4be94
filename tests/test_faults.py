"""A full disk, a logger that raises, a name that is taken: training goes on with one warning."""

from __future__ import annotations

import errno
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.callbacks import loggers
from it_callbacks.callbacks.faults import Faults
from it_callbacks.estimators import Extra

from .models import Classifier, MemoryLogger, curve, fit, loader, when


class Silent(Classifier):
    """Logs nothing of its own, so that what reaches a logger is ours."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)


class Refuses(MemoryLogger):
    """A logger that raises `error` at every metric."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    @override
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        raise self.error


FULL = OSError(errno.ENOSPC, "No space left on device")
READ_ONLY = PermissionError(errno.EACCES, "Permission denied")
LOST = ConnectionError("the tracking server is gone")


@contextmanager
def _recorded() -> Iterator[list[warnings.WarningMessage]]:
    """All warnings inside, none of which is an error."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield seen


def _told(seen: Any, words: str) -> list[str]:
    return [str(w.message) for w in seen if words in str(w.message)]


@pytest.mark.parametrize("data", [None, "train"])
@pytest.mark.parametrize("error", [FULL, READ_ONLY, LOST], ids=lambda e: type(e).__name__)
def test_a_logger_that_raises_costs_neither_training_nor_the_other_loggers(
    error: Exception, data: Any
) -> None:
    """One warning in the whole run; the history has every point."""
    plane, good = InformationPlaneMonitor(data=data), MemoryLogger()
    with _recorded() as seen:
        _, running = fit([plane], Silent, logger=[Refuses(error), good], max_epochs=3)
    (message,) = _told(seen, "Refuses")
    assert str(error) in message
    assert running.global_step == 15
    assert [epoch for epoch, _ in when(plane)][-3:] == [1, 2, 3]
    logged = [values["I_TY/" + plane._set + "/net.1"] for _, values in good.logged if values]
    assert logged == curve(plane, f"information_plane/{plane._set}/I_TY/net.1")


@pytest.mark.parametrize("data", [None, "train"])
def test_a_logger_that_raises_ends_training_where_asked_to(data: Any) -> None:
    with pytest.raises(ConnectionError, match="the tracking server is gone"):
        fit([InformationPlaneMonitor(data=data, on_error="raise")], Silent, logger=Refuses(LOST))


def _fails_for_us(target: Any, method: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a method raise when it is we who call it, and work when Lightning does."""
    works, failures = getattr(target, method), list[str]()

    def fails(*args: Any, **kwargs: Any) -> Any:
        if not any(frame.filename == loggers.__file__ for frame in inspect.stack(0)):
            return works(*args, **kwargs)
        failures.append(method)
        raise FULL

    monkeypatch.setattr(target, method, fails)
    return failures


@pytest.mark.parametrize("method", ["add_scalar", "add_text", "add_custom_scalars", "flush"])
def test_a_writer_that_raises_costs_nothing_but_what_it_was_to_write(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of TensorBoard's writer fails: one warning, which names the cause."""
    logger = TensorBoardLogger(tmp_path)
    failures = _fails_for_us(logger.experiment, method, monkeypatch)
    plane = InformationPlaneMonitor()
    with _recorded() as seen:
        _, running = fit([plane], Classifier, logger=logger, max_epochs=3)
    assert failures
    assert len(_told(seen, "No space left on device")) == 1
    assert running.global_step == 15
    assert len(when(plane)) == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_that_is_full_for_good_lets_training_reach_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer's thread dies of it; only Lightning's own closing of the file still raises."""
    plane = InformationPlaneMonitor()
    logger = TensorBoardLogger(tmp_path)
    logger.experiment  # noqa: B018 - opens the file, which has a header
    logger.experiment.flush()

    def full(self: RecordWriter, data: bytes) -> None:
        raise FULL

    monkeypatch.setattr(RecordWriter, "write", full)
    steps = []

    class Sees(pl.Callback):
        @override
        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            steps.append(trainer.global_step)

    with _recorded() as seen, pytest.raises(OSError, match="No space left"):
        fit([plane, Sees()], Silent, logger=logger, max_epochs=3, log_every_n_steps=1000)
    assert steps == [15]
    assert [epoch for epoch, _ in when(plane)] == [1, 2, 3]
    assert len(_told(seen, "TensorBoardLogger has not taken a point")) == 1


def test_a_folder_that_cannot_be_written_costs_the_files_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CSV logger writes at each save."""
    logger, good = CSVLogger(tmp_path), MemoryLogger()
    plane = InformationPlaneMonitor()
    assert _fails_for_us(logger, "save", monkeypatch) == []
    with _recorded() as seen:
        fit([plane], Classifier, logger=[logger, good])
    assert len(_told(seen, "CSVLogger has not taken a point (OSError")) == 1
    assert len(curve(plane, "information_plane/val/I_XT/net.1")) == 2
    assert (
        len([1 for _, values in good.logged if "information_plane/val/I_XT/net.1" in values]) == 2
    )


# Names that are taken.

TAG = "information_plane/val/I_XT/net.1"


class LogsOurTag(Classifier):
    """A user whose metric has the name of one of ours, from the first training step on."""

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.log(TAG, 123.0)
        return super().training_step(batch, batch_idx)


def test_a_metric_of_the_users_that_has_our_name_stays_theirs() -> None:
    """The one tag is refused, with its name; all others are logged."""
    plane, logger = InformationPlaneMonitor(), MemoryLogger()
    with _recorded() as seen:
        _, running = fit([plane], LogsOurTag, logger=logger, max_epochs=3)
    (message,) = _told(seen, "something else logs under this tag")
    assert message.startswith(f"InformationPlaneMonitor: {TAG}: ")
    assert "name=" in message
    assert running.callback_metrics[TAG] == 123.0
    assert {values[TAG] for _, values in logger.logged if TAG in values} == {123.0}
    assert running.callback_metrics["information_plane/val/I_TY/net.1"] == pytest.approx(
        curve(plane, "information_plane/val/I_TY/net.1")[-1]
    )
    assert len(curve(plane, TAG)) == 3


def test_a_name_that_is_taken_ends_training_where_asked_to() -> None:
    with pytest.raises(ValueError, match=rf"{TAG}: something else logs under this tag"):
        fit([InformationPlaneMonitor(on_error="raise")], LogsOurTag)


def test_two_monitors_whose_sets_meet_are_told_so() -> None:
    """A name that equals what a second validation loader is called by another."""
    monitors = [InformationPlaneMonitor(), InformationPlaneMonitor(data="train", name="val_1")]
    with pytest.warns(
        UserWarning, match=r"information_plane/val_1/I_XT/net\.1.*something else logs"
    ):
        fit(monitors, val=[loader(105, seed=1), loader(60, seed=3)])


def test_our_own_values_of_earlier_fits_are_no_collision() -> None:
    """Fit, validate, test and fit again with one Trainer."""
    monitors = [PredictionEntropyMonitor(), ConditionalEntropyMonitor(), InformationPlaneMonitor()]
    model, running = fit(monitors, max_epochs=1)
    val = running.val_dataloaders
    with _recorded() as seen:
        running.validate(model, val, verbose=False)
        running.test(model, val, verbose=False)
        running.fit_loop.max_epochs = 2
        running.fit(model, loader(), val)
    assert _told(seen, "something else logs") == []
    assert all(monitor.history for monitor in monitors)


# Causes.


@pytest.mark.parametrize(
    ("first", "again", "other"),
    [
        (
            "<A object at 0x7f3a> fails",
            "<A object at 0x55bC01> fails",
            "<B object at 0x7f3a> fails",
        ),
        ("a rest of 1.5e-07", "a rest of 2.e+10", "a sum of 1.5e-07"),
        ("a rest of 1.5", "a rest of 3e5", "a sum of 1.5"),
        ("'net.1': 3 of 5", "'net.1': 4 of 5", "'net.2': 3 of 5"),
    ],
)
def test_addresses_and_numbers_make_no_new_cause(first: str, again: str, other: str) -> None:
    """Names do."""
    faults = Faults("Monitor", "warn")
    with _recorded() as seen:
        for message in (first, again, other):
            faults.warn(message)
    assert _told(seen, "Monitor") == [f"Monitor: {first}", f"Monitor: {other}"]


# Estimators that raise.


class Raises(Extra):
    """An estimator of the user's that always fails."""

    @property
    @override
    def quantities(self) -> tuple[str, ...]:
        return ("V_TY",)

    @override
    def __call__(self, activations: Any, labels: Any) -> dict[str, float]:
        raise FloatingPointError("singular")


def test_an_estimator_that_raises_costs_its_own_numbers_and_gives_one_warning_a_layer() -> None:
    """Each names the layer and says what happened; all else is measured on."""
    plane, predictions = InformationPlaneMonitor(extra=[Raises()]), PredictionEntropyMonitor()
    with _recorded() as seen:
        _, running = fit([plane, predictions], max_epochs=3)
    messages = _told(seen, "singular")
    for layer, message in zip(("net.1", "net.3", "net.4"), messages, strict=True):
        assert f"layer '{layer}'" in message
    assert len(when(plane)) == 3
    assert running.global_step == 15
    assert len(when(predictions)) == 3


def test_an_estimator_that_raises_ends_training_where_asked_to() -> None:
    with pytest.raises(RuntimeError, match="singular"):
        fit([InformationPlaneMonitor(extra=[Raises()], on_error="raise")])


# Files that are torn.


def _written(tmp_path: Path) -> Path:
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    fit([InformationPlaneMonitor(["net.1"])], logger=logger, max_epochs=3)
    (file,) = Path(logger.log_dir).glob("events*")
    return file


def _readable(file: Path) -> list[int]:
    """Steps of our points that the file still gives."""
    events = EventAccumulator(str(file.parent)).Reload()
    if "information_plane/val/I_TY/net.1" not in events.Tags()["scalars"]:
        return []
    return [event.step for event in events.Scalars("information_plane/val/I_TY/net.1")]


def test_a_torn_event_file_gives_every_point_before_the_tear(tmp_path: Path) -> None:
    """Cut at ever earlier bytes, it loses points from the end only."""
    file = _written(tmp_path)
    whole = file.read_bytes()
    found = []
    for cut in range(0, len(whole), 997):
        file.write_bytes(whole[: len(whole) - cut])
        found.append(_readable(file))
    assert found[0] == [5, 10, 15]
    assert [5, 10] in found
    assert [5] in found
    assert all(steps == [5, 10, 15][: len(steps)] for steps in found)


def test_a_corrupt_record_costs_no_point_before_it(tmp_path: Path) -> None:
    """One flipped byte: TensorBoard reads up to it; a checkpoint's history has the rest."""
    file = _written(tmp_path)
    damaged = bytearray(file.read_bytes())
    damaged[-len(damaged) // 4] ^= 0xFF
    file.write_bytes(damaged)
    steps = _readable(file)
    assert steps
    assert steps == [5, 10, 15][: len(steps)]
