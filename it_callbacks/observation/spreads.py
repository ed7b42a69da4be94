"""How far each layer's outputs spread at a point, of the samples that a wide reading would take.

The spread is the root of the summed variances of a layer's numbers: it goes with the layer's scale,
which bins of a fixed width do not. It costs no pass over all outputs, and processes exchange sums.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks.observation.processes import together
from it_callbacks.observation.sketched import Sketched


@dataclass(frozen=True)
class Moments:
    """Sums of a part of a layer's rows, which with those of other parts give the spread of all.

    Args:
        n: Rows that are finite.
        mean: Their mean, ``(n_numbers,)``.
        squares: Their squared distances from it, summed over rows and numbers.
    """

    n: int
    mean: NDArray[np.float64]
    squares: float

    @classmethod
    def of(cls, rows: NDArray[np.floating[Any]]) -> Moments:
        """Those of rows ``(n_rows, n_numbers)``; rows that are not finite are left out.

        Example:
            >>> Moments.of(np.array([[0.0, 1.0], [4.0, 1.0], [np.nan, 1.0]]))
            Moments(n=2, mean=array([2., 1.]), squares=8.0)
        """
        rows = rows.astype(np.float64)
        is_finite = np.isfinite(rows)
        if not is_finite.all():
            rows = rows[is_finite.all(axis=1)]
        if not len(rows):
            return cls(0, np.zeros(rows.shape[1]), 0.0)
        mean = rows.mean(axis=0)
        rows -= mean
        return cls(len(rows), mean, float(np.einsum("rn,rn->", rows, rows)))

    def __add__(self, other: Moments) -> Moments:
        n = self.n + other.n
        if not self.n or not other.n:
            return self if self.n else other
        between = other.mean - self.mean
        squares = self.squares + other.squares
        squares += self.n * other.n / n * float(np.square(between).sum())
        return Moments(n, self.mean + other.n / n * between, squares)

    @property
    def spread(self) -> float:
        """Root of the summed variances of the numbers; NaN of fewer than two rows.

        Example:
            >>> Moments.of(np.array([[0.0, 1.0], [4.0, 1.0]])).spread
            2.0
        """
        return math.sqrt(self.squares / self.n) if self.n > 1 else math.nan


_AT_ONCE = 2**17
"""Numbers of layers that are read together, of which 64-bit copies are made."""


def moments_of(layers: Mapping[str, NDArray[np.floating[Any]]]) -> dict[str, Moments]:
    """Those of the rows ``(n_rows, n_numbers)`` of each layer; of one shape several at once."""
    alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, rows in layers.items():
        alike[rows.shape].append(name)
    found: dict[str, Moments] = {}
    for (n, n_numbers), names in alike.items():
        at_once = max(1, _AT_ONCE // max(n * n_numbers, 1))
        for start in range(0, len(names) if n else 0, at_once):
            some = names[start : start + at_once]
            rows = np.stack([layers[name] for name in some], dtype=np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                # Faster than sums along an axis, and products would wake the threads of BLAS.
                means = np.einsum("lrn->ln", rows) / n
                rows -= means[:, None]
                squares = np.einsum("lrn,lrn->l", rows, rows).tolist()
            each = map(Moments, [n] * len(some), means, squares)
            found.update(zip(some, each, strict=True))
    # Of the others some rows are not finite, or there are none.
    return {
        name: of_all
        if (of_all := found.get(name)) and math.isfinite(of_all.squares)
        else Moments.of(rows)
        for name, rows in layers.items()
    }


def spreads_of(sketched: Sketched, size: int) -> dict[str, float]:
    """The spread of each layer; of several processes all call this, and get that of all rows.

    Args:
        sketched: What this process has kept of the pass.
        size: How many samples count at most: those of lowest rank.
    """
    ranks = sketched.samples.ranks
    of_all = np.sort(np.concatenate(together(lambda: ranks)))
    counted = ranks <= of_all[:size].max(initial=-math.inf)

    def share() -> dict[str, Moments] | None:
        """None of a process without samples, which says nothing about layers."""
        if not len(ranks):
            return None
        some = slice(None) if counted.all() else counted
        return moments_of({name: rows[some] for name, rows in sketched.rows.items()})

    return _pooled([part for part in together(share) if part is not None])


def _pooled(parts: Sequence[Mapping[str, Moments]]) -> dict[str, float]:
    """The spreads of the layers that all parts have in one width."""
    found = {}
    for name in parts[0] if parts else ():
        of_parts = [part[name] for part in parts if name in part]
        if len(of_parts) < len(parts) or len({len(each.mean) for each in of_parts}) > 1:
            continue
        whole = of_parts[0]
        for other in of_parts[1:]:
            whole += other
        found[name] = whole.spread
    return found
