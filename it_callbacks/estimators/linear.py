"""Measure the information about the label that a linear classifier reads off a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from typing_extensions import override

from it_callbacks.checks import finite, whole
from it_callbacks.estimators.extra import Extra, checked, own_generator
from it_callbacks.records import QUANTITIES, Quantity

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearVInformation(Extra):
    """I_V(T→Y): how many bits of the label a linear classifier reads off the layer.

    H(Y) minus the cross-entropy of a multinomial logistic regression: the predictive
    V-information of Xu et al. (2020), arXiv 2002.10689, with V the linear classifiers.
    Cross-fitted: each sample is judged by a fit that has not seen it. In expectation at most
    I(T;Y), and unlike a binned value it does not saturate: it is the number to read for wide
    layers. It may rise with depth, since a later layer may be easier to read, and it is negative
    where the fit predicts worse than the class frequencies.
    Inputs that repeat can sit on both sides of a fold and make it too large.

    The standard error is that of the mean over samples of ``log2 p(y|t) - log2 p(y)``.

    Args:
        every: Called at the first point and then at every so many-th.
        folds: Into how many parts the samples are split for cross-fitting, at least 2.
        penalties: Weights of half the squared norm of the weights, added to the summed loss in nats
            of standardised units (1 is a unit Gaussian prior). Each fit takes the one that does
            best on a fifth of its own samples held back: wide layers need more.
        seed: Seed of the splits.

    Example:
        One unit that is the label, but for its sign:

        >>> labels = np.arange(400) % 2
        >>> value = LinearVInformation()(2.0 * labels[:, None] - 1, labels)
        >>> bool(0.9 < value["linear_V_TY"] < 1)
        True
    """

    every: int = 5
    folds: int = 5
    penalties: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", whole("every", self.every, at_least=1))
        object.__setattr__(self, "folds", whole("folds", self.folds, at_least=2))
        object.__setattr__(self, "seed", whole("seed", self.seed, at_least=0))
        if not self.penalties:
            raise ValueError(f"penalties: need finite numbers > 0, got {self.penalties!r}")
        penalties = (
            finite(f"penalties[{number}]", penalty, above=0)
            for number, penalty in enumerate(self.penalties)
        )
        object.__setattr__(self, "penalties", tuple(penalties))

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return tuple(QUANTITIES[name] for name in ("linear_V_TY", "linear_V_TY_se"))

    @override
    def __call__(self, activations: ArrayLike, labels: ArrayLike) -> dict[str, float]:
        """``linear_V_TY`` in bits, at most H(Y), and ``linear_V_TY_se``.

        Args:
            activations: ``(n_samples, n_units)``.
            labels: Class numbers ``(n_samples,)``.

        Raises:
            ValueError: Fewer samples than folds, unequal lengths, NaN or infinity.
        """
        points, classes = checked(activations, labels)
        if len(points) < self.folds:
            raise ValueError(
                f"activations: need at least one sample per fold, got {len(points)} samples for "
                f"{self.folds} folds"
            )
        points = _standardised(points)
        share = np.bincount(classes) / len(classes)
        fold_of = _stratified_folds(classes, self.folds, self.seed)
        log_p = np.empty(len(points))
        for fold in range(self.folds):
            test = fold_of == fold
            fitted = self._fit(points[~test], classes[~test], points[test], len(share))
            log_p[test] = fitted[np.arange(len(fitted)), classes[test]]
        gain = (log_p - np.log(share)[classes]) / math.log(2)
        return {
            "linear_V_TY": float(gain.mean()),
            "linear_V_TY_se": float(gain.std(ddof=1) / math.sqrt(len(gain))),
        }

    def _fit(
        self, train: _Floats, classes: NDArray[np.int64], test: _Floats, n_classes: int
    ) -> _Floats:
        """Log-probabilities ``(n_test, n_classes)`` in nats, by a fit with the best penalty."""
        penalty = self.penalties[0]
        if len(self.penalties) > 1:
            held = _stratified_folds(classes, 5, self.seed) == 0
            inner = _path(
                train[~held], classes[~held], train[held], n_classes, sorted(self.penalties)[::-1]
            )
            scores = {
                penalty: fitted[np.arange(len(fitted)), classes[held]].mean()
                for penalty, fitted in inner.items()
            }
            penalty = max(scores, key=scores.__getitem__)
        return _path(train, classes, test, n_classes, [penalty])[penalty]


def _stratified_folds(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each sample; every class is spread evenly over the folds."""
    shuffled = own_generator(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold_of = np.empty(len(labels), dtype=np.int64)
    fold_of[by_class] = np.arange(len(labels)) % folds
    return fold_of


def _standardised(points: _Floats) -> _Floats:
    """Units of mean 0 and variance 1, and no more of them than samples. Labels play no part."""
    # Not by the standard deviation: the mean of a thousand times 0.1 is not 0.1.
    varies = np.ptp(points, axis=0) > 0
    points = np.where(varies, points - points.mean(axis=0), 0)
    points /= np.where(varies, points.std(axis=0), 1)
    if points.shape[1] <= len(points):
        return points
    # The best weights are combinations of samples, so a rotation into the space that the samples
    # span gives the same fit with fewer numbers.
    squares, directions = np.linalg.eigh(points @ points.T)
    rotated: _Floats = directions * np.sqrt(np.maximum(squares, 0))
    return rotated


def _path(
    train: _Floats,
    classes: NDArray[np.int64],
    test: _Floats,
    n_classes: int,
    penalties: Sequence[float],
) -> dict[float, _Floats]:
    """Log-probabilities ``(n_test, n_classes)`` in nats, of a logistic regression per penalty."""
    n_units = train.shape[1]
    # One sample more, at the layer's mean and shared by all classes: without it, a class that the
    # training part lacks would get the probability 0, and its samples a surprise without end.
    train = np.vstack([train, np.zeros(n_units)])
    targets = np.vstack([np.eye(n_classes)[classes], np.full(n_classes, 1 / n_classes)])
    predicted: dict[float, _Floats] = {}
    start = np.zeros((n_units + 1) * n_classes)
    start[-n_classes:] = np.log(targets.mean(axis=0))  # the answer where the units say nothing
    for penalty in penalties:  # the stiffest first: each fit starts where the one before ended

        def loss(flat: _Floats, penalty: float = penalty) -> tuple[float, _Floats]:
            weights, offset = flat[:-n_classes].reshape(n_units, n_classes), flat[-n_classes:]
            log_p = log_softmax(train @ weights + offset, axis=1)
            error = np.exp(log_p) - targets
            value = -(log_p * targets).sum() + penalty / 2 * (weights**2).sum()
            slope = (train.T @ error + penalty * weights).ravel()
            return float(value), np.concatenate([slope, error.sum(axis=0)])

        # Far below the standard error, far above what rounding allows.
        options = {"maxiter": 200, "ftol": 1e-6}
        start = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
        weights, offset = start[:-n_classes].reshape(n_units, n_classes), start[-n_classes:]
        predicted[penalty] = log_softmax(test @ weights + offset, axis=1)
    return predicted
