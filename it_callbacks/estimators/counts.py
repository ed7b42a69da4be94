"""Estimate entropy, in bits, from how often each state was seen.

All estimators use the counts of counts (how many states were seen n times), so they take far less
time than the counting. The bias that each docstring states is exact: the mean over all samples
of 4 draws from 3 equally likely states, less log2 3 = 1.585 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, xlog1py

from it_callbacks.estimators.parts import Parts

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
    return float(spectrum(counts).mle[0])


def miller_madow(counts: ArrayLike) -> float:
    """Entropy in bits with the first-order bias removed: ``mle + (m - 1) / (2 N)`` nats.

    m counts the states that were seen. Miller (1955), Note on the bias of information
    estimates. Bias -0.2019 bits in the module's example. Takes and raises what `mle` does.

    Example:
        >>> round(miller_madow([2, 1, 1]) - mle([2, 1, 1]), 6)  # 2 / (2 * 4) nats
        0.360674
    """
    of = spectrum(counts)
    return float((of.mle + BITS_PER_NAT * (of.n_states - 1) / (2 * of.total))[0])


def grassberger(counts: ArrayLike) -> float:
    """Entropy in bits, ``digamma(N) - (1/N) sum(n G(n))`` nats: nearly unbiased once N > n_states.

    ``G(n) = digamma(n) + (-1)^n / 2 [digamma((n+1)/2) - digamma(n/2)]``: Grassberger (2003),
    Entropy estimates from insufficient samplings, arXiv physics/0307138, eqs. 31 and 35. He writes
    ln N for a random, Poisson N; for a sample of given size it is digamma(N), about 1/(2N) nats
    less: bias -0.0061 bits in the module's example instead of +0.1817. (His form of 1988 is
    another.) Takes and raises what `mle` does. One state seen N times gives not 0 but, as the
    formula says, about 1/(2N) nats, up for odd N and down for even: 1 bit for one sample.

    Example:
        >>> round(grassberger([1, 1]), 6)  # (1 - gamma) + (gamma + ln 2) nats
        2.442695
    """
    of = spectrum(counts)
    n, total = of.n, int(of.total[0])
    sign = np.where(n % 2 == 0, 1.0, -1.0)
    g = digamma(n) + 0.5 * sign * (digamma((n + 1) / 2) - digamma(n / 2))
    return BITS_PER_NAT * (float(digamma(total)) - float((of.samples * g).sum()) / total)


def jackknife(counts: ArrayLike) -> float:
    """Entropy in bits, ``N H - (N-1) mean(H without one sample)``, leaving out each in turn.

    Zahl (1977), Jackknifing an index of diversity, Ecology 58; here in closed form, one term
    per distinct count. Bias +0.0389 bits in the module's example. Takes and raises what `mle`
    does. One sample gives 0.

    Example:
        >>> round(jackknife([1] * 100), 6)  # 100 log2 100 - 99 log2 99
        8.079314
    """
    of = spectrum(counts)
    n, total = of.n, int(of.total[0])
    # N H - (N-1) mean(H_-) with the terms that cancel taken out by hand: no loss at large N.
    shift = float((of.samples * xlog1py(n - 1, -1 / n)).sum()) / total
    shift -= float(xlog1py(total - 1, -1 / total))
    return float(of.mle[0]) + BITS_PER_NAT * shift


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
    return float(spectrum(counts).chao_wang_jost[0])


def standard_error(counts: ArrayLike) -> float:
    """Jackknife standard error of an entropy, in bits; NaN for a single sample.

    ``sqrt((N-1)/N sum over samples of (H_- - mean H_-)^2)``, ``H_-`` being `mle` without that
    sample. Takes and raises what `mle` does.

    Example:
        >>> standard_error([5, 5])  # leaving out one sample or another makes no difference
        0.0
    """
    return float(spectrum(counts).standard_error[0])


def coverage(counts: ArrayLike) -> float:
    """Share of the distribution's mass that lies on the states seen, in [0, 1]: ``1 - f1 / N``.

    Good (1953) after Turing. At 0 every sample is a state of its own, and `mle` is log2 N
    whatever the distribution. Takes and raises what `mle` does.

    Example:
        >>> coverage([3, 1])
        0.75
    """
    return float(spectrum(counts).coverage[0])


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


def spread(
    change: NDArray[np.float64], samples: NDArray[np.int64], parts: Parts
) -> NDArray[np.float64]:
    """Jackknife standard error of each variable in bits; NaN of one with a single sample.

    Args:
        change: What each sample's absence adds to ``sum(n ln n)``, alike for all of a group.
        samples: In each group.
        parts: The groups of each variable.
    """
    total = parts.sums(samples)
    deviation = change - (parts.sums(samples * change) / total)[parts.of]
    variance = parts.sums(samples * deviation**2) / total / np.where(total > 1, total - 1, np.nan)
    return np.asarray(BITS_PER_NAT * np.sqrt(variance))


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The counts of counts, which estimators take in place of counts: tallied once for all.

    Of one variable or of several, and what they tell of each, ``(n_variables,)``: the functions
    above say how. A variable gets the same number alone and beside others.

    Attributes:
        n: The distinct counts of each variable, increasing, without 0.
        states: How many states have each.
        parts: Which of them are of which variable.
    """

    n: NDArray[np.int64]
    states: NDArray[np.int64]
    parts: Parts

    @cached_property
    def samples(self) -> NDArray[np.int64]:
        """Samples in all states of each count."""
        return self.n * self.states

    @cached_property
    def total(self) -> NDArray[np.int64]:
        """N."""
        return self.parts.sums(self.samples)

    @cached_property
    def n_states(self) -> NDArray[np.int64]:
        """Distinct states."""
        return self.parts.sums(self.states)

    @cached_property
    def most(self) -> NDArray[np.int64]:
        """The largest count."""
        return np.asarray(self.n[self.parts.firsts + self.parts.lengths - 1])

    @cached_property
    def once(self) -> NDArray[np.int64]:
        """States seen once."""
        return self._seen(1)

    @cached_property
    def twice(self) -> NDArray[np.int64]:
        """States seen twice."""
        return self._seen(2)

    def _seen(self, times: int) -> NDArray[np.int64]:
        return self.parts.sums(np.where(self.n == times, self.states, 0))

    @cached_property
    def coverage(self) -> NDArray[np.float64]:
        """By Good and Turing."""
        return np.asarray(1 - self.once / self.total)

    @cached_property
    def mle(self) -> NDArray[np.float64]:
        """The entropy of the sample in bits."""
        bits = np.log2(self.total) - self.parts.sums(self.samples * np.log2(self.n)) / self.total
        # All states alike: log2 m with no rounding, and so 0 for one state.
        alike = np.flatnonzero(self.parts.lengths == 1)
        bits[alike] = list(map(math.log2, self.states[self.parts.firsts[alike]].tolist()))
        return np.asarray(bits)

    @cached_property
    def of_seen(self) -> NDArray[np.float64]:
        """``sum(n/N [digamma(N) - digamma(n)])`` in nats."""
        nats = self.samples * (digamma(self.total)[self.parts.of] - digamma(self.n))
        return np.asarray(self.parts.sums(nats) / self.total)

    @cached_property
    def chao_wang_jost(self) -> NDArray[np.float64]:
        """Bits of what was seen and of what was not."""
        once, twice, others = self.once, np.maximum(self.twice, 1), self.total - 1
        a = np.where(
            self.twice > 0,
            2 * twice / (others * once + 2 * twice),
            2 / (others * (np.maximum(once, 1) - 1) + 2),
        )
        a[once == 0] = 1  # nothing is unseen
        unseen = once / self.total * (1 - a) * _geometric_harmonic(a, self.total)
        return np.asarray(BITS_PER_NAT * (self.of_seen + unseen))

    @cached_property
    def standard_error(self) -> NDArray[np.float64]:
        """That of `mle` in bits, by the jackknife."""
        return spread(leave_one_out(self.n), self.samples, self.parts)


