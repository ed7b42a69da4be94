"""An instrument at work on one model, between a source of samples and a journal of points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from it_callbacks.callbacks.journal import Journal
from it_callbacks.callbacks.moments import Cadence, Moment, ScheduleError
from it_callbacks.callbacks.options import Options
from it_callbacks.callbacks.stopwatch import Stopwatch
from it_callbacks.checks import ArgumentError
from it_callbacks.observation.guard import random_states_restored
from it_callbacks.observation.instrument import Instrument, Observer, Occasion
from it_callbacks.observation.stages import Stage
from it_callbacks.observation.weak import Weak


class Bench:
    """An instrument at work on one model: its observer, its clock, and the way into the journal.

    Args:
        instrument: What measures.
        journal: What keeps the points.
        options: What the user asked for.
    """

    def __init__(self, instrument: Instrument[Any], journal: Journal, options: Options) -> None:
        self.instrument = instrument
        self.journal = journal
        self.options = options
        self.cadence = Cadence(options.schedule)
        self.stopwatch = Stopwatch()
        self.is_training = False
        """Whether the first step of a fit may have been made: from then on nothing is fatal."""
        self._trainer, self._owner = Weak[Any](), Weak[Any]()
        self._attempt: tuple[int, int] | None = None
        self._observer: Observer[Any] | None = None
        self._model = Weak[nn.Module]()

    def __getstate__(self) -> dict[str, Any]:
        # A copy observes nothing: hooks and modules stay with the original.
        return {**self.__dict__, "_observer": None, "_model": Weak[nn.Module]()}

    def choose(self, **selectors: Any) -> None:
        """From the next run on, these are the parts of a batch that are inputs and labels."""
        self.options = replace(self.options, **selectors)

    @property
    def trainer(self) -> Any:
        """The Trainer that runs or has run last; None before the first."""
        return self._trainer()

    def begin_run(self, trainer: Any, *, fits: bool) -> bool:
        """A Trainer begins to fit, validate or test.

        Returns:
            Whether this is a training other than that of the journal.
        """
        is_new = fits and self._owner() is not trainer
        self._trainer = Weak(trainer)
        if fits or not len(self.journal.history):
            self._owner = self._trainer
        return is_new

    def begin_fit(self) -> None:
        """A fit begins, before its sanity check."""
        self.stopwatch.restart()
        self.is_training, self._attempt = False, None

    def begin_training(self) -> None:
        """The first step comes next."""
        self.is_training = True

    def reset(self) -> None:
        """Another training begins, perhaps of the same model: nothing is observed yet."""
        self.detach()
        self._observer, self._model = None, Weak[nn.Module]()
        self.is_training, self._attempt = False, None

    @property
    def latest(self) -> tuple[int, int] | None:
        """Epoch and step of the latest point, or attempt at one; None before the first."""
        return self._attempt or self.journal.history.last

    def attempt(self, at: Moment) -> None:
        """A point is due: where it fails, the next one is tried when that is due."""
        self._attempt = at.place

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
    def at_work(self, trainer: Any, set_: str = "") -> Iterator[None]:
        """Inside, time counts as observing, and an exception skips one measurement."""
        with self.stopwatch, self.contained(trainer, set_):
            yield

    @contextmanager
    def contained(self, trainer: Any, set_: str = "") -> Iterator[None]:
        """Inside, an exception skips one measurement; before training a wrong argument is raised.

        A misfit of data or model never ends a run, unless the user asked for that.
        """
        fatal = () if self.is_training else (ArgumentError,)
        with self.journal.faults.contained(*fatal, set_=set_):
            yield
            return
        if not trainer.sanity_checking:
            at = Moment.of(trainer)
            not_due = partial(
                self.instrument.not_due, place=at.place, is_end=at.last or not at.fitting
            )
            self.journal.skip(trainer, set_, not_due)

    def new_pass(self, set_: str, at: Moment) -> Any:
        """A pass over a set begins."""
        return self.instrument.new_pass(set_, Stage(at.epoch, self.is_training, at.fitting))

    def warn_ahead(self) -> None:
        """Warn of what a user should know before more is observed."""
        for notice in self.instrument.ahead():
            self.journal.notice(notice)

    def is_due(self, ask: Callable[[Moment, tuple[int, int] | None], bool], at: Moment) -> bool:
        """Whether a measurement is due; a schedule of the user's that fails asks for none."""
        try:
            return ask(at, self.latest)
        except ScheduleError as error:
            self.journal.faults.handle(error.cause, str(error), cause="schedule")
            return False

    def record(
        self,
        trainer: Any,
        finished: Any,
        set_: str,
        at: Moment,
        *,
        weights: str,
        same_samples: bool,
    ) -> None:
        """Measure a finished pass, and keep and publish the point.

        Args:
            trainer: In whose run.
            finished: The pass.
            set_: Over which set.
            at: When.
            weights: Which weights the model had, in words.
            same_samples: Whether every pass over the set takes the same samples in one order.
        """
        occasion = Occasion(
            set_,
            at.epoch,
            at.n_steps,
            at.fitting,
            at.last,
            self.journal.history.n_points(set_, before=at.place),
            same_samples,
            self.journal.published_settings(set_),
            weights,
            is_training=self.is_training,
            cost=lambda: self.stopwatch.cost(self._seconds_in_hooks),
        )
        with random_states_restored() if self.instrument.may_draw else nullcontext():
            measured = self.instrument.measure(finished, occasion)
        if not measured.values:
            for notice in measured.notices:
                self.journal.notice(notice, set_)
            if measured.detail is not None:  # what the end of the training may still need
                self.instrument.keep(measured, occasion)
        elif self.journal.add(trainer, measured, set_, at):
            self.instrument.keep(measured, occasion)

    def complete(self, trainer: Any) -> None:
        """Training has ended: the last points get what was not due at them."""
        with self.stopwatch, self.journal.faults.contained():
            for late in self.instrument.completions(self.journal.settings_of):
                self.journal.complete(trainer, late.measured, late.set, late.place)

    def end_of_moment(self) -> None:
        """All points of a moment are recorded: the time spent on the next ones starts at zero."""
        self.stopwatch.restart_lap(self._seconds_in_hooks)
        if self._observer is not None:
            self._observer.listener.seconds = 0.0

    @property
    def _seconds_in_hooks(self) -> float:
        """Time in hooks that `at_work` does not see, since they run in the user's own loop."""
        if self._observer is None or not self.options.listens:
            return 0.0
        return self._observer.listener.seconds
