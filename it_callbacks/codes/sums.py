"""From the states of a tile to sums of whole numbers, which are the keys of its rows.

The states lie in the tile's room, as floats. Where all are in -254..254, the eight columns of the
hash are one float32 product: states and weights fit the 8 significant bits of bfloat16 and every
partial sum the 24 of float32, so it is exact whatever matmul precision the user allows. Rows that
are packed are a product, too, of three digits to a column. Rows that reach farther are hashed in
whole numbers, few at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import spec
from it_callbacks.codes.tiles import Reach, Room, Tile
from it_callbacks.rulers import as_states

# float32 holds every integer up to here, so sums below it are exact in any order of summation.
_EXACT_BELOW = 2**24
# Rows that reach far are hashed in parts of so many states, of which 64-bit copies are made.
_FAR_ELEMENTS = 2**14
_BEYOND_64_BITS = 2.0**63


def wide_keys(tile: Tile, reach: Reach) -> NDArray[np.int64]:
    """What the units of a tile, whose room has the states, add to the keys of its rows.

    Raises:
        ValueError: A state does not fit 64 bits.
    """
    room, units, farthest = tile.room, tile.units, max(-reach.low, reach.high)
    if farthest <= spec.LARGEST_PLAIN_STATE:
        return _near(room, units, farthest)
    if not farthest < _BEYOND_64_BITS:  # also where it is NaN
        raise ValueError("activations: some states do not fit 64 bits")
    if not room.states.is_cpu:
        return _far_on_device(room.states, units)
    with np.errstate(invalid="ignore"):  # of rows that reach far this means nothing
        out = _near(room, units, spec.LARGEST_PLAIN_STATE)
    states, weight = room.states.numpy(), spec.folded(units)
    for rows in _far_rows(states, reach):
        out[rows] = _far(states[rows], weight)
    return out


def _far_rows(states: NDArray[np.floating[Any]], reach: Reach) -> Iterator[slice]:
    """Few rows each, some of which reach far: those of a layer, or so many of only one."""
    n_layers = len(reach.highs)
    few = len(states) // n_layers if n_layers > 1 else max(1, _FAR_ELEMENTS // states.shape[1])
    for number, start in enumerate(range(0, len(states), few)):
        rows = slice(start, start + few)
        if n_layers > 1:
            low, high = reach.lows[number], reach.highs[number]
        else:
            low, high = float(states[rows].min()), float(states[rows].max())
        if max(-low, high) > spec.LARGEST_PLAIN_STATE:
            yield rows


def narrow_keys(tile: Tile, reach: Reach) -> NDArray[np.int64]:
    """The keys of rows so short that they may be packed; as `wide_keys`."""
    if reach.low >= spec.LOWEST_PACKED and reach.high <= spec.HIGHEST_PACKED:
        return _packed(tile.room)
    out, states = wide_keys(tile, reach), tile.room.states
    fits = _fit(states.cpu().numpy())
    if fits.any():
        # Of the other rows sums do not matter, as long as they do not overflow.
        packable = states.clamp(spec.LOWEST_PACKED, spec.HIGHEST_PACKED)
        out[fits] = _packed(tile.room._replace(states=packable))[fits]
    return out


def _near(room: Room, units: spec.Units, farthest: float) -> NDArray[np.int64]:
    """By a product of states near 0 and small weights."""
    exact_units = (_EXACT_BELOW - 1) // (spec.LARGEST_WEIGHT * max(int(farthest), 1))
    return _folded(_product(_columns(room.states.device, units), room, exact_units), spec.FOLD)


def _far(states: NDArray[np.floating[Any]], weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """As by the spec, in fewer steps: states ``(n_rows, n_units)`` that may be far from 0."""
    near: NDArray[np.int64] = states.astype(np.int64)
    z = near.view(np.uint64)
    mixed, shifted = np.empty_like(z), np.empty_like(z)
    for shift, multiplier in zip(spec.SHIFTS, spec.MULTIPLIERS, strict=True):
        np.right_shift(z, np.uint64(shift), out=shifted)
        z = np.bitwise_xor(z, shifted, out=mixed)
        if multiplier != 1:
            z *= np.uint64(multiplier)
    # Several times as fast as copying where they are near, which is in no order.
    spread = np.where(np.abs(states) <= spec.LARGEST_PLAIN_STATE, near, z.view(np.int64))
    out: NDArray[np.int64] = spread @ weight.T
    return out


def _far_on_device(states: Tensor, units: spec.Units) -> NDArray[np.int64]:
    """By the spec."""
    parts = torch.split(states, max(1, spec.PART_STATES // states.shape[1]))
    return np.concatenate([spec.hashed(as_states(part), units).cpu().numpy() for part in parts])


def _fit(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which narrow rows hold packed states only."""
    inside = (rows >= spec.LOWEST_PACKED) & (rows <= spec.HIGHEST_PACKED)
    # Along rows so short a product counts several times as fast as `all` finds out.
    count = inside.astype(np.float32) @ np.ones(rows.shape[1], np.float32)
    fits: NDArray[np.bool_] = count == rows.shape[1]
    return fits


