"""The Lightning callback that all three monitors are: hooks, and the three values it owns."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from typing_extensions import override

from it_callbacks.callbacks.bench import Bench
from it_callbacks.callbacks.console import console_of, end_run
from it_callbacks.callbacks.faults import Faults
from it_callbacks.callbacks.fixed_set_source import FixedSetSource
from it_callbacks.callbacks.journal import Journal
from it_callbacks.callbacks.loop_source import LoopSource
from it_callbacks.callbacks.moments import Moment
from it_callbacks.callbacks.namespaces import Callback
from it_callbacks.callbacks.options import Argument, Options
from it_callbacks.callbacks.outbox import end_sending, outbox_of
from it_callbacks.checks import ArgumentValueError
from it_callbacks.drawing import Pictures, card
from it_callbacks.figures import Request
from it_callbacks.observation.at_hand import forget_run
from it_callbacks.observation.instrument import Instrument
from it_callbacks.observation.processes import n_processes
from it_callbacks.plain import plain
from it_callbacks.quantities import Quantity
from it_callbacks.records import Record
from it_callbacks.tables import write_csv, write_json

Measuring = TypeVar("Measuring", bound=Instrument[Any])


class Monitor(Callback, Generic[Measuring]):
    """Measures a model while it trains, and logs the values. Base of the three monitors.

    It owns three values: an instrument (what is measured), a source (the loop that runs anyway,
    or a fixed set) and a journal (what was measured, kept and published). It never changes
    training.

    Args:
        instrument: What is measured.
        options: The arguments that all monitors share.
        own_quantities: What a user's own estimators declare.
        pictures: When to give loggers a picture, if at all.
    """

    def __init__(
        self,
        instrument: Measuring,
        options: Options,
        *,
        own_quantities: tuple[Quantity, ...] = (),
        pictures: Pictures | None = None,
    ) -> None:
        super().__init__()
        faults = Faults(type(self).__name__, options.on_error)
        self._instrument = instrument
        self._journal = Journal(
            instrument.group, faults, own_quantities=own_quantities, pictures=pictures
        )
        bench = Bench(instrument, self._journal, options)
        self._source: LoopSource | FixedSetSource = (
            LoopSource(bench) if options.listens else FixedSetSource(bench)
        )

    # For users.

    data = Argument()
    schedule = Argument()
    inputs = Argument()
    target = Argument()
    ignore_index = Argument()
    samples = Argument()
    max_samples = Argument()
    on_error = Argument()
    name = Argument()

    @property
    def history(self) -> list[Record]:
        """Every value measured so far, in order."""
        return self._journal.history.records

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """For each set, how its values were measured."""
        return self._journal.settings

    def to_csv(self, path: str | Path) -> None:
        """Write `history` as a table with one row per value, as ``it-callbacks export`` does."""
        write_csv([self._journal.run(self._instrument.texts())], path)

    def to_json(self, path: str | Path) -> None:
        """Write values, settings and verdicts as JSON, as ``it-callbacks export`` does."""
        write_json([self._journal.run(self._instrument.texts())], path)

    _shown: ClassVar = Request()
    """The figure that a notebook shows."""

    @override
    def __repr__(self) -> str:
        history = self._journal.history
        points = [f"{history.n_points(set_)} points of {set_!r}" for set_ in history.sets]
        return f"<{type(self).__name__}: {', '.join(points) or 'nothing measured yet'}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the figure, what was found, and the last values with statuses."""
        panels = self._journal.panels(self._source.bench.options.set)
        run = self._journal.run(self._instrument.texts())
        return card(self._shown, panels, run, repr(self)[1:-1])

    # From run to run.

    @override
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._journal.faults.console = console_of(trainer)
        if self._source.bench.begin_run(trainer, fits=stage == "fit"):
            # A new training starts a new history; a resumed one gets it back after this.
            self._reset()
        self._refuse_meeting_sets(trainer)
        if _is_spawned(trainer) and not trainer.barebones:
            self._journal.faults.warn(
                "with ddp_spawn, monitor.history will be empty in this process; read the logs, or "
                "use strategy='ddp'",
                cause="spawned",
            )

    @property
    @override
    def state_key(self) -> str:
        key = f"it_callbacks.{type(self).__name__}.{self._source.bench.options.set}"
        # The Trainer refuses two equal keys without a word on what to do; `setup`, which comes
        # before any checkpoint is read or written, has that word.
        return key if self._source.bench.trainer is not None else f"{key}.{id(self)}"

    @override
    def state_dict(self) -> dict[str, Any]:
        try:
            # The save itself comes later, so that what it cannot take has to be found here.
            state = {**self._journal.state(), "instrument": self._instrument.state()}
            return dict(plain(state))
        except Exception as error:  # a user's checkpoint must not fail because of a monitor
            text = f"could not save the history in this checkpoint ({error})"
            self._journal.faults.warn(text, cause="not stored")
            return {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        trainer = self._source.bench.trainer
        if trainer is not None and trainer.state.fn != "fit" and self.history:
            return  # an earlier checkpoint is evaluated; what came after it is no less true
        try:
            self._journal.restore(state_dict)
            notices = self._instrument.restore(state_dict["instrument"]) if self.history else []
        except Exception as error:  # a resume must not fail because of what a monitor stored
            self._reset()
            text = f"could not read the stored history ({error}); it starts from here"
            self._journal.faults.warn(text, cause="not ours")
        else:
            for notice in notices:
                self._journal.notice(notice)

    # Training.

    @override
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._source.bench.begin_fit()
        if trainer.barebones:
            return
        self._source.prepare(trainer, pl_module)
        if not trainer.loggers:
            text = "the Trainer has no logger; the values are kept in .history only"
            self._journal.faults.warn(text, cause="no logger")

    @override
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.barebones:
            self._refuse_meeting_sets(trainer)
            self._journal.resume(trainer)
            self._source.begin(trainer, pl_module)
        self._source.bench.begin_training()

    @override
    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._source.bench.cadence.counts_steps:
            self._source.visit(trainer, pl_module, Moment.of(trainer))

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        # Where a validation loop has run at the end of this epoch, that was measured already.
        with self._outbox(trainer):
            if not self._source.bench.cadence.counts_steps:
                self._source.visit(trainer, pl_module, Moment.of_epoch_end(trainer))

    @override
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.barebones:
            return
        self._source.finish(trainer, pl_module, Moment.of_training(trainer))
        self._source.bench.complete(trainer)
        self._journal.end(trainer, self._instrument.texts())

    # Validation and test.

    @override
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_loop(trainer, pl_module)

    @override
    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        # A monitor that listens would hear the passes over others' fixed sets: these come first.
        for monitor in _monitors(trainer):
            monitor._source.precede_batch(trainer, pl_module)
        self._source.begin_batch(trainer, batch, dataloader_idx)

    @override
    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._source.end_batch(trainer)

    @override
    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        with self._outbox(trainer):
            self._source.end_loop(trainer, Moment.of(trainer))

    @override
    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._start_loop(trainer, pl_module)

    @override
    def on_test_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._source.begin_batch(trainer, batch, dataloader_idx)

    @override
    def on_test_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._source.end_batch(trainer)

    @override
    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        with self._outbox(trainer):
            self._source.end_loop(trainer, Moment.of(trainer))

    # The end.

    @override
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._source.close()  # teardown is not called after an exception
        is_training = trainer.state.fn == "fit" and self._source.bench.is_training
        if is_training and not trainer.barebones:
            with suppress(Exception):  # the user must see theirs
                if isinstance(exception, KeyboardInterrupt) and n_processes() == 1:
                    self._source.bench.complete(trainer)  # a user's own way to end a training
                self._journal.end(trainer, self._instrument.texts())
        self._end_run(trainer)

    @override
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._source.close()
        self._end_run(trainer)

    def _outbox(self, trainer: Any) -> AbstractContextManager[None]:
        """Inside, points wait; those of monitors one behind the other are sent by the last."""
        others = zip(trainer.callbacks, trainer.callbacks[1:], strict=False)
        goes_on = any(one is self and isinstance(other, Monitor) for one, other in others)
        return outbox_of(trainer).held(trainer, self._source.bench.stopwatch, goes_on=goes_on)

    def _end_run(self, trainer: Any) -> None:
        end_sending(trainer)
        self._journal.faults.end()
        forget_run(trainer)
        end_run(trainer)

    def _start_loop(self, trainer: Any, pl_module: Any) -> None:
        if trainer.barebones:
            return
        if trainer.state.fn != "fit":  # else it was checked before the training
            self._refuse_meeting_sets(trainer)
        here = trainer.callbacks.index(self) if self in trainer.callbacks else 0
        # Up to a hook of somebody else, or of a user's own subclass.
        ours = takewhile(lambda one: type(one).__base__ is Monitor, trainer.callbacks[here::-1])
        self._source.start_loop(trainer, pl_module, [one._source for one in ours][1:])

    def _reset(self) -> None:
        """Forget everything that was measured."""
        self._instrument.reset()
        self._source.reset()
        self._journal.reset()

    def _refuse_meeting_sets(self, trainer: Any) -> None:
        """Raise if another monitor of this kind would log under tags of this one."""
        names = self._source.sets(trainer)
        mine = set(names)
        if len(mine) < len(names):
            raise ArgumentValueError(
                f"name: two loaders would log under one name of {names}; pass another"
            )
        for other in _monitors(trainer):
            if other is self or type(other) is not type(self):
                continue
            shared = sorted(mine.intersection(other._source.sets(trainer)))
            if shared:
                raise ArgumentValueError(
                    f"name: two monitors of type {type(self).__name__} would log the set "
                    f"{shared[0]!r} under the same tags; give each a name= of its own"
                )


def _monitors(trainer: Any) -> list[Monitor[Any]]:
    return [callback for callback in trainer.callbacks if isinstance(callback, Monitor)]


def _is_spawned(trainer: Any) -> bool:
    """Whether training runs in processes that take what callbacks know with them."""
    kinds = type(trainer.strategy.launcher).__mro__
    return any(kind.__name__ == "_MultiProcessingLauncher" for kind in kinds)
