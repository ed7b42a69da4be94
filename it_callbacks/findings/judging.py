"""Decide whether a curve has changed by more than it strays and by more than its error.

Many layers are looked at, and the largest of many changes is large by chance alone. So each rule
has a share of the 5 in 100 runs without any drift of which something may be said, and divides it by
the number of changes that it compares (Bonferroni). The more layers, the more a change must exceed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist, fmean, median
from typing import NamedTuple, Protocol

from it_callbacks.findings.curves import Curve, Point
from it_callbacks.wandering import MANY, unsteadiness

FEWEST = 8
"""Points below which nothing is judged."""
WINDOW = 3
"""Points that are averaged, so that one that stands out decides nothing."""
LEAST_ERRORS = 3.0
ROOM = 1.2
"""Times: what the median unsteadiness of few curves misses."""


class Bar(Protocol):
    """What a change must exceed to be told from chance."""

    @property
    def errors(self) -> float:
        """Times its error."""

    def needed(self, curve: Curve, time: float, *errors: float) -> float:
        """Return the bits that a change of one of the curves must exceed.

        Args:
            curve: At least 8 points.
            time: Between both ends of the change.
            errors: Those of both ends; NaN where unknown.
        """

    def is_steady(self, curve: Curve) -> bool:
        """Whether a curve goes up so steadily that it need not exceed more than its error."""


class Blind(NamedTuple):
    """Of one run: what a curve that strays blindly would hardly reach.

    How far it strays is known from few points only, so that what it hardly reaches is a quantile
    of Student's t; and not less than other curves of the kind would lead to expect, as the least
    unsteady of many seems so by chance.
    """

    share: float
    """How often it may be reached."""
    usual: float
    """Median unsteadiness of all curves of the kind."""

    @property
    def errors(self) -> float:
        """See `Bar`."""
        return max(LEAST_ERRORS, NormalDist().inv_cdf(1 - self.share))

    def needed(self, curve: Curve, time: float, *errors: float) -> float:
        """See `Bar`."""
        n = len(curve)
        own = student(1 - self.share, n // 2 if n >= MANY else n - 3) * _unsteadiness(curve)
        usual = ROOM * NormalDist().inv_cdf(1 - self.share) * self.usual
        return math.hypot(max(own, usual) * math.sqrt(time), self.errors * _joint(errors))

    def is_steady(self, curve: Curve) -> bool:
        """See `Bar`."""
        return by_signs(curve) < self.share


class Spread(NamedTuple):
    """Of the mean of repeats: what their spread would hardly show, however each run strays."""

    errors: float

    def needed(self, curve: Curve, time: float, *errors: float) -> float:
        """See `Bar`."""
        spread = math.hypot(*errors)
        return self.errors * spread if math.isfinite(spread) else math.inf

    def is_steady(self, curve: Curve) -> bool:
        """See `Bar`; of repeats the spread alone decides."""
        return False


def bars(curves: Mapping[str, Curve], share: float, n_runs: int) -> dict[str, Bar]:
    """Return what the changes of some curves must exceed, by the names of the curves.

    Half of the share is for the last curve, that of the last layer, which is asked about first; the
    other half is divided among all others.

    Args:
        curves: All of the kind; those of fewer than 8 points do not count.
        share: Of runs without any drift, in which one of these changes may be said.
        n_runs: How many repeats the curves are the means of.

    Example:
        >>> of = bars({"fc1": (), "fc2": (), "fc3": ()}, 0.04, n_runs=5)
        >>> {name: round(over.errors, 2) for name, over in of.items()}
        {'fc1': 1.68, 'fc2': 1.68, 'fc3': 1.34}
    """
    sizes = [_unsteadiness(each) for each in curves.values() if len(each) >= FEWEST]
    usual = median(sizes) if sizes else 0.0
    *others, last = curves or [""]
    of_last = share / 2 if others else share
    shares = dict.fromkeys(others, share / 2 / max(1, len(others))) | {last: of_last}
    return {
        name: Blind(each, usual)
        if n_runs < 2
        else Spread(student(1 - each, n_runs - 1) / math.sqrt(n_runs))
        for name, each in shares.items()
    }


def student(share: float, freedom: int) -> float:
    """Return the value below which a share of Student's t distribution lies.

    By halving an interval, with the finite sums of Abramowitz & Stegun, 26.7.3 and 26.7.4.

    Args:
        share: Between .5 and 1.
        freedom: Degrees of freedom, at least 1.

    Example:
        >>> [round(student(0.975, freedom), 3) for freedom in (1, 2, 5, 10)]
        [12.706, 4.303, 2.571, 2.228]
    """
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t over the root of freedom
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 2 * share - 1 else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def _within(angle: float, freedom: int) -> float:
    """The share of Student's t distribution between minus and plus the t of an angle."""
    sine, cosine = math.sin(angle), math.cos(angle)
    term, total = (cosine, 0.0) if freedom % 2 else (1.0, 0.0)
    for number in range(1 + freedom % 2, freedom, 2):
        total += term
        term *= cosine**2 * number / (number + 1)
    return 2 / math.pi * (angle + sine * total) if freedom % 2 else sine * total


