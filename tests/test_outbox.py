"""Points of monitors one behind the other: one event and one flush, and nobody's point is lost."""

from __future__ import annotations

import gc
import math
import weakref
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.writer import FileWriter
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
    Record,
)
from it_callbacks.callbacks.outbox import Letter, Outbox
from it_callbacks.callbacks.stopwatch import Stopwatch
from it_callbacks.loggers import LoggedPoint
from it_callbacks.quantities import ROOTS

from .toys import MemoryLogger, Own, Refuses, all_three, epochs, fit, loader, raises
from .warned import warned

MARGINAL = "prediction_entropy/val/marginal"
OURS = tuple(f"{root}/" for root in ROOTS)


def _logger(folder: Path) -> TensorBoardLogger:
    return TensorBoardLogger(folder, name="run", version=0)


def _events(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Step and values of each event with values of ours."""
    files = sorted((folder / "run" / "version_0").glob("events*"))
    loaded = [RawEventFileLoader(str(file)).Load() for file in files]
    events = [Event.FromString(event) for of_file in loaded for event in of_file]
    of_each = [
        (event.step, {v.tag: v.simple_value for v in event.summary.value if _is_ours(v)})
        for event in events
    ]
    return [(step, of) for step, of in of_each if of]


def _is_ours(value: Any) -> bool:
    """Whether it is a number of a monitor, no text."""
    return value.tag.startswith(OURS) and value.HasField("simple_value")


def _values(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """By tag the step and value of each of its events."""
    path = str(folder / "run" / "version_0")
    events = EventAccumulator(path, size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if tag.startswith(OURS)
    }


def _finite(records: list[Record]) -> dict[str, list[tuple[int, float]]]:
    """The same from a history, where a record is a value of its own."""
    found: dict[str, list[tuple[int, float]]] = {}
    for record in records:
        if math.isfinite(record.bits):
            value = pytest.approx(record.bits, rel=1e-6, abs=1e-30)
            found.setdefault(record.tag, []).append((record.step, value))
    return found


def _flushes(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one with each flush of a writer."""
    flushes, flush = list[None](), SummaryWriter.flush
    monkeypatch.setattr(
        SummaryWriter, "flush", lambda writer: (flushes.append(None), flush(writer))[1]
    )
    return flushes


class CountsFlushes(pl.Callback):
    """Counts those of our hooks, of which it stands in front and behind."""

    def __init__(self, flushes: list[None], counted: list[int]) -> None:
        self.flushes, self.counted = flushes, counted

    @override
    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self.counted.append(len(self.flushes))


class SeesFile(pl.Callback):
    """Reads in each validation whose points of this step are in the file already."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen = folder, list[set[str]]()

    @override
    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            now = [of for step, of in _events(self.folder) if step == trainer.global_step]
            self.seen.append({tag.partition("/")[0] for of in now for tag in of})


def test_three_monitors_are_one_event_and_one_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes, before, behind = _flushes(monkeypatch), list[int](), list[int]()
    monitors = all_three()
    counts = [CountsFlushes(flushes, before), *monitors, CountsFlushes(flushes, behind)]
    fit(counts, logger=_logger(tmp_path), max_epochs=3)
    assert [b - a for a, b in zip(before, behind, strict=True)] == [1, 1, 1]
    events = _events(tmp_path)
    assert [step for step, _ in events] == [5, 10, 15]
    records = [record for monitor in monitors for record in monitor.history]
    assert _values(tmp_path) == _finite(records)
    for step, of_step in events:
        at = {
            record.tag for record in records if record.step == step and math.isfinite(record.bits)
        }
        assert of_step.keys() == at


def test_a_callback_between_them_finds_what_was_measured_before_it(tmp_path: Path) -> None:
    first, second, plane = all_three()
    sees, last = SeesFile(tmp_path), SeesFile(tmp_path)
    fit([first, sees, second, plane, last], logger=_logger(tmp_path))
    assert sees.seen == [{"prediction_entropy"}] * 2
    assert last.seen == [set(ROOTS)] * 2


@pytest.mark.parametrize("late", range(3))
def test_a_monitor_that_is_not_due_holds_up_nobody(tmp_path: Path, late: int) -> None:
    """Whichever it is: the first, or the one that sends what the others have left."""
    kinds = [PredictionEntropyMonitor, ConditionalEntropyMonitor, InformationPlaneMonitor]
    monitors = [kind(schedule=2 if n == late else 1) for n, kind in enumerate(kinds)]
    sees = SeesFile(tmp_path)
    fit([*monitors, sees], logger=_logger(tmp_path), max_epochs=3)
    (root,) = ("prediction_entropy", "conditional_entropy", "information_plane")[late : late + 1]
    assert [root in seen for seen in sees.seen] == [True, True, False]  # the first one is due
    assert all(len(seen) >= 2 for seen in sees.seen)
    assert _values(tmp_path) == _finite([r for monitor in monitors for r in monitor.history])


@pytest.mark.parametrize("failing", range(3))
@pytest.mark.parametrize("error", [ValueError("no luck"), KeyboardInterrupt()])
def test_a_monitor_that_fails_loses_no_other_its_point(
    tmp_path: Path, failing: int, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that ends the training there and then."""
    monitors = all_three()
    instrument = monitors[failing]._instrument
    measure = instrument.measure

    def fails(finished: Any, on: Any) -> Any:
        if on.epoch == 2:
            raise error
        return measure(finished, on)

    monkeypatch.setattr(instrument, "measure", fails)
    with warned() as given:
        try:
            fit(monitors, logger=_logger(tmp_path), max_epochs=3)
        except (SystemExit, KeyboardInterrupt):  # as Lightning's version has it
            assert isinstance(error, KeyboardInterrupt)
    if isinstance(error, ValueError):
        assert [warning.monitor for warning in given.of("skipped")] == [
            type(monitors[failing]).__name__
        ]
        points = [[1, 3] if n == failing else [1, 2, 3] for n in range(3)]
    else:
        points = [[1, 2] if n < failing else [1] for n in range(3)]
    assert [epochs(monitor) for monitor in monitors] == points
    assert _values(tmp_path) == _finite([r for monitor in monitors for r in monitor.history])


class Quiet(ConditionalEntropyMonitor):
    """A user's own, whose hook does nothing."""

    @override
    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pass


def test_a_monitor_without_the_hook_takes_no_point_of_another_with_it(tmp_path: Path) -> None:
    """Points wait for the next one at most, and the last for the end of the run."""
    first = PredictionEntropyMonitor()
    fit([first, Quiet()], logger=_logger(tmp_path), max_epochs=3)
    assert epochs(first) == [1, 2, 3]
    assert _values(tmp_path) == _finite(first.history)


def test_where_a_fault_is_raised_the_points_before_it_are_written(tmp_path: Path) -> None:
    extra = [Own("fragile", raises(ValueError("no luck"), after=1))]
    plane = InformationPlaneMonitor("net.4", bins=2, extra=extra, on_error="raise")
    others = [PredictionEntropyMonitor(), ConditionalEntropyMonitor()]
    with pytest.raises(RuntimeError, match="no luck"):
        fit([*others, plane], logger=_logger(tmp_path), max_epochs=3)
    assert [epochs(monitor) for monitor in others] == [[1, 2], [1, 2]]
    assert [step for step, _ in _values(tmp_path)[MARGINAL]] == [5, 10]


def test_what_a_logger_refuses_of_one_monitor_is_told_by_that_one_alone() -> None:
    refuses, good = Refuses(ConnectionError("gone"), "conditional_entropy"), MemoryLogger()
    monitors = all_three()
    with warned() as given:
        fit(monitors, logger=[refuses, good], max_epochs=2)
    (warning,) = given.of("logger")
    assert warning.monitor == "ConditionalEntropyMonitor"
    texts = [monitor._journal.faults.texts() for monitor in monitors]
    assert [any("gone" in text for text in of) for of in texts] == [False, True, False]
    for logger, n_roots in ((refuses, 2), (good, 3)):
        of_ours = [set(metrics) for _, metrics in logger.logged if OURS[0] + "val/mean" in metrics]
        assert len(of_ours) == 2
        tags = {tag for _, metrics in logger.logged for tag in metrics if tag.startswith(OURS)}
        roots = {tag.partition("/")[0] for tag in tags} - {"label_information"}
        assert len(roots) == n_roots


@pytest.mark.parametrize("strict", range(3))
def test_a_logger_that_fails_is_told_to_all_and_raised_for_who_wants_it(
    tmp_path: Path, strict: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitors = all_three()
    monitors[strict] = type(monitors[strict])(on_error="raise")
    add_summary = FileWriter.add_summary

    def full(writer: FileWriter, summary: Any, *args: Any, **kwargs: Any) -> None:
        if any(map(_is_ours, summary.value)):
            raise OSError("disk full")
        add_summary(writer, summary, *args, **kwargs)

    monkeypatch.setattr(FileWriter, "add_summary", full)
    with warned(), pytest.raises(OSError, match="disk full"):
        fit(monitors, logger=_logger(tmp_path))
    texts = [monitor._journal.faults.texts() for monitor in monitors]
    told = [any("disk full" in text for text in of) for of in texts]
    assert told == [n != strict for n in range(3)]


def test_fixed_sets_and_loops_and_steps_beside_each_other(tmp_path: Path) -> None:
    """Each point once, at its own step, whatever hook it was measured in."""
    by_steps = lambda step: step % 3 == 0  # noqa: E731 # a user's own way to write one
    monitors = [
        PredictionEntropyMonitor(),
        PredictionEntropyMonitor(data="train", name="fixed"),
        InformationPlaneMonitor("net.4", data="val", name="plane", schedule=2),
        ConditionalEntropyMonitor(data="train", schedule=by_steps),
        ConditionalEntropyMonitor(),
    ]
    fit(monitors, logger=_logger(tmp_path), max_epochs=3)
    assert _values(tmp_path) == _finite([r for monitor in monitors for r in monitor.history])


def test_monitors_without_a_validation_loop_are_one_event(tmp_path: Path) -> None:
    monitors = all_three("train")
    fit(monitors, logger=_logger(tmp_path), limit_val_batches=0, max_epochs=3)
    assert [step for step, _ in _events(tmp_path) if step] == [5, 10, 15]
    assert _values(tmp_path) == _finite([r for monitor in monitors for r in monitor.history])


def test_a_test_and_a_validation_of_their_own_are_one_event_each(tmp_path: Path) -> None:
    monitors, logger = all_three(), _logger(tmp_path)
    model, running = fit(monitors, logger=logger, max_epochs=1)
    running.test(model, running.val_dataloaders, verbose=False)
    assert len(_events(tmp_path)) == 2
    assert _values(tmp_path) == _finite([r for monitor in monitors for r in monitor.history])


def test_a_trainer_that_is_gone_leaves_nothing_behind(tmp_path: Path) -> None:
    monitors = all_three()
    model, running = fit(monitors, logger=_logger(tmp_path), max_epochs=1)
    gone = weakref.ref(running)
    del running, model, monitors
    gc.collect()
    assert gone() is None


class Sent(NamedTuple):
    """What a sender got to know."""

    faults: list[Any]
    charted: set[str]


def _letter(values: dict[str, float]) -> tuple[Letter, Sent]:
    sent = Sent([], set())
    return Letter(LoggedPoint(values, 7), sent.charted, (), sent.faults.extend), sent


class Nobody:
    """A Trainer with loggers only."""

    def __init__(self, *loggers: Any) -> None:
        self.loggers, self.logged_metrics = loggers, dict[str, float]()


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second after the one before."""
    ticks = iter(range(10**6))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))


def test_the_time_that_points_take_is_that_of_whoever_measured_them(second: Any) -> None:
    """By how many values each has: a quarter and three quarters of a second."""
    outbox, trainer, watches = Outbox(), Nobody(MemoryLogger()), [Stopwatch(), Stopwatch()]
    tags = iter(f"information_plane/val/I_XT/{n}" for n in range(9))
    for watch, size in zip(watches, (1, 3), strict=True):
        with outbox.held(trainer, watch, goes_on=watch is watches[0]):
            outbox.put(_letter({next(tags): 1.0 for _ in range(size)})[0], trainer)
    assert [watch.cost().seconds for watch in watches] == [0.25, 0.75]


def test_senders_learn_of_each_others_tags_whenever_there_is_a_new_one() -> None:
    outbox, trainer = Outbox(), Nobody()
    one, of_one = _letter({"a": 1.0})
    two, of_two = _letter({"b": 1.0})
    outbox.put(one, trainer)
    outbox.put(two, trainer)
    outbox.put(one, trainer)
    assert (of_one.charted, of_two.charted) == ({"a"}, {"a", "b"})
    outbox.put(one._replace(point=LoggedPoint({"a": 2.0, "c": 1.0}, 8)), trainer)
    assert of_one.charted == {"a", "b", "c"}


def test_each_run_of_a_trainer_has_a_layout_of_its_own(tmp_path: Path) -> None:
    """With new monitors and a new logger, as in cross-validation."""
    model, trainer = fit(all_three(), max_epochs=1, logger=_logger(tmp_path / "0"))
    trainer.callbacks = [one for one in trainer.callbacks if not hasattr(one, "history")]
    trainer.callbacks += all_three()
    trainer.loggers = [_logger(tmp_path / "1")]
    trainer.fit_loop.max_epochs = 2
    with warned():
        trainer.fit(model, loader(60, seed=1), loader(60, seed=2))
    for fold in "01":
        (file,) = (tmp_path / fold).rglob("*tfevents*")
        read = EventAccumulator(str(file)).Reload()
        assert "custom_scalars__config__" in read.Tags()["tensors"]
