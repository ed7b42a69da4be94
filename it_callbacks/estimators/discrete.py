"""Estimate entropy and mutual information of discrete samples, in bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from it_callbacks.estimators.counting import Contingency, as_symbols, contingency
from it_callbacks.estimators.counting import counts as count
from it_callbacks.estimators.counts import Estimator, mle
from it_callbacks.estimators.estimate import (
    Estimate,
    conditional_entropy_estimate,
    entropy_estimate,
    mutual_information_estimate,
)


def entropy(
    codes: ArrayLike, *, estimator: Estimator = mle, n_states: int | None = None
) -> Estimate:
    """Entropy H(X) in bits of a discrete sample: how evenly its states are used.

    In [0, log2 n_samples] by `mle`. Of a deterministic layer's symbols over distinct inputs it
    is also I(X; bin T). A single sample is legal: 0 bits, coverage 0, no error known. What never
    varies has 0 bits by every estimator.

    Args:
        codes: symbols `(n_samples,)`, or keys `(n_samples, 2)` (see `counting.contingency`);
            a list, a NumPy array or a torch tensor of integers.
        estimator: counts -> bits.
        n_states: how many states are possible; None where that is not known. The interval then
            ends at log2 of it.

    Raises:
        ValueError: no samples, a wrong shape, or `n_states` below the number of states seen.
        TypeError: codes that are not integers.

    Example:
        >>> entropy([0, 0, 1, 2]).bits
        1.5
    """
    return entropy_estimate(count(as_symbols(codes, "codes")), estimator, n_states=n_states)


def conditional_entropy(
    codes: ArrayLike, given: ArrayLike, *, estimator: Estimator = mle
) -> Estimate:
    """Conditional entropy H(X|Y) in bits: what remains uncertain about the codes given y.

    ``H(X,Y) - H(Y)``, in [0, H(X)] by `mle`; the mean over the states y of H(X|Y=y) (Cover &
    Thomas 2006, eqs. 2.10 and 2.14). Its coverage and states are those of the pairs (x, y).

    Args:
        codes: symbols `(n_samples,)` or keys `(n_samples, 2)`.
        given: the same, as long as codes.
        estimator: counts -> bits, used on both entropies, but for one that never varies.

    Raises:
        ValueError: no samples, a wrong shape, or unequal lengths.
        TypeError: symbols that are not integers.

    Example:
        >>> conditional_entropy([0, 1, 2, 2], given=[0, 0, 1, 1]).bits  # 1 bit in half the cases
        0.5
    """
    table = contingency(codes, given, names=("codes", "given"))
    return conditional_entropy_estimate(table, estimator)


def mutual_information(
    x: ArrayLike, y: ArrayLike, *, estimator: Estimator = mle, n_classes: int | None = None
) -> Estimate:
    """Mutual information I(X;Y) in bits, with the level that chance would show.

    ``H(X) + H(Y) - H(X,Y)`` (Cover & Thomas 2006, eq. 2.45), in [0, min(H(X), H(Y))] by `mle`;
    other estimators may leave that range, and are not clipped. `bits` is symmetric; the chance
    share compares with H(Y), and coverage is that of x: give the layer as x, the labels as y.
    Where y never varies, I, chance, adjusted value and chance share are all 0.

    Args:
        x: symbols `(n_samples,)` or keys `(n_samples, 2)`.
        y: the same, as long as x.
        estimator: counts -> bits, used on all three entropies, but for one that never varies.
        n_classes: how many states of y are possible; None for as many as were seen. Only the
            interval depends on it.

    Raises:
        ValueError: no samples, a wrong shape, unequal lengths, or `n_classes` below the number
            of states of y seen.
        TypeError: symbols that are not integers.

    Example:
        >>> mutual_information([0, 1, 2, 3], [0, 0, 1, 1]).bits
        1.0
        >>> mutual_information([0, 1, 2, 3], [0, 0, 1, 1]).status.name  # so would any labelling
        'SATURATED'
    """
    return mutual_information_estimate(contingency(x, y), estimator, n_classes=n_classes)


def class_entropies(table: Contingency) -> dict[int, float]:
    """Entropy H(X|Y=c) in bits (`mle`) for each class c seen: the spread of x inside the class.

    Args:
        table: of x (rows) and classes y (columns).

    Returns:
        Class symbol -> bits, in increasing order of the class.

    Example:
        >>> class_entropies(contingency([0, 1, 5, 5], [3, 3, 8, 8]))
        {3: 1.0, 8: 0.0}
    """
    within = np.bincount(
        table.cell_columns,
        weights=table.cell_counts * np.log2(table.cell_counts),
        minlength=len(table.column_counts),
    )
    bits = np.log2(table.column_counts) - within / table.column_counts
    bits[np.bincount(table.cell_columns) == 1] = 0.0  # one state: no rounding left over
    return dict(zip(table.column_symbols.tolist(), bits.tolist(), strict=True))