MOST_STEPS = 20
"""Steps whose signs are tried in all ways; of more points several steps are taken as one."""


def by_signs(curve: Curve) -> float:
    """Return how often a curve would rise as far if each of its steps went up or down blindly.

    Of all 2^n ways to choose the signs of its n steps, the share whose sum is as high: exact for
    blind steps of whatever sizes, so that steps that are large at first do no harm.

    Example:
        >>> by_signs(tuple(Point(10 * n, bits, 0.0) for n, bits in enumerate((0.0, 2.0, 3.0, 3.5))))
        0.125
    """
    places: Sequence[int] = range(len(curve))
    if len(curve) > MOST_STEPS + 1:
        places = [round(n * (len(curve) - 1) / MOST_STEPS) for n in range(MOST_STEPS + 1)]
    bits = [curve[place].bits for place in places]
    steps = [after - before for before, after in pairwise(bits)]
    half = len(steps) // 2
    first, second = _sums(steps[:half]), sorted(_sums(steps[half:]))
    least = sum(steps) - 1e-9 * sum(map(abs, steps))  # equal but for rounding
    n_as_high = sum(len(second) - bisect_left(second, least - one) for one in first)
    return n_as_high / (len(first) * len(second))


def _sums(steps: Sequence[float]) -> list[float]:
    """The sums of steps with all choices of signs."""
    sums = [0.0]
    for step in steps:
        sums = [one + sign for one in sums for sign in (step, -step)]
    return sums


def _joint(errors: Sequence[float]) -> float:
    """The error of a difference, of those that are known."""
    return math.hypot(*(error for error in errors if math.isfinite(error)))


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
        over: What it must exceed; only its error if the curve rises steadily.
    """
    first, last = curve[0], curve[-1]
    if len(curve) < FEWEST:
        return Change(first.bits, last.bits, first.step, last.step, math.inf)
    if over.is_steady(curve):
        needed = over.errors * _joint((first.error, last.error))
    else:
        needed = over.needed(curve, straying_time(curve), first.error, last.error)
    return Change(first.bits, _mean(curve[-WINDOW:]), first.step, last.step, needed)


def late_rise(curve: Curve, over: Bar) -> Change:
    """Return the change from the lowest three points in a row to the last three.

    Args:
        curve: At least one point.
        over: What it must exceed.
    """
    return _from_lowest(curve, over, curve[-1], curve[-WINDOW:])


def early_fall(curve: Curve, over: Bar) -> Change:
    """Return the change from the lowest three points in a row back to the first one.

    Args:
        curve: At least one point.
        over: What it must exceed.
    """
    return _from_lowest(curve, over, curve[0], curve[:1])


def _from_lowest(curve: Curve, over: Bar, end: Point, at_end: Curve) -> Change:
    """To one end of the curve, where the mean of some points is taken."""
    start = _lowest(curve)
    low = curve[min(start + WINDOW // 2, len(curve) - 1)]
    if len(curve) < FEWEST:
        return Change(low.bits, end.bits, low.step, end.step, math.inf)
    needed = over.needed(curve, straying_time(curve), low.error, end.error)
    lowest = _mean(curve[start : start + WINDOW])
    return Change(lowest, _mean(at_end), low.step, end.step, needed)


def _lowest(curve: Curve) -> int:
    """Where the lowest window begins; of fewer points the last is as good as any."""
    starts = range(max(1, len(curve) - WINDOW + 1))
    return min(starts, key=lambda start: _mean(curve[start : start + WINDOW]))


def straying_time(curve: Curve) -> float:
    """Return the time in which a curve strays as far as it does to the mean of its last three.

    Example:
        >>> straying_time(tuple(Point(step, 0.0, 0.0) for step in range(11)))
        8.555555555555555
    """
    before, middle, last = (point.step for point in curve[-WINDOW:])
    # A blind step counts by the share of the three points that come after it.
    return (before - curve[0].step) + 4 / 9 * (middle - before) + 1 / 9 * (last - middle)


def _mean(points: Sequence[Point]) -> float:
    return fmean(point.bits for point in points)
