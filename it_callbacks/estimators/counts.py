"""Estimate entropy, in bits, from how often each state was seen.

All estimators use the counts of counts (how many states were seen n times), so they take far less
time than the counting. The bias that each docstring states is exact: the mean over all samples
of 4 draws from 3 equally likely states, less log2 3 = 1.585 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, xlog1py

Estimator = Callable[[NDArray[np.int64]], float]
"""Counts `(n_states,)` -> bits; any such function of yours is one."""

BITS_PER_NAT = 1 / math.log(2)


def mle(counts: ArrayLike) -> float:
    """Maximum-likelihood entropy in bits, ``-sum(n/N log2 n/N)``: the entropy of the sample.

    Never above log2 N, and too low on average, by about ``(n_states - 1) / (2 N)`` nats while
    N is much larger than the number of states; 0.4557 bits in the module's example.

    Args:
        counts: integers `(n_states,)`; zeros are allowed and change nothing.

    Raises:
        ValueError: a negative count, or nothing counted.
        TypeError: counts that are not integers.

    Example:
        >>> mle([2, 1, 1])
        1.5
    """
    return _mle(*spectrum(counts))


def miller_madow(counts: ArrayLike) -> float:
    """Entropy in bits with the first-order bias removed: ``mle + (m - 1) / (2 N)`` nats.

    m counts the states that were seen. Miller (1955), Note on the bias of information
    estimates. Bias -0.2019 bits in the module's example. Takes and raises what `mle` does.

    Example:
        >>> round(miller_madow([2, 1, 1]) - mle([2, 1, 1]), 6)  # 2 / (2 * 4) nats
        0.360674
    """
    n, states = spectrum(counts)
    return _mle(n, states) + BITS_PER_NAT * (int(states.sum()) - 1) / (2 * _total(n, states))


def grassberger(counts: ArrayLike) -> float:
    """Entropy in bits, ``digamma(N) - (1/N) sum(n G(n))`` nats: nearly unbiased once N > n_states.

    ``G(n) = digamma(n) + (-1)^n / 2 [digamma((n+1)/2) - digamma(n/2)]``: Grassberger (2003),
    Entropy estimates from insufficient samplings, arXiv physics/0307138, eqs. 31 and 35. He writes
    ln N for a random, Poisson N; for a sample of given size it is digamma(N), about 1/(2N) nats
    less: bias -0.0061 bits in the module's example instead of +0.1817. (His form of 1988 is
    another.) Takes and raises what `mle` does. One sample gives 1 bit, as the formula says.

    Example:
        >>> round(grassberger([1, 1]), 6)  # (1 - gamma) + (gamma + ln 2) nats
        2.442695
    """
    n, states = spectrum(counts)
    total = _total(n, states)
    sign = np.where(n % 2 == 0, 1.0, -1.0)
    g = digamma(n) + 0.5 * sign * (digamma((n + 1) / 2) - digamma(n / 2))
    return BITS_PER_NAT * (float(digamma(total)) - float((states * n * g).sum()) / total)


def jackknife(counts: ArrayLike) -> float:
    """Entropy in bits, ``N H - (N-1) mean(H without one sample)``, leaving out each in turn.

    Zahl (1977), Jackknifing an index of diversity, Ecology 58; here in closed form, one term
    per distinct count. Bias +0.0389 bits in the module's example. Takes and raises what `mle`
    does. One sample gives 0.

    Example:
        >>> round(jackknife([1] * 100), 6)  # 100 log2 100 - 99 log2 99
        8.079314
    """
    n, states = spectrum(counts)
    total = _total(n, states)
    # N H - (N-1) mean(H_-) with the terms that cancel taken out by hand: no loss at large N.
    shift = float((states * n * xlog1py(n - 1, -1 / n)).sum()) / total
    shift -= float(xlog1py(total - 1, -1 / total))
    return _mle(n, states) + BITS_PER_NAT * shift


def chao_wang_jost(counts: ArrayLike) -> float:
    """Entropy in bits from the slope of the species accumulation curve.

    With f1 and f2 states seen once and twice: ``sum(n/N [digamma(N) - digamma(n)])`` for what
    was seen, and ``f1/N sum over k >= 0 of (1-A)^(k+1) / (N+k)`` for what was not, where
    ``A = 2 f2 / ((N-1) f1 + 2 f2)``, or ``2 / ((N-1)(f1-1) + 2)`` if f2 = 0, or 1 if f1 = 0.
    Chao, Wang & Jost (2013), Entropy and the species accumulation curve, Methods in Ecology and
    Evolution 4, whose printed ``(1-A)^(1-N) {-ln A - sum over r < N of (1-A)^r / r}`` is the
    same series. Bias +0.0029 bits in the module's example. Takes and raises what `mle` does.
    One sample gives 0. Below a coverage of one half it is a guess, as any estimate is.

    Example:
        >>> round(chao_wang_jost([1, 1]), 6)  # A = 2/3, and all adds up to 3 ln 1.5 nats
        1.754888
    """
    n, states = (part.astype(np.int64, copy=False) for part in spectrum(counts))
    return BITS_PER_NAT * _chao_wang_jost_nats(n.tobytes(), states.tobytes())


def standard_error(counts: ArrayLike) -> float:
    """Jackknife standard error of an entropy, in bits; NaN for a single sample.

    ``sqrt((N-1)/N sum over samples of (H_- - mean H_-)^2)``, ``H_-`` being `mle` without that
    sample. Takes and raises what `mle` does.

    Example:
        >>> standard_error([5, 5])  # leaving out one sample or another makes no difference
        0.0
    """
    n, states = spectrum(counts)
    return spread(leave_one_out(n), states * n)


def coverage(counts: ArrayLike) -> float:
    """Share of the distribution's mass that lies on the states seen, in [0, 1]: ``1 - f1 / N``.

    Good (1953) after Turing. At 0 every sample is a state of its own, and `mle` is log2 N
    whatever the distribution. Takes and raises what `mle` does.

    Example:
        >>> coverage([3, 1])
        0.75
    """
    of = spectrum(counts)
    return 1 - times_seen(1, of) / _total(*of)


def leave_one_out(n: NDArray[np.int64]) -> NDArray[np.float64]:
    """What one sample less of a state seen n times adds to ``sum(n ln n)``, elementwise."""
    n_bits = int(n.max()).bit_length()
    return _without_one(n) if n_bits > _MOST_BITS else _of_bits(n_bits)[n]


_MOST_BITS = 16
"""Of counts whose values are looked up in a table of half a megabyte."""


@lru_cache
def _of_bits(n_bits: int) -> NDArray[np.float64]:
    """`leave_one_out` of all counts of so many bits; that of 0 is never asked for."""
    table = np.append(0.0, _without_one(np.arange(1, 1 << n_bits)))
    table.flags.writeable = False
    return table


def _without_one(n: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(xlog1py(n - 1, -1 / n) - np.log(n), np.float64)


def spread(change: NDArray[np.float64], weight: NDArray[np.int64]) -> float:
    """Jackknife standard error in bits, given each sample's change of ``sum(n ln n)``.

    Args:
        change: `(n_groups,)`, alike for all samples of a group.
        weight: `(n_groups,)`, samples in each group.
    """
    total = int(weight.sum())
    if total < 2:
        return math.nan
    deviation = change - float(weight @ change) / total
    variance = float(weight @ deviation**2) / total / (total - 1)
    return BITS_PER_NAT * math.sqrt(variance)


class Spectrum(NamedTuple):
    """The counts of counts, which estimators take in place of counts: tallied once for all.

    Args:
        n: The distinct counts, increasing, without 0.
        states: How many states have each.
    """

    n: NDArray[np.int64]
    states: NDArray[np.int64]


def spectrum(counts: ArrayLike) -> Spectrum:
    """The `Spectrum` of counts; takes and raises what `mle` does."""
    if isinstance(counts, Spectrum):
        return counts
    array = np.asarray(counts)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"counts has dtype {array.dtype}; counts are integers, samples per state")
    counted = array.astype(np.int64, copy=False).ravel()
    if counted.size and counted.min() < 0:
        raise ValueError(
            f"counts holds {counted.min()}; no state is seen a negative number of times"
        )
    counted = counted[counted > 0]
    if not counted.size:
        raise ValueError("counts holds no sample; at least one state must have been seen")
    return tallied(counted)


def tallied(counts: NDArray[np.int64]) -> Spectrum:
    """The `Spectrum` of counts `(n_states,)` that are known to be at least 1."""
    # Below some number of values, a bin each takes less time than to sort them.
    if counts.max() < max(8 * counts.size, 4096):
        tally = np.bincount(counts)
        n = tally.nonzero()[0]
        return Spectrum(n, tally[n])
    return Spectrum(*np.unique(counts, return_counts=True))


def _total(n: NDArray[np.int64], states: NDArray[np.int64]) -> int:
    return int(n @ states)


def times_seen(times: int, counts: Spectrum) -> int:
    """How many states were seen so many times."""
    n, states = counts
    at = int(n.searchsorted(times))
    return int(states[at]) if at < len(n) and n[at] == times else 0


def _mle(n: NDArray[np.int64], states: NDArray[np.int64]) -> float:
    if len(n) == 1:  # all states alike: log2 m with no rounding, and so 0 for one state
        return math.log2(int(states[0]))
    total = _total(n, states)
    return math.log2(total) - float((states * n * np.log2(n)).sum()) / total


# The same counts come again: a layer's in both its numbers, the labels' with every layer.
@lru_cache(maxsize=64)
def _chao_wang_jost_nats(n_in_bytes: bytes, states_in_bytes: bytes) -> float:
    of = Spectrum(*(np.frombuffer(part, np.int64) for part in (n_in_bytes, states_in_bytes)))
    n, states = of
    total = _total(n, states)
    once, twice = times_seen(1, of), times_seen(2, of)
    seen = float((states * n * (digamma(total) - digamma(n))).sum()) / total
    if once == 0:  # nothing is unseen
        return seen
    if twice > 0:
        a = 2 * twice / ((total - 1) * once + 2 * twice)
    else:
        a = 2 / ((total - 1) * (once - 1) + 2)
    return seen + once / total * (1 - a) * _geometric_harmonic(a, total)


def _geometric_harmonic(a: float, n: int) -> float:
    """``sum over k >= 0 of (1-a)^k / (n+k)`` for 0 < a <= 1, to about 1e-13.

    The closed form that is usually printed subtracts two numbers that agree to exp(-a n) and
    then divides by exp(-a n): at a n = 40 no digit is left. The series itself needs 40/a terms,
    and a may be 2/n^2. SciPy's hyp2f1 returns NaN from n = 1000 on. So, for each range of a n,
    the expansion that converges there, in a bounded number of steps.
    """
    if a * n <= 1:
        # Abramowitz & Stegun 15.3.10 for 2F1(1, n; n+1; 1-a), which has a logarithm at a = 0.
        # The terms fall at least as fast as 2^-k (n = 2) or 1/k! (large n).
        k = np.arange(1, 64)
        power = np.cumprod(a * (n + k - 1) / k)
        logarithm = math.log(a)
        tail = float((power * (digamma(k + 1) - digamma(n + k) - logarithm)).sum())
        return float(digamma(1)) - float(digamma(n)) - logarithm + tail
    # Gauss's continued fraction of 2F1(1, 1; n+1; -(1-a)/a) / (a n), from the far end backwards.
    # All its parts are positive. So many levels leave 1e-16, for n from 2 to 1e6 and a n from 1 to
    # 1e4, as values at 3000 levels tell.
    x = (1 - a) / a
    value = 1.0
    for level in range(int(190 / (a * n)) + 11, 0, -1):
        j = level // 2
        if level % 2:
            part = (j + 1) * (n + j) / ((n + 2 * j) * (n + 2 * j + 1))
        else:
            part = j * (n + j - 1) / ((n + 2 * j - 1) * (n + 2 * j))
        value = 1 + part * x / value
    return 1 / (value * a * n)
