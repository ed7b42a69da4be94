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
    n_units = len(first)
    states = np.empty(n_units, np.int32)
    farthest = 0.0
    for row in range(len(keys)):
        values = numbers[row * step : row * step + n_units]
        sums = keys[row]
        if _read(values, reading, np.int32(halvings), states):
            reach = _add_far(values, reading, halvings, first, second, sums)
            if reach < 0:
                return -1.0
            farthest = max(farthest, reach)
        else:
            farthest = max(farthest, float(_add(states, first, second, sums)))
    return farthest


# A loop is compiled to fast vectors of numbers if it is short, without branches, in types of one
# size, and sure not to write into what it reads: `and` would be a branch, numba adds up two int32
# as int64 unless told not to, and of arrays that come into a function nothing is known.
@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _read(
    values: Any, reading: Any, halvings: Any, states: Any
) -> Any:  # pragma: no cover  # compiled
    """Write the states of a row, and return how many are far from 0 or NaN."""
    origin, scale, divides, top, high = reading
    n_far = np.int32(0)
    if divides:
        for unit in range(len(values)):
            state = np.floor((values[unit] - origin) / scale)
            n_far = np.int32(n_far + np.int32(not abs(state) <= LARGEST_PLAIN_STATE))
            states[unit] = np.int32(np.int32(state) >> halvings)
    else:
        for unit in range(len(values)):
            value = values[unit]
            state = np.floor((value - origin) * scale)
            state = top if (state > top) & (value <= high) else state
            n_far = np.int32(n_far + np.int32(not abs(state) <= LARGEST_PLAIN_STATE))
            states[unit] = np.int32(np.int32(state) >> halvings)
    return n_far


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add(states: Any, first: Any, second: Any, sums: Any) -> Any:  # pragma: no cover  # compiled
    """Add up states near 0 times weights, and return how far the farthest is."""
    lowest, highest = np.int32(0), np.int32(0)
    of_first, of_second = np.int64(0), np.int64(0)
    for unit in range(len(states)):
        state = states[unit]
        lowest, highest = min(lowest, state), max(highest, state)
        of_first += np.int64(state) * first[unit]
        of_second += np.int64(state) * second[unit]
    sums[0], sums[1] = of_first, of_second
    return max(-lowest, highest)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_far(
    values: Any, reading: Any, halvings: Any, first: Any, second: Any, sums: Any
) -> float:  # pragma: no cover  # compiled
    """The same for any states: those far from 0 are spread; -1 where one cannot be."""
    origin, scale, divides, top, high = reading
    farthest = 0.0
    of_first, of_second = np.int64(0), np.int64(0)
    for unit in range(len(first)):
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
    sums[0], sums[1] = of_first, of_second
    return farthest
