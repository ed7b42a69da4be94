"""How far a curve strays by its own unsteadiness."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MANY = 20
"""Points below which a steady trend cannot be told from steps, unless its own part is left out."""
LONGEST_LAG = 5
"""Points between two whose change counts: some steps follow each other."""


def wandering(bits: Floats, times: Floats, noise: Floats) -> float:
    """How far a curve would stray from its first to its last point if each step were blind.

    A robust size of its changes, per root of time, times the root of the whole time; over several
    lags, since steps may follow each other. A steady trend is in all changes alike and counts for
    nothing. With few points it may not be told from large steps: there the changes of changes
    have their part, too.

    Args:
        bits: The curve, ``(n_points,)``.
        times: Of the points, increasing.
        noise: Standard error of each point, where each has samples of its own; else 0.

    Example:
        >>> times = np.arange(12.0)
        >>> wandering(3 - times / 4, times, 0 * times)  # a steady fall
        0.0
    """
    sizes = []
    for lag in range(1, min(LONGEST_LAG, len(bits) // 4) + 1):
        apart = times[lag:] - times[:-lag]
        changes = (bits[lag:] - bits[:-lag]) / np.sqrt(apart)
        of_noise = (noise[lag:] ** 2 + noise[:-lag] ** 2) / apart
        sizes.append(_size(changes - np.median(changes), of_noise))
    size = float(np.mean(sizes))
    if len(bits) < MANY:
        per_root = 1 / np.sqrt(np.diff(times))
        bends = np.diff(np.diff(bits) * per_root) / math.sqrt(2)
        of_noise = (
            (noise[2:] * per_root[1:]) ** 2
            + (noise[1:-1] * (per_root[1:] + per_root[:-1])) ** 2
            + (noise[:-2] * per_root[:-1]) ** 2
        )
        size = math.sqrt(size * _size(bends, of_noise / 2))
    return size * math.sqrt(times[-1] - times[0])


_SD_OF_MEDIAN = 1.4826
"""Standard deviation of a normal variable over the median of its absolute value."""


def _size(changes: Floats, variance_of_noise: Floats) -> float:
    """Robust standard deviation of changes about 0, without the part that noise has in it."""
    size = _SD_OF_MEDIAN * float(np.median(np.abs(changes)))
    return math.sqrt(max(0.0, size**2 - float(np.median(variance_of_noise))))
