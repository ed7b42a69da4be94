"""Encode activations with the usual rulers fast: the same keys as by the spec, bit for bit.

The spec's way, ``keys(ruler(activations))``, makes a 64-bit copy of all states and multiplies whole
numbers, which processors do slowly. For `Uniform` and `Width`, which `Calibrated` becomes, most of
that can be saved, also where bins are merged in pairs:

- Activations are read tile by tile: some rows and some units, so few that states stay in the cache.
  Half precision and integers are widened, and rows laid side by side, no more than a tile or a few
  rows at a time: nothing is as large as the layer.
- One scan tells how far the states of a tile reach. Where all are in -254..254, the eight columns
  of the hash are one float32 product: states and weights fit the 8 significant bits of bfloat16 and
  every partial sum the 24 of float32, so it is exact whatever matmul precision the user allows.
- Rows that the spec packs are packed by such a product, too, three digits to a column.

Tiles that reach farther are hashed as by the spec, one by one; `Exact` is read by the spec, few
rows at a time. Any other ruler, a user's own among them, takes the spec's way as a whole, and so
does whatever is refused: the spec says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes.spec import (
    FOLD,
    HIGHEST_PACKED,
    LARGEST_PLAIN_STATE,
    LARGEST_WEIGHT,
    LOWEST_PACKED,
    PACKED_BASE,
    PACKED_UNITS,
    PART_STATES,
    hashed,
    keys,
    weights,
)
from it_callbacks.codes.tiles import READINGS, Reach, Read, Room, Tile, merge_pairs, tile_of
from it_callbacks.reductions import side_by_side
from it_callbacks.rulers import Exact, Ruler, Uniform, Width, as_states, real, wide_type

# float32 holds every integer up to here, so sums below it are exact in any order of summation.
_EXACT_BELOW = 2**24
# Of a tile: few enough for the cache, many enough to hide the overhead of a call.
_CHUNK_ELEMENTS = 2**19
_TILE_UNITS = 2048
# Of rows that do not lie side by side so many are copied at a time.
_COPIED_ELEMENTS = 2**19


def encode(activations: Tensor, ruler: Ruler) -> Tensor:
    """Return the symbols of `activations` read with `ruler`.

    The same as ``symbols(ruler(activations))``, faster.

    Args:
        activations: Floats ``(n_samples, ...)``.
        ruler: How to read them.

    Returns:
        ``(n_samples,)`` int64.

    Raises:
        ValueError: A value is NaN or infinite.

    Example:
        >>> from it_callbacks.rulers import Width
        >>> activations = torch.tensor([[0.1, 0.9], [0.9, 0.1], [0.2, 0.8]])
        >>> encode(activations, Width(0.5)).tolist()  # states 0 1, 1 0 and 0 1
        [64, 1, 64]
    """
    return encode_keys(activations, ruler)[:, 0]


def encode_keys(activations: Tensor, ruler: Ruler) -> Tensor:
    """Return ``keys(ruler(activations))``, faster."""
    return torch.from_numpy(encoded(activations, ruler).keys).to(activations.device)


class Encoded(NamedTuple):
    """Activations as keys, and how far their states reach."""

    keys: NDArray[np.int64]
    """``(n_samples, 2)``."""
    reach: float
    """No state is larger in absolute value; NaN where that is not known."""


def encoded(activations: Tensor, ruler: Ruler) -> Encoded:
    """Return the keys of `activations` on the host, with the reach of their states."""
    if not isinstance(ruler, Ruler):
        raise TypeError(
            f"ruler: need a Ruler, got {ruler!r}; what else makes states of activations goes into "
            "symbols(...)"
        )
    activations = real(activations)
    if not ruler.frozen:
        ruler = ruler.freeze(activations)
    try:
        if type(ruler) is Exact:
            return _by_spec(activations, ruler)
        if type(ruler) in READINGS:  # not of a subclass, which may read in another way
            return _in_tiles(activations, [ruler])[0]
    except ValueError:
        pass  # the spec refuses it too, and counts over all samples, not over those of a tile
    return Encoded(keys(ruler(activations)).cpu().numpy(), math.nan)


def encoded_twice(activations: Tensor, ruler: Ruler, merged: Ruler) -> tuple[Encoded, Encoded]:
    """Return the keys with a ruler, and with its bins merged in pairs.

    Args:
        activations: Floats ``(n_samples, ...)``.
        ruler: How to read them; it is ready to use.
        merged: What `pair_merged` gives of it.
    """
    if type(ruler) in (Uniform, Width):
        try:
            of_ruler, of_merged = _in_tiles(real(activations), [ruler, merged])
        except ValueError:
            pass  # as in `encoded`
        else:
            return of_ruler, of_merged
    return encoded(activations, ruler), encoded(activations, merged)


def _by_spec(activations: Tensor, ruler: Ruler) -> Encoded:
    """Few rows at a time."""
    parts = _parts(activations, max(1, PART_STATES // max(_n_units(activations), 1)))
    return _joined([Encoded(keys(ruler(part)).cpu().numpy(), math.nan) for part in parts])


def _in_tiles(activations: Tensor, rulers: Sequence[Ruler]) -> list[Encoded]:
    """The keys with the first ruler; with the second one, which merges its bins in pairs, too."""
    ruler = rulers[0]
    n_units, dtype, device = _n_units(activations), wide_type(activations.dtype), activations.device
    most, width = _chunk_elements(device), _tile_units(n_units, device)
    n_rows = max(1, most // max(width, 1))
    rows = activations
    if activations.ndim != 2:
        try:
            rows = activations.view(activations.shape[0], n_units)
        except RuntimeError:  # as of channels that come last
            n_rows = max(1, min(n_rows, _COPIED_ELEMENTS // max(n_units, 1)))
    read = READINGS[type(ruler)](ruler, dtype, device, n_units)
    tiles = [slice(at, min(at + width, n_units)) for at in range(0, n_units, max(width, 1))]

    def of(block: Tensor) -> list[Encoded]:
        block_rows = side_by_side(block) if block.ndim > 2 else block
        try:
            return _keys_of(block_rows, tiles, read, dtype, len(rulers))
        except ValueError:  # what a mask has written, say, whose bins are too many to count
            return [_by_spec(block, each) for each in rulers]

    found = [of(block) for block in _parts(rows, n_rows)]
    return [_joined([of_block[number] for of_block in found]) for number in range(len(rulers))]


def _n_units(activations: Tensor) -> int:
    return math.prod(activations.shape[1:])


def _parts(activations: Tensor, n_rows: int) -> Iterable[Tensor]:
    if activations.shape[0] <= n_rows:
        return [activations] if activations.shape[0] else []
    parts: Iterable[Tensor] = torch.split(activations, n_rows)
    return parts


def _joined(parts: Sequence[Encoded]) -> Encoded:
    if len(parts) == 1:
        return parts[0]
    reach = float(np.max([0.0, *(part.reach for part in parts)]))
    none = np.zeros((0, 2), np.int64)
    return Encoded(np.concatenate([none, *(part.keys for part in parts)]), reach)


def _chunk_elements(device: torch.device) -> int:
    # Elsewhere than on the host each tile is waited for.
    return _CHUNK_ELEMENTS if device.type == "cpu" else 16 * _CHUNK_ELEMENTS


def _tile_units(n_units: int, device: torch.device) -> int:
    """Units of a tile, so that all tiles of a row are about as wide."""
    most = _TILE_UNITS if device.type == "cpu" else _chunk_elements(device)
    return -(-n_units // max(1, -(-n_units // most)))


def _keys_of(
    rows: Tensor, tiles: Sequence[slice], read: Read, dtype: torch.dtype, n_rulers: int
) -> list[Encoded]:
    """The keys of some rows, whose units are read tile by tile."""
    keys_of = _keys_of_narrow if rows.shape[1] <= PACKED_UNITS else _keys_of_wide
    found = []
    for units in tiles:
        tile = tile_of(rows, units, dtype)
        reach = read(tile)
        of_tile = [keys_of(tile, reach)]
        if n_rulers > 1:
            of_tile.append(keys_of(tile, merge_pairs(tile, reach)))
        found.append(of_tile)
    if len(found) == 1:
        return found[0]
    each = (tuple(of_tile[number] for of_tile in found) for number in range(n_rulers))
    return [_summed(parts, len(rows)) for parts in each]


def _summed(parts: Sequence[Encoded], n_rows: int) -> Encoded:
    """A row's keys are sums over its units, which wrap around; none are 0."""
    total = np.zeros((n_rows, 2), np.int64)
    for part in parts:
        total += part.keys
    return Encoded(total, float(np.max([0.0, *(part.reach for part in parts)])))


