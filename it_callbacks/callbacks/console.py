"""What the monitors of one Trainer put on the console: few lines, and each of them once."""

from __future__ import annotations

import weakref
from typing import Any

MOST_LINES = 5
"""Lines in a run, of all its monitors together; but for errors."""


class MonitorWarning(UserWarning):
    """A warning of a monitor.

    Attributes:
        cause: What kind of thing it is about, in a word or two.
        set: Which set it is about; "" for all.
        layer: Which layer it is about; "" for none in particular.
    """

    def __init__(self, message: str, cause: str = "", set: str = "", layer: str = "") -> None:
        super().__init__(message)
        self.cause = cause
        self.set = set
        self.layer = layer


class Console:
    """The lines that the monitors of one Trainer may still print in a run.

    Each cause has one line, whichever monitor, set or layer it is about. Where there are more of
    them than `MOST_LINES`, the last line says which others there are: so what may be the last one
    waits for the end of the run.
    """

    def __init__(self) -> None:
        self._causes: set[str] = set()
        self._informed: set[str] = set()
        self._n_lines = 0
        self._waiting: list[MonitorWarning] = []

    def admits(self, warning: MonitorWarning) -> bool:
        """Whether a warning is printed now; if not, it waits, or its cause has its line."""
        if warning.cause in self._causes:
            return False
        self._causes.add(warning.cause)
        if self._n_lines >= MOST_LINES - 1:
            self._waiting.append(warning)
            return False
        self._n_lines += 1
        return True

    def is_news(self, line: str) -> bool:
        """Whether a line that is no warning was not printed before."""
        is_news = line not in self._informed
        self._informed.add(line)
        self._n_lines += is_news
        return is_news

    def last_lines(self) -> list[MonitorWarning]:
        """The run is over: what is still to be printed."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) < 2:
            return waiting
        causes = ", ".join(warning.cause for warning in waiting)
        text = (
            f"it-callbacks: {len(waiting)} more warnings ({causes}) are in the texts "
            "<monitor>/<set>/warnings of the logger, and in to_json()"
        )
        return [MonitorWarning(text, "more")]


_OF_TRAINERS: weakref.WeakKeyDictionary[Any, Console] = weakref.WeakKeyDictionary()


def console_of(trainer: Any) -> Console:
    """The console that all monitors of a Trainer share in this run."""
    return _OF_TRAINERS.setdefault(trainer, Console())


def end_run(trainer: Any) -> None:
    """The next run of a Trainer has a console of its own. Safe to call twice."""
    _OF_TRAINERS.pop(trainer, None)
