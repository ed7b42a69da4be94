"""Turn counts into an `Estimate`: a value in bits, and indicators of how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks.checks import whole
from it_callbacks.estimators import counts as of_counts
from it_callbacks.estimators import intervals
from it_callbacks.estimators.chance import chance_share, expected_from_marginals
from it_callbacks.estimators.counting import Contingency
from it_callbacks.estimators.counts import Estimator, Spectrum, chao_wang_jost, coverage, mle
from it_callbacks.estimators.intervals import Interval
from it_callbacks.records import Status

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
        counts: integers `(n_states,)`, samples in each state.
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
    possible = _possible("n_states", n_states, int(seen.states.sum()), "states")
    estimate = entropy_of_spectrum(seen, possible)
    return estimate if estimator is mle else replace(estimate, bits=float(estimator(counts)))


def entropy_of_spectrum(seen: Spectrum, n_states: int | None = None) -> Estimate:
    """The `entropy_estimate` by `mle` of states whose counts of counts are known.

    Args:
        seen: the counts of counts.
        n_states: how many states are possible, at least as many as were seen; None if not known.
    """
    error = of_counts.standard_error(seen)
    return _without_chance(
        mle(seen),
        corrected=chao_wang_jost(seen),
        standard_error=error,
        interval=intervals.of_entropy(seen, error, n_states),
        counts=seen,
    )


def conditional_entropy_estimate(table: Contingency, estimator: Estimator = mle) -> Estimate:
    """H(X|Y) = H(X,Y) - H(Y) in bits, of x given y; coverage and states are those of the pairs.

    Args:
        table: of x (rows) and y (columns).
        estimator: counts -> bits, used on both entropies.
    """
    columns, cells = table.column_counts, table.cell_counts
    change = of_counts.leave_one_out(columns)[table.cell_columns] - of_counts.leave_one_out(cells)
    error = of_counts.spread(change, cells)
    pairs, given = table.cell_spectrum, table.columns.spectrum
    plain = _settled(mle(pairs) - mle(given))
    return _without_chance(
        plain if estimator is mle else _settled(estimator(cells) - estimator(columns)),
        corrected=_settled(chao_wang_jost(pairs) - chao_wang_jost(given)),
        standard_error=error,
        interval=intervals.of_conditional_entropy(pairs, given, plain, error),
        counts=pairs,
    )


def mutual_information_estimate(
    table: Contingency, estimator: Estimator = mle, *, n_classes: int | None = None
) -> Estimate:
    """I(X;Y) = H(X) + H(Y) - H(X,Y) in bits, with its chance level.

    x (rows) plays the layer T, y (columns) the labels: coverage and n_states are those of x, and
    chance is compared with H(Y). `bits` and `chance` are symmetric in the two, the interval is not.

    Args:
        table: of x and y.
        estimator: counts -> bits, used on all three entropies.
        n_classes: how many states of y are possible, for the interval; None for as many as
            were seen.

    Raises:
        ValueError: `n_classes` below the number of classes seen.
    """
    possible = _possible("n_classes", n_classes, len(table.column_counts), "classes")
    plain = information_without_interval(table)
    change = (
        of_counts.leave_one_out(table.cell_counts)
        - of_counts.leave_one_out(table.row_counts)[table.cell_rows]
        - of_counts.leave_one_out(table.column_counts)[table.cell_columns]
    )
    error = of_counts.spread(change, table.cell_counts)
    interval = intervals.of_information(table, plain.bits, error, plain.chance_share, possible)
    bits = plain.bits
    if estimator is not mle:
        bits = _information(estimator, table.row_counts, table.column_counts, table.cell_counts)
    return replace(plain, bits=bits, standard_error=error, low=interval.low, high=interval.high)


def information_without_interval(table: Contingency) -> Estimate:
    """The `mutual_information_estimate` by `mle` without its interval and its standard error.

    What takes most of the time, and is not logged of a further ruler.

    Example:
        >>> from it_callbacks.estimators.counting import contingency
        >>> estimate = information_without_interval(contingency([0, 0, 1, 1], [0, 0, 1, 1]))
        >>> estimate.bits, estimate.low
        (1.0, nan)
    """
    rows, columns, cells = table.row_spectrum, table.columns.spectrum, table.cell_spectrum
    label_entropy = mle(columns)
    dependence = _information(mle, rows, columns, cells)
    chance = expected_from_marginals(rows, columns)
    share = chance_share(chance, label_entropy)
    if label_entropy == 0:
        adjusted = 0.0
    elif share > ADJUSTABLE_CHANCE:
        adjusted = math.nan
    else:
        adjusted = label_entropy * (dependence - chance) / (label_entropy - chance)
    row_coverage = coverage(rows)
    return Estimate(
        bits=dependence,
        standard_error=math.nan,
        low=math.nan,
        high=math.nan,
        chance=chance,
        adjusted=adjusted,
        coverage=row_coverage,
        status=status(row_coverage, share),
        n_samples=table.n_samples,
        n_states=len(table.row_counts),
        chance_share=share,
    )


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
    bits: float, *, corrected: float, standard_error: float, interval: Interval, counts: Spectrum
) -> Estimate:
    """The Estimate of a quantity to which no chance level belongs."""
    seen = coverage(counts)
    return Estimate(
        bits=bits,
        standard_error=standard_error,
        low=interval.low,
        high=interval.high,
        chance=math.nan,
        adjusted=math.nan,
        coverage=seen,
        status=status(seen),
        n_samples=int(counts.n @ counts.states),
        n_states=int(counts.states.sum()),
        corrected=corrected if interval.is_drawn else math.nan,
    )


def _information(estimator: Callable[[Any], float], rows: Any, columns: Any, cells: Any) -> float:
    """H(X) + H(Y) - H(X,Y), of counts or of their spectra."""
    return _settled(float(estimator(rows)) + float(estimator(columns)) - float(estimator(cells)))


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


def _settled(bits: float) -> float:
    """A difference of entropies that only rounding keeps from 0 is 0; nothing else is clipped."""
    return 0.0 if abs(bits) < 1e-13 else bits
