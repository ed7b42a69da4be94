"""A full disk, a logger that raises, a name that is taken: training goes on with one warning."""

from __future__ import annotations

import errno
import inspect
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter
from typing_extensions import override

import it_callbacks
from it_callbacks import InformationPlaneMonitor, PredictionEntropyMonitor

from .toys import (
    Diverges,
    LogsTag,
    MemoryLogger,
    OnALostDisk,
    Own,
    Refuses,
    all_three,
    curve,
    epochs,
    fit,
    loader,
    raises,
    when,
)
from .warned import warned

FULL = OSError(errno.ENOSPC, "No space left on device")
READ_ONLY = PermissionError(errno.EACCES, "Permission denied")
LOST = ConnectionError("the tracking server is gone")
TAG = "information_plane/val/I_XT/net.1"


@pytest.mark.parametrize("data", [None, "train"])
@pytest.mark.parametrize("error", [FULL, READ_ONLY, LOST], ids=lambda e: type(e).__name__)
def test_a_logger_that_raises_costs_neither_training_nor_the_other_loggers(
    error: Exception, data: Any
) -> None:
    """One warning in the whole run; the history has every point."""
    plane, good = InformationPlaneMonitor(data=data), MemoryLogger()
    with warned() as given:
        _, running = fit([plane], logger=[Refuses(error), good], max_epochs=3)
    (warning,) = given.of("logger")
    assert "Refuses" in warning.text
    assert str(error) in warning.text
    assert running.global_step == 15
    assert epochs(plane)[-3:] == [1, 2, 3]
    tag = f"information_plane/{data or 'val'}/I_TY/net.1"
    assert [values[tag] for _, values in good.logged if tag in values] == curve(plane, tag)


@pytest.mark.parametrize("data", [None, "train"])
def test_a_logger_that_raises_ends_training_where_asked_to(data: Any) -> None:
    with pytest.raises(ConnectionError, match="the tracking server is gone"):
        fit([InformationPlaneMonitor(data=data, on_error="raise")], logger=Refuses(LOST))


