"""Sketch a layer of any width: a few seeded sums of its numbers that keep distances.

The joint code of a wide layer is unique to each sample, and a mean over positions loses what lies
in them. A sketch adds up all numbers of a sample, each with a random sign, into some hundred sums:
inner products and distances between samples stay what they were in expectation, with a relative
error of about ``sqrt(2 / n_components)``. No matrix is stored. NumPy, and numba where it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks.checks import whole
from it_callbacks.compiling import Kernel, loaded

_STREAM = (31, *b"sketch")
"""Tags the random signs: no other random numbers of a measurement are alike."""


@dataclass(frozen=True)
class Sketch:
    """Reduces a sample of any number of units to at most ``n_components + 1`` numbers.

    Unit u of the flattened sample goes to number ``u mod n_components`` with a seeded random sign
    (a count sketch, Charikar et al. 2002, with a fixed assignment). So the signs of a longer
    sample begin with those of a shorter one, and zeros at its end change nothing. Up to
    ``n_components + 1`` units of a layer without positions are kept as they are.

    Args:
        n_components: How many numbers, a prime: with 128, say, each channel of a map of 128
            channels would be added up over all positions, and one channel or one position alone
            would be kept or lost as a whole.
        seed: Seed of the signs.

    Example:
        >>> Sketch()(np.ones((2, 64))).shape, Sketch()(np.ones((2, 3, 100))).shape
        ((2, 64), (2, 127))
    """

    n_components: int = 127
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "n_components", whole("n_components", self.n_components, at_least=2)
        )
        object.__setattr__(self, "seed", whole("seed", self.seed, at_least=0))
        if not _is_prime(self.n_components):
            near = next(n for n in range(self.n_components, 1, -1) if _is_prime(n))
            raise ValueError(
                f"n_components: need a prime, got {self.n_components}; the next below is {near}. "
                "Otherwise all positions of one channel could be added up into one number"
            )

    def keeps(self, shape: tuple[int, ...]) -> bool:
        """Whether samples of this shape are kept as they are.

        Args:
            shape: Of one sample; the length of one with positions may vary.
        """
        return len(shape) == 1 and shape[0] <= self.n_components + 1

    def n_sums(self, shape: tuple[int, ...]) -> int:
        """How many numbers a sample of this shape is added up to.

        `n_components`, or the next lower prime of which no stride of the sample is a multiple: the
        units along that axis would all meet in one number.

        Example:
            >>> Sketch().n_sums((64, 8, 8)), Sketch().n_sums((10, 254))
            (127, 113)
        """
        return _n_sums(self.n_components, shape)

    def signs(self, n_units: int, n_sums: int) -> NDArray[np.float32]:
        """The signs of so many units, ``(n_blocks, n_sums)``; 0 beyond the last of them."""
        n_blocks = -(-n_units // n_sums)
        signs = _table(self.seed, n_sums, n_blocks)[:n_blocks]
        if n_blocks * n_sums == n_units:
            return signs
        cut = signs.copy()
        cut.reshape(-1)[n_units:] = 0
        return cut

    def __call__(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Sketch each of the samples ``(n_samples, ...)``: ``(n_samples, <= n_components + 1)``.

        The sketch of a sample is the same to the last bit in any batch. Sums are of float32, or
        float64 where the samples are.
        """
        rows = rows if rows.dtype == np.float64 else rows.astype(np.float32, copy=False)
        shape = rows.shape[1:]
        flat = np.ascontiguousarray(rows.reshape(len(rows), -1))
        if self.keeps(shape):
            return flat
        n_sums, n_units = self.n_sums(shape), flat.shape[1]
        whole_blocks = n_units // n_sums
        signs = _table(self.seed, n_sums, -(-n_units // n_sums))
        add_up = kernel() if flat.dtype == np.float32 else None
        if add_up is not None:
            of_all = np.empty((len(flat), n_sums), np.float32)
            add_up(flat.reshape(-1), signs.reshape(-1)[:n_units], of_all)
            return of_all
        # einsum adds up sample by sample and block by block, whatever the batch; a matrix product
        # promises no order.
        inside = flat[:, : whole_blocks * n_sums].reshape(len(flat), whole_blocks, n_sums)
        sums: NDArray[Any] = np.einsum("nkb,kb->nb", inside, signs[:whole_blocks])
        rest = n_units - whole_blocks * n_sums
        if rest:
            sums[:, :rest] += flat[:, n_units - rest :] * signs[whole_blocks, :rest]
        return sums


@lru_cache(maxsize=1)
def kernel() -> Kernel | None:
    """What adds up samples in one pass, with the same sums to the bit; None where there is none."""

    def load() -> Kernel:
        from it_callbacks.sketch_kernel import add_up

        add_up(np.ones(2, np.float32), _table(0, 2, 1).reshape(-1), np.empty((1, 2), np.float32))
        return add_up

    return loaded(load)


@lru_cache(maxsize=256)
def _n_sums(n_components: int, shape: tuple[int, ...]) -> int:
    strides = np.cumprod(shape[:0:-1], dtype=np.int64) if len(shape) > 1 else np.empty(0)
    lower = range(n_components, 1, -1)
    return next((n for n in lower if _is_prime(n) and (strides % n).all()), n_components)


_TABLES: dict[tuple[int, int], NDArray[np.float32]] = {}


def _table(seed: int, n_sums: int, n_blocks: int) -> NDArray[np.float32]:
    """At least so many blocks of signs; a longer table begins with a shorter one."""
    table = _TABLES.get((seed, n_sums))
    if table is None or len(table) < n_blocks:
        n = max(n_blocks, 0 if table is None else 2 * len(table))
        bits = np.random.default_rng([*_STREAM, seed]).integers(0, 2, n * n_sums, dtype=np.int8)
        table = (2 * bits - 1).astype(np.float32).reshape(n, n_sums)
        table.flags.writeable = False
        _TABLES[seed, n_sums] = table
    return table


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % divisor for divisor in range(2, int(n**0.5) + 1))
