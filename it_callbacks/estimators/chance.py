"""Compute the mutual information that chance alone would show, in bits.

With few samples per state, labels dealt at random look informative. How informative is known
exactly: it depends on the counts of the two marginals only.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

from it_callbacks.checks import whole
from it_callbacks.estimators.counting import contingency
from it_callbacks.estimators.counts import BITS_PER_NAT, Spectrum, spectrum
from it_callbacks.estimators.parts import Parts

# Terms handled at once; beyond it memory, not speed, is what grows.
_BLOCK = 1 << 18
# A cell count is farther than sqrt(_TAIL * min(a, b)) from its mean with a probability below
# 2 exp(-2 _TAIL) < 1e-24, with or without replacement (Hoeffding 1963, sections 2 and 6): such
# terms are below the rounding of the others, and with large counts they are most of all terms.
_TAIL = 28.0
# To draw how many of a label there are takes as long as to shuffle some hundred samples.
_FEW_LABELS = 7


def expected_mutual_information(x: ArrayLike, y: ArrayLike) -> float:
    """Mean of `mle` mutual information, in bits, over all permutations of y against x.

    Exact, by the hypergeometric law of each cell: Vinh, Epps & Bailey (2010), Information
    theoretic measures for clusterings comparison, JMLR 11. In [0, min(H(X), H(Y))]; symmetric.

    Args:
        x: symbols `(n_samples,)` or keys `(n_samples, 2)`.
        y: the same, as long as x.

    Raises:
        ValueError: no samples, a wrong shape, or unequal lengths.
        TypeError: symbols that are not integers.

    Example:
        >>> expected_mutual_information([0, 1, 2, 3], [0, 0, 1, 1])  # all distinct: always H(Y)
        1.0
    """
    table = contingency(x, y)
    return expected_from_marginals(table.row_counts, table.column_counts)


def expected_from_marginals(row_counts: ArrayLike, column_counts: ArrayLike) -> float:
    """`expected_mutual_information` of two sequences of which only the counts are known."""
    return float(expected_of_each(spectrum(row_counts), spectrum(column_counts))[0])


def expected_of_each(rows: Spectrum, columns: Spectrum) -> NDArray[np.float64]:
    """`expected_from_marginals` of several x against the same y, in bits, `(n_x,)`.

    Args:
        rows: Of each x.
        columns: Of y; what it adds to a row is remembered, so it should be what stays the same.
    """
    total = int(columns.total[0])
    if columns.most[0] == total:
        return np.zeros(len(rows.parts))  # y never varies
    if columns.most[0] == 1:
        return rows.mle  # all samples distinct: every labelling is read in full
    of_row = _rows_beside(columns.n.tobytes(), columns.states.tobytes())
    bits = BITS_PER_NAT * rows.parts.sums(rows.states * of_row.nats(rows.n))
    bits[rows.most == 1] = columns.mle[0]
    bits[rows.most == total] = 0.0
    return np.asarray(bits)


def permutation_p_value(
    x: ArrayLike, y: ArrayLike, *, permutations: int = 199, seed: int = 0
) -> float:
    """Probability that chance alone shows at least the mutual information found, in (0, 1].

    ``(1 + #{I of permuted y >= I}) / (1 + permutations)``, which never exceeds its nominal level
    (Phipson & Smyth 2010). Its smallest value is ``1 / (1 + permutations)``.

    Args:
        x: symbols `(n_samples,)` or keys `(n_samples, 2)`.
        y: the same, as long as x.
        permutations: how many random ones to draw, at least 1 (19 for a test at 5 %).
        seed: of a generator of its own; no global random state is touched.

    Raises:
        ValueError: `permutations` below 1, no samples, a wrong shape, or unequal lengths.
        TypeError: symbols that are not integers.

    Example:
        >>> permutation_p_value([0, 0, 1, 1] * 10, [0, 0, 1, 1] * 10)
        0.005
    """
    permutations = whole("permutations", permutations, at_least=1)
    table = contingency(x, y)
    columns = table.cell_columns.repeat(table.cell_counts)
    # The marginals stay, so I is largest where sum(n ln n) over the cells is, and there a state
    # seen once adds ln 1, whatever its label.
    repeated = table.row_counts > 1
    row_of = np.arange(repeated.sum()).repeat(table.row_counts[repeated])
    if not len(row_of):
        return 1.0  # no state was seen twice: every labelling is read in full
    n_labels, n_repeated = len(table.column_counts), len(row_of)
    row_of *= n_labels
    n_cells = int(repeated.sum()) * n_labels
    n_ln_n = xlogy(np.arange(table.n_samples + 1), np.arange(table.n_samples + 1))
    seen = _cell_sum(table.cell_counts, n_ln_n)
    # Different tables may tie, and add up to sums that differ by rounding; a tie is a hit.
    reached = seen - 1e-12 * max(1.0, seen)
    generator = np.random.default_rng(seed)
    hits = 0
    for _ in range(permutations):
        if n_labels <= table.n_samples >> _FEW_LABELS:
            # How many of each label fall to states seen twice or more: only those are shuffled.
            left = generator.multivariate_hypergeometric(table.column_counts, n_repeated)
            cells = np.arange(n_labels).repeat(left)
            generator.shuffle(cells)
        else:
            cells = generator.permutation(columns)[:n_repeated]
        cells += row_of
        if n_cells <= 8 * table.n_samples:  # few enough to have a bin each, most of them empty
            cell_counts = np.bincount(cells)
        else:
            cells.sort()
            cell_counts = np.diff(np.flatnonzero(np.diff(cells, prepend=-1)), append=len(cells))
        hits += _cell_sum(cell_counts, n_ln_n) >= reached
    return (1 + int(hits)) / (1 + permutations)


def chance_share(chance: float, label_entropy: float) -> float:
    """Chance level over label entropy, ``EMI / H(Y)``, in [0, 1]; 0 where H(Y) is 0.

    At 1 there are so many states of x that they would determine any labels of these samples.

    Example:
        >>> chance_share(0.25, 1.0)
        0.25
    """
    return min(1.0, chance / label_entropy) if label_entropy > 0 else 0.0


class _Rows:
    """What a row of so many samples adds to the expected information beside given columns.

    Nothing else of a row matters, and the same labels come with every layer and every epoch.

    Args:
        counts: The distinct counts of the columns.
        columns: How many columns have each.
    """

    def __init__(self, counts: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
        self._total, self._counts, self._columns = int(counts @ columns), counts, columns
        self._nats = np.empty(0)
        """By row count; NaN where nobody has asked yet."""

    def nats(self, row_counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """That of each row, from its count."""
        known = self._nats
        if (most := int(row_counts.max())) >= len(known):
            known = np.pad(known, (0, most + 1 - len(known)), constant_values=np.nan)
        found = known[row_counts]
        if np.isnan(found).any():
            missing = np.unique(row_counts[np.isnan(found)])
            known[missing] = self._worked_out(missing)
            found = known[row_counts]
        self._nats = known
        return found

    def _worked_out(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        # Columns of one count have equal expectations: one term for each pair of distinct counts,
        # of which there are at most sqrt(2 N) on each side.
        a, b = np.repeat(rows, len(self._counts)), np.tile(self._counts, len(rows))
        low, high = np.maximum(1, a + b - self._total), np.minimum(a, b)
        mean, reach = a * (b / self._total), np.sqrt(_TAIL * np.minimum(a, b))
        low = np.maximum(low, np.floor(mean - reach).astype(np.int64))
        high = np.minimum(high, np.ceil(mean + reach).astype(np.int64))
        ends = np.cumsum(high - low + 1)
        nats, first = np.empty(len(a)), 0
        while first < len(a):
            done = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + _BLOCK, side="right")))
            block = slice(first, last)
            nats[block] = _expected_nats(self._total, a[block], b[block], low[block], high[block])
            first = last
        by_row = nats.reshape(len(rows), -1) * self._columns
        return np.asarray(by_row.sum(axis=1))


@lru_cache(maxsize=16)
def _rows_beside(counts_in_bytes: bytes, columns_in_bytes: bytes) -> _Rows:
    """The `_Rows` of these columns, as a run has them again and again."""
    return _Rows(*(np.frombuffer(of, np.int64) for of in (counts_in_bytes, columns_in_bytes)))


def _expected_nats(
    total: int,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> NDArray[np.float64]:
    """For pairs of marginals, the sum over their possible cell counts n of p(n) (n/N) ln(Nn/ab)."""
    lengths = high - low + 1
    parts = Parts(np.cumsum(lengths) - lengths, int(lengths.sum()))
    pair = parts.of
    n = np.arange(parts.n) - (parts.firsts - low)[pair]
    log_factorial = _log_factorials(total)
    fixed = (
        log_factorial[a]
        + log_factorial[b]
        + log_factorial[total - a]
        + log_factorial[total - b]
        - log_factorial[total]
    )
    a_pair, b_pair = a[pair], b[pair]
    log_probability = (
        fixed[pair]
        - log_factorial[n]
        - log_factorial[a_pair - n]
        - log_factorial[b_pair - n]
        - log_factorial[total - a_pair - b_pair + n]
    )
    product = a.astype(np.float64) * b
    gain = (n / total) * np.log(n * (total / product[pair]))
    return parts.sums(np.exp(log_probability) * gain)


@lru_cache(maxsize=4)
def _log_factorials(total: int) -> NDArray[np.float64]:
    """``ln 0!, ..., ln total!``; a run asks for the same few N at every epoch."""
    table: NDArray[np.float64] = gammaln(np.arange(total + 1) + 1.0)
    table.flags.writeable = False
    return table


def _cell_sum(cell_counts: NDArray[np.int64], n_ln_n: NDArray[np.float64]) -> float:
    """``sum(n ln n)`` by way of the counts of counts."""
    states = np.bincount(cell_counts)
    return float(states @ n_ln_n[: len(states)])
