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


def row_keys(inputs: Any, n_rows: int) -> NDArray[np.int64] | None:
    """Keys ``(n_rows, 2)`` of the exact inputs of rows; None where they cannot be told apart.

    Inputs may be a tensor, or a mapping or sequence of tensors with one row each per row of the
    batch.

    Args:
        inputs: What the model takes.
        n_rows: Rows of the batch.
    """
    if isinstance(inputs, Tensor):
        parts = [inputs]
    elif isinstance(inputs, Mapping):
        parts = list(inputs.values())
    elif isinstance(inputs, Sequence) and not isinstance(inputs, str):
        parts = list(inputs)
    else:
        return None
    if not parts or not all(_has_rows(part, n_rows) for part in parts):
        return None
    of_parts = [
        # Rows that are not finite are left out of most layers; they may not hide the others.
        encode_keys(part.nan_to_num(), Exact()) if part.is_floating_point() else keys(part)
        for part in parts
    ]
    of_rows = of_parts[0] if len(of_parts) == 1 else keys(torch.cat(of_parts, 1))
    return of_rows.cpu().numpy()


def input_keys(
    of_rows: NDArray[np.int64], grid: Grid, samples: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Keys ``(n, 2)`` of the inputs of samples; that of a position is its row, and its place.

    Args:
        of_rows: Keys of the inputs of rows.
        grid: How the samples lie in the batch.
        samples: Which of them, ``(n,)``.
    """
    if not grid.axes:
        return of_rows[samples]
    row, position = grid.row_and_position(torch.from_numpy(samples))
    return keys(torch.cat([torch.from_numpy(of_rows)[row], position[:, None]], 1)).numpy()


def _has_rows(part: Any, n_rows: int) -> bool:
    return (
        isinstance(part, Tensor)
        and part.layout == torch.strided
        and not part.is_complex()
        and part.ndim > 0
        and len(part) == n_rows
    )
