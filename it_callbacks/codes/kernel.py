"""The kernel of `it_callbacks.codes.compiled`: one pass over rows of numbers. Needs numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from it_callbacks.codes.spec import (
    HIGHEST_PACKED,
    LARGEST_PLAIN_STATE,
    LOWEST_PACKED,
    MULTIPLIERS,
    PACKED_BASE,
    SHIFTS,
)

_SHIFTS = tuple(np.uint64(shift) for shift in SHIFTS)
_MULTIPLIERS = tuple(np.uint64(multiplier) for multiplier in MULTIPLIERS)
_BEYOND_64_BITS = 2.0**63
_AT_ONCE = 4096  # numbers whose states stay in the fastest cache, beside the weights


@njit(cache=True, nogil=True, error_model="numpy")
def encode(
    numbers: Any,
    step: Any,
    reading: Any,
    packs: Any,
    first: Any,
    second: Any,
    keys: Any,
    farthest: Any,
) -> bool:  # pragma: no cover  # compiled
    """Add up states times weights, row by row.

    Args:
        numbers: One-dimensional; a row begins every `step` numbers.
        step: See there.
        reading: Origins, scales, whether to divide by them, the top state and the upper edge; one
            origin and scale for all units, or one for each.
        packs: Whether rows are so short that they are packed where they fit.
        first: Weights of the first key, ``(n_units,)`` int64.
        second: Those of the second.
        keys: Zeros ``(1, n_rows, 2)`` int64, for the sums; ``(2, n_rows, 2)`` also for those of the
            states with neighbouring bins as one.
        farthest: Zeros, as many as `keys`, for how far from 0 the farthest state is.

    Returns:
        Whether all states are numbers that fit 64 bits; if not, the rest means nothing.
    """
    n_rows, n_units = keys.shape[1], len(first)
    origins, scales, divides, top, high = reading
    is_by_unit = len(scales) > 1
    width = min(n_units, _AT_ONCE)
    # Of rows that lie side by side, several are read as one.
    most = 1 if step != n_units or is_by_unit else max(1, _AT_ONCE // n_units)
    states = np.empty(most * width, np.int32)
    for row in range(0, n_rows, most):
        n = min(most, n_rows - row)
        for unit in range(0, n_units, width):
            end = min(unit + width, n_units)
            weights = first[unit:end], second[unit:end]
            if is_by_unit:
                reading = origins[unit:end], scales[unit:end], divides, top, high
            begin, size = row * step + unit, end - unit
            # All at once, or one by one where a state is far from 0; in one loop, since each copy
            # of what is inlined takes a second to compile.
            done, at_once = 0, n
            while done < n:
                values = numbers[begin + done * size : begin + (done + at_once) * size]
                sums = keys[:, row + done : row + done + at_once]
                if not _read(values, reading, states):
                    _add(states[: at_once * size], weights, packs, sums, farthest)
                elif at_once > 1:
                    at_once = 1
                    continue
                elif not _add_far(values, reading, weights, sums, farthest):
                    return False
                done += at_once
    return True


# A loop is compiled to fast vectors of numbers if it is short, without branches, in types of one
# size, and sure not to write into what it reads: `and` would be a branch, numba adds up two int32
# as int64 unless told not to, and of arrays that come into a function nothing is known.
@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _read(values: Any, reading: Any, states: Any) -> Any:  # pragma: no cover  # compiled
    """Write the states of some numbers, and return how many are far from 0 or NaN."""
    origins, scales, divides, top, high = reading
    origin, scale, n_far = origins[0], scales[0], np.int32(0)
    if len(scales) > 1:
        for unit in range(len(scales)):
            state = np.floor((values[unit] - origins[unit]) / scales[unit])
            n_far = np.int32(n_far + np.int32(not abs(state) <= LARGEST_PLAIN_STATE))
            states[unit] = np.int32(state)
    elif divides:
        for unit in range(len(values)):
            state = np.floor((values[unit] - origin) / scale)
            n_far = np.int32(n_far + np.int32(not abs(state) <= LARGEST_PLAIN_STATE))
            states[unit] = np.int32(state)
    else:
        for unit in range(len(values)):
            value = values[unit]
            state = np.floor((value - origin) * scale)
            state = top if (state > top) & (value <= high) else state
            n_far = np.int32(n_far + np.int32(not abs(state) <= LARGEST_PLAIN_STATE))
            states[unit] = np.int32(state)
    return n_far


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add(
    states: Any, weights: Any, packs: Any, keys: Any, farthest: Any
) -> None:  # pragma: no cover  # compiled
    """Add the states of some rows, all near 0, to their keys; pack what fits, if asked to."""
    first, second = weights
    size = len(first)
    for halvings in range(len(keys)):
        if halvings:
            for unit in range(len(states)):
                states[unit] = np.int32(states[unit] >> 1)
        lowest, highest = np.int32(0), np.int32(0)
        for unit in range(len(states)):
            lowest, highest = min(lowest, states[unit]), max(highest, states[unit])
        farthest[halvings] = max(farthest[halvings], float(max(-lowest, highest)))
        all_fit = packs and lowest >= LOWEST_PACKED and highest <= HIGHEST_PACKED
        for row in range(0 if all_fit else keys.shape[1]):
            of_row = states[row * size : (row + 1) * size]
            _hash(of_row, first, second, keys[halvings, row])
        at_once = keys.shape[1] if all_fit else 1
        for row in range(0, keys.shape[1] if packs else 0, at_once):
            of_rows, n_unfit = states[row * size : (row + at_once) * size], 0
            for unit in range(0 if all_fit else size):
                n_unfit += (of_rows[unit] < LOWEST_PACKED) | (of_rows[unit] > HIGHEST_PACKED)
            if n_unfit == 0:
                _pack(of_rows, size, keys[halvings, row : row + at_once])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _hash(states: Any, first: Any, second: Any, sums: Any) -> None:  # pragma: no cover  # compiled
    """Add the states of a row times weights to its keys."""
    of_first, of_second = np.int64(0), np.int64(0)
    for unit in range(len(states)):
        state = np.int64(states[unit])
        of_first += state * first[unit]
        of_second += state * second[unit]
    sums[0] += of_first
    sums[1] += of_second


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _pack(states: Any, size: Any, keys: Any) -> None:  # pragma: no cover  # compiled
    """Write rows of so many states as one number each."""
    for row in range(len(keys)):
        number = np.int64(0)
        for place in range((row + 1) * size - 1, row * size - 1, -1):
            number = number * PACKED_BASE + states[place]
        keys[row, 0] = number
        keys[row, 1] = number


@njit(cache=True, nogil=True, error_model="numpy")
def _add_far(
    values: Any, reading: Any, weights: Any, keys: Any, farthest: Any
) -> bool:  # pragma: no cover  # compiled
    """Add a row of any states, of which those far from 0 are spread; False where one cannot be."""
    origins, scales, divides, top, high = reading
    first, second = weights
    for halvings in range(len(keys)):
        sums = keys[halvings, 0]
        for unit in range(len(first)):
            value, place = values[unit], unit if len(scales) > 1 else 0
            origin, scale = origins[place], scales[place]
            state = np.floor((value - origin) / scale if divides else (value - origin) * scale)
            state = top if state > top and value <= high else state
            if not abs(state) < _BEYOND_64_BITS:
                return False
            near = np.int64(state) >> halvings
            farthest[halvings] = max(farthest[halvings], abs(float(near)))
            mixed = np.uint64(near)
            mixed = (mixed ^ (mixed >> _SHIFTS[0])) * _MULTIPLIERS[0]
            mixed = (mixed ^ (mixed >> _SHIFTS[1])) * _MULTIPLIERS[1]
            mixed ^= mixed >> _SHIFTS[2]
            spread = near if abs(near) <= LARGEST_PLAIN_STATE else np.int64(mixed)
            sums[0] += spread * first[unit]
            sums[1] += spread * second[unit]
    return True
