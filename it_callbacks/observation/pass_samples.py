"""Which samples a pass over a set takes in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.input_keys import input_keys
from it_callbacks.observation.labels import Targets, agreed_shift
from it_callbacks.observation.observed import Observed
from it_callbacks.observation.positions import MOST_POSITIONS, Grid
from it_callbacks.observation.sampling import Admission, Subset, hashed
from it_callbacks.reductions import MeanPool, Reduction

MOST_KEPT_ROWS = 2048
"""Rows of activations kept for estimators that need them: their cost grows with the square."""


class PassSamples:
    """Which samples a pass has taken in: their indices, labels and inputs.

    Args:
        max_samples: Beyond this many, a seeded random subset; None takes all.
        seed: Seed of the subsets.
        keep: Whether some rows are kept for estimators that need activations.
        hash_inputs: Whether to tell the inputs apart.
    """

    def __init__(
        self, max_samples: int | None, seed: int, *, keep: bool, hash_inputs: bool
    ) -> None:
        self.keeps = keep
        self.grid = Grid(0)
        """How the samples lie in the tensors of this batch."""
        self.n_admitted = 0
        self.row_keys: NDArray[np.int64] | None = None
        """Keys of the inputs of the batch's rows, where they are told apart."""
        self.to_keep: Tensor | None = None
        """Positions of the rows to keep, among those admitted of this batch."""
        self.admission = Admission(max_samples, seed)
        self._kept_subset = Subset(min(MOST_KEPT_ROWS, max_samples or MOST_KEPT_ROWS), seed)
        self.by_position = False
        self.is_shifted: bool | None = None
        self.tells_apart = hash_inputs
        """Whether inputs are told apart."""
        self._rows: Tensor | None = None
        self._mask: Tensor | None = None
        self._columns: dict[str, list[NDArray[np.int64]]] = {
            name: [np.zeros(0, np.int64)] for name in ("indices", "kept_indices")
        }
        self.targets: list[Targets] = []
        self._inputs: list[NDArray[np.int64]] = []

    def begin(self, batch: Batch) -> NDArray[np.int64]:
        """Take in the samples of a batch; returns their positions in it."""
        admitted = self.admission.admit(batch)
        self.grid, self._mask = batch.grid, batch.mask
        self.by_position |= bool(batch.grid.axes)
        self.is_shifted = agreed_shift(self.is_shifted, batch.labels)
        self.n_admitted += len(admitted.indices)
        is_whole = admitted.is_whole and not batch.grid.axes
        self._rows = None if is_whole else torch.from_numpy(admitted.positions)
        self._columns["indices"].append(admitted.indices)
        self.targets.append(Targets.of(batch.labels, admitted.positions))
        if self.keeps:
            one_each = _one_of_each_row(admitted.indices, batch.grid, self.admission.subset.seed)
            keep = one_each[self._kept_subset.admit(admitted.indices[one_each])]
            self.to_keep = torch.from_numpy(keep)
            self._columns["kept_indices"].append(admitted.indices[keep])
        if self.tells_apart:
            self._tell_apart(batch, admitted.positions)
        return admitted.positions

    def admitted_of(self, rows: Tensor, units_axis: int) -> Tensor:
        """Those of the batch's rows that were admitted; or their units at admitted positions."""
        if self._rows is None:
            return rows
        if self.grid.axes:
            return self.grid.rows_at(rows, units_axis, self._rows)
        return rows.index_select(0, self._rows.to(rows.device))

    def without_padding(self, rows: Tensor, reduction: Reduction) -> Tensor:
        """Means over the steps that are no padding, where means are wanted and that is known."""
        mask = self._mask
        if mask is None or self.grid.axes or not isinstance(reduction, MeanPool):
            return rows
        return reduction.over(rows, mask if self._rows is None else mask[self._rows])

    def columns(self) -> dict[str, NDArray[np.int64]]:
        """Indices of all samples, and of the kept rows, as `Observed` names them."""
        return {name: np.concatenate(parts) for name, parts in self._columns.items()}

    def inputs(self) -> NDArray[np.int64] | None:
        """Keys ``(n_samples, 2)`` of their inputs; None if they were not told apart."""
        return np.concatenate(self._inputs) if self._inputs else None

    def chosen(self, parts: Sequence[Observed]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the final subsets, of samples and of kept rows, among all processes'."""
        samples = np.concatenate([part.indices for part in parts])
        kept = np.concatenate([part.kept_indices for part in parts])
        return self.admission.subset.chosen(samples), self._kept_subset.chosen(kept)

    def _tell_apart(self, batch: Batch, samples: NDArray[np.int64]) -> None:
        self.row_keys = batch.row_keys
        if self.row_keys is None:
            self.tells_apart = False
            self._inputs.clear()
        else:
            self._inputs.append(input_keys(self.row_keys, self.grid, samples))


def _one_of_each_row(indices: NDArray[np.int64], grid: Grid, seed: int) -> NDArray[np.int64]:
    """Which samples to offer to estimators that split samples into folds: one of each row.

    Positions of one row depend on each other, and must not lie in several folds.
    """
    if not grid.axes:
        return np.arange(len(indices))
    rows = indices // MOST_POSITIONS
    order = np.lexsort((hashed(indices, seed), rows))
    return np.sort(order[np.unique(rows[order], return_index=True)[1]])
