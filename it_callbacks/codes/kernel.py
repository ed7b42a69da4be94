"""The kernel of `it_callbacks.codes.compiled`: one pass over the rows of a tile. Needs numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from it_callbacks.codes.spec import LARGEST_PLAIN_STATE, MULTIPLIERS, SHIFTS

_SHIFTS = tuple(np.uint64(shift) for shift in SHIFTS)
_MULTIPLIERS = tuple(np.uint64(multiplier) for multiplier in MULTIPLIERS)
_BEYOND_64_BITS = 2.0**63


@njit(cache=True, nogil=True, error_model="numpy")
def encode(
    numbers: Any, step: Any, reading: Any, halvings: Any, first: Any, second: Any, keys: Any
) -> float:  # pragma: no cover  # compiled
    """Add up states times weights, row by row.

    Args:
        numbers: One-dimensional; a row begins every `step` numbers.
        step: See there.
        reading: Origin, scale, whether to divide by it, the top state and the upper edge.
        halvings: 1 where neighbouring bins are one, else 0.
        first: Weights of the first key, ``(n_units,)`` int64.
        second: Those of the second.
        keys: ``(n_rows, 2)`` int64, for the sums.

    Returns:
        How far from 0 the farthest state is; -1 where one is NaN or does not fit 64 bits.
    """
    origin, scale, divides, top, high = reading
    n_units = len(first)
    farthest = 0.0
    for row in range(len(keys)):
        values = numbers[row * step : row * step + n_units]
        n_far, lowest, highest = 0, np.int32(0), np.int32(0)
        of_first, of_second = np.int64(0), np.int64(0)
        for unit in range(n_units):
            value = values[unit]
            state = np.floor((value - origin) / scale if divides else (value - origin) * scale)
            state = top if state > top and value <= high else state
            n_far += not abs(state) <= LARGEST_PLAIN_STATE  # also where it is NaN
            whole = np.int32(state) >> halvings
            lowest, highest = min(lowest, whole), max(highest, whole)
            of_first += np.int64(whole) * first[unit]
            of_second += np.int64(whole) * second[unit]
        if n_far:
            of_first, of_second = np.int64(0), np.int64(0)
            for unit in range(n_units):
                value = values[unit]
                state = np.floor((value - origin) / scale if divides else (value - origin) * scale)
                state = top if state > top and value <= high else state
                if not abs(state) < _BEYOND_64_BITS:
                    return -1.0
                near = np.int64(state) >> halvings
                farthest = max(farthest, abs(float(near)))
                mixed = np.uint64(near)
                mixed = (mixed ^ (mixed >> _SHIFTS[0])) * _MULTIPLIERS[0]
                mixed = (mixed ^ (mixed >> _SHIFTS[1])) * _MULTIPLIERS[1]
                mixed ^= mixed >> _SHIFTS[2]
                spread = near if abs(near) <= LARGEST_PLAIN_STATE else np.int64(mixed)
                of_first += spread * first[unit]
                of_second += spread * second[unit]
        else:
            farthest = max(farthest, float(max(-lowest, highest)))
        keys[row, 0], keys[row, 1] = of_first, of_second
    return farthest
