"""Samples that belong together: positions of one row, or samples with equal inputs.

They depend on each other, so they share a fold, and a standard error counts them as one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def folds_of(
    classes: NDArray[np.int64], groups: NDArray[np.int64], folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A fold for each sample: every class is spread evenly over the folds, no group over two.

    Args:
        classes: Class numbers 0, 1, ... ``(n_samples,)``.
        groups: Group numbers 0, 1, ... without gaps, ``(n_samples,)``.
        folds: How many.
        rng: Deals them.
    """
    n_groups = int(groups.max(initial=-1)) + 1
    first = np.zeros(n_groups, np.int64)
    first[groups[::-1]] = np.arange(len(groups))[::-1]  # the class of a group's first sample
    shuffled = rng.permutation(n_groups)
    by_class = shuffled[np.argsort(classes[first[shuffled]], kind="stable")]
    fold_of = np.empty(n_groups, np.int64)
    fold_of[by_class] = np.arange(n_groups) % folds
    return fold_of[groups]


def standard_error_of_mean(values: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Standard error of a mean over samples, clustered by group.

    Example:
        Two groups that are alike inside know as much as two samples:

        >>> round(standard_error_of_mean(np.array([0.0, 0, 1, 1]), np.array([0, 0, 1, 1])), 3)
        0.5
    """
    sums = np.bincount(groups, values - values.mean())
    n_groups = len(sums)
    if n_groups < 2:
        return math.nan
    return math.sqrt(n_groups / (n_groups - 1) * float(np.square(sums).sum())) / len(values)
