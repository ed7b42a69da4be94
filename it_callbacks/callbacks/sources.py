"""Where the measured samples come from: the loop that runs anyway, or a fixed set.

A source knows when to measure; an `Instrument` knows what, and a `Journal` keeps the points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from torch import nn
from typing_extensions import override

from it_callbacks.callbacks.journal import Journal
from it_callbacks.callbacks.loops import Loop, refuse_compiled, refuse_own_shares, sets_of_trainer
from it_callbacks.callbacks.moments import Cadence, Moment, ScheduleError
from it_callbacks.callbacks.options import Options
from it_callbacks.callbacks.passing import FixedSetPasses, fetch_fixed_set
from it_callbacks.callbacks.stopwatch import Stopwatch
from it_callbacks.callbacks.weak import Weak
from it_callbacks.observation.guard import random_states_restored
from it_callbacks.observation.instrument import Instrument, Observer, Occasion
from it_callbacks.observation.processes import n_processes, together


class Bench:
    """An instrument at work on one model: its observer, its clock, and the way into the journal.

    Args:
        instrument: What measures.
        journal: What keeps the points.
        cadence: When points are due.
        listens: Whether hooks run in the user's own loop, and not inside `at_work`.
    """

    def __init__(
        self, instrument: Instrument[Any], journal: Journal, cadence: Cadence, *, listens: bool
    ) -> None:
        self._listens = listens
        self.instrument = instrument
        self.journal = journal
        self.cadence = cadence
        self.in_training = False
        """Whether training has begun: from then on no exception of ours ends it."""
        self.stopwatch = Stopwatch()
        self.trainer = Weak[Any]()
        """Whose run the journal is of."""
        self._observer: Observer[Any] | None = None
        self._model = Weak[nn.Module]()

    def __getstate__(self) -> dict[str, Any]:
        # A copy observes nothing: hooks and modules stay with the original.
        return {**self.__dict__, "_observer": None, "_model": Weak[nn.Module]()}

    @property
    def latest(self) -> tuple[int, int] | None:
        """Epoch and step of the latest point; None before the first."""
        return self.journal.history.last

    def observe(self, model: nn.Module) -> Observer[Any]:
        """The observer of `model`; a new one if it is another model."""
        if self._observer is None or self._model() is not model:
            self._observer = self.instrument.observe(model)
            self._model = Weak(model)
        return self._observer

    @property
    def observer(self) -> Observer[Any]:
        """The observer of the model at hand."""
        if self._observer is None:
            raise RuntimeError("the model is not observed yet")
        return self._observer

    def detach(self) -> None:
        """Take all hooks off."""
        if self._observer is not None:
            self._observer.detach()

    @contextmanager
    def at_work(self, trainer: Any) -> Iterator[None]:
        """Inside, time counts as observing, and an exception skips one measurement."""
        with self.stopwatch.running(), self.contained(trainer):
            yield

    @contextmanager
    def contained(self, trainer: Any, set_: str = "") -> Iterator[None]:
        """Inside, an exception skips one measurement; before training it is raised."""
        fatal = trainer.sanity_checking or not self.in_training
        with self.journal.faults.contained(fatal=fatal, set_=set_):
            yield
            return
        self.journal.skip(trainer, set_, self.instrument.not_due)

    def is_due(self, ask: Callable[[Moment, tuple[int, int] | None], bool], at: Moment) -> bool:
        """Whether a measurement is due; a schedule of the user's that fails asks for none."""
        try:
            return ask(at, self.latest)
        except ScheduleError as error:
            self.journal.faults.handle(error, cause="schedule")
            return False

    def record(
        self, trainer: Any, finished: Any, set_: str, at: Moment, *, same_samples: bool
    ) -> None:
        """Measure a finished pass, and keep and publish the point."""
        occasion = Occasion(
            set_,
            at.epoch,
            at.fitting,
            self.journal.history.n_points(set_, before=at.place),
            same_samples,
            self.journal.published_settings(set_),
            strict=not self.in_training,
            cost=lambda: self.stopwatch.cost(self._seconds_in_hooks),
        )
        with random_states_restored() if self.instrument.may_draw else nullcontext():
            measured = self.instrument.measure(finished, occasion)
        if self.journal.add(trainer, measured, set_, at):
            self.instrument.keep(measured, occasion)

    def end_of_moment(self) -> None:
        """All points of a moment are recorded: the time spent on the next ones starts at zero."""
        self.stopwatch.restart_lap(self._seconds_in_hooks)
        if self._observer is not None:
            self._observer.listener.seconds = 0.0

    @property
    def _seconds_in_hooks(self) -> float:
        """Time in hooks that `at_work` does not see, since they run in the user's own loop."""
        if self._observer is None or not self._listens:
            return 0.0
        return self._observer.listener.seconds


