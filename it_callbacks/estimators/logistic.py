"""Fit multinomial logistic regressions to many samples of many units, by Newton's method.

The units are rotated into the directions in which the samples spread. There the penalty alone
decides on most of them, and the others are nearly uncoupled: conjugate gradients in single
precision find a step in a few products. Loss and slope are in double precision and of all
directions, so that no shortcut of the step is one of the answer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Singles = NDArray[np.float32]

_NEGLIGIBLE = 1e-8
"""Directions with so little of the smallest penalty, all together, are left out.

Of a direction with the sum of squares q no weight is above sqrt(q n) / penalty, so that it moves
the mean of ln p over n samples by at most 2 q / penalty.
"""
_MOST_STEPS, _MOST_PRODUCTS = 50, 200
_LOOSEST = 0.1
"""Share of the slope that a step may leave, in the norm of its curvature."""
_SUFFICIENT = 1e-4
"""Share of the fall which the slope promises that a step must bring (Armijo)."""
_SHORTEST = 1e-6
_ROUNDING = 1e-12


class Directions(NamedTuple):
    """Samples in the directions in which they spread, the widest first.

    Args:
        rows: ``(n_samples, 1 + n_directions)``; the first column is 1, for the offsets.
        squares: The sum of squares in each direction, decreasing, ``(n_directions,)``.
    """

    rows: _Floats
    squares: _Floats


class Samples(NamedTuple):
    """What a fit learns from: some of the samples, and one more.

    Args:
        rows: As of `Directions`.
        single: The same in single precision.
        targets: What the classes' probabilities should be, ``(n, n_classes)``.
        squares: As of `Directions`.
    """

    rows: _Floats
    single: _Singles
    targets: _Floats
    squares: _Floats

    @property
    def start(self) -> _Floats:
        """The weights where the units say nothing."""
        weights = np.zeros((self.rows.shape[1], self.targets.shape[1]))
        weights[0] = np.log(self.targets.mean(axis=0))
        return weights


def directions(points: _Floats, penalty: float) -> Directions:
    """Rotate samples into the directions in which they spread. Labels play no part.

    The penalty is that of the squared norm, which no rotation changes, and the best weights are
    combinations of samples: so the fit is the same, with fewer numbers.

    Args:
        points: ``(n_samples, n_units)``, of mean 0.
        penalty: The smallest that will be used.
    """
    if points.shape[1] <= len(points):
        squares, axes = np.linalg.eigh(points.T @ points)
        columns = points @ axes[:, ::-1]
    else:
        squares, axes = np.linalg.eigh(points @ points.T)
        columns = axes[:, ::-1] * np.sqrt(np.maximum(squares[::-1], 0))
    squares = np.maximum(squares[::-1], 0)
    from_here_on = np.cumsum(squares[::-1])[::-1]
    kept = int(np.count_nonzero(from_here_on > _NEGLIGIBLE * penalty))
    rows = np.hstack([np.ones((len(points), 1)), columns[:, :kept]])
    return Directions(rows, squares[:kept])


def samples(
    of: Directions, which: NDArray[Any], classes: NDArray[np.int64], n_classes: int
) -> Samples:
    """Some of the samples as a fit takes them.

    Args:
        of: All samples.
        which: The ones to take.
        classes: Class numbers of all.
        n_classes: How many classes there are.
    """
    # One sample more, at the layer's mean and shared by all classes: without it, a class that the
    # training part lacks would get the probability 0, and its samples a surprise without end.
    mean = np.zeros((1, of.rows.shape[1]))
    mean[0, 0] = 1
    rows = np.concatenate([of.rows[which], mean])
    targets = np.full((len(rows), n_classes), 1 / n_classes)
    targets[:-1] = np.eye(n_classes)[classes[which]]
    return Samples(rows, rows.astype(np.float32), targets, of.squares)


def log_probabilities(rows: _Floats, weights: _Floats) -> _Floats:
    """Ln p of each class, ``(n, n_classes)``."""
    log_p = rows @ weights
    log_p -= log_p.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    return log_p


def fit(learnt: Samples, penalty: float, start: _Floats, tolerance: float) -> _Floats:
    """The weights ``(1 + n_directions, n_classes)`` of least loss; the first row are the offsets.

    The loss is the summed cross-entropy in nats and `penalty` times half the squared norm of all
    weights but the offsets.

    Args:
        learnt: What to learn from.
        penalty: Above 0.
        start: Weights to start from; the nearer, the faster.
        tolerance: The last step is the one that should have brought less than half of this.
    """
    ridge = np.full((len(start), 1), penalty)
    ridge[0] = 0
    weights, (loss, log_p) = start, _loss(learnt, start, ridge)
    for _ in range(_MOST_STEPS):
        p = np.exp(log_p)
        slope = learnt.rows.T @ (p - learnt.targets) + ridge * weights
        if not slope.any():  # one class
            break
        step = _step(learnt, p, slope, ridge)
        fall = -float(np.vdot(slope, step))
        if not fall > 0:
            break
        length = 1.0
        while True:
            then, log_p = _loss(learnt, weights + length * step, ridge)
            if then <= loss - _SUFFICIENT * length * fall + _ROUNDING * abs(loss):
                break
            length /= 2
            if length < _SHORTEST:
                return weights
        weights, loss = weights + length * step, then
        if fall < tolerance:
            break
    return weights


def _loss(learnt: Samples, weights: _Floats, ridge: _Floats) -> tuple[float, _Floats]:
    log_p = log_probabilities(learnt.rows, weights)
    fitting = float(np.vdot(log_p, learnt.targets))
    return float((ridge * weights**2).sum()) / 2 - fitting, log_p


def _step(learnt: Samples, p: _Floats, slope: _Floats, ridge: _Floats) -> _Floats:
    """Newton's step, about.

    Of a sum of squares below the penalty, at most a fifth of the curvature comes from the samples:
    these directions each take the step that is best for them alone.
    """
    n_coupled = 1 + int(np.count_nonzero(learnt.squares > ridge[-1]))
    uncertain = p * (1 - p)
    step = np.empty_like(slope)
    alone = ridge[n_coupled:] + learnt.squares[n_coupled - 1 :, None] * uncertain.mean(axis=0)
    step[n_coupled:] = -slope[n_coupled:] / alone
    step[:n_coupled] = _solved(
        learnt.single[:, :n_coupled],
        p.astype(np.float32),
        -slope[:n_coupled].astype(np.float32),
        ridge[:n_coupled].astype(np.float32),
    )
    return step


def _solved(rows: _Singles, p: _Singles, target: _Singles, ridge: _Singles) -> _Singles:
    """The step whose change of slope is `target`, by preconditioned conjugate gradients."""
    diagonal = (rows**2).T @ (p * (1 - p)) + ridge
    # All offsets at once change nothing, so that there alone no curvature is of any use.
    diagonal = np.maximum(diagonal, np.float32(1e-6) * diagonal.max())
    left, found = target.copy(), np.zeros_like(target)
    scaled = left / diagonal
    direction, size = scaled.copy(), float(np.vdot(left, scaled))
    enough = size * min(_LOOSEST**2, size)
    for _ in range(_MOST_PRODUCTS):
        change = rows @ direction
        change -= (p * change).sum(axis=1, keepdims=True)
        change *= p
        product = rows.T @ change
        product += ridge * direction
        curvature = float(np.vdot(direction, product))
        if not curvature > 0:
            break
        length = np.float32(size / curvature)
        found += length * direction
        left -= length * product
        scaled = left / diagonal
        before, size = size, float(np.vdot(left, scaled))
        if size <= enough:
            break
        direction *= np.float32(size / before)
        direction += scaled
    return found
