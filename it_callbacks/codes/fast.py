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
import threading
from collections.abc import Callable, Iterable, Sequence
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
    hashed,
    keys,
    weights,
)
from it_callbacks.reductions import side_by_side
from it_callbacks.rulers import (
    Exact,
    PairMerged,
    Ruler,
    Uniform,
    Width,
    as_states,
    real,
    wide_type,
)

# float32 holds every integer up to here, so sums below it are exact in any order of summation.
_EXACT_BELOW = 2**24
# Of a tile: few enough for the cache, many enough to hide the overhead of a call.
_CHUNK_ELEMENTS = 2**18
_TILE_UNITS = 2048
# Rows whose lengths are multiples of this get in each other's way in the caches; padded, the
# product of them takes two thirds of the time.
_ALIASED = 512
_PADDING = 16
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
        if type(ruler) in _READINGS:  # not of a subclass, which may read in another way
            return _in_tiles(activations, ruler)
    except ValueError:
        pass  # the spec refuses it too, and counts over all samples, not over those of a tile
    return Encoded(keys(ruler(activations)).cpu().numpy(), math.nan)


def _by_spec(activations: Tensor, ruler: Ruler) -> Encoded:
    """Few rows at a time."""
    step = max(1, _chunk_elements(activations.device) // max(_n_units(activations), 1))
    return _joined(
        [Encoded(keys(ruler(part)).cpu().numpy(), math.nan) for part in _parts(activations, step)]
    )


def _in_tiles(activations: Tensor, ruler: Ruler) -> Encoded:
    n_units, dtype, device = _n_units(activations), wide_type(activations.dtype), activations.device
    most, width = _chunk_elements(device), _tile_units(n_units, device)
    n_rows = max(1, most // max(width, 1))
    try:
        rows = activations if activations.ndim == 2 else activations.view(-1, n_units)
    except RuntimeError:  # as of channels that come last
        rows, n_rows = activations, max(1, min(n_rows, _COPIED_ELEMENTS // n_units))
    read = _READINGS[type(ruler)](ruler, dtype, device, n_units)
    columns = _columns(device, n_units)
    units_of_tiles = [slice(at, at + width) for at in range(0, n_units, max(width, 1))]
    tiles = [(units, columns[:, units]) for units in units_of_tiles]

    def of(block: Tensor) -> Encoded:
        try:
            return _keys_of(side_by_side(block) if block.ndim > 2 else block, tiles, read, dtype)
        except ValueError:  # what a mask has written, say, whose bins are too many to count
            return _by_spec(block, ruler)

    return _joined([of(block) for block in _parts(rows, n_rows)])


def _n_units(activations: Tensor) -> int:
    return math.prod(activations.shape[1:])


def _parts(activations: Tensor, n_rows: int) -> Iterable[Tensor]:
    parts: Iterable[Tensor] = torch.split(activations, n_rows) if len(activations) else ()
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


class _Scratch(threading.local):
    """One buffer per kind of tensor and thread: new memory costs as much as what is done in it."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[torch.device, torch.dtype], Tensor] = {}
        self._latest: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def like(self, tile: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Room for the states of a tile, in memory that the next call gives out, too.

        Returns:
            All of it, side by side in memory, with zeros at the ends of rows; and the room.
        """
        kind = (tile.device, dtype)
        latest = self._latest.get(kind)
        if latest is None or latest[1].shape != tile.shape:
            # One that is made in inference mode could not be written to outside of it.
            with torch.inference_mode(False):
                latest = self._latest[kind] = self._made(tile.shape[0], tile.shape[1], kind)
        return latest

    def _made(
        self, n_rows: int, n_units: int, kind: tuple[torch.device, torch.dtype]
    ) -> tuple[Tensor, Tensor]:
        width = n_units + (_PADDING if n_units % _ALIASED == 0 else 0)
        buffer = self._buffers.get(kind)
        if buffer is None or buffer.numel() < n_rows * width:
            buffer = torch.empty(n_rows * width, dtype=kind[1], device=kind[0])
            self._buffers[kind] = buffer
        padded = buffer[: n_rows * width].view(n_rows, width)
        padded[:, n_units:] = 0
        return padded, padded[:, :n_units]


_scratch = _Scratch()


# From activations to states, as the rulers' own `levels` make them.


class _Tile(NamedTuple):
    """Some rows of some units.

    Args:
        given: As they came.
        values: In the type that rulers compute in.
        states: Where the states go; `values` may lie there.
        padded: The same with zeros at the ends of rows, whose states are 0.
        units: Which units.
        is_narrow: Whether these are all units of rows so short that they may be packed.
    """

    given: Tensor
    values: Tensor
    states: Tensor
    padded: Tensor
    units: slice
    is_narrow: bool


_Read = Callable[[_Tile], "Reach"]


def _tile(rows: Tensor, units: slice, dtype: torch.dtype) -> _Tile:
    given = rows if units.stop - units.start >= rows.shape[1] else rows[:, units]
    padded, states = _scratch.like(given, dtype)
    values = given if given.dtype == dtype else states.copy_(given)
    return _Tile(given, values, states, padded, units, rows.shape[1] <= PACKED_UNITS)


def _uniform(ruler: Uniform, dtype: torch.dtype, device: torch.device, n_units: int) -> _Read:
    low, times = ruler.low, ruler.bins / (ruler.high - ruler.low)
    below, scale = _as_operands(low, times) if device.type == "cpu" else (low, times)
    top = ruler.bins - 1

    def read(tile: _Tile) -> Reach:
        torch.sub(tile.values, below, out=tile.states)
        reach = scanned(tile.padded.mul_(scale).floor_())
        if not reach.high > top:
            return reach
        # In the range the top edge is closed, also where rounding lifts a value onto it.
        values = tile.given.to(dtype)
        if values.amax() <= ruler.high:
            tile.states.clamp_max_(top)
            return Reach(reach.low, top)
        inside = values <= ruler.high
        tile.states.copy_(torch.where(inside, tile.states.clamp_max(top), tile.states))
        return reach

    return read


@lru_cache(maxsize=256)
def _as_operands(low: float, scale: float) -> tuple[Tensor, Tensor]:
    """The same numbers as torch takes them fastest on the host."""
    return (
        torch.tensor(low, dtype=torch.float64, device="cpu"),
        torch.tensor(scale, dtype=torch.float64, device="cpu"),
    )


def _width(ruler: Width, dtype: torch.dtype, device: torch.device, n_units: int) -> _Read:
    widths, origins = (
        torch.tensor(part, dtype=dtype, device=device) for part in (ruler.width, ruler.origin)
    )
    if widths.ndim and len(widths) != n_units:
        raise ValueError("width: there are not as many widths as units")
    if ruler.is_finer_than(dtype):
        raise ValueError("width: the type of the activations is too coarse for it")

    def read(tile: _Tile) -> Reach:
        shifted = tile.values
        if ruler.origin != 0.0:
            shifted = torch.sub(shifted, _of(origins, tile.units), out=tile.states)
        torch.div(shifted, _of(widths, tile.units), out=tile.states)
        return scanned(tile.padded.floor_())

    return read


def _of(numbers: Tensor, units: slice) -> Tensor:
    """One for all units, or those of some."""
    return numbers[units] if numbers.ndim else numbers


def _pair_merged(
    ruler: PairMerged, dtype: torch.dtype, device: torch.device, n_units: int
) -> _Read:
    if type(ruler.ruler) not in (Uniform, Width):
        raise ValueError("ruler: the spec merges its bins")
    inner = _READINGS[type(ruler.ruler)](ruler.ruler, dtype, device, n_units)

    def read(tile: _Tile) -> Reach:
        low, high = inner(tile)
        tile.padded.mul_(0.5).floor_()  # halves are exact, and whole numbers stay floats
        return Reach(float(np.floor(low / 2)), float(np.floor(high / 2)))

    return read


_READINGS: dict[type[Ruler], Callable[[Any, torch.dtype, torch.device, int], _Read]] = {
    Uniform: _uniform,
    Width: _width,
    PairMerged: _pair_merged,
}


class Reach(NamedTuple):
    """How far states reach.

    Args:
        low: None is smaller; NaN if one is NaN.
        high: None is larger; NaN if one is NaN.
    """

    low: float
    high: float

    @property
    def farthest(self) -> float:
        """None is larger in absolute value; NaN if one is NaN."""
        return -self.low if -self.low > self.high else self.high

    @property
    def is_packed(self) -> bool:
        """Whether narrow rows of such states are packed."""
        return self.low >= LOWEST_PACKED and self.high <= HIGHEST_PACKED

    @property
    def exact_units(self) -> int:
        """Of how many units a product of such states is exact; 0 if of none."""
        farthest = self.farthest
        if not farthest <= LARGEST_PLAIN_STATE:  # also where it is NaN
            return 0
        return int((_EXACT_BELOW - 1) // (LARGEST_WEIGHT * max(farthest, 1)))


def scanned(states: Tensor) -> Reach:
    """Return how far states, whole numbers of a type of float, reach: one scan tells."""
    low, high = torch.aminmax(states)
    if states.device.type != "cpu":
        low, high = torch.stack([low, high]).cpu()  # waited for once
    return Reach(low.item(), high.item())


# From states to keys.


def _keys_of(
    rows: Tensor, tiles: Sequence[tuple[slice, Tensor]], read: _Read, dtype: torch.dtype
) -> Encoded:
    """The keys of some rows, read tile by tile: units, and the weights of the hash."""
    found = [_keys_of_tile(_tile(rows, units, dtype), across, read) for units, across in tiles]
    if len(found) == 1:
        return found[0]
    # A row's keys are sums over its units, which wrap around.
    total = np.zeros((len(rows), 2), np.int64)
    for part in found:
        total += part.keys
    return Encoded(total, float(np.max([0.0, *(part.reach for part in found)])))


def _keys_of_tile(tile: _Tile, across: Tensor, read: _Read) -> Encoded:
    """What the units of a tile add to the keys of its rows."""
    reach = read(tile)
    states, exact_units = tile.states, reach.exact_units
    if tile.is_narrow:
        return Encoded(_keys_of_narrow(states, across, reach), reach.farthest)
    if exact_units:
        of_tile = _folded(_product(across, states, exact_units), FOLD)
    else:
        of_tile = hashed(as_states(states), tile.units.start).cpu().numpy()
    return Encoded(of_tile, reach.farthest)


def _keys_of_narrow(states: Tensor, across: Tensor, reach: Reach) -> NDArray[np.int64]:
    if reach.is_packed:
        return _packed(states)
    if not reach.exact_units:
        return keys(as_states(states)).cpu().numpy()
    out = _folded(_product(across, states, reach.exact_units), FOLD)
    fits = _fit(states.cpu().numpy())
    if fits.any():
        out[fits] = _packed(states[torch.from_numpy(fits).to(states.device)])
    return out


def _fit(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which narrow rows hold packed states only."""
    inside = (rows >= LOWEST_PACKED) & (rows <= HIGHEST_PACKED)
    # Along rows so short a product counts several times as fast as `all` finds out.
    count = inside.astype(np.float32) @ np.ones(rows.shape[1], np.float32)
    fits: NDArray[np.bool_] = count == rows.shape[1]
    return fits


def _packed(states: Tensor) -> NDArray[np.int64]:
    """Narrow rows as one number each, which is both keys."""
    places, fold = _places(states.device)
    n_units = states.shape[1]
    return _folded(_product(places[:, :n_units], states, exact_units=PACKED_UNITS), fold)


def _folded(columns: NDArray[np.floating[Any]], fold: NDArray[np.int64]) -> NDArray[np.int64]:
    """The keys ``(n_rows, 2)`` of sums ``(n_columns, n_rows)``."""
    # By NumPy, whose whole numbers multiply in any size and wrap around; a GPU's do not.
    keys_by_sample: NDArray[np.int64] = fold.T @ columns.astype(np.int64)
    return keys_by_sample.T


def _product(across: Tensor, states: Tensor, exact_units: int) -> NDArray[np.floating[Any]]:
    """States times the weights ``(n_columns, n_units)``, added up without rounding."""
    # What is written into a given tensor is left alone by autocast.
    columns = across.new_empty(across.shape[0], states.shape[0])
    if states.shape[1] <= exact_units:
        return torch.mm(across, states.float().T, out=columns).cpu().numpy()
    # Block by block, added up in float64: far below 2**53.
    total = torch.zeros_like(columns, dtype=torch.float64)
    for start in range(0, states.shape[1], exact_units):
        units = slice(start, start + exact_units)
        total += torch.mm(across[:, units], states[:, units].float().T, out=columns)
    return total.cpu().numpy()


def _columns(device: torch.device, n_units: int) -> Tensor:
    """The weights ``(8, n_units)`` of the hash."""
    if device.type != "cpu":
        return _columns_on(device, n_units)
    return torch.from_numpy(weights(n_units))


@lru_cache(maxsize=64)
def _columns_on(device: torch.device, n_units: int) -> Tensor:
    """The same, copied to a device once."""
    return torch.from_numpy(weights(n_units)).to(device)


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
