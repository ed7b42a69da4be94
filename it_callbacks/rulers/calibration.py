"""Find the bins that fit a layer's first activations: how wide, and from where on."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.rulers.lattice import step_of

Scope = Literal["auto", "layer", "unit"]
Floats = NDArray[np.float64]

CALIBRATION_ROWS = 1024
"""Rows that a calibrated ruler looks at: enough for a 99.9 % quantile, and few enough to keep."""
_CALIBRATION_NUMBERS = 2**18
_LEAST_ROWS = 8
_MOST_WIDTHS = 8192
"""Layers of more units have one width, also where units lie apart.

It is known from 31 rows or fewer, which hardly tell how far a unit reaches; and one width does not
swallow so many units, of which some always lie near the edge of a bin.
"""

_MASKED = -1e4
"""A mask writes numbers this low or lower: -1e9, say, or the lowest of a type."""
_MASKED_TIMES = 10.0
"""And at least so many times as far from 0 as any other number."""


def calibration_rows(n_units: int) -> int:
    """How many rows of so many units a calibrated ruler looks at.

    Of wide layers fewer, which have as many numbers: rows wait until the ruler is calibrated, and
    a thousand of each wide layer would take more memory than a user has to spare.

    Example:
        >>> [calibration_rows(n_units) for n_units in (10, 256, 1024, 100_000)]
        [1024, 1024, 256, 8]
    """
    return max(_LEAST_ROWS, min(CALIBRATION_ROWS, _CALIBRATION_NUMBERS // max(n_units, 1)))


class Precision(NamedTuple):
    """How finely a type of number resolves.

    Args:
        eps: The step behind 1, relative.
        is_half: Whether it has 16 bits: sums are then rounded once, at the end.
    """

    eps: float
    is_half: bool


class Bins(NamedTuple):
    """Where the bins of each unit lie, ``(n_units,)``.

    Args:
        widths: How wide they are.
        origins: Where one of them begins.
    """

    widths: Floats
    origins: Floats


def fitted(values: Floats, n_bins: int, scope: Scope, precision: Precision) -> Bins:
    """Bins of which `n_bins` cover the middle 99.8 % of first activations ``(n_samples, n_units)``.

    Units that are constant, and numbers that a mask has written, do not count. A unit that is
    constant but for rounding lies in the middle of one bin. Where first activations are discrete
    already, whole numbers say, bins that would merge two of them have one in the middle of each.
    """
    values = _unmasked(values)
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    noise = _rounding(values, low, high, precision)
    live = high - low > noise
    may_differ = scope == "auto" and len(low) <= _MOST_WIDTHS
    apart = may_differ and _lie_apart(low[live], high[live])
    if apart or scope == "unit":
        spread = np.where(live, _spread(values), 0.0)
    else:
        counted = values[:, live] if live.any() else values
        of_layer = _spread(counted.reshape(-1, 1))
        spread = np.where(live.any() or of_layer > noise.max(), of_layer, 0.0).repeat(len(low))
    widths = np.where(spread > 0, spread, 1.0) / n_bins
    middle = low / 2 + high / 2
    rounded = ~live & (high > low)
    widths = np.where(rounded, np.maximum(widths, 4 * noise), widths)
    origins = np.where(rounded, middle - widths / 2, 0.0)
    if apart:  # numbers near 0 are encoded faster than those of the offset
        origins = np.where(live, low - widths / 2, origins)
    lattice = step_of(values, precision.eps) if live.any() else None
    if lattice is not None:
        step, place = lattice
        merges = live & (widths > step)
        origins = np.where(merges, place - step / 2, origins)
        widths = np.where(merges, step, widths)
    return Bins(widths, origins)


def _lie_apart(low: Floats, high: Floats) -> bool:
    """Whether a unit lies farther from the others than it, and a usual one, reaches."""
    if not len(low):
        return False
    middle, reach = low / 2 + high / 2, high - low
    center = np.sort(middle)[(len(middle) - 1) // 2]
    return bool((np.abs(middle - center) > np.maximum(reach, np.median(reach))).any())


def _rounding(values: Floats, low: Floats, high: Floats, precision: Precision) -> Floats:
    """For each unit, how far values may differ by rounding alone."""
    steps = 1 if precision.is_half else 8
    noise = steps * precision.eps * np.maximum(np.abs(low), np.abs(high))
    if precision.is_half or not precision.eps:
        return noise
    # What is left of a sum that cancels has the rounding of its terms, of a size of about 1, and
    # takes few values. A signal as small as that takes as many as there are samples.
    span = high - low
    for unit in np.flatnonzero((span >= precision.eps / 128) & (span <= 4 * precision.eps)):
        if 2 * len(np.unique(values[:, unit])) <= len(values):
            noise[unit] = max(noise[unit], span[unit])
    return noise


def _unmasked(values: Floats) -> Floats:
    """The values with NaN where a mask has written; a unit that is nothing else stays."""
    masked = values <= _MASKED
    if not masked.any() or masked.all():
        return values
    if _MASKED_TIMES * np.abs(values[~masked]).max() > np.abs(values[masked]).min():
        return values
    return np.where(masked & ~masked.all(axis=0), np.nan, values)


def _spread(columns: Floats) -> Floats:
    """The middle 99.8 % of each column; of one that has nearly one value, all of it."""
    quantile = np.nanquantile if np.isnan(columns).any() else np.quantile
    low, high = quantile(columns, (0.001, 0.999), axis=0)
    whole = np.fmax.reduce(columns, axis=0) - np.fmin.reduce(columns, axis=0)
    spread: Floats = np.where(high > low, high - low, whole)
    return spread
