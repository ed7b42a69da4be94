"""The kernel of `it_callbacks.sketches`: one pass over samples. Needs numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_AT_ONCE = 4  # samples that a block of signs is read for, as their sums stay in the fastest cache


@njit(cache=True, nogil=True, error_model="numpy")
def add_up(numbers: Any, signs: Any, sums: Any) -> None:  # pragma: no cover  # compiled
    """Add up the numbers of each sample, block after block, each with its sign.

    Args:
        numbers: Of all samples, one after the other.
        signs: Of the numbers of a sample.
        sums: ``(n_samples, n_sums)``, for the sums.
    """
    (n_samples, n_sums), n_units = sums.shape, len(signs)
    for first in range(0, n_samples, _AT_ONCE):
        of_few = np.zeros((min(_AT_ONCE, n_samples - first), n_sums), sums.dtype)
        for start in range(0, n_units, n_sums):
            of_block = signs[start : start + n_sums]
            for sample in range(len(of_few)):
                begin, of_sample = (first + sample) * n_units + start, of_few[sample]
                block = numbers[begin : begin + len(of_block)]
                for place in range(len(of_block)):
                    of_sample[place] += block[place] * of_block[place]
        for sample in range(len(of_few)):  # a slice would be compiled for seconds
            for place in range(n_sums):
                sums[first + sample, place] = of_few[sample, place]
