"""Encode activations with the usual rulers fast: the same keys as by the spec, bit for bit.

The spec's way, ``keys(ruler(activations))``, makes a 64-bit copy of all states and multiplies whole
numbers, which processors do slowly. For `Uniform` and `Width`, which `Calibrated` becomes, most of
that can be saved, also where bins are merged in pairs:

- Activations are read tile by tile: some rows and some units, so few that states stay in the cache.
  Half precision and integers are widened, and rows laid side by side, no more than a tile or a few
  rows at a time: nothing is as large as the layer. Channels that come last stay where they are.
- Where numba is installed, a compiled kernel does the rest (`it_callbacks.codes.compiled`), of a
  layer as a whole where nothing has to be widened or laid side by side. What follows is done
  without it.
- One scan tells how far the states of a tile reach. Where that is not far, the hash is a float32
  product, and so is the packing of short rows (`it_callbacks.codes.sums`).

`Exact` is read by the spec, few rows at a time. Any other ruler, a user's own among them, takes the
spec's way as a whole, and so does whatever is refused: the spec says why.

Without the kernel, small layers of one shape are read as the rows of one: most of what one costs is
fixed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes.compiled import Scale, is_at_hand, scale_of, sums_of
from it_callbacks.codes.spec import PACKED_UNITS, PART_STATES, Units, keys
from it_callbacks.codes.sums import narrow_keys, wide_keys
from it_callbacks.codes.tiles import READINGS, Reach, Tile, merge_pairs, tile_of
from it_callbacks.reductions import side_by_side
from it_callbacks.rulers import Exact, Ruler, Uniform, Width, real, wide_type

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
            return _in_tiles(activations, [ruler])[0].whole
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
        with suppress(ValueError):  # as in `encoded`
            found = _in_tiles(real(activations), [ruler], [merged])
            return found[0].whole, found[1].whole
    return encoded(activations, ruler), encoded(activations, merged)


def kind_of(activations: Tensor, ruler: Ruler) -> Hashable | None:
    """What small layers have in common that can be read at once; None of one that has to be alone.

    Args:
        activations: Floats ``(n_samples, n_units)``.
        ruler: How they are read; it is ready to use.
    """
    is_dense = activations.layout == torch.strided and not activations.is_nested
    if type(ruler) not in (Uniform, Width) or not is_dense or not activations.is_floating_point():
        return None
    if not 0 < 2 * activations.numel() <= _CHUNK_ELEMENTS:
        return None
    reading = ruler if type(ruler) is Uniform else Width
    return reading, activations.shape, activations.dtype, activations.device


def encoded_at_once(
    layers: Sequence[Tensor], rulers: Sequence[Ruler], merged: Sequence[Ruler] = ()
) -> list[list[Encoded]]:
    """Return the keys of several layers of one kind (`kind_of`), as `encoded` gives them of each.

    Args:
        layers: Floats ``(n_samples, n_units)`` of each.
        rulers: How each is read; they are ready to use.
        merged: What `pair_merged` gives of them, to be read with, too.

    Returns:
        What `encoded` gives of all layers with their rulers, and with those merged, if asked for.

    Raises:
        ValueError: One of the layers has to be read alone: it is not finite, say.
    """
    if is_at_hand(wide_type(layers[0].dtype), layers[0].device):
        alone = [
            _in_tiles(real(layer), [ruler], merged[at : at + 1])
            for at, (layer, ruler) in enumerate(zip(layers, rulers, strict=True))
        ]
        return [[of_one.whole for of_one in of_all] for of_all in zip(*alone, strict=True)]
    n_rows = len(layers[0])
    at_once = max(1, _CHUNK_ELEMENTS // max(layers[0].numel(), 1))
    found: list[list[Encoded]] = [[] for _ in range(2 if merged else 1)]
    for start in range(0, len(layers), at_once):
        some = slice(start, start + at_once)
        rows = torch.cat([*layers[some]]) if len(layers[some]) > 1 else layers[start]
        of_some = _in_tiles(real(rows), rulers[some], merged[some])
        for of_all, (of_rows, reach) in zip(found, of_some, strict=True):
            each = (of_rows[at : at + n_rows] for at in range(0, len(of_rows), n_rows))
            of_all += map(Encoded, each, reach)
    return found


class _Read(NamedTuple):
    """Layers of one shape as keys, of which `Encoded` is that of one."""

    keys: NDArray[np.int64]
    reach: list[float]
    """Of each layer."""

    @property
    def whole(self) -> Encoded:
        """Of only one layer."""
        return Encoded(self.keys, self.reach[0])


def _by_spec(activations: Tensor, ruler: Ruler) -> Encoded:
    """Few rows at a time."""
    parts = _parts(activations, max(1, PART_STATES // max(_n_units(activations), 1)))
    of_parts = [keys(ruler(part)).cpu().numpy() for part in parts]
    return Encoded(np.concatenate([np.zeros((0, 2), np.int64), *of_parts]), math.nan)


def _in_tiles(
    activations: Tensor, rulers: Sequence[Ruler], merged: Sequence[Ruler] = ()
) -> list[_Read]:
    """The keys of layers, as many rows of each, with their rulers, and with those merged.

    Args:
        activations: Of several layers, no more than one tile has room for.
        rulers: One for each layer, of one kind.
        merged: What merges their bins in pairs, if that is wanted, too.
    """
    n_units, dtype, device = _n_units(activations), wide_type(activations.dtype), activations.device
    rows, numbers = _as_they_lie(activations)
    scale = scale_of(rulers[0], n_units, dtype, device) if len(rulers) == 1 else None
    if scale is not None and rows.dtype == dtype and rows.numel() and _is_in_order(rows):
        units = slice(0, n_units) if numbers is None else numbers
        packs = n_units <= PACKED_UNITS
        if at_once := _by_kernel(rows, units, scale, packs=packs, also_merged=bool(merged)):
            return at_once
    most, width = _chunk_elements(device), _tile_units(n_units, device)
    n_rows = max(1, most // max(width, 1)) if len(rulers) == 1 else len(activations)
    if rows.ndim != 2:
        n_rows = max(1, min(n_rows, _COPIED_ELEMENTS // max(n_units, 1)))
    read = READINGS[type(rulers[0])](rulers, dtype, device, n_units)
    tiles = [slice(at, min(at + width, n_units)) for at in range(0, n_units, max(width, 1))]

    def of(block: Tensor) -> list[_Read]:
        block_rows = side_by_side(block) if block.ndim != 2 else block
        try:
            of_tiles = []
            for columns in tiles:
                tile = tile_of(block_rows, columns, dtype, len(rulers))
                if numbers is not None:
                    tile = tile._replace(units=numbers[columns])
                of_tile = _keys_by_kernel(tile, scale, n_units, also_merged=bool(merged))
                if not of_tile:
                    of_tile = _keys_of(tile, read(tile), n_units, also_merged=bool(merged))
                of_tiles.append(of_tile)
        except ValueError:  # what a mask has written, say, whose bins are too many to count
            if len(rulers) > 1:
                raise
            if numbers is not None:
                block = block[:, np.argsort(numbers)]
            by_spec = [_by_spec(block, each) for each in (*rulers, *merged)]
            return [_Read(each.keys, [each.reach]) for each in by_spec]
        return [_summed(each, block.shape[0]) for each in zip(*of_tiles, strict=True)]

    found = [of(block) for block in _parts(rows, n_rows)] if n_units else []
    if not found:
        none = _Read(np.zeros((len(activations), 2), np.int64), [0.0] * len(rulers))
        return [none] * (2 if merged else 1)
    return [_joined(each) for each in zip(*found, strict=True)]


def _as_they_lie(activations: Tensor) -> tuple[Tensor, NDArray[np.int64] | None]:
    """Rows ``(n_samples, n_units)`` and which units they hold, None of all in their order.

    A key is a sum over units, in any order: where the numbers of a sample lie side by side in
    another order, as of channels that come last, they need not be copied. Where they do not, or
    where rows are packed, `activations` are returned as they are.
    """
    n_samples, shape = activations.shape[0], activations.shape[1:]
    if activations.ndim == 2:
        return activations, None
    with suppress(RuntimeError):
        return activations.view(n_samples, math.prod(shape)), None
    axes = sorted(range(1, activations.ndim), key=activations.stride, reverse=True)
    if math.prod(shape) > PACKED_UNITS:
        with suppress(RuntimeError):
            rows = activations.permute(0, *axes).view(n_samples, math.prod(shape))
            return rows, _numbers(shape, tuple(axis - 1 for axis in axes))
    return activations, None


@lru_cache(maxsize=8)
def _numbers(shape: tuple[int, ...], axes: tuple[int, ...]) -> NDArray[np.int64]:
    """The units of a sample of this shape whose axes come in another order."""
    numbers: NDArray[np.int64] = np.arange(math.prod(shape)).reshape(shape).transpose(axes)
    return numbers.reshape(-1)


def _n_units(activations: Tensor) -> int:
    return math.prod(activations.shape[1:])


def _parts(activations: Tensor, n_rows: int) -> Sequence[Tensor]:
    if activations.shape[0] <= n_rows:
        return [activations] if activations.shape[0] else []
    parts: Sequence[Tensor] = torch.split(activations, n_rows)
    return parts


def _joined(parts: Sequence[_Read]) -> _Read:
    """Of rows, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return _Read(np.concatenate([part.keys for part in parts]), _farthest(parts))


