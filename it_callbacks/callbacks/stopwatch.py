"""Measure the share of the time that observing takes."""

from __future__ import annotations

import time

from it_callbacks.observation.instrument import Cost


class Stopwatch:
    """Adds up the time spent inside it, to compare with all that passes. Not to be nested."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """All times start at zero."""
        self._begun = self._lap_begun = time.perf_counter()
        self._spent_before = self._spent = 0.0
        self._entered: float | None = None

    def __enter__(self) -> None:
        self._entered = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        if self._entered is not None:
            self._spent += time.perf_counter() - self._entered
        self._entered = None

    def add(self, seconds: float) -> None:
        """So much more was spent, outside of `running`."""
        self._spent += seconds

    def cost(self, spent_elsewhere: float = 0.0) -> Cost:
        """Time spent over time passed, in this lap and in all.

        Args:
            spent_elsewhere: Seconds of this lap to add to what was spent here.
        """
        now = time.perf_counter()
        spent = self._spent + spent_elsewhere
        spent += 0.0 if self._entered is None else now - self._entered
        in_all = self._spent_before + spent
        return Cost(_share(spent, now - self._lap_begun), _share(in_all, now - self._begun), in_all)

    def restart_lap(self, spent_elsewhere: float = 0.0) -> None:
        """A new lap begins; `spent_elsewhere` is of the old one."""
        now = time.perf_counter()
        self._spent_before = self.cost(spent_elsewhere).seconds
        self._spent, self._lap_begun = 0.0, now
        if self._entered is not None:
            self._entered = now


def _share(spent: float, passed: float) -> float:
    return min(1.0, spent / passed) if passed > 0 else 0.0
