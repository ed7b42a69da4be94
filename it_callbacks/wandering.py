"""Measure how far a curve strays by its own unsteadiness.

Verdicts and findings say nothing of a change that the curve could have made blindly. Standard
library only, as all that TensorBoard's tab is made of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

MANY = 20
"""Points below which a steady trend cannot be told from steps, unless its own part is left out."""
LONGEST_LAG = 5
"""Points between two whose change counts: some steps follow each other."""
_FEWEST = 4
"""Points below which nothing is known of how a curve changes."""


def wandering(bits: Sequence[float], times: Sequence[float], noise: Sequence[float] = ()) -> float:
    """How far a curve would stray from its first to its last point if each step were blind.

    Its `unsteadiness` times the root of the whole time.

    Args:
        bits: The curve, at least 4 points.
        times: Of the points, increasing.
        noise: Standard error of each point, where each has samples of its own; else empty.

    Raises:
        ValueError: Fewer than 4 points.

    Example:
        >>> times = range(12)
        >>> wandering([3 - time / 4 for time in times], times)  # a steady fall
        0.0
    """
    return unsteadiness(bits, times, noise) * math.sqrt(times[-1] - times[0])


def unsteadiness(
    bits: Sequence[float], times: Sequence[float], noise: Sequence[float] = ()
) -> float:
    """A robust size of the changes of a curve, per root of time.

    Over several lags, since steps may follow each other. A steady trend is in all changes alike
    and counts for nothing. With few points it may not be told from large steps: there the changes
    of changes have their part, too.

    Args:
        bits: The curve, at least 4 points.
        times: Of the points, increasing.
        noise: Standard error of each point, where each has samples of its own; else empty.

    Raises:
        ValueError: Fewer than 4 points.

    Example:
        >>> curve = [0, 0.3, -0.1, 0.2, 0.5, 0.1, -0.3, 0.1, -0.2, -0.5, -0.1, -0.4]
        >>> round(unsteadiness(curve, range(12)), 2)
        0.34
        >>> round(unsteadiness(curve, range(0, 48, 4)), 2)  # in four times the time
        0.17
    """
    n = len(bits)
    if n < _FEWEST:
        raise ValueError(f"bits: need at least {_FEWEST} points, got {n}")
    squares = [error**2 for error in noise] if any(noise) else []
    sizes = []
    for lag in range(1, min(LONGEST_LAG, n // 4) + 1):
        pairs = range(n - lag)
        apart = [times[i + lag] - times[i] for i in pairs]
        changes = [(bits[i + lag] - bits[i]) / math.sqrt(apart[i]) for i in pairs]
        middle = _median(changes)
        of_noise = [(squares[i + lag] + squares[i]) / apart[i] for i in pairs if squares]
        sizes.append(_size([change - middle for change in changes], of_noise))
    size = fmean(sizes)
    if n >= MANY:
        return size
    per_root = [1 / math.sqrt(times[i + 1] - times[i]) for i in range(n - 1)]
    rates = [(bits[i + 1] - bits[i]) * per_root[i] for i in range(n - 1)]
    bends = [(rates[i + 1] - rates[i]) / math.sqrt(2) for i in range(n - 2)]
    of_noise = [
        (
            squares[i + 2] * per_root[i + 1] ** 2
            + squares[i + 1] * (per_root[i + 1] + per_root[i]) ** 2
            + squares[i] * per_root[i] ** 2
        )
        / 2
        for i in range(n - 2)
        if squares
    ]
    return math.sqrt(size * _size(bends, of_noise))


_SD_OF_MEDIAN = 1.4826
"""Standard deviation of a normal variable over the median of its absolute value."""


def _size(changes: Sequence[float], variance_of_noise: Sequence[float]) -> float:
    """Robust standard deviation of changes about 0, without the part that noise has in it."""
    size = _SD_OF_MEDIAN * _median([abs(change) for change in changes])
    of_noise = _median(variance_of_noise) if variance_of_noise else 0.0
    return math.sqrt(max(0.0, size**2 - of_noise))


def _median(values: Sequence[float]) -> float:
    """The median; NaN where one of the values is, since it has no place among others."""
    return math.nan if any(map(math.isnan, values)) else median(values)
