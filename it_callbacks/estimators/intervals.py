"""Give the 95 % interval of an entropy or of mutual information, in bits, or its lower end alone.

Of one variable or of several, for each of which it is the same alone.

The rules are ours; `examples/reproduce/intervals.py` measures how often they hold the truth. Each
is asymmetric: what a sample has not seen can only add entropy. Where the samples say too little
of what is unseen, the upper end is NaN and the lower end stands alone: "at least".
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.counting import Contingency
from it_callbacks.estimators.counts import BITS_PER_NAT, Spectrum, occurrences
from it_callbacks.estimators.parts import Parts

Floats = NDArray[np.float64]

_Z_95 = 1.96
_LEAST_COVERAGE = 0.6
_GREATEST_CHANCE_SHARE = 0.25
# The unseen states may hold up to four times the entropy that Chao, Wang & Jost give them: that
# covers tails as heavy as Zipf-1.1.
_HEAVIER_TAIL = 3.0
# Nats that the unseen states may be wrong by for each state seen once, shared over those seen
# twice: a state seen twice is what tells how rare the unseen ones are.
_IGNORANCE = 20.0
# Nothing rare was seen: then up to 3/N of the mass may be rare (the rule of three).
_RULE_OF_THREE = 3.0
# Weights of the prior that a reader of the code starts from, in samples. The last one ignores the
# code, and so gives 0.
_PRIOR_WEIGHTS = np.array([0.25, 1, 4, 16, 64, 256, 1024, 1e6])[:, None]


class Intervals(NamedTuple):
    """Lower and upper ends in bits, ``(n_variables,)`` each.

    Args:
        low: At least so much; NaN for a single sample.
        high: At most so much; NaN where no interval is drawn.
    """

    low: Floats
    high: Floats


def of_entropy(counts: Spectrum, n_states: int | None = None) -> Intervals:
    """The interval of H.

    Around the value C of Chao, Wang & Jost (2013), of which u bits are for unseen states:

        low  = C - 1.96 s - q
        high = C + max(3 u + 1.96 s + q, 3 log2(N) / N)

    where s adds to the standard error what the jackknife misses, (m - 1) / 2N^2 nats^2 at even
    counts and the Poisson error of the states seen once and twice (f1, f2), and q is half a
    sample's worth, log2(N) / 2N. Drawn where coverage is at least .6 and the ignorance of the
    tail, 20 f1 / (N (f2 + 1)) nats, is below 1.96 standard errors. Elsewhere `low` is the
    plug-in value less 1.96 standard errors, which on average lies below the truth, entropy
    being concave in the distribution.

    Args:
        counts: Of the states.
        n_states: How many states are possible; None where that is not known.
    """
    seen, n_samples, standard_error = _seen(counts), counts.total, counts.standard_error
    error = _Z_95 * np.hypot(standard_error, seen.further_error)
    q = _half_a_sample(n_samples)
    low = counts.chao_wang_jost - error - q
    high = _HEAVIER_TAIL * seen.unseen + error + q
    high = counts.chao_wang_jost + np.maximum(high, _three(n_samples))
    if n_states is not None:
        high = np.minimum(high, math.log2(n_states))
    is_drawn = _is_drawn(counts, seen.ignorance, standard_error)
    return _where(is_drawn, low, high, n_samples, _at_least(counts.mle, standard_error))


def of_conditional_entropy(
    pairs: Spectrum, given: Spectrum, bits: Floats, standard_error: Floats
) -> Intervals:
    """The interval of H(X|Y) = H(X,Y) - H(Y): the rule of `of_entropy` on both parts at once.

    What is unseen of the pairs can add to the value, what is unseen of y can take away. The
    standard error is that of the difference; ignorance of both tails counts.

    Args:
        pairs: Counts of the pairs (x, y).
        given: Counts of y.
        bits: The plug-in value.
        standard_error: Of the plug-in value, by the jackknife.
    """
    both, y = _seen(pairs), _seen(given)
    n_samples = pairs.total
    value = pairs.chao_wang_jost - given.chao_wang_jost
    further = np.hypot(both.further_error, y.further_error)
    error = _Z_95 * np.hypot(standard_error, further)
    q = _half_a_sample(n_samples)
    low = value - _HEAVIER_TAIL * y.unseen - error - q
    high = value + np.maximum(_HEAVIER_TAIL * both.unseen + error + q, _three(n_samples))
    is_drawn = _is_drawn(pairs, both.ignorance + y.ignorance, standard_error)
    return _where(is_drawn, low, high, n_samples, _at_least(bits, standard_error))


def of_information(
    table: Contingency,
    bits: Floats,
    standard_error: Floats,
    chance_share: Floats,
    n_classes: int | None = None,
) -> Intervals:
    """The interval of I(X;Y), y being the labels.

    From V, what a reader of x who was not shown the sample's own label certainly gets, up to what
    the sample shows:

        low  = V - 1.96 max(s, se_V)
        high = bits + max(1.96 s, 3 log2(N) / N) + (K - 1) / 2N nats

    s adds to the standard error that of independence, sqrt(2 d) / 2N nats with
    d = min((m - 1)(K - 1), cells). Drawn up to a chance share of .25; elsewhere `low` stands alone.
    The upper end is at most log2 K, and at most the upper end of H(Y).

    Args:
        table: Of x (rows) and y (columns).
        bits: The plug-in value.
        standard_error: Of it, by the jackknife; NaN for a single sample.
        chance_share: Chance level over H(Y).
        n_classes: K, how many classes are possible; None for as many as were seen.
    """
    n_samples, m, columns = table.n_samples, table.row_parts.lengths, len(table.column_counts)
    k = columns if n_classes is None else n_classes
    if n_samples < 2:
        return Intervals(*np.full((2, len(m)), math.nan))
    freedom = np.minimum((m - 1) * (k - 1), table.cell_parts.lengths)
    error = np.hypot(standard_error, np.sqrt(2 * freedom) / (2 * n_samples) * BITS_PER_NAT)
    held_out, held_out_error = leave_one_out_information(table, k)
    low = held_out - _Z_95 * np.maximum(error, held_out_error)
    high = bits + np.maximum(_Z_95 * error, _three(n_samples))
    high += (k - 1) / (2 * n_samples) * BITS_PER_NAT
    if k > 1 or n_classes is not None:  # beside the only class seen there may be others
        n, states = table.columns.spectrum.n, table.columns.spectrum.states
        high = np.minimum(high, _most_of_labels(n.tobytes(), states.tobytes(), k))
    is_drawn = chance_share <= _GREATEST_CHANCE_SHARE
    return _where(is_drawn, low, high, n_samples, np.maximum(0.0, low))


def leave_one_out_information(table: Contingency, n_classes: int) -> tuple[Floats, Floats]:
    """What x certainly tells of y, in bits, and its standard error over the samples.

    The mean log score of a reader who predicts each label from the other samples of its x, mixed
    with the shares of the labels as if those were `a` samples more, over the label's share; of
    several `a` the best. A bound from below on average, as any predictor's log score is (Barber &
    Agakov 2003, The IM algorithm, eq. 3). Never above H(Y), about 0 or less where x tells nothing.

    Args:
        table: Of x (rows) and y (columns).
        n_classes: How many classes are possible.

    Example:
        >>> from it_callbacks.estimators.counting import contingency
        >>> table = contingency([0, 0, 1, 1] * 100, [0, 0, 1, 1] * 100)
        >>> bits, standard_error = leave_one_out_information(table, 2)
        >>> bits.round(3).tolist()  # of 1 bit
        [0.999]
    """
    n_samples, columns = table.n_samples, len(table.column_counts)
    share = (table.column_counts - 0.5) / (n_samples - 1 + n_classes / 2)
    surprise = np.log2(table.column_counts / n_samples)
    # Cells that are alike in label and count are one term, as are rows of one count.
    reach, of_cells = int(table.cell_counts.max()) + 1, table.cell_parts.of
    keys = (of_cells * reach + table.cell_counts) * columns + table.cell_columns
    alike, cells = occurrences(keys)
    alike, column = np.divmod(alike, columns)
    which, n = np.divmod(alike, reach)
    parts = Parts(which.searchsorted(np.arange(len(table.cell_parts))), len(which))
    rows = table.row_spectrum
    right = np.log2(n - 1 + _PRIOR_WEIGHTS * share[column]) - surprise[column]
    totals = parts.sums(right * (cells * n))
    totals -= rows.parts.sums(np.log2(rows.n - 1 + _PRIOR_WEIGHTS) * rows.samples)
    best = totals.argmax(axis=0)
    mean, weight = totals[best, np.arange(len(best))] / n_samples, _PRIOR_WEIGHTS[best, 0]
    bits = weight[of_cells] * share[table.cell_columns] + (table.cell_counts - 1)
    bits /= (table.row_counts + (weight - 1)[table.row_parts.of])[table.cell_rows]
    np.log2(bits, out=bits)
    bits -= surprise[table.cell_columns] + mean[of_cells]
    squares = table.cell_parts.sums(table.cell_counts * bits**2)
    return mean, np.sqrt(squares / n_samples / (n_samples - 1))


class _Seen(NamedTuple):
    """What counts of states tell of an entropy, in bits, beside its value."""

    unseen: Floats
    """The part of the value by Chao, Wang & Jost for states not seen."""
    further_error: Floats
    """Standard deviation that the jackknife misses."""
    ignorance: Floats
    """What the unseen states may be wrong by."""


def _seen(counts: Spectrum) -> _Seen:
    n_samples = counts.total.astype(np.float64)  # whose square may not fit 64 bits
    once, twice = counts.once, counts.twice
    even = (counts.n_states - 1) / (2 * n_samples**2)
    rare = (once / n_samples) ** 2 * (1 / np.maximum(once, 1) + 1 / (twice + 1))
    return _Seen(
        unseen=np.maximum(0.0, counts.chao_wang_jost - BITS_PER_NAT * counts.of_seen),
        further_error=BITS_PER_NAT * np.sqrt(even + rare),
        ignorance=BITS_PER_NAT * _IGNORANCE * once / (n_samples * (twice + 1)),
    )


def _is_drawn(counts: Spectrum, ignorance: Floats, standard_error: Floats) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = counts.coverage >= _LEAST_COVERAGE
    return found & (ignorance <= _Z_95 * standard_error)


def _at_least(bits: Floats, standard_error: Floats) -> Floats:
    return np.maximum(0.0, bits - _Z_95 * standard_error)


def _where(
    is_drawn: NDArray[np.bool_],
    low: Floats,
    high: Floats,
    n_samples: int | NDArray[np.int64],
    alone: Floats,
) -> Intervals:
    """The ends, not below 0, where an interval is drawn; elsewhere the lower end that is alone.

    Both ends are half a sample's worth apart where they would meet: what is known of the upper end
    may lie below a lower end that took nothing for granted.
    """
    low = np.maximum(0.0, np.where(low < high, low, high - _half_a_sample(n_samples)))
    return Intervals(np.where(is_drawn, low, alone), np.where(is_drawn, high, math.nan))


@lru_cache(maxsize=64)  # the same labels come with every layer
def _most_of_labels(n_in_bytes: bytes, states_in_bytes: bytes, n_classes: int) -> float:
    """What H(Y) can be at most, of so many classes."""
    n, states = (np.frombuffer(part, np.int64) for part in (n_in_bytes, states_in_bytes))
    known = float(of_entropy(Spectrum(n, states, Parts.one(len(n))), n_classes).high[0])
    return math.log2(n_classes) if math.isnan(known) else known


def _half_a_sample(n_samples: int | NDArray[np.int64]) -> Floats:
    return np.asarray(np.log2(n_samples) / (2 * n_samples))


def _three(n_samples: int | NDArray[np.int64]) -> Floats:
    return np.asarray(_RULE_OF_THREE * np.log2(n_samples) / n_samples)
