"""Measure how many inputs a layer keeps apart under noise of a fixed share of its spread."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf

from it_callbacks.estimators.groups import standard_error_of_mean

_LN2 = math.log(2)
_STREAM = (7919, *b"relative noise")
_BLOCK = 128
"""Rows of the kernel matrix worked out at once: they stay in the processor's cache."""
_LEAST_COLUMNS = 128
"""Columns of the noise table: narrower layers take the first of them."""
_MOST = 80
"""Exponents are cut here, before exp overflows: none is so large but by a draw of 12 standard
deviations."""

_ROUNDING = 8
"""What rounding may leave of a constant layer, in units of its last digit."""


class RelativeNoise(NamedTuple):
    """I(X; T + noise) where the noise is a share of the layer's spread.

    Args:
        bits: The estimate.
        se: Its standard error; NaN for a single group of samples.
        half: The estimate from the first half of the samples.
        high: The rate of a Gaussian layer with the same covariance: an upper bound.
        spread: Root of the summed variances of the units, in the units of the activations.
        largest_row: Share of the squared spread that the row farthest from the mean holds.
        largest_unit: Share of the squared spread that the unit of the largest variance holds.
    """

    bits: float
    se: float
    half: float
    high: float
    spread: float
    largest_row: float
    largest_unit: float


def relative_noise(
    rows: NDArray[np.floating[Any]], groups: NDArray[np.int64], noise: float
) -> RelativeNoise:
    """Estimate I(X; T + c s Z), Z standard Gaussian, s the spread of the rows, c `noise`.

    By Monte Carlo with one draw for each row (the definition of `WideReading` has the equation).

    Args:
        rows: Finite, ``(n_samples, n_numbers)``, in an order that tells nothing about them.
        groups: Which rows belong together, ``(n_samples,)``.
        noise: c.
    """
    n, d = rows.shape
    scale = float(max(rows.max(initial=0), -rows.min(initial=0)))
    if not scale > 0:
        return RelativeNoise(0, 0, 0, 0, 0, 0, 0)
    scaled = rows / scale if rows.dtype == np.float64 else rows * np.float32(1 / scale)
    u = scaled.astype(np.float32, copy=False)
    np.subtract(scaled, scaled.mean(0, dtype=np.float64), out=u, casting="same_kind")
    by_row, by_unit = (np.einsum(f"ij,ij->{axis}", u, u, dtype=np.float64) for axis in "ij")
    spread = math.sqrt(float(by_row.sum()) / n)
    if spread <= _ROUNDING * np.finfo(rows.dtype).eps * math.sqrt(d):
        return RelativeNoise(0, 0, 0, 0, 0, 0, 0)
    u *= np.float32(1 / (noise * spread))
    first, second = _kernel_sums(u, _noise(n, max(d, _LEAST_COLUMNS))[:, :d])
    half = n // 2
    bits = -np.log2((first + second) / n)
    # Both products have the same determinant beside the identity (Sylvester's theorem).
    products = (u.T @ u if d <= n else u @ u.T).astype(np.float64) / n
    products.flat[:: len(products) + 1] += 1
    return RelativeNoise(
        bits=float(bits.mean()),
        se=standard_error_of_mean(bits, groups),
        half=float(-np.log2(first[:half] / half).mean()) if half else math.nan,
        high=float(np.log2(np.diag(dpotrf(products, lower=1)[0])).sum()),
        spread=spread * scale,
        largest_row=float(by_row.max() / by_row.sum()),
        largest_unit=float(by_unit.max() / by_unit.sum()),
    )


def highest(noise: float) -> float:
    """The most that any layer of any width shows: 1 / (2 c² ln 2) bits.

    Example:
        >>> round(highest(0.3), 4)
        8.015
    """
    return 1 / (2 * noise**2 * _LN2)


def _kernel_sums(
    u: NDArray[np.float32], z: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each row i, sums over the first and the second half of j of exp(e_ij).

    e_ij = (|z_i|² - |u_i + z_i - u_j|²) / 2, all of it from one product with two columns more.
    e_ii is 0, so a sum is at least 1 and no maximum has to be taken out.
    """
    n, d = u.shape
    left, right = np.empty((n, d + 2), np.float32), np.empty((d + 2, n), np.float32)
    squares = 0.5 * np.einsum("ij,ij->i", u, u)
    np.add(u, z, out=left[:, :d])
    left[:, d], left[:, d + 1] = -np.einsum("ij,ij->i", z, u) - squares, 1
    right[:d], right[d], right[d + 1] = u.T, 1, -squares
    is_far = np.einsum("ij,ij->i", z, z) > 2 * _MOST  # e_ij is at most half of it
    half, buffer = n // 2, np.empty((_BLOCK, n), np.float32)
    first, second = np.empty(n), np.empty(n)
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        exponents = np.matmul(left[block], right, out=buffer[: n - start])
        far = is_far[block]
        exponents[far] = np.minimum(exponents[far], _MOST)
        np.exp(exponents, out=exponents)
        first[block] = exponents[:, :half].sum(1)
        second[block] = exponents[:, half:].sum(1)
    return first, second


@lru_cache(maxsize=8)
def _noise(n: int, n_columns: int) -> NDArray[np.float32]:
    # One table for all layers and epochs: differences between them are steadier than their values.
    noise = np.random.default_rng(list(_STREAM)).standard_normal((n, n_columns), dtype=np.float32)
    noise.flags.writeable = False
    return noise
