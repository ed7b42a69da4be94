"""Bin many numbers per sample, each on its own, and read each one's bits about the labels.

The numbers are slices of a layer or its units. They have a few dozen states each, so all of them
are counted in one dense table at once.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.floating[Any]]
_Ints = NDArray[np.int64]

# The part of the values at each end that no range depends on.
_TAIL = 0.001
# Where the lowest value lies in its bin. Values that are evenly spaced would lie on edges of bins
# that start at one of them, and rounding would decide their states; an irrational start keeps off.
_START = math.sqrt(2) - 1
# States that a number has at most. Only a width far below what the number spreads by has more, and
# then the highest values share one.
_MOST_STATES = 1024
# Numbers counted at once, so that they stay in the processor's cache.
_CELLS = 2**16


class Read(NamedTuple):
    """What binned numbers hold, in bits, for each of them.

    Attributes:
        entropies: ``(n_numbers,)``.
        informations: ``(n_labellings, n_numbers)``, about the labels.
    """

    entropies: NDArray[np.float64]
    informations: NDArray[np.float64]


def middle(values: _Floats) -> tuple[_Floats, _Floats]:
    """Both ends of the middle 99.8 % of each row; of the whole row where those are one value.

    Args:
        values: ``(n_numbers, n_samples)``.

    Example:
        >>> low, high = middle(np.array([[*range(2001)], [7.0, *[0.0] * 2000]]))
        >>> low.tolist(), high.tolist()
        ([2.0, 0.0], [1998.0, 7.0])
    """
    last = values.shape[1] - 1
    cut = round(_TAIL * last)
    ordered = np.sort(values, axis=1)  # faster than np.partition at four places
    low, high = ordered[:, cut], ordered[:, last - cut]
    # Projections of equal samples may differ in their last digits.
    rounding = 64 * np.finfo(values.dtype).eps * np.maximum(np.abs(low), np.abs(high))
    varies = high - low > rounding
    return np.where(varies, low, ordered[:, 0]), np.where(varies, high, ordered[:, last])


def binned(values: _Floats, ends: tuple[_Floats, _Floats], widths: _Floats) -> _Ints:
    """The state of each value, from 0: a bin between both ends, or what lies beyond one of them.

    Args:
        values: ``(n_numbers, n_samples)``, finite.
        ends: Of each number, as by `middle`.
        widths: Of the bins of each number; 0 puts all of its values into one state.

    Example:
        >>> values = np.array([[0.0, 0.9, 2.0, 9.0]])
        >>> binned(values, (np.array([0.0]), np.array([2.0])), np.array([1.0])).tolist()
        [[1, 2, 3, 4]]
    """
    low, high = ends
    scale = 1 / np.where(widths > np.finfo(values.dtype).tiny, widths, np.inf)
    top = np.minimum(np.floor((high - low) * scale + _START) + 1, _MOST_STATES - 2)
    states = values - low[:, None]
    states *= scale[:, None]
    states += _START
    np.floor(states, out=states)
    np.clip(states, -1, top[:, None], out=states)
    states += 1
    return states.astype(np.int64)


def read(states: _Ints, labellings: _Ints) -> Read:
    """Entropy of each number's states, and their information about each of several labellings.

    Args:
        states: ``(n_numbers, n_samples)``, from 0.
        labellings: ``(n_labellings, n_samples)``, the same classes 0, 1, ... without gaps in
            different orders.

    Example:
        >>> found = read(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 1, 1], [0, 1, 0, 1]]))
        >>> found.entropies.tolist(), found.informations.tolist()
        ([1.0], [[1.0], [0.0]])
    """
    n_samples, n_states = states.shape[1], int(states.max()) + 1
    n_classes = int(labellings[0].max()) + 1
    n_at_once = max(1, _CELLS // max(n_samples, n_states * n_classes))
    blocks = [
        _read(states[start : start + n_at_once], labellings, n_states, n_classes)
        for start in range(0, len(states), n_at_once)
    ]
    return Read(
        np.concatenate([block.entropies for block in blocks]),
        np.concatenate([block.informations for block in blocks], axis=1),
    )


def _read(states: _Ints, labellings: _Ints, n_states: int, n_classes: int) -> Read:
    n_numbers, n_samples = states.shape
    shape = n_numbers, n_states, n_classes
    cells = np.arange(n_numbers)[:, None] * n_states + states
    cells *= n_classes
    surprise = _n_log_n(n_samples)
    joint = np.empty((len(labellings), n_numbers))
    for number, labels in enumerate(labellings):
        table = np.bincount((cells + labels).ravel(), minlength=math.prod(shape)).reshape(shape)
        joint[number] = surprise[table].reshape(n_numbers, -1).sum(axis=1)
    of_states = surprise[table.sum(axis=2)].sum(axis=1)  # the same for all labellings
    of_labels = surprise[np.bincount(labellings[0])].sum()
    return Read(
        (surprise[-1] - of_states) / n_samples,
        (surprise[-1] - of_states - of_labels + joint) / n_samples,
    )


def _n_log_n(n_samples: int) -> NDArray[np.float64]:
    """``n log2 n`` for counts 0, 1, ..., n_samples."""
    counts = np.arange(n_samples + 1, dtype=np.float64)
    counts[1:] *= np.log2(counts[1:])
    return counts


def shuffled(classes: _Ints, n_permutations: int, generator: np.random.Generator) -> _Ints:
    """The labels, and as many permutations of them: ``(1 + n_permutations, n_samples)``."""
    orders = [classes, *(generator.permutation(classes) for _ in range(n_permutations))]
    return np.stack(orders)


def are_too_few(classes: _Ints, bins: int) -> bool:
    """Whether there are fewer samples than cells of bin and class, which hold too little then.

    Example:
        >>> are_too_few(np.arange(300) % 10, 30), are_too_few(np.arange(300) % 11, 30)
        (False, True)
    """
    return bool(bins * (int(classes.max()) + 1) > len(classes))