def _packed(room: Room) -> NDArray[np.int64]:
    """Narrow rows as one number each, which is both keys."""
    n_units = room.states.shape[1]
    places, fold = _places(room.states.device)
    return _folded(_product(places[:, :n_units], room, n_units), fold)


def _folded(columns: NDArray[np.floating[Any]], fold: NDArray[np.int64]) -> NDArray[np.int64]:
    """The keys ``(n_rows, 2)`` of sums ``(n_columns, n_rows)``."""
    # By NumPy, whose whole numbers multiply in any size and wrap around; a GPU's do not.
    keys_by_sample: NDArray[np.int64] = fold.T @ columns.astype(np.int64)
    return keys_by_sample.T


def _product(across: Tensor, room: Room, exact_units: int) -> NDArray[np.floating[Any]]:
    """States times the weights ``(n_columns, n_units)``, added up without rounding."""
    states, columns = room.states, room.columns[: len(across)]
    # What is written into a given tensor is left alone by autocast.
    if states.shape[1] <= exact_units:
        return torch.mm(across, states.float().T, out=columns).cpu().numpy()
    # Block by block, added up in float64: far below 2**53.
    total = torch.zeros_like(columns, dtype=torch.float64)
    for start in range(0, states.shape[1], exact_units):
        units = slice(start, start + exact_units)
        total += torch.mm(across[:, units], states[:, units].float().T, out=columns)
    return total.cpu().numpy()


def _columns(device: torch.device, units: spec.Units) -> Tensor:
    """The weights ``(8, n_units)`` of the hash."""
    if device.type != "cpu" and isinstance(units, slice):
        return _columns_on(device, units.start, units.stop)
    return torch.from_numpy(spec.weights(units)).to(device)


@lru_cache(maxsize=64)
def _columns_on(device: torch.device, start: int, stop: int) -> Tensor:
    """The same, copied to a device once."""
    return torch.from_numpy(spec.weights(slice(start, stop))).to(device)


_DIGITS = 3
"""Digits of a packed row in one column: more would not fit 24 bits together."""


@lru_cache(maxsize=8)
def _places(device: torch.device) -> tuple[Tensor, NDArray[np.int64]]:
    """What packs a row: weights ``(4, 10)`` of its units, and how their sums are folded."""
    unit = np.arange(spec.PACKED_UNITS)
    n_columns = -(-spec.PACKED_UNITS // _DIGITS)
    columns = np.zeros((n_columns, spec.PACKED_UNITS), np.float32)
    columns[unit // _DIGITS, unit] = float(spec.PACKED_BASE) ** (unit % _DIGITS)
    fold = spec.PACKED_BASE ** (_DIGITS * np.arange(n_columns, dtype=np.int64))
    return torch.from_numpy(columns).to(device), fold[:, None].repeat(2, 1)
