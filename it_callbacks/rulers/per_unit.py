"""Numbers of a ruler: one for all units, or one for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from typing_extensions import override

from it_callbacks.checks import finite

_MOST_SHOWN = 8


class PerUnit(Sequence[float]):
    """One number for each unit, in the order of a flattened sample. Like a tuple, of 8 bytes each.

    Args:
        numbers: ``(n_units,)``.

    Raises:
        ValueError: They have another shape.

    Example:
        >>> PerUnit([0.5, 1.0]), PerUnit([0.5, 1.0])[1]
        ((0.5, 1.0), 1.0)
    """

    def __init__(self, numbers: ArrayLike) -> None:
        self._numbers = np.array(numbers, np.float64)
        if self._numbers.ndim != 1:
            raise ValueError(f"numbers: need (n_units,), got the shape {self._numbers.shape}")
        self._numbers.setflags(write=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is None:  # which NumPy does not know before version 2
            return np.asarray(self._numbers, dtype)
        return np.array(self._numbers, dtype, copy=copy)

    @override
    def __getitem__(self, unit: Any) -> Any:
        return self._numbers[unit].tolist()

    @override
    def __len__(self) -> int:
        return len(self._numbers)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (PerUnit, tuple)):
            return NotImplemented
        return np.array_equal(self, other)

    @override
    def __hash__(self) -> int:
        return hash(tuple(self))

    @override
    def __repr__(self) -> str:
        if len(self) <= _MOST_SHOWN:
            return repr(tuple(self))
        low, high = self._numbers.min(), self._numbers.max()
        return f"<{len(self)}, one per unit, {low:.4g} to {high:.4g}>"


def finite_numbers(name: str, numbers: Any, *, above: float = -math.inf) -> float | PerUnit:
    """`numbers` as one float, or as one for each unit where they are a sequence or an array.

    Raises:
        TypeError: One is no number.
        ValueError: One is not finite, or not larger than `above`; or there are none.
    """
    if isinstance(numbers, (np.ndarray, Tensor)):
        numbers = numbers.tolist()
    if isinstance(numbers, str) or not isinstance(numbers, Sequence):
        return finite(name, numbers, above=above)
    if not len(numbers):
        raise ValueError(f"{name}: need a number for each unit, got none")
    if isinstance(numbers, PerUnit):
        of_all = np.asarray(numbers)
        if (np.isfinite(of_all) & (of_all > above)).all():
            return numbers
    return PerUnit(
        [finite(f"{name}[{unit}]", one, above=above) for unit, one in enumerate(numbers)]
    )