def _fails_for_us(target: Any, method: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a method raise when it is we who call it, and work when Lightning does."""
    works, failures = getattr(target, method), list[str]()
    package = str(Path(it_callbacks.__file__).parent)

    def fails(*args: Any, **kwargs: Any) -> Any:
        if not any(frame.filename.startswith(package) for frame in inspect.stack(0)):
            return works(*args, **kwargs)
        failures.append(method)
        raise FULL

    monkeypatch.setattr(target, method, fails)
    return failures


@pytest.mark.parametrize("method", ["_get_file_writer", "add_text", "add_custom_scalars", "flush"])
def test_a_writer_that_raises_costs_nothing_but_what_it_was_to_write(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of TensorBoard's writer fails: one warning, which names the cause."""
    logger = TensorBoardLogger(tmp_path)
    failures = _fails_for_us(logger.experiment, method, monkeypatch)
    plane = InformationPlaneMonitor()
    with warned() as given:
        _, running = fit([plane], logger=logger, max_epochs=3)
    assert failures
    (warning,) = given.of("logger")
    assert "No space left on device" in warning.text
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

    with warned() as given, pytest.raises(OSError, match="No space left"):
        fit([plane, Sees()], logger=logger, max_epochs=3, log_every_n_steps=1000)
    assert steps == [15]
    assert epochs(plane) == [1, 2, 3]
    (warning,) = given.of("logger")
    assert "TensorBoardLogger" in warning.text


def test_a_folder_that_cannot_be_written_costs_the_files_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CSV logger writes at each save."""
    logger, good = CSVLogger(tmp_path), MemoryLogger()
    plane = InformationPlaneMonitor()
    assert _fails_for_us(logger, "save", monkeypatch) == []
    with warned() as given:
        fit([plane], logger=[logger, good])
    (warning,) = given.of("logger")
    assert "CSVLogger" in warning.text
    assert len(curve(plane, TAG)) == 2
    assert len([values for _, values in good.logged if TAG in values]) == 2


# Names that are taken.


def test_a_metric_of_the_users_that_has_our_name_stays_theirs() -> None:
    """The one tag is refused, with its name; all others are logged."""
    plane, logger = InformationPlaneMonitor(), MemoryLogger()
    with warned() as given:
        _, running = fit([plane], lambda: LogsTag(TAG), logger=logger, max_epochs=3)
    (warning,) = given.of("tag taken")
    assert TAG in warning.text
    assert "name=" in warning.text
    assert running.callback_metrics[TAG] == 123.0
    assert {values[TAG] for _, values in logger.logged if TAG in values} == {123.0}
    assert running.callback_metrics["information_plane/val/I_TY/net.1"] == pytest.approx(
        curve(plane, "information_plane/val/I_TY/net.1")[-1]
    )
    assert len(curve(plane, TAG)) == 3


def test_a_name_that_is_taken_ends_training_where_asked_to() -> None:
    with pytest.raises(ValueError, match=rf"{TAG}: "):
        fit([InformationPlaneMonitor(on_error="raise")], lambda: LogsTag(TAG))


def test_two_monitors_whose_sets_meet_are_refused_before_the_first_step() -> None:
    """A name that equals what a second validation loader is called by another."""
    monitors = [InformationPlaneMonitor(), InformationPlaneMonitor(data="train", name="val_1")]
    with pytest.raises(ValueError, match=r"name: two monitors .* log the set 'val_1'"):
        fit(monitors, val=[loader(105, seed=1), loader(60, seed=3)], max_epochs=1)
    assert monitors[1].history == []


@pytest.mark.parametrize("name", ["test", "val_test"])
def test_the_set_of_a_test_loop_is_no_others(name: str) -> None:
    listening = InformationPlaneMonitor(name=None if name == "test" else "val")
    with pytest.raises(ValueError, match=f"name: two monitors .* log the set '{name}'"):
        fit([listening, InformationPlaneMonitor(data="train", name=name)], max_epochs=1)


def test_our_own_values_of_earlier_fits_are_no_collision() -> None:
    """Fit, validate, test and fit again with one Trainer."""
    monitors = all_three()
    model, running = fit(monitors, max_epochs=1)
    val = running.val_dataloaders
    with warned() as given:
        running.validate(model, val, verbose=False)
        running.test(model, val, verbose=False)
        running.fit_loop.max_epochs = 2
        running.fit(model, loader(), val)
    assert given.of("tag taken") == []
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
    messages = iter([first, again, other])

    def fails(*_: Any) -> float:
        raise ArithmeticError(next(messages))

    plane = InformationPlaneMonitor("net.4", extra=[Own("own_V_TY", fails)])
    with warned() as given:
        fit([plane], train=loader(25), max_epochs=3)
    before, after = (one.text for one in given.of("extra"))
    assert first in before
    assert other in after


# Estimators that raise.


SINGULAR = FloatingPointError("singular")


def test_an_estimator_that_raises_costs_its_own_numbers_and_gives_one_warning_a_layer() -> None:
    """Each names the layer and says what happened; all else is measured on."""
    plane = InformationPlaneMonitor(extra=[Own("own_V_TY", raises(SINGULAR))])
    predictions = PredictionEntropyMonitor()
    with warned() as given:
        _, running = fit([plane, predictions], max_epochs=3)
    assert [one.layer for one in given.of("extra")] == ["net.1", "net.3", "net.4"]
    assert all("singular" in one.text for one in given.of("extra"))
    assert epochs(plane) == epochs(predictions) == [1, 2, 3]
    assert len(curve(plane, TAG)) == 3
    assert running.global_step == 15


def test_an_estimator_that_raises_ends_training_where_asked_to() -> None:
    extra = [Own("own_V_TY", raises(SINGULAR))]
    with pytest.raises(RuntimeError, match="singular"):
        fit([InformationPlaneMonitor(extra=extra, on_error="raise")])


# Numbers that are none.


def test_nan_in_all_layers_costs_the_point_with_one_warning_that_names_one() -> None:
    plane = InformationPlaneMonitor()
    with warned() as given:
        _, running = fit([plane], Diverges, max_epochs=4)
    (warning,) = given.of("skipped")
    assert warning.set == "val"
    assert "layer 'net.1'" in warning.text
    assert "NaN" in warning.text
    assert when(plane) == [(1, 5)]
    assert running.global_step == 20


def test_nan_ends_training_if_asked_to() -> None:
    with pytest.raises(ValueError, match=r"layer 'net\.1'.*NaN"):
        fit([InformationPlaneMonitor(on_error="raise")], Diverges, max_epochs=4)


def test_nan_predictions_cost_the_point_only() -> None:
    monitor = PredictionEntropyMonitor()
    with warned() as given:
        fit([monitor], Diverges, max_epochs=3)
    (warning,) = given.of("skipped")
    assert "NaN" in warning.text
    assert when(monitor) == [(1, 5)]


# Files that are lost or torn.


def test_a_fixed_set_that_cannot_be_read_costs_the_points_only() -> None:
    plane = InformationPlaneMonitor(data=OnALostDisk())
    with warned() as given:
        _, running = fit([plane])
    (warning,) = given.of("skipped")
    assert "the disk is gone" in warning.text
    assert running.global_step == 10
    with pytest.raises(OSError, match="the disk is gone"):
        fit([InformationPlaneMonitor(data=OnALostDisk(), on_error="raise")])


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