def spectrum(counts: ArrayLike | Spectrum) -> Spectrum:
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
    return tallied(counted, Parts.one(len(counted)))


def tallied(counts: NDArray[np.int64], parts: Parts) -> Spectrum:
    """The `Spectrum` of counts `(n_states,)` of each variable that are known to be at least 1."""
    reach = int(counts.max()) + 1
    alike, states = occurrences(parts.of * reach + counts)
    variable = alike // reach
    firsts = variable.searchsorted(np.arange(len(parts)))
    return Spectrum(alike - variable * reach, states, Parts(firsts, len(alike)))


def occurrences(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct ones among keys from 0 on, increasing, and how often each occurs."""
    # Below some number of values, a bin each takes less time than to sort them.
    if keys.max() < max(8 * keys.size, 4096):
        tally = np.bincount(keys)
        distinct = tally.nonzero()[0]
        return distinct, tally[distinct]
    return np.unique(keys, return_counts=True)


_N_TERMS = np.arange(1, 64)


def _geometric_harmonic(a: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """``sum over k >= 0 of (1-a)^k / (n+k)`` for 0 < a <= 1, to about 1e-13, elementwise.

    The closed form that is usually printed subtracts two numbers that agree to exp(-a n) and
    then divides by exp(-a n): at a n = 40 no digit is left. The series itself needs 40/a terms,
    and a may be 2/n^2. SciPy's hyp2f1 returns NaN from n = 1000 on. So, for each range of a n,
    the expansion that converges there, in a bounded number of steps.
    """
    found = np.empty(len(a))
    is_small = a * n <= 1
    for expansion, which in ((_logarithmic, is_small), (_continued, ~is_small)):
        if which.any():
            found[which] = expansion(a[which], n[which])
    return found


def _logarithmic(a: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of a n up to 1: Abramowitz & Stegun 15.3.10 for 2F1(1, n; n+1; 1-a), with a log at a = 0."""
    # The terms fall at least as fast as 2^-k (n = 2) or 1/k! (large n).
    n_and_k = n[:, None] + _N_TERMS
    power = np.cumprod(a[:, None] * (n_and_k - 1) / _N_TERMS, axis=1)
    logarithm = np.log(a)
    terms = power * (digamma(_N_TERMS + 1) - digamma(n_and_k) - logarithm[:, None])
    return np.asarray(digamma(1) - digamma(n) - logarithm + terms.sum(axis=1))


def _continued(a: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of a n above 1: Gauss's continued fraction of 2F1(1, 1; n+1; -(1-a)/a) / (a n)."""
    # All its parts are positive. So many levels leave 1e-16, for n from 2 to 1e6 and a n from 1 to
    # 1e4, as values at 3000 levels tell.
    n_levels = (190 / (a * n)).astype(np.int64) + 11
    level = np.arange(1, int(n_levels.max()) + 1)
    j = level // 2
    at = n[:, None] + 2.0 * j
    odd, even = (j + 1) * (at - j) / (at * (at + 1)), j * (at - j - 1) / ((at - 1) * at)
    parts = np.where(level % 2, odd, even) * ((1 - a) / a)[:, None]
    values = []
    for of_levels, last in zip(parts.tolist(), n_levels.tolist(), strict=True):
        value = 1.0
        for part in reversed(of_levels[:last]):  # from the far end backwards
            value = 1 + part / value
        values.append(value)
    return 1 / (np.array(values) * a * n)
