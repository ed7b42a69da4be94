"""Count how often each state, and each pair of states, occurs among symbols.

A symbol is one integer per sample. Sorting is all that is needed, so counting costs
O(N log N) and never builds a dense table, however many states there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from it_callbacks.estimators.arrays import as_array
from it_callbacks.estimators.counts import Spectrum, tallied
from it_callbacks.estimators.parts import Parts, between

Counts = NDArray[np.int64]

_SHORT = 4096
"""Up to so many symbols, one sort by comparison takes less than three by counting."""


Numbered = tuple[NDArray[np.int64], Counts, NDArray[np.int64]]
"""The state of each sample as 0, 1, ..., the samples in each state, the symbol of each."""


@dataclass(eq=False)
class Symbols:
    """The symbols of samples, put in states once somebody asks, and then once for all.

    Labels meet every layer, and a layer's symbols are asked for in its table and for its verdict.

    Attributes:
        values: `(n_samples,)`, or `(n_samples, 2)` where the second keys add something.
    """

    values: NDArray[np.int64]
    _numbered: Numbered | None = field(default=None, repr=False)

    @classmethod
    def of(cls, values: ArrayLike | Symbols, name: str) -> Symbols:
        """Symbols as they are, or any that `as_symbols` takes; errors call them `name`."""
        return values if isinstance(values, Symbols) else cls(_lean(as_symbols(values, name)))

    @staticmethod
    def number_together(several: Sequence[Symbols]) -> None:
        """Put several of two keys in states at once, all with as many samples."""
        several = [each for each in several if each._numbered is None]
        if several:
            for each, numbered in zip(several, _number_each(*_keys_of(several)), strict=True):
                each._numbered = numbered

    def __len__(self) -> int:
        return len(self.values)

    @property
    def numbered(self) -> Numbered:
        """The state of each sample as 0, 1, ..., the samples in each state, the symbol of each."""
        if self._numbered is None:
            self._numbered = number(self.values)
        return self._numbered

    @property
    def all_differ(self) -> bool:
        """Whether the states are known, and every sample is one of its own."""
        return self._numbered is not None and len(self.counts) == len(self)

    @property
    def states(self) -> NDArray[np.int64]:
        """The state of each sample."""
        return self.numbered[0]

    @property
    def counts(self) -> Counts:
        """Samples in each state."""
        return self.numbered[1]

    @cached_property
    def spectrum(self) -> Spectrum:
        """The counts of counts."""
        return tallied(self.counts, Parts.one(len(self.counts)))


@dataclass(frozen=True, eq=False)
class Contingency:
    """How often each state of x met each state of y: the occupied cells of their table.

    States are numbered in increasing order of their symbol; cells are in row-major order. Several
    x against the same y are one table below the other: then `row_parts` and `cell_parts` say which
    rows and cells are of which x.

    Attributes:
        n_samples: N, the sum of each of the three arrays of counts, of each x.
        columns: the symbols of y.
        row_counts: `(n_rows,)`, samples in each state of x.
        cell_counts: `(n_cells,)`, samples in each occupied cell.
        cell_rows: `(n_cells,)`, the state of x of each cell, an index into `row_counts`.
        cell_columns: `(n_cells,)`, the state of y of each cell, an index into `column_counts`.
        row_parts: which rows are of which x.
        cell_parts: the same of the cells.
    """

    n_samples: int
    columns: Symbols
    row_counts: Counts
    cell_counts: Counts
    cell_rows: Counts
    cell_columns: Counts
    row_parts: Parts
    cell_parts: Parts

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
        return tallied(self.row_counts, self.row_parts)

    @cached_property
    def cell_spectrum(self) -> Spectrum:
        """The counts of counts of the pairs."""
        return tallied(self.cell_counts, self.cell_parts)


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
    return _run_lengths(_grouped(*_keys_of([Symbols(values)]))[1].ravel())


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
    if len(rows) != len(columns):
        raise ValueError(
            f"{names[0]} has {len(rows)} samples but {names[1]} has {len(columns)}; "
            "each sample needs one symbol of both"
        )
    return contingency_of_each([rows], columns)


def contingency_of_each(several: Sequence[Symbols], y: Symbols) -> Contingency:
    """The sparse contingency tables of several x, each as long as y: one below the other."""
    n_samples, n_columns = len(y), len(y.counts)
    Symbols.number_together([each for each in several if each.values.ndim == 2])
    if all(each.all_differ for each in several):
        return _of_samples(several, y)
    pairs = _beside(several, n_columns)
    pairs *= n_columns
    pairs += y.states
    pairs.sort(axis=1)
    first_of_cells = np.flatnonzero(_run_starts(pairs))
    cells = pairs.ravel()[first_of_cells]
    cell_parts = _parts(first_of_cells, *pairs.shape)
    row_symbols = cells // n_columns
    row_starts = _run_starts(row_symbols)
    row_starts[cell_parts.firsts] = True
    first_of_rows = first_of_cells[row_starts]
    return Contingency(
        n_samples,
        y,
        between(first_of_rows, pairs.size),
        between(first_of_cells, pairs.size),
        np.cumsum(row_starts) - 1,
        cells - row_symbols * n_columns,
        _parts(first_of_rows, *pairs.shape),
        cell_parts,
    )


def _of_samples(several: Sequence[Symbols], y: Symbols) -> Contingency:
    """`contingency_of_each` where every sample is a state of its own: the samples are the cells."""
    n_x, n_samples = len(several), len(y)
    columns = np.empty((n_x, n_samples), np.int64)
    for of_x, each in zip(columns, several, strict=True):
        of_x[each.states] = y.states
    once, numbers = np.ones(columns.size, np.int64), np.arange(columns.size)
    parts = Parts(np.arange(n_x) * n_samples, columns.size)
    return Contingency(n_samples, y, once, once, numbers, columns.ravel(), parts, parts)


def spectrum_of_each(several: Sequence[Symbols]) -> Spectrum:
    """The counts of counts of several x, all with as many samples."""
    starts = np.empty((len(several), len(several[0])), np.bool_)
    of_two_keys = np.array([each.values.ndim == 2 for each in several])
    if of_two_keys.any():
        starts[of_two_keys] = _grouped(*_keys_of([x for x in several if x.values.ndim == 2]))[1]
    if not of_two_keys.all():
        symbols = np.array([each.values for each in several if each.values.ndim == 1])
        symbols.sort(axis=1)
        starts[~of_two_keys] = _run_starts(symbols)
    firsts = np.flatnonzero(starts)
    return tallied(between(firsts, starts.size), _parts(firsts, *starts.shape))


def one_class(n_samples: int) -> Symbols:
    """The labels of samples that are all alike."""
    return Symbols(np.zeros(n_samples, np.int64))


def _beside(several: Sequence[Symbols], n_columns: int) -> NDArray[np.int64]:
    """Numbers `(n_x, n_samples)` of each x in the order of its symbols that fit beside a column.

    A symbol and a column are one 64-bit number, or else a state and a column are: at most N * N.
    """
    numbers = np.array([each.values if each.values.ndim == 1 else each.states for each in several])
    low, high = numbers.min(axis=1), numbers.max(axis=1)
    for x, (least, most) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if (most - least + 1) * n_columns >= 2**63:
            numbers[x], low[x] = several[x].states, 0
    numbers -= low[:, None]
    return numbers


def _parts(firsts: NDArray[np.int64], n_parts: int, n_samples: int) -> Parts:
    """Parts of runs that begin at `firsts` among the samples of several x, one after the other."""
    return Parts(firsts.searchsorted(np.arange(n_parts) * n_samples), len(firsts))


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


def _keys_of(several: Sequence[Symbols]) -> NDArray[np.int64]:
    """The first and the second keys of several x of two keys, `(2, n_x, n_samples)`."""
    keys = np.concatenate([each.values for each in several])
    return np.ascontiguousarray(keys.T).reshape(2, len(several), -1)


def _grouped(
    first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Orders in which equal samples are neighbours, and where in them each state starts.

    Args:
        first: Keys of each of several x, `(n_x, n_samples)`.
        second: The same of the second keys.

    Returns:
        Places among all keys of all x, and whether another state is there than at the place before.
    """
    places = _order(first)
    begins = np.arange(len(first)) * first.shape[1]
    places += begins[:, None]
    starts, second_starts = _run_starts(first.take(places)), _run_starts(second.take(places))
    # One first key, two second keys: a collision.
    for x in np.flatnonzero((second_starts & ~starts).any(axis=1)):
        order = np.lexsort((second[x], first[x]))
        starts[x] = _run_starts(first[x][order]) | _run_starts(second[x][order])
        places[x] = order + begins[x]
    return places, starts


