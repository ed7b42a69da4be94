"""Place points on an axis of time: epochs with their parts where these are known, else steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

Epochs = Mapping[int, float]
"""Finished epochs by step, as far as they are known; with parts of one."""
_TICK = 34
"""Pixels from one tick to the next at least."""
_FEWEST_EPOCHS = 3
"""Of a training that is measured inside epochs: of fewer, steps tell more."""


def exact(epochs: Mapping[int, int]) -> Epochs:
    """Return epochs with the part of one that has passed, where all have equally many steps.

    Example:
        >>> exact({5: 0, 10: 1, 15: 1, 20: 2})
        {5: 0.5, 10: 1.0, 15: 1.5, 20: 2.0}
        >>> exact({10: 1, 20: 2, 30: 2})
        {10: 1, 20: 2, 30: 2}
    """
    # An epoch of k steps ends at or before each step at which it is finished, and after all others.
    most = min((step / epoch for step, epoch in epochs.items() if epoch > 0), default=0.0)
    if not most or any(step >= (epoch + 1) * most for step, epoch in epochs.items()):
        return epochs
    return {step: round(step / most, 3) for step in epochs}


class TimeAxis(NamedTuple):
    """An axis of time on which early points are apart and late ones close."""

    unit: str
    """``epoch`` or ``step``."""
    first: float
    last: float

    def read(self, step: int, epochs: Epochs) -> float:
        """The time at `step`; an integer where it is whole."""
        time = epochs[step] if self.unit == "epoch" else step
        return int(time) if time == int(time) else time

    def reads(self, steps: Iterable[int], epochs: Epochs) -> list[float]:
        """The times at some steps."""
        return [self.read(step, epochs) for step in steps]

    def word(self, step: int, epochs: Epochs) -> str:
        """The time at `step` as columns and names have it."""
        time = self.read(step, epochs)
        if self.unit == "step" or time == int(time):
            return str(time)
        return f"{time:.2g}" if time < 1 else f"{round(time, 1):g}"

    def place(self, step: int, epochs: Epochs) -> float:
        """Where on the axis it lies."""
        return log_time(self.read(step, epochs))

    @property
    def span(self) -> tuple[float, float]:
        """The places of its ends, some way apart."""
        low, high = log_time(self.first), log_time(self.last)
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    def options(self, width: float) -> dict[str, Any]:
        """What Plotly needs to know of the axis of a plot, so many pixels wide."""
        at = ticks(self.first, self.last, width / _TICK)
        return {
            "tickangle": 0,
            "tickvals": [log_time(time) for time in at],
            "ticktext": [f"{time:g}" if time < 1e5 else f"{time:,.0f}" for time in at],
        }


def time_axis(measured: Sequence[tuple[Iterable[int], Epochs]]) -> TimeAxis:
    """Return an axis of epochs, or of steps where an epoch is unknown or has several points.

    Args:
        measured: For each line its steps, and epochs as `exact` gives them.
    """
    unit = "step"
    apart = {(tuple(steps), id(epochs)): epochs for steps, epochs in measured}
    lines = [(steps, epochs) for (steps, _), epochs in apart.items()]  # most share both
    if all(step in epochs for steps, epochs in lines for step in steps):
        times = [[epochs[step] for step in steps] for steps, epochs in lines]
        is_whole = all(time == int(time) for line in times for time in line)
        is_long = max((time for line in times for time in line), default=0) >= _FEWEST_EPOCHS
        if all(len(set(line)) == len(line) for line in times) and (is_whole or is_long):
            unit = "epoch"
    found = [epochs[step] if unit == "epoch" else step for steps, epochs in lines for step in steps]
    return TimeAxis(unit, min(found, default=0), max(found, default=0))


@lru_cache(maxsize=4096)
def log_time(time: float) -> float:
    """Return where a time lies on a logarithmic scale that has a place for 0.

    Example:
        >>> log_time(0), log_time(9), log_time(99)
        (0.0, 1.0, 2.0)
    """
    return round(math.log10(1 + max(time, 0)), 4)


def ticks(first: float, last: float, most: float = 12) -> list[float]:
    """Return round times from `first` to `last` for a scale of `log_time`, and the last one.

    Example:
        >>> ticks(0, 60), ticks(1, 11), ticks(0, 5000, most=6)
        ([0, 1, 3, 10, 30, 60], [1, 3, 11], [0, 1, 10, 100, 1000, 5000])
    """
    n = len(str(int(max(last, 1))))
    decades = [10**power for power in range(0, n, max(1, math.ceil(n / most)))]
    each = (1, 3) if 2 * len(decades) + 1 <= most else (1,)
    round_ones = [0, *(factor * decade for decade in decades for factor in each)]
    # A tick right below the last would be written over it.
    room = 0.8 * (log_time(last) - log_time(first)) / most
    kept = [t for t in round_ones if t >= first and log_time(last) - log_time(t) > room]
    return [*kept, round(last, 3)]
