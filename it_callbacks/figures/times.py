"""Place points in time: in epochs or steps, which of them to draw, and with which ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MOST_DRAWN = 80
"""Points of a layer in one picture: more overlap, and each is a node in the page."""

Measured = tuple[Sequence[int], Mapping[int, int]]
"""Steps at which something was measured, and epochs by step as far as they are known."""


def thinned(steps: Sequence[int], most: int = MOST_DRAWN) -> list[int]:
    """Return at most `most` of `steps`, evenly spaced in their logarithm, the ends among them.

    What a network learns it learns early: the first points are kept one by one.

    Example:
        >>> thinned(range(1000), most=8)
        [0, 2, 7, 20, 54, 144, 380, 999]
    """
    if len(steps) <= most:
        return list(steps)
    place, places = 1, [1]
    for left in range(most - 1, 0, -1):
        place = max(place + 1, round(place * (len(steps) / place) ** (1 / left)))
        places.append(place)
    return [steps[place - 1] for place in places]


def evenly(steps: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of `steps`, evenly spaced, the ends among them.

    Example:
        >>> evenly(range(10), most=4)
        [0, 3, 6, 9]
    """
    if len(steps) <= most:
        return list(steps)
    return [steps[round(k * (len(steps) - 1) / (most - 1))] for k in range(most)]


class Clock(NamedTuple):
    """What a figure calls time: epochs where every point has one, else steps."""

    unit: str

    def read(self, step: int, epochs: Mapping[int, int]) -> int:
        """The time at `step`."""
        return epochs[step] if self.unit == "epoch" else step


def clock(measured: Iterable[Measured]) -> Clock:
    """Return epochs if all of them are known, else steps."""
    known = all(step in epochs for steps, epochs in measured for step in steps)
    return Clock("epoch" if known else "step")


def ages(steps: Sequence[int], epochs: Mapping[int, int]) -> list[float]:
    """Return how far along each step is, from 0 at the start to 1 at the last, by log time.

    Time is epochs; steps, counted in the first of them, where epochs are not known, or where one
    of them has several points.

    Example:
        >>> ages([5, 10, 35], {5: 0, 10: 1, 35: 3})
        [0.0, 0.5, 1.0]
    """
    times: list[float] = [epochs.get(step, -1) for step in steps]
    if len(set(times)) < len(times) or min(times, default=0) < 0:
        unit = next((step for step in steps if step > 0), 1)
        times = [max(step, 0) / unit for step in steps]
    last = max(times, default=0)
    return [math.log1p(time) / math.log1p(last) if last > 0 else 1.0 for time in times]


def spaced(steps: Sequence[int], epochs: Mapping[int, int], most: int) -> list[int]:
    """Return at most `most` of `steps`, the nearest to even distances in log time, ends included.

    Example:
        >>> spaced([0, 1, 2, 3, 7], {n: n for n in range(8)}, most=3)
        [0, 2, 7]
    """
    if len(steps) <= most:
        return list(steps)
    found = ages(steps, epochs)
    places = [number / (most - 1) for number in range(most)]
    nearest = {min(range(len(steps)), key=lambda i: abs(found[i] - place)) for place in places}
    return [steps[number] for number in sorted(nearest)]


def log_time(time: int) -> float:
    """Return where a time lies on a logarithmic scale: early epochs apart, late ones close.

    Example:
        >>> log_time(0), log_time(9), log_time(99)
        (0.0, 1.0, 2.0)
    """
    return round(math.log10(1 + max(time, 0)), 4)


def ticks(last: int) -> list[int]:
    """Return round times from 0 to `last` for a scale of `log_time`.

    Example:
        >>> ticks(60)
        [0, 1, 3, 10, 30, 60]
    """
    decades = (10**k for k in range(len(str(max(last, 1)))))
    round_ones = [time for decade in decades for time in (decade, 3 * decade)]
    # A tick right below the last would be written over it.
    kept = [time for time in round_ones if log_time(last) - log_time(time) > 0.12 * log_time(last)]
    return [0, *kept, last] if last > 0 else [0]


class TimeAxis(NamedTuple):
    """A horizontal axis of time."""

    clock: Clock
    logarithmic: bool
    last: int

    def read(self, step: int, epochs: Mapping[int, int]) -> int:
        """The time at `step`."""
        return self.clock.read(step, epochs)

    def place(self, step: int, epochs: Mapping[int, int]) -> float:
        """Where on the axis it lies."""
        time = self.read(step, epochs)
        return log_time(time) if self.logarithmic else time

    @property
    def options(self) -> dict[str, Any]:
        """What Plotly needs to know of the axis."""
        at = ticks(self.last)
        labels = {"tickvals": [log_time(t) for t in at], "ticktext": [str(t) for t in at]}
        title = {"title": {"text": self.clock.unit, "standoff": 8}}
        return {**title, **(labels if self.logarithmic else {})}


def time_axis(measured: Sequence[Measured]) -> TimeAxis:
    """Return an axis of epochs, or of steps where an epoch is unknown or has several points.

    Logarithmic where most points are early, as those of a log-spaced schedule.

    Args:
        measured: For each line.
    """
    found = clock(measured)
    if found.unit == "epoch" and any(
        len({epochs[step] for step in steps}) < len(set(steps)) for steps, epochs in measured
    ):
        found = Clock("step")
    times = sorted({found.read(step, epochs) for steps, epochs in measured for step in steps})
    if not times:
        return TimeAxis(found, False, 0)
    return TimeAxis(found, 10 * times[len(times) // 2] < times[-1], times[-1])
