"""Compute the label information that predictions show by chance alone, in bits.

Predictions that know nothing of the labels still share information with them in any finite set:
with 100 classes and 300 samples, most of the labels' entropy. How much is the mean over all ways
to deal the same labels to the same predictions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.special import digamma

from it_callbacks.estimators.chance import chance_share, expected_from_marginals
from it_callbacks.estimators.estimate import ADJUSTABLE_CHANCE, status
from it_callbacks.records import Status

MOST_NUMBERS = 4_000_000
"""Samples times classes up to which predictions are kept, to be permuted."""
PERMUTATIONS = 4
"""Their scatter is far below the chance level wherever that is large enough to matter."""
_MOST_REMEMBERED = 2**15
"""Samples whose permutations are kept: a megabyte of them."""
_COPIED_NUMBERS = 2**19
"""Predictions of which a 64-bit copy is made at a time."""
_MOST_TERMS = 2e8
"""Terms of the exact sum over a table of counts that take about three seconds."""

Floats = NDArray[np.float64]


class LabelChance(NamedTuple):
    """What chance alone shows of label information.

    Args:
        hard: Of the predicted classes.
        soft: Of classes drawn from the predictions.
        label_entropy: H(Y) of the same samples.
        is_permuted: Whether `soft` comes from permutations, or else from their mean and variance.
    """

    hard: float
    soft: float
    label_entropy: float
    is_permuted: bool

    @property
    def status(self) -> Status:
        """How far both informations can be trusted, by the larger chance share.

        Example:
            >>> LabelChance(0.2, 0.01, 1.0, True).status.name
            'CAUTION'
        """
        found = status(1.0, chance_share(max(self.hard, self.soft), self.label_entropy))
        return found if self.is_permuted else max(found, Status.CAUTION)


def adjusted(information: float, chance: float, label_entropy: float) -> float:
    """Information on a scale where chance is 0 and H(Y) stays H(Y).

    ``H(Y) (I - chance) / (H(Y) - chance)`` (Vinh, Epps & Bailey 2010). NaN
    where chance is above .9 of H(Y); 0 where there is one class.

    Example:
        >>> adjusted(0.75, 0.5, 1.0)
        0.5
    """
    if label_entropy == 0:
        return 0.0
    if chance > ADJUSTABLE_CHANCE * label_entropy:
        return math.nan
    return label_entropy * (information - chance) / (label_entropy - chance)


def hard_chance(class_counts: ArrayLike, predicted_counts: ArrayLike) -> float:
    """Mean of I(Y;argmax) over all permutations of the labels, from the margins of the table.

    Exact (Vinh, Epps & Bailey 2010) up to so many distinct counts that the sum would take seconds;
    there cells are large, and `chance_by_moments` is close.

    Args:
        class_counts: Samples in each class, ``(n_classes,)``.
        predicted_counts: Samples predicted as each class, ``(n_classes,)``.

    Example:
        >>> hard_chance([1, 1], [1, 1])  # two samples, two guesses: always "informative"
        1.0
    """
    rows = np.asarray(class_counts, np.int64)
    columns = np.asarray(predicted_counts, np.int64)
    n = rows.sum()
    # At most so many terms; where that is too many, only distinct counts are looked at.
    if 10 * math.sqrt(n) * rows.size * columns.size <= _MOST_TERMS:
        return expected_from_marginals(rows, columns)
    of_rows, of_columns = np.unique(rows), np.unique(columns)
    reach = np.sqrt(np.minimum.outer(of_rows, of_columns)).sum() * 10
    if reach <= _MOST_TERMS:
        return expected_from_marginals(rows, columns)
    share = columns / n
    return float(chance_by_moments(rows, share, share * (1 - share)))


def soft_chance(predictions: NDArray[np.float32], class_counts: ArrayLike) -> float:
    """Mean of I(Y;Ŷ) over `PERMUTATIONS` seeded permutations of the predictions.

    It depends on which predictions and which labels there are, not on their order.

    Args:
        predictions: Distributions over classes, ``(n_samples, n_classes)``.
        class_counts: Samples in each class, ``(n_classes,)``; they sum to ``n_samples``.

    Example:
        >>> round(soft_chance(np.eye(2, dtype=np.float32), [1, 1]), 6)
        1.0
    """
    counts = np.asarray(class_counts, np.int64)
    counts = counts[counts > 0]
    n = len(predictions)
    sums = _dealt_sums(predictions, counts)
    expected = counts[:, None] * (sums.sum(1, keepdims=True) / n)
    ratio = np.divide(sums, expected, out=np.ones_like(sums), where=sums > 0)
    nats = (sums * np.log(ratio)).sum((1, 2)) / n
    return float(np.maximum(nats / math.log(2), 0.0).mean())


def _dealt_sums(predictions: NDArray[np.float32], counts: NDArray[np.int64]) -> Floats:
    """Sums of the predictions dealt to each class, ``(PERMUTATIONS, n_classes, n_predicted)``."""
    n, n_predicted = predictions.shape
    order = _order(predictions).astype(np.int32)
    dealt = np.concatenate([order.take(deal) for deal in _deals(n)])
    ends = np.cumsum(np.tile(counts, PERMUTATIONS))
    # A row of ones for each class of each deal: its product copies no predictions in their order.
    deals = csr_array((np.ones(len(dealt)), dealt, [0, *ends]), shape=(len(ends), n))
    width = max(1, _COPIED_NUMBERS // n)
    parts = [
        deals @ predictions[:, start : start + width].astype(np.float64)
        for start in range(0, n_predicted, width)
    ]
    sums: Floats = np.hstack(parts).reshape(PERMUTATIONS, len(counts), n_predicted)
    return sums


def soft_chance_of_columns(probabilities: NDArray[np.float32], present: ArrayLike) -> Floats:
    """The same of several labels: one column is one prediction of two classes.

    Args:
        probabilities: That each label is present, ``(n_samples, n_labels)``.
        present: Samples in which each label is present, ``(n_labels,)``.

    Returns:
        Bits of each column, ``(n_labels,)``.

    Example:
        >>> soft_chance_of_columns(np.array([[0.0], [1.0]], np.float32), [1]).round(6).tolist()
        [1.0]
    """
    n, counts = len(probabilities), np.asarray(present, np.int64)
    orders = _deals(n)
    bits = np.zeros(len(counts))
    for column, count in enumerate(counts.tolist()):
        values = np.sort(probabilities[:, column]).astype(np.float64)
        total = values.sum()
        inside = np.array([values[order[:count]].sum() for order in orders])
        bits[column] = np.mean(_information_of_two(n, count, total, inside))
    return bits


def chance_by_moments(class_counts: ArrayLike, means: ArrayLike, variances: ArrayLike) -> Floats:
    """Mean of I(Y;Ŷ) over permutations, from the mean and the variance of the predictions.

    The summed prediction S of class k over the samples of a class has a known mean m and variance v
    under permutation (sampling without replacement). With the gamma law of these two moments,
    ``E[S ln S] = m (digamma(m**2 / v + 1) + ln(v / m))``. Near where sums are of many samples; too
    low where most cells of a table hold no sample or one.

    Args:
        class_counts: Samples in each class, ``(n_classes, ...)``.
        means: Of the predictions of each class, ``(n_predicted, ...)``.
        variances: The same, with divisor n.

    Returns:
        Bits, of the shape of what follows the first axis of both.

    Example:
        >>> float(chance_by_moments([50, 50], [0.5, 0.5], [0.0, 0.0]))  # all predictions are equal
        0.0
        >>> round(float(chance_by_moments([50, 50], [0.5, 0.5], [0.25, 0.25])), 3)
        0.007
    """
    counts = np.asarray(class_counts, np.float64)[:, None]
    n = counts.sum(0, keepdims=True)
    mean = counts * np.asarray(means, np.float64)[None]
    spread = np.asarray(variances, np.float64)[None]
    variance = spread * counts * (n - counts) / np.maximum(n - 1, 1)
    varies = (mean > 0) & (variance > 0)
    shape = np.divide(mean**2, variance, out=np.ones_like(mean), where=varies)
    nats = np.where(varies, mean * (digamma(shape + 1) - np.log(shape)), 0.0) / n
    bits: Floats = nats.sum((0, 1)) / math.log(2)
    return bits


def _information_of_two(n: int, count: int, total: float, inside: Floats) -> Floats:
    """I(Y_k;Ŷ_k) of `count` present labels with summed probabilities `inside`, of `total`."""
    if count in (0, n):
        return np.zeros_like(inside)
    in_both = np.array([inside / count, (total - inside) / (n - count)])
    share = np.array([count / n, 1 - count / n])
    bits: Floats = _binary(np.asarray(total / n)) - share @ _binary(in_both)
    return np.maximum(bits, 0.0)


def _binary(share: Floats) -> Floats:
    p = np.clip(np.stack([share, 1 - share]), 0.0, 1.0)
    logs = np.log2(p, out=np.zeros_like(p), where=p > 0)
    bits: Floats = -(p * logs).sum(0)
    return bits


def _order(predictions: NDArray[np.float32]) -> NDArray[np.int64]:
    """An order of rows that depends on their content alone: nearly equal ones may change places.

    So the last digit of a prediction, which differs with the size of a batch, changes next to
    nothing.
    """
    # Not a product of matrices, whose rounding depends on where a row stands.
    return np.argsort((predictions * _factors(predictions.shape[1])).sum(1))


@lru_cache(maxsize=4)
def _factors(n_columns: int) -> Floats:
    return np.random.default_rng(0).standard_normal(n_columns)


def _deals(n: int) -> Sequence[NDArray[np.int64]]:
    """The seeded permutations of n samples; a run asks for the same few n at every epoch."""
    return _remembered_deals(n) if n <= _MOST_REMEMBERED else _drawn_deals(n)


def _drawn_deals(n: int) -> Sequence[NDArray[np.int64]]:
    generator = np.random.default_rng(0)
    return tuple(generator.permutation(n) for _ in range(PERMUTATIONS))


_remembered_deals = lru_cache(maxsize=4)(_drawn_deals)
