"""Decide whether a curve has changed by more than it strays and by more than its error.

Many layers are looked at, and the largest of many changes is large by chance alone. So what a
change must exceed grows with the number of comparisons: together they go wrong in at most 5 of 100
runs whose curves stray blindly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist, fmean, median
from typing import NamedTuple

from it_callbacks.findings.curves import Curve
from it_callbacks.wandering import unsteadiness

FEWEST = 8
"""Points below which nothing is judged."""
WINDOW = 3
"""Points that are averaged, so that one that stands out decides nothing."""
LEAST_ERRORS = 3.0
FALSE_RUNS = 0.05
"""Share of runs without any drift of which something may be said."""
ROOM = 1.2
"""Times: what a robust measure of unsteadiness from few points misses."""


class Bar(NamedTuple):
    """What a change must exceed to be told from chance."""

    strays: float
    """Times how far the curve would stray blindly."""
    errors: float
    """Times its error."""
    usual: float
    """Median unsteadiness of all curves of the kind: that of few points may be small by chance."""

    def needed(self, curve: Curve, time: float, *errors: float) -> float:
        """Return the bits that a change of one of the curves must exceed.

        Args:
            curve: At least 8 points.
            time: Between both ends of the change.
            errors: Those of both ends; NaN where unknown.
        """
        size = max(self.usual, _unsteadiness(curve))
        known = (error for error in errors if math.isfinite(error))
        return math.hypot(self.strays * size * math.sqrt(time), self.errors * math.hypot(*known))


def bar(curves: Iterable[Curve], n_comparisons: int) -> Bar:
    """Return what changes must exceed, given how many are looked at.

    Args:
        curves: All of the kind; those of fewer than 8 points do not count.
        n_comparisons: How many changes are looked at in the whole run.

    Example:
        >>> [round(bar([], n).strays, 1) for n in (1, 30, 300)]
        [2.0, 3.5, 4.3]
    """
    z = NormalDist().inv_cdf(1 - FALSE_RUNS / max(1, n_comparisons))
    sizes = [_unsteadiness(each) for each in curves if len(each) >= FEWEST]
    return Bar(ROOM * z, max(LEAST_ERRORS, z), median(sizes) if sizes else 0.0)


def _unsteadiness(curve: Curve) -> float:
    return unsteadiness([point.bits for point in curve], [point.step for point in curve])


class Change(NamedTuple):
    """From one moment of a curve to another.

    Example:
        >>> change = Change(1.0, 3.0, 0, 90, 0.5)
        >>> change.bits, change.is_beyond(0.1), change.is_beyond(2.5)
        (2.0, True, False)
    """

    before: float
    after: float
    start: int
    """Step."""
    end: int
    """Step."""
    needed: float
    """What it must exceed; infinite where there are too few points."""

    @property
    def bits(self) -> float:
        """How far it rose; negative if it fell."""
        return self.after - self.before

    def is_beyond(self, least: float) -> bool:
        """Whether it rose beyond chance, and by at least so many bits."""
        return self.bits > max(least, self.needed)


def rise(curve: Curve, over: Bar) -> Change:
    """Return the change from the first point to the mean of the last three.

    Args:
        curve: At least one point.
        over: What it must exceed.
    """
    first, last = curve[0], curve[-1]
    if len(curve) < FEWEST:
        return Change(first.bits, last.bits, first.step, last.step, math.inf)
    needed = over.needed(curve, _time(curve), first.error, last.error)
    return Change(first.bits, _mean(curve[-WINDOW:]), first.step, last.step, needed)


def late_rise(curve: Curve, over: Bar) -> Change:
    """Return the change from the lowest three points in a row to the last three.

    Args:
        curve: At least one point.
        over: What it must exceed.
    """
    at = _lowest(curve)
    low, last = curve[min(at + WINDOW // 2, len(curve) - 1)], curve[-1]
    if len(curve) < FEWEST:
        return Change(low.bits, last.bits, low.step, last.step, math.inf)
    needed = over.needed(curve, _time(curve), low.error, last.error)
    lowest = _mean(curve[at : at + WINDOW])
    return Change(lowest, _mean(curve[-WINDOW:]), low.step, last.step, needed)


def early_fall(curve: Curve, over: Bar) -> Change:
    """Return the change from the lowest three points in a row back to the first one.

    Args:
        curve: At least one point.
        over: What it must exceed.
    """
    at = _lowest(curve)
    low, first = curve[min(at + WINDOW // 2, len(curve) - 1)], curve[0]
    if len(curve) < FEWEST:
        return Change(low.bits, first.bits, low.step, first.step, math.inf)
    needed = over.needed(curve, _time(curve), low.error, first.error)
    return Change(_mean(curve[at : at + WINDOW]), first.bits, low.step, first.step, needed)


def _lowest(curve: Curve) -> int:
    """Where the lowest window begins; of fewer points the last is as good as any."""
    starts = range(max(1, len(curve) - WINDOW + 1))
    return min(starts, key=lambda start: _mean(curve[start : start + WINDOW]))


def _time(curve: Curve) -> float:
    """From the first point to the last three: the time in which their mean strays as far."""
    before, middle, last = (point.step for point in curve[-WINDOW:])
    # A blind step counts by the share of the three points that come after it.
    return (before - curve[0].step) + 4 / 9 * (middle - before) + 1 / 9 * (last - middle)


def _mean(points: Sequence[tuple[int, float, float]]) -> float:
    return fmean(bits for _, bits, _ in points)
