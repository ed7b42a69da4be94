"""Measure the information about the label that a linear classifier reads off a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from it_callbacks.checks import finite, whole
from it_callbacks.estimators.extra import Extra, checked, own_generator
from it_callbacks.estimators.logistic import (
    Directions,
    directions,
    fit,
    log_probabilities,
    samples,
)
from it_callbacks.records import QUANTITIES, Quantity

_Floats = NDArray[np.float64]

_TO_READ, _TO_CHOOSE = 1e-5, 1e-2
"""Nats, of all samples together, that the last step of a fit may bring. What it leaves is far less:
values are those of the best weights to 1e-6 bits, and so are scores, which tell penalties apart."""


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
        share = np.bincount(classes) / len(classes)
        spread = directions(_standardised(points), min(self.penalties))
        fold_of = _stratified_folds(classes, self.folds, self.seed)
        log_p = np.empty(len(points))
        known: dict[float, _Floats] = {}
        for fold in range(self.folds):
            test = fold_of == fold
            weights, known = self._fit(spread, np.flatnonzero(~test), classes, known)
            log_p[test] = _of_own_class(spread, np.flatnonzero(test), classes, weights)
        gain = (log_p - np.log(share)[classes]) / math.log(2)
        return {
            "linear_V_TY": float(gain.mean()),
            "linear_V_TY_se": float(gain.std(ddof=1) / math.sqrt(len(gain))),
        }

    def _fit(
        self,
        spread: Directions,
        train: NDArray[np.intp],
        classes: NDArray[np.int64],
        known: dict[float, _Floats],
    ) -> tuple[_Floats, dict[float, _Floats]]:
        """Weights by a fit with the best penalty, and those of a part of its samples by penalty.

        Args:
            spread: All samples.
            train: Those to learn from.
            classes: Class numbers of all.
            known: Weights by penalty of other samples, mostly the same ones, to start from.
        """
        n_classes = int(classes.max()) + 1
        penalty, found = self.penalties[0], dict[float, _Floats]()
        if len(self.penalties) > 1:
            held = _stratified_folds(classes[train], 5, self.seed) == 0
            part = samples(spread, train[~held], classes, n_classes)
            weights, scores = part.start, dict[float, float]()
            for each in sorted(self.penalties, reverse=True):  # from the stiffest, each from there
                weights = fit(part, each, known.get(each, weights), _TO_CHOOSE)
                found[each] = weights
                scores[each] = _of_own_class(spread, train[held], classes, weights).mean()
            penalty = max(scores, key=scores.__getitem__)
        learnt = samples(spread, train, classes, n_classes)
        return fit(learnt, penalty, found.get(penalty, learnt.start), _TO_READ), found


def _of_own_class(
    spread: Directions, which: NDArray[np.intp], classes: NDArray[np.int64], weights: _Floats
) -> _Floats:
    """Ln p of the class that each of some samples has."""
    log_p: _Floats = log_probabilities(spread.rows[which], weights)
    return log_p[np.arange(len(which)), classes[which]]


def _stratified_folds(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each sample; every class is spread evenly over the folds."""
    shuffled = own_generator(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold_of = np.empty(len(labels), dtype=np.int64)
    fold_of[by_class] = np.arange(len(labels)) % folds
    return fold_of


def _standardised(points: _Floats) -> _Floats:
    """Units of mean 0 and variance 1."""
    # Not by the standard deviation: the mean of a thousand times 0.1 is not 0.1.
    varies = np.ptp(points, axis=0) > 0
    points = np.where(varies, points - points.mean(axis=0), 0)
    points /= np.where(varies, points.std(axis=0), 1)
    return points