def _order(symbols: NDArray[np.int64]) -> NDArray[np.intp]:
    """The order of increasing symbols, `(n_samples,)` or of several x `(n_x, n_samples)`.

    Of their 48 highest bits, 16 at a time, which NumPy sorts by counting, twice as fast as it
    compares; two different symbols are hardly ever alike in those.
    """
    if symbols.shape[-1] <= _SHORT:
        return np.argsort(symbols, axis=-1)
    if symbols.ndim == 2:
        return np.array(list(map(_order, symbols)))
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


def number(symbols: NDArray[np.int64]) -> Numbered:
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
    symbols = _lean(symbols)
    if symbols.ndim == 2:
        return next(_number_each(*_keys_of([Symbols(symbols)])))
    order = _order(symbols)
    starts = _run_starts(symbols[order])
    states = np.empty(len(symbols), np.int64)
    states[order] = np.cumsum(starts) - 1
    return states, _run_lengths(starts), symbols[order[starts]]


def _number_each(first: NDArray[np.int64], second: NDArray[np.int64]) -> Iterator[Numbered]:
    """`number` of several x of two keys, `(n_x, n_samples)` each."""
    places, starts = _grouped(first, second)
    states = np.empty(places.shape, np.int64)
    states.put(places, np.cumsum(starts, axis=1) - 1)
    firsts = np.flatnonzero(starts)
    in_each, symbols = between(firsts, starts.size), first.take(places.take(firsts))
    parts = _parts(firsts, *places.shape)
    begins = parts.firsts.tolist()
    for of_x, begin, end in zip(states, begins, [*begins[1:], parts.n], strict=True):
        # Copies, which keep nothing of the others in memory.
        yield of_x.copy(), in_each[begin:end].copy(), symbols[begin:end].copy()


def _run_starts(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where along the last axis a number differs from the one before."""
    starts = np.empty(ordered.shape, np.bool_)
    starts[..., 0] = True
    np.not_equal(ordered[..., 1:], ordered[..., :-1], out=starts[..., 1:])
    return starts


def _run_lengths(starts: NDArray[np.bool_]) -> Counts:
    return between(np.flatnonzero(starts), len(starts))