class Source(ABC):
    """Where the samples of one monitor come from.

    Args:
        bench: The instrument at work.
        options: What the user asked for.
    """

    def __init__(self, bench: Bench, options: Options) -> None:
        self.bench = bench
        self.options = options

    @abstractmethod
    def sets(self, trainer: Any) -> list[str]:
        """What the sets are called, as far as that is known yet."""

    @abstractmethod
    def prepare(self, trainer: Any, model: nn.Module) -> None:
        """A fit begins: find what there is to observe; raises on misuse."""

    @abstractmethod
    def begin(self, trainer: Any, model: nn.Module) -> None:
        """Training begins, or goes on after a resume."""

    @abstractmethod
    def visit(
        self, trainer: Any, model: nn.Module, at: Moment, after: Literal["step", "epoch"]
    ) -> None:
        """A step, or an epoch or its validation, has ended: a fixed set may be due."""

    @abstractmethod
    def start_loop(self, trainer: Any, model: nn.Module) -> None:
        """A validation or test loop begins."""

    @abstractmethod
    def begin_batch(self, trainer: Any, batch: Any, dataloader_idx: int) -> None:
        """A batch of that loop begins."""

    @abstractmethod
    def end_batch(self, trainer: Any) -> None:
        """It has ended."""

    @abstractmethod
    def end_loop(self, trainer: Any, at: Moment) -> None:
        """The loop has ended."""

    @abstractmethod
    def finish(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        """Training has ended."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing on the model."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything: another training begins."""


class LoopSource(Source):
    """Listens to the validation or test loop that runs anyway."""

    def __init__(self, bench: Bench, options: Options) -> None:
        super().__init__(bench, options)
        self._loop: Loop | None = None
        self._is_waiting = False
        """Whether no batch of a validation loop has come yet."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loop": None}

    @override
    def sets(self, trainer: Any) -> list[str]:
        return sets_of_trainer(trainer, self.options.name)

    @override
    def prepare(self, trainer: Any, model: nn.Module) -> None:
        if not trainer.enable_validation:
            missing = (
                "data: there is no validation loop to listen to (no validation_step, no loader, "
                "or limit_val_batches=0); pass data='train' or a set of your own"
            )
            text = f"{missing}; nothing will be measured"
            self.bench.journal.faults.handle(ValueError(missing), text, cause="no validation")
            return
        self._observe(model)
        self._is_waiting = True

    @override
    def begin(self, trainer: Any, model: nn.Module) -> None:
        latest, at = self.bench.latest, Moment.of_training(trainer)
        if not trainer.is_last_batch or latest is None or latest == at.place:
            return
        # Resumed from between the last batch of an epoch and its validation, which is not run.
        n = trainer.check_val_every_n_epoch  # None: after so many batches, wherever epochs end
        validates = trainer.enable_validation and n is not None and at.epoch % n == 0
        if validates and self.bench.is_due(self.bench.cadence.due, at):
            self.bench.journal.faults.warn(
                f"no point at epoch {at.epoch}, step {at.step}: the checkpoint was written before "
                "that epoch's validation, and Lightning does not rerun it after a resume",
                cause="no point",
            )

    @override
    def visit(
        self, trainer: Any, model: nn.Module, at: Moment, after: Literal["step", "epoch"]
    ) -> None:
        """A loop comes when it comes."""

    @override
    def start_loop(self, trainer: Any, model: nn.Module) -> None:
        self._loop = None
        bench, at = self.bench, Moment.of(trainer)
        if not bench.is_due(bench.cadence.due, at):
            return
        new_pass = bench.instrument.dry_run if at.sanity else bench.instrument.new_pass
        loop = Loop(new_pass, self.options)
        with bench.at_work(trainer):
            try:
                self._observe(model).attach()
            except Exception as error:
                if n_processes() == 1:
                    raise
                loop.fault = error  # the others learn of it at the end of the loop
            self._loop = loop

    @override
    def begin_batch(self, trainer: Any, batch: Any, dataloader_idx: int) -> None:
        with self._in_loop(trainer) as loop:
            if loop is not None:
                self.bench.observer.begin(*loop.batch(trainer, batch, dataloader_idx))

    @override
    def end_batch(self, trainer: Any) -> None:
        with self._in_loop(trainer) as loop:
            if loop is not None:
                self.bench.observer.end()

    @override
    def end_loop(self, trainer: Any, at: Moment) -> None:
        loop, bench = self._loop, self.bench
        if loop is None:
            return
        with bench.at_work(trainer):
            refuse_own_shares(together(loop.first_labels_or_fault))
            for set_, finished in () if at.sanity else loop.passes.items():
                with bench.contained(trainer, set_):
                    same_samples = set_ in loop.unshuffled
                    bench.record(trainer, finished, set_, at, same_samples=same_samples)
            if not at.sanity:
                bench.end_of_moment()
        self.close()

    @override
    def finish(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        if self._is_waiting and self.bench.latest is None:
            self.bench.journal.faults.warn(
                "nothing was measured: the validation loop never produced a batch; pass "
                "data='train' or a set of your own",
                cause="no validation",
            )

    @override
    def close(self) -> None:
        self._loop = None
        self.bench.detach()

    @override
    def reset(self) -> None:
        self._loop, self._is_waiting = None, False

    def _observe(self, model: nn.Module) -> Observer[Any]:
        refuse_compiled(model)
        return self.bench.observe(model)

    @contextmanager
    def _in_loop(self, trainer: Any) -> Iterator[Loop | None]:
        """The loop, while it is listened to; an exception ends the listening.

        Of several processes, all learn of it at the end of the loop.
        """
        loop = self._loop
        if loop is None or loop.fault is not None:
            yield None
            return
        self._is_waiting = self._is_waiting and trainer.sanity_checking
        with self.bench.at_work(trainer):
            try:
                yield loop
            except Exception as error:
                if n_processes() == 1:
                    self.close()
                    raise
                loop.fault = error
                self.bench.detach()


class FixedSetSource(Source):
    """Passes a fixed set through the model, under a guard."""

    def __init__(self, bench: Bench, options: Options) -> None:
        super().__init__(bench, options)
        self._passes: FixedSetPasses | None = None

    @override
    def sets(self, trainer: Any) -> list[str]:
        return [self.options.set]

    @override
    def prepare(self, trainer: Any, model: nn.Module) -> None:
        self.bench.observe(model)

    @override
    def begin(self, trainer: Any, model: nn.Module) -> None:
        at = Moment.of_training(trainer)
        with self.bench.stopwatch.running():
            together(partial(self._fetch, trainer))
            if self.bench.latest is None:
                self._measure(trainer, model, at, first=True)
        if trainer.is_last_batch:
            # Resumed from between the last batch of an epoch and what follows it, which is not run.
            self.visit(trainer, model, at, "epoch")

    @override
    def visit(
        self, trainer: Any, model: nn.Module, at: Moment, after: Literal["step", "epoch"]
    ) -> None:
        if self._passes is None or (after == "step") != self.bench.cadence.counts_steps:
            return
        if self.bench.is_due(self.bench.cadence.due_on_fixed_set, at):
            with self.bench.stopwatch.running():
                self._measure(trainer, model, at, first=False)

    @override
    def start_loop(self, trainer: Any, model: nn.Module) -> None:
        """No loop is listened to."""

    @override
    def begin_batch(self, trainer: Any, batch: Any, dataloader_idx: int) -> None:
        """No loop is listened to."""

    @override
    def end_batch(self, trainer: Any) -> None:
        """No loop is listened to."""

    @override
    def end_loop(self, trainer: Any, at: Moment) -> None:
        """No loop is listened to."""

    @override
    def finish(self, trainer: Any, model: nn.Module, at: Moment) -> None:
        cadence = self.bench.cadence
        if cadence.wants_the_end and self.bench.latest is not None:
            # Early stopping, say, ends a training before its arguments do.
            after: Literal["step", "epoch"] = "step" if cadence.counts_steps else "epoch"
            self.visit(trainer, model, replace(at, last=True), after)

    @override
    def close(self) -> None:
        self.bench.detach()

    @override
    def reset(self) -> None:
        self._passes = None

    def _fetch(self, trainer: Any) -> None:
        options = self.options
        if options.data is None:
            raise RuntimeError("data: there is no fixed set to fetch")
        batches = fetch_fixed_set(trainer, options.data, options.max_samples, options.seed)
        self._passes = FixedSetPasses(batches, options.inputs, options.target)

    def _measure(self, trainer: Any, model: Any, at: Moment, *, first: bool) -> None:
        fixed, bench, set_ = self._passes, self.bench, self.options.set
        if fixed is None:
            raise RuntimeError("data: the fixed set was not fetched")
        with bench.contained(trainer, set_):
            observer, passes = bench.observe(model), list[Any]()

            def run_first_batch(several: Sequence[Any]) -> None:
                fixed.run_first(trainer, model, observer, several)

            def run() -> None:
                if first:
                    run_first_batch([bench.instrument.dry_run(set_)])  # finds what to observe
                passes.append(bench.instrument.new_pass(set_))
                fixed.run_all(trainer, model, observer, passes[0])

            together(run)
            if first:
                bench.instrument.check_determinism(passes[0], run_first_batch)
            bench.record(trainer, passes[0], set_, at, same_samples=True)
            bench.end_of_moment()