def _summed(parts: Sequence[_Read], n_rows: int) -> _Read:
    """Of units, side by side: a row's keys are sums over its units, which wrap around."""
    if len(parts) == 1:
        return parts[0]
    total = np.zeros((n_rows, 2), np.int64)
    for part in parts:
        total += part.keys
    return _Read(total, _farthest(parts))


def _farthest(parts: Sequence[_Read]) -> list[float]:
    """Of each layer, that of all parts; NaN where one is NaN."""
    farthest: list[float] = np.max([part.reach for part in parts], axis=0).tolist()
    return farthest


def _chunk_elements(device: torch.device) -> int:
    # Elsewhere than on the host each tile is waited for.
    return _CHUNK_ELEMENTS if device.type == "cpu" else 16 * _CHUNK_ELEMENTS


def _tile_units(n_units: int, device: torch.device) -> int:
    """Units of a tile, so that all tiles of a row are about as wide."""
    most = _TILE_UNITS if device.type == "cpu" else _chunk_elements(device)
    return -(-n_units // max(1, -(-n_units // most)))


def _is_in_order(rows: Tensor) -> bool:
    """Whether the numbers of each row lie side by side."""
    return rows.ndim == 2 and (rows.stride(1) == 1 or rows.shape[1] == 1)


def _by_kernel(
    rows: Tensor, units: Units, scale: Scale, *, packs: bool, also_merged: bool
) -> list[_Read]:
    """What units add to the keys of rows, by the kernel; nothing where it cannot."""
    found = sums_of(rows, units, scale, packs=packs, also_merged=also_merged) or ()
    return [_Read(each.keys, [each.farthest]) for each in found]


def _keys_by_kernel(
    tile: Tile, scale: Scale | None, n_units: int, *, also_merged: bool
) -> list[_Read]:
    """As `_keys_of`, by the kernel; nothing where it cannot."""
    if scale is None:
        return []
    rows = tile.values if _is_in_order(tile.values) else tile.room.states.copy_(tile.values)
    packs = n_units <= PACKED_UNITS
    return _by_kernel(rows, tile.units, scale, packs=packs, also_merged=also_merged)


def _keys_of(tile: Tile, reach: Reach, n_units: int, *, also_merged: bool) -> list[_Read]:
    """What the units of a tile, whose room has the states, add to the keys of its rows."""
    keys_of = narrow_keys if n_units <= PACKED_UNITS else wide_keys
    found = [_Read(keys_of(tile, reach), reach.farthest)]
    if also_merged:
        halves = merge_pairs(tile, reach)
        found.append(_Read(keys_of(tile, halves), halves.farthest))
    return found
