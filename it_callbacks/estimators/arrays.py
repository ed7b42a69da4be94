"""Turn lists, NumPy arrays and torch tensors alike into NumPy arrays, without importing torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(values: Any) -> NDArray[Any]:
    """`values` as a NumPy array; a tensor may be on any device, and loses its gradient.

    Example:
        >>> as_array([0.5, 1.5])
        array([0.5, 1.5])
    """
    if hasattr(values, "detach"):  # a torch tensor, recognised by its methods
        tensor = values.detach().cpu()
        # NumPy has no bfloat16.
        return np.asarray(tensor.double() if tensor.is_floating_point() else tensor)
    return np.asarray(values)
