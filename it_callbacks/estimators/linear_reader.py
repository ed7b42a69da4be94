"""Measure what a cross-fitted linear reader of a layer says about the label."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

from it_callbacks.estimators.groups import folds_of, standard_error_of_mean

_Floats = NDArray[np.float64]
_LN2 = math.log(2)
_STREAM = (17, *b"folds")
_SHRINKAGES = (0.01, 0.1, 0.5, 0.9)
"""Shares of the within-class covariance that are replaced by its mean eigenvalue."""
_STEP = 2.0**0.5
_TEMPERATURES = _STEP ** np.arange(-14, 17, dtype=np.float64)
"""Factors of the scores, 1/128 to 256: each second is the square of one before, so that two
exponentials of a score serve all of them."""

_ROUNDING = 8
"""What rounding may leave of a constant unit, in units of its last digit."""


class LinearReading(NamedTuple):
    """H(Y) minus the cross-entropy of the reader.

    Args:
        bits: The estimate; NaN where there are too few samples.
        se: Its standard error.
    """

    bits: float
    se: float


def linear_reader(
    rows: NDArray[np.floating[Any]],
    classes: NDArray[np.int64],
    groups: NDArray[np.int64],
    folds: int,
) -> LinearReading:
    """Read the label off a layer by shrunken linear discriminants, cross-fitted.

    For each fold, a discriminant from the other folds' class means and within-class covariance
    scores its samples. How far to shrink the covariance, and one temperature of the scores, are
    those with the best likelihood of the other folds' scores: a fold never judges itself, and no
    covariance is shared by two folds (one that is reads 2.3 bits off labels dealt at random).

    Args:
        rows: Finite, ``(n_samples, n_numbers)``.
        classes: Class numbers 0, 1, ... without gaps, ``(n_samples,)``.
        groups: Which samples belong together, numbers 0, 1, ... without gaps ``(n_samples,)``.
        folds: How many folds.
    """
    n, k = len(classes), int(classes.max(initial=-1)) + 1
    if groups.max(initial=-1) + 1 < 2 * folds:
        return LinearReading(math.nan, math.nan)
    points = _standardised(rows)
    if k < 2 or not points.shape[1]:
        return LinearReading(0.0, 0.0)
    fold_of = folds_of(classes, groups, folds, np.random.default_rng(list(_STREAM)))
    order = np.argsort(fold_of, kind="stable")  # once, so that folds are slices
    points, classes, groups = points[order], classes[order], groups[order]
    cuts = np.searchsorted(fold_of[order], np.arange(folds + 1))
    slices = [slice(a, b) for a, b in pairwise(cuts)]
    scores, prior = _scores(points, classes, k, slices)
    log_p = _log_probabilities(scores, prior, classes, slices)
    share = np.bincount(classes, minlength=k) / n
    gain = (log_p - np.log(share[classes])) / _LN2
    return LinearReading(float(gain.mean()), standard_error_of_mean(gain, groups))


def _standardised(rows: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Units of mean 0 and variance 1, without those that are constant but for rounding."""
    size = np.maximum(rows.max(0), -rows.min(0))
    scaled = rows / np.where(size > 0, size, 1)
    centred = scaled.astype(np.float32, copy=False)
    np.subtract(scaled, scaled.mean(0, dtype=np.float64), out=centred, casting="same_kind")
    deviations = np.sqrt(np.einsum("ij,ij->j", centred, centred, dtype=np.float64) / len(rows))
    kept = deviations > _ROUNDING * np.finfo(rows.dtype).eps
    if not kept.all():
        centred, deviations = np.compress(kept, centred, axis=1), deviations[kept]
    centred *= (1 / deviations).astype(np.float32)
    return centred


