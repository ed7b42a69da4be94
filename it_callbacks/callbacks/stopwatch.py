"""What is timed in; the share of the time that it took out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the time spent inside `running`, beside the time that passes anyway."""

    def __init__(self) -> None:
        self.in_all = 0.0
        """Seconds spent since `restart`, up to the last `share`."""
        self._begun = time.perf_counter()
        self._spent = 0.0
        self._since = time.perf_counter()
        self._entered: float | None = None

    def restart(self) -> None:
        """All times start at zero."""
        self.in_all = 0.0
        self._spent, self._since = 0.0, time.perf_counter()
        self._begun = self._since

    @property
    def share_in_all(self) -> float:
        """As `share`, since `restart`."""
        passed = self._since - self._begun
        return min(1.0, self.in_all / passed) if passed > 0 else 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, time counts as spent. Not to be nested."""
        self._entered = time.perf_counter()
        try:
            yield
        finally:
            self._spent += time.perf_counter() - self._entered
            self._entered = None

    def share(self, spent_elsewhere: float = 0.0) -> float:
        """Time spent over time passed since the last restart, in [0, 1]; then restarts.

        Args:
            spent_elsewhere: Seconds to add to what was spent here.
        """
        now = time.perf_counter()
        spent, passed = self._spent + spent_elsewhere, now - self._since
        if self._entered is not None:
            spent += now - self._entered
            self._entered = now
        self._spent, self._since = 0.0, now
        self.in_all += spent
        return min(1.0, spent / passed) if passed > 0 else 0.0
