"""Define what a symbol is: one 64-bit number in place of a sample's row of integer states.

Each row of states gets two 64-bit numbers, its keys. The first is the row's symbol. The second is
an independent check: wherever symbols are counted, two rows are one only if both keys agree
(`it_callbacks.estimators.counting`). There are two kinds of rows:

- **Packed**: a row of at most 10 states, all of them in -32..31. Both keys are the row read as a
  number in base 64, ``sum_u state[u] * 64**u``. No two such rows share a symbol: digits from -32
  to 31 write each number in one way only.
- **Hashed**: any other row. Key k is ``sum_u spread(state[u]) * weight[u, k]``, in 64-bit
  arithmetic that wraps around.

The weights are fixed. Those of a unit are eight small whole numbers, drawn from -255..255, times a
table of 8 x 2 random 64-bit numbers that all units share. (Sums of states times small numbers can
be computed in floating point without rounding, which `it_callbacks.codes.fast` makes use of.)
``spread`` leaves states in -254..254 as they are and mixes all others, one to one, over 64 bits:
differences that are multiples of a large power of two, like the sign bit of a float, would vanish
in the wrap-around.

A sum of whole numbers does not depend on the order of summation. So a symbol does not depend on the
batch that a sample came in, on threads, device or process, and it means the same in every epoch and
every run.

How often two different rows collide: their columns, the eight sums of states times small numbers,
all agree with a probability of at most 511**-8. Where they differ, each key agrees with a
probability of at most 2**(v - 64), where 2**v is the largest power of two that divides all
differences (v is small: each further power is half as likely per column). Two rows thus share a
symbol with a probability of about 2**-60, and both keys with at most 2**-71: among N samples, a
collision that goes unnoticed has a probability below N**2 / 2 * 2**-71, which is 2**-40 for 50,000.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.reductions import side_by_side

PACKED_UNITS = 10
"""Most states of a row that is packed: 64**10 is 2**60."""
PACKED_BASE = 64
LOWEST_PACKED, HIGHEST_PACKED = -32, 31
"""Packed states are in between: the digits of the base, half of them below 0."""
N_COLUMNS = 8
LARGEST_WEIGHT = 255
LARGEST_PLAIN_STATE = 254
"""States farther from 0 are spread before they are multiplied."""
PART_STATES = 2**17
"""Rows are hashed in parts of so many states, since 64-bit copies are made of them."""

# SplitMix64 (Steele, Lea & Flood 2014): each step of the mixing is one to one on 64-bit integers.
_GOLDEN = 0x9E3779B97F4A7C15
SHIFTS = (30, 27, 31)
MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 1)


def symbols(states: Tensor) -> Tensor:
    """Return one int64 symbol per sample, equal where rows of `states` are equal and only there.

    Args:
        states: Integers ``(n_samples, ...)``; all axes but the first are a sample's row.

    Returns:
        ``(n_samples,)`` int64. Two different rows share a symbol with a probability of about
        2**-60 (see the module's docstring); counting with `it_callbacks.estimators` of the
        monitors' own keys notices even that.

    Raises:
        TypeError: `states` is not a tensor of integers.

    Example:
        >>> symbols(torch.tensor([[1, 2], [2, -1], [1, 2]])).tolist()  # 1 + 2 * 64, 2 - 1 * 64
        [129, -62, 129]
    """
    if not isinstance(states, Tensor) or states.is_floating_point() or states.is_complex():
        got = states.dtype if isinstance(states, Tensor) else type(states).__name__
        raise TypeError(
            f"states: need a tensor of integers, got {got}; a ruler makes states of activations"
        )
    return keys(states)[:, 0]


def keys(states: Tensor) -> Tensor:
    """Return the symbol and its check, int64 ``(n_samples, 2)``, of integer states.

    Example:
        >>> keys(torch.tensor([[1, 2]])).tolist()
        [[129, 129]]
    """
    rows = side_by_side(states)
    parts = torch.split(rows, max(1, PART_STATES // max(rows.shape[1], 1)))
    return torch.cat([_keys(part.to(torch.int64)) for part in parts])


def _keys(rows: Tensor) -> Tensor:
    by_hash = hashed(rows)
    if rows.shape[1] > PACKED_UNITS:
        return by_hash
    # Row by row, so that a symbol does not depend on the other samples of a batch.
    fits = ((rows >= LOWEST_PACKED) & (rows <= HIGHEST_PACKED)).all(1, keepdim=True)
    return torch.where(fits, _packed(rows), by_hash)


def _packed(rows: Tensor) -> Tensor:
    """The rows as numbers in base 64, ``(n_samples, 1)``."""
    places = PACKED_BASE ** torch.arange(rows.shape[1], device=rows.device)
    return (rows * places).sum(1, keepdim=True)


Units = slice | NDArray[np.int64]
"""Which units of a row, in the order in which its states come: from one to another, or numbers."""


def hashed(states: Tensor, units: Units | None = None) -> Tensor:
    """Return the two sums of spread states times weights, ``(n_samples, 2)``.

    Args:
        states: int64 ``(n_samples, n_units)``.
        units: Which units of its row the columns are; sums over parts of a row add up.
    """
    units = slice(0, states.shape[1]) if units is None else units
    weight = torch.from_numpy(folded(units)).to(states.device)
    spread = _spread(states)
    # Not as a matrix product: GPUs have none of whole numbers.
    return torch.stack([(spread * of_key).sum(1) for of_key in weight], 1)


def _spread(states: Tensor) -> Tensor:
    """`states`, of which those far from 0 are mixed over 64 bits."""
    far = (states > LARGEST_PLAIN_STATE) | (states < -LARGEST_PLAIN_STATE)
    if not far.any():
        return states
    z = states
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=True):
        # torch shifts copies of the sign in from the left, where the mixing needs zeros.
        shifted = (z >> shift) & (2 ** (64 - shift) - 1)
        z = (z ^ shifted) * int(np.uint64(multiplier).astype(np.int64))
    return torch.where(far, z, states)


def weights(units: Units) -> NDArray[np.float32]:
    """Return the columns of small whole numbers, ``(8, n_units)``, of these units of any row."""
    return _WEIGHTS.of(units)


def folded(units: Units) -> NDArray[np.int64]:
    """Return the weights of the two keys, ``(2, n_units)``, of these units of any row."""
    return _FOLDED.of(units)


_Number = TypeVar("_Number", bound=np.generic)


class _Table(Generic[_Number]):
    """What is fixed for each unit, of as many units as the widest layer so far has.

    Args:
        make: What it is, a column for each of some units.
    """

    def __init__(self, make: Callable[[slice], NDArray[_Number]]) -> None:
        self._make = make
        self._columns = make(slice(0, 0))

    def of(self, units: Units) -> NDArray[_Number]:
        """The columns of these units; safe in threads, of which the last to write is kept."""
        n_units = units.stop if isinstance(units, slice) else int(units.max()) + 1
        columns = self._columns
        if columns.shape[1] < n_units:
            added = [
                self._make(slice(start, min(start + PART_STATES, n_units)))
                for start in range(columns.shape[1], n_units, PART_STATES)
            ]
            columns = self._columns = np.concatenate([columns, *added], axis=1)
        of_units: NDArray[_Number] = (
            columns[:, units] if isinstance(units, slice) else columns.take(units, axis=1)
        )
        return of_units


def _columns(units: slice) -> NDArray[np.float32]:
    n_units = units.stop - units.start
    draws = _random_bits(1, n_units * N_COLUMNS, units.start * N_COLUMNS)
    columns = (draws % (2 * LARGEST_WEIGHT + 1)).astype(np.float32) - LARGEST_WEIGHT
    return columns.reshape(n_units, N_COLUMNS).T


def _folded(units: Units) -> NDArray[np.int64]:
    return FOLD.T @ weights(units).astype(np.int64)


def _random_bits(stream: int, n: int, start: int = 0) -> NDArray[np.uint64]:
    # SplitMix64 by counter: the same weights in every version of every library, which the
    # generators of NumPy and torch do not promise.
    counter = np.arange(start + 1, start + n + 1, dtype=np.uint64) + np.uint64(stream << 48)
    z = counter * np.uint64(_GOLDEN)
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=True):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(multiplier)
    return z


FOLD = _random_bits(0, N_COLUMNS * 2).astype(np.int64).reshape(N_COLUMNS, 2)
"""What the columns' sums are multiplied with, ``(8, 2)``: a random number for each key."""

_WEIGHTS = _Table(_columns)
_FOLDED = _Table(_folded)  # by those
