"""An instrument at work on one model, between a source of samples and a journal of points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import nn

from it_callbacks.callbacks.journal import Journal
from it_callbacks.callbacks.moments import Cadence, Moment, ScheduleError
from it_callbacks.callbacks.options import Options
from it_callbacks.callbacks.stopwatch import Stopwatch
from it_callbacks.observation.guard import random_states_restored
from it_callbacks.observation.instrument import Instrument, Observer, Occasion
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

    def reset(self) -> None:
        """Another training begins, perhaps of the same model: nothing is observed yet."""
        self.detach()
        self._observer, self._model = None, Weak[nn.Module]()
        self.in_training = False

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
            self.journal.faults.handle(error.cause, str(error), cause="schedule")
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
        if self._observer is None or not self.options.listens:
            return 0.0
        return self._observer.listener.seconds
