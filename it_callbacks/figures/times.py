"""Choose which points in time are drawn: at which age, and how many of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

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
    return [steps[number] for number in _early(len(steps), most)]


@lru_cache(maxsize=64)  # most layers of a figure have as many points
def _early(n: int, most: int) -> list[int]:
    """At most `most` of the numbers below `n`, evenly spaced in their logarithm."""
    place, places = 1, [1]
    for left in range(most - 1, 0, -1):
        place = max(place + 1, round(place * (n / place) ** (1 / left)))
        places.append(place)
    return [place - 1 for place in places]


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


def even(n: int, most: int) -> list[int]:
    """Return at most `most` of the numbers below `n`, evenly spaced, the ends among them.

    Example:
        >>> even(10, 4), even(3, 4), even(3, 1)
        ([0, 3, 6, 9], [0, 1, 2], [0])
    """
    if n <= most or most < 2:
        return list(range(min(n, most)))
    return [round(number * (n - 1) / (most - 1)) for number in range(most)]
