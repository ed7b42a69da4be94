"""Turn values into those that a checkpoint loads with ``weights_only=True``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import torch
from torch import Tensor


def plain(value: Any) -> Any:
    """`value` as None, bool, int, float, str, dict, list, tuple and tensors, and nothing else.

    Enums become their values, NumPy's scalars Python's, arrays tensors, and subclasses of plain
    types these types.

    Raises:
        TypeError: It holds something else.

    Example:
        >>> plain({"seed": np.int64(3), "of": [np.str_("val")]})
        {'seed': 3, 'of': ['val']}
    """
    if value is None or type(value) in (bool, int, float, str, Tensor):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Tensor):
        return value.detach().as_subclass(Tensor)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = map(plain, value)
        return tuple(parts) if isinstance(value, tuple) else list(parts)
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")
