"""Read some rows of some units with one of the usual rulers, in memory that is used again.

The states are those that the rulers' own `levels` make, as floats. They lie in a room of the
thread's own, where a product takes them from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from it_callbacks.codes.spec import N_COLUMNS
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
        units: Which units.
    """

    given: Tensor
    values: Tensor
    room: Room
    units: slice


Read = Callable[[Tile], "Reach"]
"""Puts the states of a tile in its room."""


def tile_of(rows: Tensor, units: slice, dtype: torch.dtype) -> Tile:
    """Some units of rows ``(n_rows, n_units)``, widened to `dtype` where they are not of it."""
    given = rows if units.stop - units.start >= rows.shape[1] else rows[:, units]
    room = _scratch.like(given, dtype)
    return Tile(given, given if given.dtype == dtype else room.states.copy_(given), room, units)


def _uniform(ruler: Uniform, dtype: torch.dtype, device: torch.device, n_units: int) -> Read:
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
        reach = scanned(padded.floor_())
        if not reach.high > top:
            return reach
        # In the range the top edge is closed, also where rounding lifts a value onto it.
        values = tile.given.to(dtype)
        if values.amax() <= ruler.high:
            states.clamp_max_(top)
            return Reach(reach.low, top)
        states.masked_fill_((states > top) & (values <= ruler.high), top)
        return reach

    return read


@lru_cache(maxsize=256)
def _as_tensor(number: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """As torch takes a number fastest."""
    return torch.tensor(number, dtype=dtype, device=device)


def _width(ruler: Width, dtype: torch.dtype, device: torch.device, n_units: int) -> Read:
    widths = torch.tensor(ruler.width, dtype=dtype, device=device)
    origins = torch.tensor(ruler.origin, dtype=dtype, device=device)
    if widths.ndim and len(widths) != n_units:
        raise ValueError("width: there are not as many widths as units")
    if ruler.is_finer_than(dtype):
        raise ValueError("width: the type of the activations is too coarse for it")

    def read(tile: Tile) -> Reach:
        shifted, states = tile.values, tile.room.states
        if ruler.origin != 0.0:
            shifted = torch.sub(shifted, _of(origins, tile.units), out=states)
        torch.div(shifted, _of(widths, tile.units), out=states)
        return scanned(tile.room.padded.floor_())

    return read


def _of(numbers: Tensor, units: slice) -> Tensor:
    """One for all units, or those of some."""
    return numbers[units] if numbers.ndim else numbers


def _pair_merged(ruler: PairMerged, dtype: torch.dtype, device: torch.device, n_units: int) -> Read:
    if type(ruler.ruler) not in (Uniform, Width):
        raise ValueError("ruler: the spec merges its bins")
    inner = READINGS[type(ruler.ruler)](ruler.ruler, dtype, device, n_units)

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
    return Reach(float(np.floor(reach.low / 2)), float(np.floor(reach.high / 2)))


READINGS: dict[type[Ruler], Callable[[Any, torch.dtype, torch.device, int], Read]] = {
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


def scanned(states: Tensor) -> Reach:
    """Return how far states, whole numbers of a type of float, reach: one scan tells."""
    low, high = torch.aminmax(states)
    if states.device.type != "cpu":
        low, high = torch.stack([low, high]).cpu()  # waited for once
    return Reach(low.item(), high.item())