def _scores(
    points: NDArray[np.float32], classes: NDArray[np.int64], k: int, slices: list[slice]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores ``(n, n_shrinkages, k)`` and class frequencies ``(n, k)``, from the other folds."""
    n, d = points.shape
    one_hot = np.zeros((n, k), np.float32)
    one_hot[np.arange(n), classes] = 1
    counts = _of_others([one_hot[own].sum(0) for own in slices])
    totals = _of_others([one_hot[own].T @ points[own] for own in slices])
    grams = _of_others([points[own].T @ points[own] for own in slices])
    scores = np.empty((n, len(_SHRINKAGES), k), np.float32)
    prior = np.empty((n, k), np.float32)
    shrunken = np.empty((d, d), order="F")  # once: pages of new memory cost as much as the numbers
    diagonal = np.einsum("ii->i", shrunken)
    for own, count, total, gram in zip(slices, counts, totals, grams, strict=True):
        means = total / np.maximum(count, 1)[:, None]
        within = (gram - (means * count[:, None]).T @ means) / max(count.sum() - k, 1)
        mean_eigenvalue = max(np.trace(within) / d, 1e-9)
        weights = np.empty((d, len(_SHRINKAGES), k), np.float32)
        offsets = np.empty((len(_SHRINKAGES), k), np.float32)
        for number, share in enumerate(_SHRINKAGES):
            np.multiply(within.T, 1 - share, out=shrunken)
            diagonal += share * mean_eigenvalue
            weights[:, number] = solved = dposv(shrunken, means.T, overwrite_a=True)[1]
            offsets[number] = -0.5 * np.einsum("kd,dk->k", means, solved)
        flat = points[own] @ weights.reshape(d, -1)
        scores[own] = flat.reshape(-1, len(_SHRINKAGES), k) + offsets
        prior[own] = (count + 1) / (count.sum() + k)
    scores -= scores.max(2, keepdims=True)
    return scores, prior


def _of_others(by_fold: list[NDArray[np.float32]]) -> Iterator[_Floats]:
    """Sums over all folds but one, for each."""
    total = np.sum(by_fold, axis=0, dtype=np.float64)
    return (total - own for own in by_fold)


def _log_probabilities(
    scores: NDArray[np.float32],
    prior: NDArray[np.float32],
    classes: NDArray[np.int64],
    slices: list[slice],
) -> _Floats:
    """Ln p of each sample's own class ``(n,)``, by what the other folds found best."""
    n, each = len(classes), np.arange(len(classes))
    base = np.log(prior[each, classes]).astype(np.float64)
    at_zero = np.add.reduceat(base, [own.start for own in slices])
    by_fold = _likelihoods(scores, prior, classes, slices) + at_zero[:, None]
    others, base_others = by_fold.sum(1, keepdims=True) - by_fold, at_zero.sum() - at_zero
    log_p = np.empty(n)
    for fold, own in enumerate(slices):
        shrinkage, temperature = _best(others[:, fold], base_others[fold])
        mine = np.arange(own.stop - own.start)
        weights = np.exp(temperature * scores[own, shrinkage].astype(np.float64)) * prior[own]
        p = weights[mine, classes[own]] / weights.sum(1)
        # The floor: one confident mistake must not decide the mean.
        log_p[own] = np.log((1 - 1 / (n + 1)) * p + prior[own][mine, classes[own]] / (n + 1))
    return log_p


def _likelihoods(
    scores: NDArray[np.float32],
    prior: NDArray[np.float32],
    classes: NDArray[np.int64],
    slices: list[slice],
) -> _Floats:
    """By how much ln p of the own class is above that of the class frequencies, summed by fold.

    ``(n_temperatures, n_folds, n_shrinkages)``.
    """
    starts, k = [own.start for own in slices], prior.shape[1]
    hit = np.add.reduceat(scores[np.arange(len(classes)), :, classes].astype(np.float64), starts)
    powers = [np.exp(scores * np.float32(t)) for t in _TEMPERATURES[:2]]
    sums = np.empty((len(_TEMPERATURES), *scores.shape[:2]), np.float32)
    for number in range(len(_TEMPERATURES)):
        power = powers[number % 2]
        for own in slices:  # the samples of a fold share their class frequencies
            np.dot(power[own].reshape(-1, k), prior[own.start], out=sums[number, own].reshape(-1))
        power *= power  # exp(2 t s)
    log_sums = np.add.reduceat(np.log(sums, out=sums), starts, axis=1, dtype=np.float64)
    found: _Floats = _TEMPERATURES[:, None, None] * hit - log_sums
    return found


def _best(likelihood: _Floats, at_zero: float) -> tuple[int, float]:
    """The shrinkage and the temperature of the highest likelihood; temperature 0 if none helps.

    Args:
        likelihood: ``(n_temperatures, n_shrinkages)``.
        at_zero: That of the class frequencies alone.
    """
    # The best inner node of each shrinkage, then a parabola in the logarithm of the temperature.
    node = likelihood[1:-1].argmax(0) + 1
    low, middle, high = (
        np.take_along_axis(likelihood, node[None] + step, 0)[0] for step in (-1, 0, 1)
    )
    bend = np.maximum(2 * middle - low - high, 1e-12)
    shift = np.clip(0.5 * (high - low) / bend, -1, 1)
    peak = middle + 0.5 * (high - low) * shift - 0.5 * bend * shift * shift
    best = int(peak.argmax())
    if not peak[best] > at_zero:
        return best, 0.0
    return best, float(_TEMPERATURES[node[best]] * _STEP ** shift[best])
