"""Read some rows of some units with one of the usual rulers, in memory that is used again.

The states are those that the rulers' own `levels` make, as floats. They lie in a room of the
thread's own, where a product takes them from. Without the kernel, small layers of one shape are
read at once, one after the other in the rows of one tile, each with its own ruler.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from it_callbacks.codes.spec import N_COLUMNS, Units
from it_callbacks.rulers import PairMerged, Ruler, Uniform, Width

# Rows whose lengths are multiples of this get in each other's way in the caches; padded, the
# product of them takes two thirds of the time.
_ALIASED = 512
_PADDING = 16


class Room(NamedTuple):
    """Memory for what becomes of a tile.

    Args:
        states: ``(n_rows, n_units)``.
        padded: The same with zeros at the ends of rows, side by side in memory.
        columns: What a product of them gives, ``(8, n_rows)`` float32.
    """

    states: Tensor
    padded: Tensor
    columns: Tensor


class _Scratch(threading.local):
    """One room per kind of tensor and thread: new memory costs as much as what is done in it."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[torch.device, torch.dtype], Tensor] = {}
        self._latest: dict[tuple[torch.device, torch.dtype], Room] = {}

    def like(self, tile: Tensor, dtype: torch.dtype) -> Room:
        """Room for a tile, in memory that the next call gives out, too."""
        kind = (tile.device, dtype)
        latest = self._latest.get(kind)
        if latest is None or latest.states.shape != tile.shape:
            # One that is made in inference mode could not be written to outside of it.
            with torch.inference_mode(False):
                latest = self._latest[kind] = self._made(tile.shape[0], tile.shape[1], *kind)
        return latest

    def _made(self, n_rows: int, n_units: int, device: torch.device, dtype: torch.dtype) -> Room:
        width = n_units + (_PADDING if n_units % _ALIASED == 0 else 0)
        buffer = self._buffers.get((device, dtype))
        if buffer is None or buffer.numel() < n_rows * width:
            buffer = torch.empty(n_rows * width, dtype=dtype, device=device)
            self._buffers[device, dtype] = buffer
        padded = buffer[: n_rows * width].view(n_rows, width)
        padded[:, n_units:] = 0
        columns = torch.empty(N_COLUMNS, n_rows, dtype=torch.float32, device=device)
        return Room(padded[:, :n_units], padded, columns)


_scratch = _Scratch()


class Tile(NamedTuple):
    """Some rows of some units.

    Args:
        given: As they came.
        values: In the type that rulers compute in.
        room: Where the states go; `values` may lie there.
        units: Which units, in the order of the columns.
        n_layers: Of how many layers the rows are, as many of each.
    """

    given: Tensor
    values: Tensor
    room: Room
    units: Units
    n_layers: int = 1

    def by_layer(self, rows: Tensor) -> Tensor:
        """What is given by row, ``(n_layers, n, n_units)``; as it is for one layer."""
        return rows if self.n_layers == 1 else rows.view(self.n_layers, -1, rows.shape[1])


Read = Callable[[Tile], "Reach"]
"""Puts the states of a tile in its room."""


def tile_of(rows: Tensor, columns: slice, dtype: torch.dtype, n_layers: int = 1) -> Tile:
    """Some columns of rows ``(n_rows, n_units)``, widened to `dtype` where they are not of it."""
    given = rows if columns.stop - columns.start >= rows.shape[1] else rows[:, columns]
    room = _scratch.like(given, dtype)
    values = given if given.dtype == dtype else room.states.copy_(given)
    return Tile(given, values, room, columns, n_layers)


def _uniform(
    rulers: Sequence[Uniform], dtype: torch.dtype, device: torch.device, n_units: int
) -> Read:
    ruler = rulers[0]  # all are equal
    low = _as_tensor(ruler.low, dtype, device)
    times = _as_tensor(ruler.bins / (ruler.high - ruler.low), dtype, device)
    top = ruler.bins - 1

    def read(tile: Tile) -> Reach:
        states, padded = tile.room.states, tile.room.padded
        if ruler.low == 0.0:
            torch.mul(tile.values, times, out=states)
        else:
            torch.sub(tile.values, low, out=states)
            padded.mul_(times)
        reach = scanned(padded.floor_(), tile.n_layers)
        if not reach.high > top:
            return reach
        # In the range the top edge is closed, also where rounding lifts a value onto it.
        values = tile.given.to(dtype)
        if values.amax() <= ruler.high:
            states.clamp_max_(top)
            return Reach(reach.lows, [min(high, float(top)) for high in reach.highs])
        states.masked_fill_((states > top) & (values <= ruler.high), top)
        return reach

    return read


