"""Tell which samples of a stream were there before, by their keys."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import keys


class Distinct:
    """The keys met so far, eight bytes each; ten million differ by a chance of one in 300 000.

    They lie in sorted runs, each at least twice as long as the next, so that a batch is looked up
    in few of them.

    Example:
        >>> met = Distinct()
        >>> met.first(np.array([3, 1, 3])).tolist(), met.first(np.array([2, 1])).tolist()
        ([True, True, False], [True, False])
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.int64]] = []

    def first(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of each number whether it is met for the first time; from now on all of them are."""
        unique, places = np.unique(numbers, return_index=True)
        is_new = ~self._has(unique)
        first = np.zeros(len(numbers), np.bool_)
        first[places[is_new]] = True
        self._add(unique[is_new])
        return first

    def meets(self, other: Distinct) -> bool:
        """Whether a key of the other one is among these."""
        return any(bool(self._has(run).any()) for run in other._runs)

    def __len__(self) -> int:
        return len(np.unique(np.concatenate(self._runs))) if self._runs else 0

    def merge(self, other: Distinct) -> None:
        """Take in the keys of another one."""
        for run in other._runs:
            self._add(run)

    def _has(self, unique: NDArray[np.int64]) -> NDArray[np.bool_]:
        found = np.zeros(len(unique), np.bool_)
        for run in self._runs:
            places = np.searchsorted(run, unique).clip(max=len(run) - 1)
            found |= run[places] == unique
        return found

    def _add(self, unique: NDArray[np.int64]) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(unique):
            unique = np.sort(np.concatenate([self._runs.pop(), unique]), kind="stable")
        if len(unique):
            self._runs.append(unique)


def sample_numbers(inputs: NDArray[np.int64], labels: Tensor) -> NDArray[np.int64]:
    """One number for each pair of an input and its label.

    Args:
        inputs: Keys ``(n, 2)`` of the inputs.
        labels: Class numbers ``(n,)``, or columns ``(n, n_labels)`` of 0 and 1.
    """
    columns = labels.cpu().long().reshape(len(labels), -1)
    pairs = keys(torch.cat([torch.from_numpy(inputs), columns], 1))
    numbers: NDArray[np.int64] = pairs[:, 0].numpy()
    return numbers
