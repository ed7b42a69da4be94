"""Count how often each state, and each pair of states, occurs among symbols.

A symbol is one integer per sample. Sorting is all that is needed, so counting costs
O(N log N) and never builds a dense table, however many states there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from it_callbacks.estimators.arrays import as_array

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Contingency:
    """How often each state of x met each state of y: the occupied cells of their table.

    States are numbered in increasing order of their symbol; cells are in row-major order.

    Attributes:
        n_samples: N, the sum of each of the three arrays of counts.
        row_counts: `(n_rows,)`, samples in each state of x.
        column_counts: `(n_columns,)`, samples in each state of y.
        cell_counts: `(n_cells,)`, samples in each occupied cell.
        cell_rows: `(n_cells,)`, the state of x of each cell, an index into `row_counts`.
        cell_columns: `(n_cells,)`, the state of y of each cell, an index into `column_counts`.
        column_symbols: `(n_columns,)`, the symbol (of two keys: the first) of each state of y.
    """

    n_samples: int
    row_counts: Counts
    column_counts: Counts
    cell_counts: Counts
    cell_rows: Counts
    cell_columns: Counts
    column_symbols: Counts


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
    return _run_lengths(_group(_lean(as_symbols(symbols, "symbols")))[1])


def contingency(x: ArrayLike, y: ArrayLike, *, names: tuple[str, str] = ("x", "y")) -> Contingency:
    """The sparse contingency table of two sequences of symbols.

    Args:
        x: integers `(n_samples,)`, or int64 keys `(n_samples, 2)`: the first column is the
            symbol, the second an independent key of the same row. Two rows are one state where
            both keys agree, so a collision of the first keys alone takes time, and changes nothing.
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
    rows, columns = as_symbols(x, names[0]), as_symbols(y, names[1])
    n_samples = len(rows)
    if n_samples != len(columns):
        raise ValueError(
            f"{names[0]} has {n_samples} samples but {names[1]} has {len(columns)}; "
            "each sample needs one symbol of both"
        )
    column_of, column_counts, column_symbols = number(columns)
    rows = _lean(rows)
    if rows.ndim == 1 and _fit_beside(rows, len(column_counts)):
        return _by_pairs(rows, column_of, column_counts, column_symbols)
    order, row_starts = _group(rows)
    row_counts = _run_lengths(row_starts)
    if len(row_counts) == n_samples:
        # Every sample is a state of its own, as in any wide layer: the cells are the samples.
        cell_counts, cell_rows = row_counts, np.arange(n_samples)
        cell_columns = column_of[order]
    else:
        # Pairs as one integer: at most N * N, far from overflow for any N that fits in memory.
        row_of = np.cumsum(row_starts) - 1
        pairs = row_of * len(column_counts)
        pairs += column_of[order]
        pairs.sort()
        cell_starts = _run_starts(pairs)
        cell_counts = _run_lengths(cell_starts)
        cell_rows = row_of[cell_starts]  # sorting moved no pair out of its row
        cell_columns = pairs[cell_starts] - cell_rows * len(column_counts)
    return Contingency(
        n_samples, row_counts, column_counts, cell_counts, cell_rows, cell_columns, column_symbols
    )


def _fit_beside(symbols: NDArray[np.int64], n_columns: int) -> bool:
    """Whether a symbol and a column fit one 64-bit number."""
    return (int(symbols.max()) - int(symbols.min()) + 1) * n_columns < 2**63


def _by_pairs(
    rows: NDArray[np.int64],
    column_of: NDArray[np.int64],
    column_counts: Counts,
    column_symbols: NDArray[np.int64],
) -> Contingency:
    """`contingency` of symbols that `_fit_beside` a column: one sort is enough."""
    pairs = (rows - rows.min()) * len(column_counts)
    pairs += column_of
    pairs.sort()
    first_of_cells = np.flatnonzero(_run_starts(pairs))
    cells = pairs[first_of_cells]
    row_symbols = cells // len(column_counts)
    row_starts = _run_starts(row_symbols)
    return Contingency(
        len(rows),
        _between(first_of_cells[row_starts], len(rows)),
        column_counts,
        _between(first_of_cells, len(rows)),
        np.cumsum(row_starts) - 1,
        cells - row_symbols * len(column_counts),
        column_symbols,
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
    if symbols.ndim == 2 and np.array_equal(symbols[:, 0], symbols[:, 1]):
        return symbols[:, 0]
    return symbols


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
