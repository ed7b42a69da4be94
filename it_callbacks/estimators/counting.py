"""Count how often each state, and each pair of states, occurs among symbols.

A symbol is one integer per sample. Sorting is all that is needed, so counting costs
O(N log N) and never builds a dense table, however many states there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from it_callbacks.estimators.arrays import as_array
from it_callbacks.estimators.counts import Spectrum, tallied

Counts = NDArray[np.int64]

_SHORT = 4096
"""Up to so many symbols, one sort by comparison takes less than three by counting."""


@dataclass(frozen=True, eq=False)
class Symbols:
    """The symbols of samples, put in states once somebody asks, and then once for all.

    Labels meet every layer, and a layer's symbols are asked for in its table and for its verdict.

    Attributes:
        values: `(n_samples,)`, or `(n_samples, 2)` where the second keys add something.
    """

    values: NDArray[np.int64]

    @classmethod
    def of(cls, values: ArrayLike | Symbols, name: str) -> Symbols:
        """Symbols as they are, or any that `as_symbols` takes; errors call them `name`."""
        return values if isinstance(values, Symbols) else cls(_lean(as_symbols(values, name)))

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def numbered(self) -> tuple[NDArray[np.int64], Counts, NDArray[np.int64]]:
        """The state of each sample as 0, 1, ..., the samples in each state, the symbol of each."""
        return number(self.values)

    @property
    def counts(self) -> Counts:
        """Samples in each state."""
        return self.numbered[1]

    @cached_property
    def spectrum(self) -> Spectrum:
        """The counts of counts."""
        return tallied(self.counts)


@dataclass(frozen=True, eq=False)
class Contingency:
    """How often each state of x met each state of y: the occupied cells of their table.

    States are numbered in increasing order of their symbol; cells are in row-major order.

    Attributes:
        n_samples: N, the sum of each of the three arrays of counts.
        columns: the symbols of y.
        row_counts: `(n_rows,)`, samples in each state of x.
        cell_counts: `(n_cells,)`, samples in each occupied cell.
        cell_rows: `(n_cells,)`, the state of x of each cell, an index into `row_counts`.
        cell_columns: `(n_cells,)`, the state of y of each cell, an index into `column_counts`.
    """

    n_samples: int
    columns: Symbols
    row_counts: Counts
    cell_counts: Counts
    cell_rows: Counts
    cell_columns: Counts

    @property
    def column_counts(self) -> Counts:
        """`(n_columns,)`, samples in each state of y."""
        return self.columns.counts

    @property
    def column_symbols(self) -> Counts:
        """`(n_columns,)`, the symbol (of two keys: the first) of each state of y."""
        return self.columns.numbered[2]

    @cached_property
    def row_spectrum(self) -> Spectrum:
        """The counts of counts of x."""
        return tallied(self.row_counts)

    @cached_property
    def cell_spectrum(self) -> Spectrum:
        """The counts of counts of the pairs."""
        return tallied(self.cell_counts)


def counts(symbols: ArrayLike) -> Counts:
    """Samples in each state, in increasing order of the symbol.

    Args:
        symbols: integers `(n_samples,)`, or `(n_samples, 2)` as for `contingency`.

    Returns:
        int64 `(n_states,)`, each at least 1; they sum to `n_samples`.

    Raises:
        ValueError: no samples, or a shape other than the two above.
        TypeError: symbols that are not integers.

    Example:
        >>> counts([7, 3, 7, 7]).tolist()
        [1, 3]
    """
    values = _lean(as_symbols(symbols, "symbols"))
    if values.ndim == 1:
        return _run_lengths(_run_starts(np.sort(values)))
    return _run_lengths(_group(values)[1])


def contingency(
    x: ArrayLike | Symbols, y: ArrayLike | Symbols, *, names: tuple[str, str] = ("x", "y")
) -> Contingency:
    """The sparse contingency table of two sequences of symbols.

    Args:
        x: integers `(n_samples,)`, or int64 keys `(n_samples, 2)`: the first column is the
            symbol, the second an independent key of the same row. Two rows are one state where
            both keys agree, so a collision of the first keys alone takes time, and changes nothing.
            `Symbols` that meet several others are put in states only once.
        y: the same, as long as x.
        names: what errors call the two arguments.

    Raises:
        ValueError: no samples, a shape other than the two above, or unequal lengths.
        TypeError: symbols that are not integers.

    Example:
        >>> table = contingency([5, 5, 8], [0, 1, 1])
        >>> table.row_counts.tolist(), table.column_counts.tolist(), table.cell_counts.tolist()
        ([2, 1], [1, 2], [1, 1, 1])
    """
    rows, columns = Symbols.of(x, names[0]), Symbols.of(y, names[1])
    n_samples = len(rows)
    if n_samples != len(columns):
        raise ValueError(
            f"{names[0]} has {n_samples} samples but {names[1]} has {len(columns)}; "
            "each sample needs one symbol of both"
        )
    column_of, column_counts, _ = columns.numbered
    n_columns = len(column_counts)
    if rows.values.ndim == 1 and _fit_beside(rows.values, n_columns):
        return _by_pairs(rows.values, columns)
    row_of, row_counts, _ = rows.numbered
    if len(row_counts) == n_samples:
        # Every sample is a state of its own, as in any wide layer: the cells are the samples.
        cell_columns = np.empty(n_samples, np.int64)
        cell_columns[row_of] = column_of
        return Contingency(
            n_samples, columns, row_counts, row_counts, np.arange(n_samples), cell_columns
        )
    # Pairs as one integer: at most N * N, far from overflow for any N that fits in memory.
    pairs = row_of * n_columns
    pairs += column_of
    pairs.sort()
    cell_starts = _run_starts(pairs)
    cells = pairs[cell_starts]
    cell_rows = cells // n_columns
    cell_columns = cells - cell_rows * n_columns
    return Contingency(
        n_samples, columns, row_counts, _run_lengths(cell_starts), cell_rows, cell_columns
    )


def _fit_beside(symbols: NDArray[np.int64], n_columns: int) -> bool:
    """Whether a symbol and a column fit one 64-bit number."""
    return (int(symbols.max()) - int(symbols.min()) + 1) * n_columns < 2**63


def _by_pairs(rows: NDArray[np.int64], columns: Symbols) -> Contingency:
    """`contingency` of symbols that `_fit_beside` a column: one sort is enough."""
    n_columns = len(columns.counts)
    pairs = (rows - rows.min()) * n_columns
    pairs += columns.numbered[0]
    pairs.sort()
    first_of_cells = np.flatnonzero(_run_starts(pairs))
    cells = pairs[first_of_cells]
    row_symbols = cells // n_columns
    row_starts = _run_starts(row_symbols)
    return Contingency(
        len(rows),
        columns,
        _between(first_of_cells[row_starts], len(rows)),
        _between(first_of_cells, len(rows)),
        np.cumsum(row_starts) - 1,
        cells - row_symbols * n_columns,
    )


def as_symbols(values: Any, name: str) -> NDArray[np.int64]:
    """Symbols as an int64 array `(n_samples,)` or `(n_samples, 2)`, checked.

    Lists, arrays and torch tensors (on any device) are accepted; errors call them `name`.
    """
    array = as_array(values)
    if array.size == 0:
        raise ValueError(f"{name} is empty; at least one sample is needed")
    if array.dtype.kind not in "iub":
        dtype = getattr(values, "dtype", array.dtype)
        nan = " with NaN" if array.dtype.kind in "fc" and np.isnan(array).any() else ""
        raise TypeError(
            f"{name} has dtype {dtype}{nan}; symbols are integers, one per sample (a ruler makes "
            "them of activations, numpy.unique(..., return_inverse=True)[1] of any labels)"
        )
    if array.ndim != 1 and not (array.ndim == 2 and array.shape[1] == 2):
        raise ValueError(
            f"{name} has shape {array.shape}; expected one symbol per sample, (n_samples,), or "
            "two keys, (n_samples, 2) (codes.symbols makes one symbol of a row of states)"
        )
    symbols: NDArray[np.int64] = array.astype(np.int64, copy=False)
    return symbols


def _lean(symbols: NDArray[np.int64]) -> NDArray[np.int64]:
    """`symbols` without second keys that add nothing: those of packed rows."""
    if symbols.ndim == 1 or symbols[0, 0] != symbols[0, 1]:
        return symbols
    first, second = symbols.T
    return first if np.array_equal(first, second) else symbols


def _group(symbols: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """An order in which equal samples are neighbours, and where in it each state starts."""
    if symbols.ndim == 1:
        order = _order(symbols)
        return order, _run_starts(symbols[order])
    first, second = symbols[:, 0], symbols[:, 1]
    order = _order(first)
    starts = _run_starts(first[order])
    second_starts = _run_starts(second[order])
    if (second_starts & ~starts).any():  # one first key, two second keys: a collision
        order = np.lexsort((second, first))
        starts = _run_starts(first[order]) | _run_starts(second[order])
    return order, starts


def _order(symbols: NDArray[np.int64]) -> NDArray[np.intp]:
    """The order of increasing symbols.

    Of their 48 highest bits, 16 at a time, which NumPy sorts by counting, twice as fast as it
    compares; two different symbols are hardly ever alike in those.
    """
    if len(symbols) <= _SHORT:
        return np.argsort(symbols)
    above = (symbols - symbols.min()).view(np.uint64)  # wraps around to the right difference
    n_bits = int(above.max()).bit_length()
    n_digits = min(3, -(-n_bits // 16))
    n_ignored = max(0, n_bits - 48)
    order = np.arange(len(symbols))
    for digit in range(n_digits):
        part = (above >> np.uint64(n_ignored + 16 * digit)).astype(np.uint16)
        order = order[np.argsort(part[order], kind="stable")]
    ordered = symbols[order]
    if n_ignored and (ordered[1:] < ordered[:-1]).any():
        return np.argsort(symbols)
    return order


def number(
    symbols: NDArray[np.int64],
) -> tuple[NDArray[np.int64], Counts, NDArray[np.int64]]:
    """The state of each sample as 0, 1, ..., the samples in each state, the symbol of each."""
    if symbols.ndim == 1:
        low, span = int(symbols.min()), int(symbols.max()) - int(symbols.min()) + 1
        if span <= 4 * len(symbols):  # class labels: no sort needed
            tally = np.bincount(symbols - low, minlength=span)
            if tally.all():
                return symbols - low, tally, low + np.arange(span)
            seen = np.flatnonzero(tally)
            state_of = np.cumsum(tally > 0) - 1
            return state_of[symbols - low], tally[seen], seen + low
    order, starts = _group(_lean(symbols))
    states = np.empty(len(symbols), np.int64)
    states[order] = np.cumsum(starts) - 1
    firsts = symbols if symbols.ndim == 1 else symbols[:, 0]
    return states, _run_lengths(starts), firsts[order[starts]]


def _run_starts(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    starts = np.empty(len(ordered), np.bool_)
    starts[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
    return starts


def _run_lengths(starts: NDArray[np.bool_]) -> Counts:
    return _between(np.flatnonzero(starts), len(starts))


def _between(firsts: NDArray[np.int64], n: int) -> Counts:
    """How many of `n` places there are from each of `firsts` to the next."""
    lengths = np.empty(len(firsts), np.int64)  # as np.diff, which takes longer for short ones
    np.subtract(firsts[1:], firsts[:-1], out=lengths[:-1])
    lengths[-1] = n - firsts[-1]
    return lengths
