"""Encode a tile in one pass, by a compiled kernel, where the extra ``fast`` brings numba.

Each number is read once: its state is made and added to both keys of its row, in whole numbers that
wrap around as those of the spec do. Without numba, `it_callbacks.codes.fast` takes several passes
and gives the same keys. The kernel is compiled when it is first needed, and kept on disk.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from it_callbacks.codes import spec
from it_callbacks.codes.tiles import Tile
from it_callbacks.rulers import Ruler, Uniform, Width

Scale = tuple[Any, ...]
"""How numbers become states, in their type: what the kernel calls `reading`."""
_TYPES = {torch.float32: np.float32, torch.float64: np.float64}


class Sums(NamedTuple):
    """What a tile adds to the keys of its rows.

    Args:
        keys: ``(n_rows, 2)``.
        farthest: No state is larger in absolute value.
    """

    keys: NDArray[np.int64]
    farthest: float


def scale_of(ruler: Ruler, dtype: torch.dtype, device: torch.device) -> Scale | None:
    """How the kernel reads with a ruler; None where there is no kernel, or not for this ruler."""
    number = _TYPES.get(dtype)
    if number is None or device.type != "cpu" or kernel() is None:
        return None
    if type(ruler) is Uniform:
        scale = number(ruler.bins / (ruler.high - ruler.low))
        return number(ruler.low), scale, False, number(ruler.bins - 1), number(ruler.high)
    if type(ruler) is not Width or ruler.is_finer_than(dtype):
        return None
    if not isinstance(ruler.width, float) or not isinstance(ruler.origin, float):
        return None
    return number(ruler.origin), number(ruler.width), True, number(np.inf), number(-np.inf)


def sums_of(tile: Tile, scale: Scale, *, merged: bool = False) -> Sums | None:
    """Encode a tile; None where a state is NaN or does not fit 64 bits.

    Args:
        tile: Rows of more than 10 units.
        scale: How its numbers become states.
        merged: Whether neighbouring bins are one.
    """
    encode, rows = kernel(), tile.values.detach()
    if encode is None:
        return None
    if rows.stride(1) != 1:
        rows = tile.room.states.copy_(rows)
    n_rows, n_units = rows.shape
    step = rows.stride(0)
    # The kernel is told where rows begin: a compiler makes more of numbers that lie side by side.
    numbers = rows.as_strided(((n_rows - 1) * step + n_units,), (1,)).numpy()
    keys = _room(n_rows)
    farthest = encode(numbers, step, scale, int(merged), *spec.folded(tile.units), keys)
    return Sums(keys, farthest) if farthest >= 0 else None


def _room(n_rows: int) -> NDArray[np.int64]:
    return np.empty((n_rows, 2), np.int64)


@lru_cache(maxsize=1)
def kernel() -> Callable[..., float] | None:
    """The kernel; None where numba is not installed or fails, of which a warning tells."""
    if find_spec("numba") is None:
        return None
    try:
        from it_callbacks.codes.kernel import encode

        compiled: Callable[..., float] = encode
        if isinstance(compiled, FunctionType):  # numba is told to compile nothing
            return None
        one = np.ones(1, np.float32)
        compiled(one, 1, (*one, *one, True, *one, *one), 0, *np.ones((2, 1), np.int64), _room(1))
    except Exception as error:  # it does not fit the NumPy that is installed, say
        warnings.warn(
            f"numba cannot be used, so layers are read more slowly: {error}", stacklevel=2
        )
        return None
    return compiled