def _keys_of_wide(tile: Tile, reach: Reach) -> Encoded:
    """What the units of a tile, whose room has the states, add to the keys of its rows."""
    if _exact_units(reach):
        return Encoded(_hashed(tile, reach), reach.farthest)
    states = tile.room.states
    parts = _parts(states, max(1, PART_STATES // states.shape[1]))
    far = [hashed(as_states(part), tile.units.start).cpu().numpy() for part in parts]
    return Encoded(np.concatenate(far), reach.farthest)


def _keys_of_narrow(tile: Tile, reach: Reach) -> Encoded:
    if reach.low >= LOWEST_PACKED and reach.high <= HIGHEST_PACKED:
        return Encoded(_packed(tile.room), reach.farthest)
    if not _exact_units(reach):
        by_spec = keys(as_states(tile.room.states)).cpu().numpy()
        return Encoded(by_spec, reach.farthest)
    out, packed = _hashed(tile, reach), _packed(tile.room)
    fits = _fit(tile.room.states.cpu().numpy())
    out[fits] = packed[fits]
    return Encoded(out, reach.farthest)


def _exact_units(reach: Reach) -> int:
    """Of how many units a product of such states is exact; 0 if of none."""
    if not reach.farthest <= LARGEST_PLAIN_STATE:  # also where it is NaN
        return 0
    return int((_EXACT_BELOW - 1) // (LARGEST_WEIGHT * max(reach.farthest, 1)))


def _fit(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which narrow rows hold packed states only."""
    inside = (rows >= LOWEST_PACKED) & (rows <= HIGHEST_PACKED)
    # Along rows so short a product counts several times as fast as `all` finds out.
    count = inside.astype(np.float32) @ np.ones(rows.shape[1], np.float32)
    fits: NDArray[np.bool_] = count == rows.shape[1]
    return fits


def _packed(room: Room) -> NDArray[np.int64]:
    """Narrow rows as one number each, which is both keys."""
    n_units = room.states.shape[1]
    places, fold = _places(room.states.device)
    return _folded(_product(places[:, :n_units], room, n_units), fold)


def _hashed(tile: Tile, reach: Reach) -> NDArray[np.int64]:
    """By a product of states near 0 and small weights."""
    across = _columns(tile.given.device, tile.units)
    return _folded(_product(across, tile.room, _exact_units(reach)), FOLD)


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


def _columns(device: torch.device, units: slice) -> Tensor:
    """The weights ``(8, n_units)`` of the hash."""
    if device.type != "cpu":
        return _columns_on(device, units.start, units.stop)
    return torch.from_numpy(weights(units.stop)[:, units.start :])


@lru_cache(maxsize=64)
def _columns_on(device: torch.device, start: int, stop: int) -> Tensor:
    """The same, copied to a device once."""
    return torch.from_numpy(weights(stop)[:, start:]).to(device)


_DIGITS = 3
"""Digits of a packed row in one column: more would not fit 24 bits together."""


@lru_cache(maxsize=8)
def _places(device: torch.device) -> tuple[Tensor, NDArray[np.int64]]:
    """What packs a row: weights ``(4, 10)`` of its units, and how their sums are folded."""
    unit = np.arange(PACKED_UNITS)
    n_columns = -(-PACKED_UNITS // _DIGITS)
    columns = np.zeros((n_columns, PACKED_UNITS), np.float32)
    columns[unit // _DIGITS, unit] = float(PACKED_BASE) ** (unit % _DIGITS)
    fold = PACKED_BASE ** (_DIGITS * np.arange(n_columns, dtype=np.int64))
    return torch.from_numpy(columns).to(device), fold[:, None].repeat(2, 1)
