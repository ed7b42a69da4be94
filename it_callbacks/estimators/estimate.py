"""Turn counts into an `Estimate`: a value in bits, and indicators of how far to trust it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from it_callbacks.checks import whole
from it_callbacks.estimators import counts as of_counts
from it_callbacks.estimators import intervals
from it_callbacks.estimators.chance import chance_share, expected_of_each
from it_callbacks.estimators.counting import Contingency
from it_callbacks.estimators.counts import Estimator, Spectrum, mle
from it_callbacks.estimators.intervals import Intervals
from it_callbacks.records import Status

Floats = NDArray[np.float64]

# Beyond these a value says more about the number of samples than about the network. Simulated
# with known truths: uniform, Zipf and clustered states, coin-labelled states.
COVERAGE_OK, COVERAGE_SATURATED = 0.95, 0.5
CHANCE_OK, CHANCE_SATURATED = 0.05, 0.5

# Chance so near to H(Y) that the adjusted value divides noise by next to nothing.
ADJUSTABLE_CHANCE = 0.9


@dataclass(frozen=True)
class Estimate:
    """A value in bits and what it is worth. NaN where a field has no meaning or no honest value.

    Attributes:
        bits: the value of the chosen estimator.
        standard_error: jackknife standard error; NaN for a single sample.
        low: lower end of the 95 % interval, in [0, high], whatever the chosen estimator; where
            `high` is NaN it stands alone: at least so much. NaN for a single sample.
        high: upper end of the same; NaN where no interval is known to hold what it promises (see
            `it_callbacks.estimators.intervals`). The interval is not symmetric around any value.
        chance: for mutual information, its mean over all permutations of the labels.
        adjusted: for mutual information, ``H(Y) (I - chance) / (H(Y) - chance)`` of the
            maximum-likelihood I: 0 at chance level, H(Y) where Y is a function of X. May be
            negative; NaN where chance exceeds .9 of H(Y).
        coverage: Good-Turing coverage of the states counted in `n_states`.
        status: OK, CAUTION or SATURATED, from coverage and chance share.
        n_samples: N.
        n_states: distinct states seen (for mutual information: of x, the layer).
        corrected: for an entropy, an estimate with what is unseen added (Chao-Wang-Jost), nearer
            to `low` than to `high`; NaN where no interval is drawn, and for mutual information,
            where the same correction may add what is not there: its centre is `adjusted`.
        chance_share: for mutual information, `chance` over H(Y), in [0, 1].
    """

    bits: float
    standard_error: float
    low: float
    high: float
    chance: float
    adjusted: float
    coverage: float
    status: Status
    n_samples: int
    n_states: int
    corrected: float = math.nan
    chance_share: float = math.nan


def entropy_estimate(
    counts: NDArray[np.int64], estimator: Estimator = mle, *, n_states: int | None = None
) -> Estimate:
    """Entropy in bits of the distribution that the counts were drawn from.

    Args:
        counts: integers `(n_states,)`, samples in each state; of a single state it is 0 bits.
        estimator: counts -> bits.
        n_states: how many states are possible, which bounds the interval; None if not known.

    Raises:
        ValueError: `n_states` below the number of states seen.

    Example:
        >>> estimate = entropy_estimate(np.array([40, 40]))
        >>> estimate.bits, estimate.coverage, estimate.status.name
        (1.0, 1.0, 'OK')
    """
    seen = of_counts.spectrum(counts)
    possible = _possible("n_states", n_states, int(seen.n_states[0]), "states")
    (estimate,) = entropy_estimates(seen, possible)
    return estimate if estimator is mle else replace(estimate, bits=_bits(estimator, counts))


def entropy_estimates(seen: Spectrum, n_states: int | None = None) -> list[Estimate]:
    """The `entropy_estimate` by `mle` of each of several variables.

    Args:
        seen: the counts of counts.
        n_states: how many states are possible, at least as many as were seen; None if not known.
    """
    interval = intervals.of_entropy(seen, n_states)
    return _without_chance(seen, seen.mle, seen.chao_wang_jost, seen.standard_error, interval)


def conditional_entropy_estimate(table: Contingency, estimator: Estimator = mle) -> Estimate:
    """H(X|Y) = H(X,Y) - H(Y) in bits, of x given y; coverage and states are those of the pairs.

    Args:
        table: of x (rows) and y (columns).
        estimator: counts -> bits, used on both entropies, but for one that never varies.
    """
    (estimate,) = conditional_entropy_estimates(table)
    if estimator is mle:
        return estimate
    of_pairs, of_y = (_bits(estimator, each) for each in (table.cell_counts, table.column_counts))
    return replace(estimate, bits=_difference(of_pairs, of_y))


def conditional_entropy_estimates(table: Contingency) -> list[Estimate]:
    """The `conditional_entropy_estimate` by `mle` of each of several x, given the same y."""
    columns, cells = table.column_counts, table.cell_counts
    change = of_counts.leave_one_out(columns)[table.cell_columns] - of_counts.leave_one_out(cells)
    error = of_counts.spread(change, cells, table.cell_parts)
    pairs, given = table.cell_spectrum, table.columns.spectrum
    bits = _settled(pairs.mle - given.mle)
    interval = intervals.of_conditional_entropy(pairs, given, bits, error)
    corrected = _settled(pairs.chao_wang_jost - given.chao_wang_jost)
    return _without_chance(pairs, bits, corrected, error, interval)


def mutual_information_estimate(
    table: Contingency, estimator: Estimator = mle, *, n_classes: int | None = None
) -> Estimate:
    """I(X;Y) = H(X) + H(Y) - H(X,Y) in bits, with its chance level.

    x (rows) plays the layer T, y (columns) the labels: coverage and n_states are those of x, and
    chance is compared with H(Y). `bits` and `chance` are symmetric in the two, the interval is not.

    Args:
        table: of x and y.
        estimator: counts -> bits, used on all three entropies, but for one that never varies.
        n_classes: how many states of y are possible, for the interval; None for as many as
            were seen.

    Raises:
        ValueError: `n_classes` below the number of classes seen.
    """
    possible = _possible("n_classes", n_classes, len(table.column_counts), "classes")
    (estimate,) = information_estimates(table, n_classes=possible)
    if estimator is mle:
        return estimate
    of_both = _bits(estimator, table.row_counts) + _bits(estimator, table.column_counts)
    return replace(estimate, bits=_difference(of_both, _bits(estimator, table.cell_counts)))


def information_estimates(
    table: Contingency, *, n_classes: int | None = None, with_interval: bool = True
) -> list[Estimate]:
    """The `mutual_information_estimate` by `mle` of each of several x and the same y.

    Args:
        table: of each x and y.
        n_classes: how many states of y are possible, at least as many as were seen; None for those.
        with_interval: whether an interval and a standard error are wanted, which take most of the
            time; else they are NaN.

    Example:
        >>> from it_callbacks.estimators.counting import contingency
        >>> table = contingency([0, 0, 1, 1], [0, 0, 1, 1])
        >>> (estimate,) = information_estimates(table, with_interval=False)
        >>> estimate.bits, estimate.low
        (1.0, nan)
    """
    rows, columns = table.row_spectrum, table.columns.spectrum
    label_entropy = float(columns.mle[0])
    bits = _settled(rows.mle + label_entropy - table.cell_spectrum.mle)
    chance = expected_of_each(rows, columns)
    share = np.array([chance_share(each, label_entropy) for each in chance.tolist()])
    adjusted = np.zeros_like(chance)
    if label_entropy > 0:
        room = np.where(share > ADJUSTABLE_CHANCE, math.nan, label_entropy - chance)
        adjusted = label_entropy * (bits - chance) / room
    unknown = np.full_like(bits, math.nan)
    error, interval = unknown, Intervals(unknown, unknown)
    if with_interval:
        change = (
            of_counts.leave_one_out(table.cell_counts)
            - of_counts.leave_one_out(table.row_counts)[table.cell_rows]
            - of_counts.leave_one_out(table.column_counts)[table.cell_columns]
        )
        error = of_counts.spread(change, table.cell_counts, table.cell_parts)
        interval = intervals.of_information(table, bits, error, share, n_classes)
    return _estimates(rows, bits, error, interval, chance, adjusted, unknown, share)


def status(coverage: float, chance_share: float = 0.0) -> Status:
    """How far a value can be trusted, by the coverage of its states and its chance share.

    Example:
        >>> status(0.99, 0.3).name
        'CAUTION'
    """
    if coverage < COVERAGE_SATURATED or chance_share > CHANCE_SATURATED:
        return Status.SATURATED
    if coverage < COVERAGE_OK or chance_share > CHANCE_OK:
        return Status.CAUTION
    return Status.OK


def _without_chance(
    counts: Spectrum, bits: Floats, corrected: Floats, error: Floats, interval: Intervals
) -> list[Estimate]:
    """The Estimates of quantities to which no chance level belongs."""
    corrected = np.where(np.isfinite(interval.high), corrected, math.nan)
    unknown = np.full(len(bits), math.nan)
    return _estimates(counts, bits, error, interval, unknown, unknown, corrected, unknown)


def _estimates(
    counts: Spectrum,
    bits: Floats,
    error: Floats,
    interval: Intervals,
    chance: Floats,
    adjusted: Floats,
    corrected: Floats,
    share: Floats,
) -> list[Estimate]:
    """The Estimates of several variables, whose states were counted so often."""
    columns = (bits, error, *interval, chance, adjusted, counts.coverage, corrected, share)
    numbers = zip(
        *map(_plain, columns), counts.total.tolist(), counts.n_states.tolist(), strict=True
    )
    return [
        Estimate(a, b, c, d, e, f, covered, status(covered, h), n, m, g, h)
        for a, b, c, d, e, f, covered, g, h, n, m in numbers
    ]


def _plain(numbers: Floats) -> list[float]:
    """Plain numbers; for all that are none the one NaN, so that two Estimates may be equal."""
    found: list[float] = numbers.tolist()
    return [each if each == each else math.nan for each in found]


def _possible(argument: str, given: int | None, n_seen: int, what: str) -> int | None:
    """`given`, unless there are more already."""
    if given is None:
        return None
    number = whole(argument, given, at_least=1)
    if number < n_seen:
        raise ValueError(
            f"{argument}: got {number}, but {n_seen} {what} were seen; give how many are "
            "possible, or None where that is not known"
        )
    return number


def _bits(estimator: Estimator, counts: NDArray[np.int64]) -> float:
    """The estimator's entropy in bits, and 0 of a sample that never varies.

    Such a one tells nothing of any other, and its pairs with another are the states of the other:
    what an estimator gives a single state, as Grassberger's does, would be all that remains.
    """
    return float(estimator(counts)) if np.count_nonzero(counts) > 1 else 0.0


def _difference(minuend: float, subtrahend: float) -> float:
    return float(_settled(np.asarray(float(minuend) - float(subtrahend))))


def _settled(bits: Floats) -> Floats:
    """A difference of entropies that only rounding keeps from 0 is 0; nothing else is clipped."""
    return np.where(np.abs(bits) < 1e-13, 0.0, bits)
