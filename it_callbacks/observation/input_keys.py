"""Tell inputs apart by exact keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import encode_keys, keys
from it_callbacks.observation.positions import Grid
from it_callbacks.rulers import Exact


def input_keys(inputs: Any, grid: Grid, samples: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Keys ``(n, 2)`` of the exact inputs; None where they cannot be told apart.

    Inputs may be a tensor, or a mapping or sequence of tensors with one row each per row of the
    batch. The input of a position is the whole row, and the position in it.

    Args:
        inputs: What the model takes.
        grid: How the samples lie in it.
        samples: Which samples of the batch, ``(n,)``.
    """
    of_rows = _row_keys(inputs, grid.n_rows)
    if of_rows is None:
        return None
    if not grid.axes:
        return of_rows.cpu().numpy()[samples]
    row, position = grid.row_and_position(torch.from_numpy(samples))
    return keys(torch.cat([of_rows.cpu()[row], position[:, None]], 1)).numpy()


def _row_keys(inputs: Any, n_samples: int) -> Tensor | None:
    if isinstance(inputs, Tensor):
        parts = [inputs]
    elif isinstance(inputs, Mapping):
        parts = list(inputs.values())
    elif isinstance(inputs, Sequence) and not isinstance(inputs, str):
        parts = list(inputs)
    else:
        return None
    if not parts or not all(_has_rows(part, n_samples) for part in parts):
        return None
    of_parts = [
        encode_keys(part, Exact()) if part.is_floating_point() else keys(part) for part in parts
    ]
    return of_parts[0] if len(of_parts) == 1 else keys(torch.cat(of_parts, 1))


def _has_rows(part: Any, n_samples: int) -> bool:
    return (
        isinstance(part, Tensor)
        and part.layout == torch.strided
        and not part.is_complex()
        and part.ndim > 0
        and len(part) == n_samples
        and bool(torch.isfinite(part).all())
    )
