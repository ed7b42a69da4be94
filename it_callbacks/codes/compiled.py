"""Encode rows in one pass, by a compiled kernel, where the extra ``fast`` brings numba.

Each number is read once: its state is made and added to both keys of its row, in whole numbers that
wrap around as those of the spec do. Without numba, `it_callbacks.codes.fast` takes several passes
and gives the same keys. The kernel is compiled when it is first needed, and kept on disk.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import spec
from it_callbacks.compiling import Kernel, loaded
from it_callbacks.rulers import Ruler, Uniform, Width

Scale = tuple[Any, ...]
"""How numbers become states, in their type: what the kernel calls `reading`."""
_TYPES = {torch.float32: np.float32, torch.float64: np.float64}


class Sums(NamedTuple):
    """What some units add to the keys of rows.

    Args:
        keys: ``(n_rows, 2)``.
        farthest: No state is larger in absolute value.
    """

    keys: NDArray[np.int64]
    farthest: float


def is_at_hand(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether there is a kernel for numbers of this type on this device."""
    return dtype in _TYPES and device.type == "cpu" and kernel() is not None


def scale_of(ruler: Ruler, n_units: int, dtype: torch.dtype, device: torch.device) -> Scale | None:
    """How the kernel reads with a ruler; None where there is no kernel, or not for this ruler.

    Args:
        ruler: It is ready to use.
        n_units: Of a row.
        dtype: Of the numbers.
        device: Where they are.
    """
    if not is_at_hand(dtype, device):
        return None
    number = _TYPES[dtype]
    if type(ruler) is Uniform:
        one = np.array([ruler.low, ruler.bins / (ruler.high - ruler.low)], number)
        return one[:1], one[1:], False, number(ruler.bins - 1), number(ruler.high)
    if type(ruler) is not Width or ruler.is_finer_than(dtype):
        return None
    if not isinstance(ruler.width, float) and len(ruler.width) != n_units:
        return None  # the spec says why
    with np.errstate(over="ignore"):  # then all is in bin 0, or the spec says why not
        origins, scales = (
            np.atleast_1d(np.array(part, number)) for part in (ruler.origin, ruler.width)
        )
    if len(origins) < len(scales):
        origins = np.full_like(scales, origins[0])
    return origins, scales, True, number(np.inf), number(-np.inf)


def sums_of(
    rows: Tensor, units: spec.Units, scale: Scale, *, packs: bool, also_merged: bool = False
) -> list[Sums] | None:
    """Encode rows; None where a state is NaN or does not fit 64 bits.

    Args:
        rows: At least one ``(n_rows, n_units)``, in the type of `scale`; the numbers of each lie
            side by side.
        units: Which units of a row the columns are.
        scale: How numbers become states.
        packs: Whether these are all units of a row, so few that it is packed where it fits.
        also_merged: Whether to encode them with neighbouring bins as one, too.
    """
    encode, (n_rows, n_units), step = kernel(), rows.shape, rows.stride(0)
    if encode is None:
        return None
    # The kernel is told where rows begin: a compiler makes more of numbers that lie side by side.
    numbers = rows.detach().as_strided(((n_rows - 1) * step + n_units,), (1,)).numpy()
    keys, farthest = _room(1 + also_merged, n_rows)
    if len(scale[1]) > 1:
        scale = scale[0][units], scale[1][units], *scale[2:]
    are_numbers = encode(numbers, step, scale, packs, *spec.folded(units), keys, farthest)
    return list(map(Sums, keys, farthest.tolist())) if are_numbers else None


def _room(n_readings: int, n_rows: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return np.zeros((n_readings, n_rows, 2), np.int64), np.zeros(n_readings)


@lru_cache(maxsize=1)
def kernel() -> Kernel | None:
    """The kernel; None where there is none."""

    def load() -> Kernel:
        from it_callbacks.codes.kernel import encode

        kernel: Kernel = encode
        one, weights = np.ones(1, np.float32), np.ones((2, 1), np.int64)
        kernel(one, 1, (one, one, True, *one, *one), True, *weights, *_room(1, 1))
        return kernel

    return loaded(load)
