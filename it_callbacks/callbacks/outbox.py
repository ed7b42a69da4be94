"""Send what the monitors of one Trainer have for its loggers: at once, or in a hook together."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from it_callbacks.callbacks.stopwatch import Stopwatch
from it_callbacks.loggers import Fault, LoggedPoint, log_layout, log_points
from it_callbacks.quantities import Quantity


class Letter(NamedTuple):
    """A point on its way to the loggers.

    Args:
        point: What they get.
        charted: The tags that have had a value, as far as the sender knows; it learns of others.
        own: The quantities of the user's own estimators.
        report: Is told what went wrong.
    """

    point: LoggedPoint
    charted: set[str]
    own: Sequence[Quantity]
    report: Callable[[Iterable[Fault]], None]


class Outbox:
    """Points on their way to the loggers of a Trainer.

    To have points written takes a logger as long for one as for those of all monitors, and
    TensorBoard has one layout of charts for all.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Letter, Stopwatch | None]] = []
        self._charted: set[str] = set()
        """The tags of all monitors that have had a value."""
        self._own: dict[str, Quantity] = {}
        self._stopwatch: Stopwatch | None = None
        """Of the monitor whose points wait for the end of its hook; None outside."""

    def put(self, letter: Letter, trainer: Any) -> None:
        """Send a point, with all that waits; inside `held` it waits, too.

        Raises:
            Exception: A logger failed, and the sender wants to know.
        """
        self._waiting.append((letter, self._stopwatch))
        if self._stopwatch is None:
            self.send(trainer)

    @contextmanager
    def held(self, trainer: Any, stopwatch: Stopwatch, *, goes_on: bool) -> Iterator[None]:
        """Inside, points wait; they are sent at its end.

        Args:
            trainer: Whose loggers.
            stopwatch: What the time that the points take is added to.
            goes_on: Whether another such block comes next: then they wait for its end.
        """
        self._stopwatch = stopwatch
        try:
            yield
        except BaseException:  # an interrupt, too, must not cost what was measured; raised again
            with suppress(Exception):  # what has ended the block is what the user must see
                self.send(trainer)
            raise
        finally:
            self._stopwatch = None
        if not goes_on:
            self.send(trainer)

    def send(self, trainer: Any) -> None:
        """Send what waits.

        Raises:
            Exception: A logger failed, and a sender wants to know; all were told.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        begun, letters = time.perf_counter(), [letter for letter, _ in waiting]
        points = [letter.point for letter in letters]
        found = log_points(trainer.loggers, points, lambda: trainer.logged_metrics)
        of_layout = self._log_layout(trainer, letters)
        seconds = time.perf_counter() - begun
        n_values = sum(len(point.values) for point in points) or 1
        errors: list[Exception] = []
        for (letter, stopwatch), faults in zip(waiting, found, strict=True):
            if stopwatch is not None:
                stopwatch.add(seconds * len(letter.point.values) / n_values)
            try:
                letter.report([*faults, *of_layout])
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _log_layout(self, trainer: Any, letters: Sequence[Letter]) -> list[Fault]:
        """Lay out the charts of all tags that have had a value, if there are new ones."""
        if all(self._charted.issuperset(letter.point.values) for letter in letters):
            return []
        for letter in letters:
            self._charted.update(letter.charted, letter.point.values)
            self._own |= {row.name: row for row in letter.own}
        for letter in letters:
            letter.charted.update(self._charted)
        return log_layout(trainer.loggers, self._charted, self._own.values())


_OF_TRAINERS: weakref.WeakKeyDictionary[Any, Outbox] = weakref.WeakKeyDictionary()


def end_sending(trainer: Any) -> None:
    """A run is over: what waits is sent, and another run has charts of its own. Safe to call twice.

    As a rule nothing waits, since the last monitor's hook has been called.
    """
    outbox = _OF_TRAINERS.pop(trainer, None)
    if outbox is not None:
        with suppress(Exception):
            outbox.send(trainer)


def outbox_of(trainer: Any) -> Outbox:
    """The outbox that all monitors of a Trainer share."""
    outbox = _OF_TRAINERS.get(trainer)
    if outbox is None:
        outbox = _OF_TRAINERS[trainer] = Outbox()
    return outbox