@lru_cache(maxsize=256)
def _as_tensor(number: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """As torch takes a number fastest."""
    return torch.tensor(number, dtype=dtype, device=device)


def _width(rulers: Sequence[Width], dtype: torch.dtype, device: torch.device, n_units: int) -> Read:
    widths, origins = (
        _per_layer(numbers, dtype, device)
        for numbers in ([each.width for each in rulers], [each.origin for each in rulers])
    )
    if widths.ndim and widths.shape[-1] != n_units and widths.shape != (len(rulers), 1, 1):
        raise ValueError("width: there are not as many widths as units")
    if any(ruler.is_finer_than(dtype) for ruler in rulers):
        raise ValueError("width: the type of the activations is too coarse for it")
    are_shifted = any(ruler.origin != 0.0 for ruler in rulers)

    def read(tile: Tile) -> Reach:
        shifted, states = tile.by_layer(tile.values), tile.by_layer(tile.room.states)
        if are_shifted:
            shifted = torch.sub(shifted, _of(origins, tile.units), out=states)
        torch.div(shifted, _of(widths, tile.units), out=states)
        return scanned(tile.room.padded.floor_(), tile.n_layers)

    return read


def _per_layer(
    numbers: Sequence[float | Sequence[float]], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """One number for all units of a layer, or those of some, as what is given by layer has them."""
    if len(numbers) == 1:
        return torch.as_tensor(np.array(numbers[0]), dtype=dtype, device=device)
    if all(isinstance(number, float) for number in numbers):  # as most are
        return torch.tensor(numbers, dtype=dtype, device=device)[:, None, None]
    each = np.broadcast_arrays(*map(np.atleast_1d, numbers))
    return torch.from_numpy(np.stack(each)[:, None]).to(device, dtype)


def _of(numbers: Tensor, units: Units) -> Tensor:
    """One for all units, or those of some."""
    return numbers if not numbers.ndim or numbers.shape[-1] == 1 else numbers[..., units]


def _pair_merged(
    rulers: Sequence[PairMerged], dtype: torch.dtype, device: torch.device, n_units: int
) -> Read:
    (ruler,) = rulers
    if type(ruler.ruler) not in (Uniform, Width):
        raise ValueError("ruler: the spec merges its bins")
    inner = READINGS[type(ruler.ruler)]([ruler.ruler], dtype, device, n_units)

    def read(tile: Tile) -> Reach:
        return merge_pairs(tile, inner(tile))

    return read


def merge_pairs(tile: Tile, reach: Reach) -> Reach:
    """Put half of each state, rounded down, in its place.

    Args:
        tile: Its room has the states.
        reach: How far they reach.
    """
    tile.room.padded.mul_(0.5).floor_()  # halves are exact, and whole numbers stay floats
    return Reach([low // 2 for low in reach.lows], [high // 2 for high in reach.highs])


READINGS: dict[type[Ruler], Callable[[Sequence[Any], torch.dtype, torch.device, int], Read]] = {
    Uniform: _uniform,
    Width: _width,
    PairMerged: _pair_merged,
}


class Reach(NamedTuple):
    """How far the states of each layer reach; of only one, NaN if one of them is.

    Args:
        lows: None is smaller.
        highs: None is larger.
    """

    lows: list[float]
    highs: list[float]

    @property
    def low(self) -> float:
        """None of any layer is smaller."""
        return min(self.lows)

    @property
    def high(self) -> float:
        """None of any layer is larger."""
        return max(self.highs)

    @property
    def farthest(self) -> list[float]:
        """Of each layer, none is larger in absolute value."""
        return [max(-low, high) for low, high in zip(self.lows, self.highs, strict=True)]


def scanned(states: Tensor, n_layers: int = 1) -> Reach:
    """Return how far states, whole numbers of a type of float, reach.

    Args:
        states: ``(n_rows, n_units)``, side by side in memory.
        n_layers: Of how many layers the rows are.

    Raises:
        ValueError: One of several layers has NaN.
    """
    if n_layers == 1:
        low, high = torch.aminmax(states)
        if not states.is_cpu:
            low, high = torch.stack([low, high]).cpu()  # waited for once
        return Reach([low.item()], [high.item()])
    by_layer = states.view(n_layers, -1)
    if states.is_cpu:  # NumPy scans several times as fast along an axis
        lows, highs = by_layer.numpy().min(axis=1), by_layer.numpy().max(axis=1)
    else:
        lows, highs = torch.stack(torch.aminmax(by_layer, dim=1)).cpu().numpy()
    if np.isnan(lows).any():
        raise ValueError("activations: some are NaN")
    return Reach(lows.tolist(), highs.tolist())
