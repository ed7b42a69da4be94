"""Counting is exact, and each estimator of entropy has the bias that theory gives it."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import entropy as shannon
from sklearn.metrics.cluster import contingency_matrix

from it_callbacks.estimators import (
    Estimator,
    chao_wang_jost,
    coverage,
    grassberger,
    jackknife,
    miller_madow,
    mle,
    standard_error,
)
from it_callbacks.estimators.counting import Contingency, contingency, counts

ESTIMATORS = [mle, miller_madow, grassberger, jackknife, chao_wang_jost]
LN2 = math.log(2)
FAIR = (1 / 3, 1 / 3, 1 / 3)
SKEW = (0.5, 0.3, 0.15, 0.05)

arrays_of_symbols = st.lists(st.integers(-3, 3), min_size=1, max_size=40).map(np.array)


def dense(table: Contingency) -> np.ndarray:
    full = np.zeros((len(table.row_counts), len(table.column_counts)), np.int64)
    full[table.cell_rows, table.cell_columns] = table.cell_counts
    return full


# --- symbols -> counts -------------------------------------------------------------------------


@settings(deadline=None, derandomize=True, max_examples=60)
@given(arrays_of_symbols)
def test_counts_are_those_of_numpy(symbols: np.ndarray) -> None:
    assert counts(symbols).tolist() == np.unique(symbols, return_counts=True)[1].tolist()


@pytest.mark.parametrize("n_states", [1, 5, 300, 10**12])
@pytest.mark.parametrize("n_classes", [1, 3, 10**15])
def test_contingency_is_that_of_scikit_learn(n_states: int, n_classes: int) -> None:
    """From one state to all samples distinct, with classes that can and cannot be binned."""
    rng = np.random.default_rng(n_states % 97 + n_classes % 89)
    x, y = rng.integers(0, n_states, 400), rng.integers(-n_classes, n_classes, 400)
    table = contingency(x, y)
    assert np.array_equal(dense(table), contingency_matrix(x, y))
    assert np.array_equal(table.row_counts, dense(table).sum(1))
    assert np.array_equal(table.column_counts, dense(table).sum(0))
    assert np.array_equal(table.column_symbols, np.unique(y))
    assert table.n_samples == 400
    pairs = table.cell_rows * len(table.column_counts) + table.cell_columns
    assert (np.diff(pairs) > 0).all()


@pytest.mark.parametrize("weakness", [1, 2, 7, 50])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_collision_of_first_keys_is_resolved_by_the_second(weakness: int, seed: int) -> None:
    """First keys that tell only `weakness` classes of states apart lose nothing."""
    rng = np.random.default_rng(seed)
    state, label = rng.integers(0, 60, 500), rng.integers(0, 4, 500)
    scrambled = rng.permutation(60)[state]
    keys = np.stack([state % weakness, scrambled], axis=1)
    assert sorted(counts(keys)) == sorted(counts(state))
    for table in (contingency(keys, label), contingency(label, keys)):
        assert sorted(table.cell_counts) == sorted(contingency(state, label).cell_counts)
    both = contingency(keys, keys)
    assert np.array_equal(both.cell_counts, both.row_counts)


def test_two_keys_without_a_collision_count_as_the_first_alone() -> None:
    state = np.random.default_rng(0).integers(0, 60, 500)
    keys = np.stack([state * 7919, -state], axis=1)
    assert counts(keys).tolist() == counts(state).tolist()


def test_distinct_first_keys_with_equal_second_keys_are_distinct_states() -> None:
    assert counts(np.array([[1, 9], [2, 9], [1, 9]])).tolist() == [2, 1]


@pytest.mark.parametrize(
    "symbols",
    [
        [3, 1, 3],
        np.array([3, 1, 3], np.uint8),
        torch.tensor([3, 1, 3]),
        torch.tensor([True, False, True]),
        np.array([np.iinfo(np.int64).max, np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
    ],
    ids=["list", "uint8", "tensor", "boolean tensor", "extremes"],
)
def test_every_kind_of_integer_sequence_is_counted(symbols: object) -> None:
    assert counts(symbols).tolist() == [1, 2]
    assert contingency(symbols, symbols).cell_counts.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([], ValueError, "x is empty"),
        (np.zeros((0, 2), np.int64), ValueError, "x is empty"),
        (np.zeros((3, 3), np.int64), ValueError, r"x has shape \(3, 3\)"),
        (np.int64(3), ValueError, r"x has shape \(\)"),
        ([0.5, 1.0], TypeError, "x has dtype float64; symbols are integers"),
        ([0.5, math.nan], TypeError, "x has dtype float64 with NaN"),
        (torch.tensor([0.5], dtype=torch.bfloat16), TypeError, "x has dtype torch.bfloat16"),
        (["cat", "dog"], TypeError, "x has dtype <U3.*return_inverse"),
    ],
)
def test_what_is_no_sequence_of_symbols_is_refused_by_name(
    x: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        contingency(x, [0, 1])


def test_unequal_lengths_are_refused_with_both() -> None:
    with pytest.raises(ValueError, match="x has 3 samples but y has 2"):
        contingency([0, 1, 2], [0, 1])


# --- counts -> bits ----------------------------------------------------------------------------


def mean_over_all_samples(estimator: Estimator, p: tuple[float, ...], n: int) -> float:
    """The exact mean of an estimator over every sample of n draws from p."""
    return math.fsum(
        math.prod(p[s] for s in sample) * estimator(np.bincount(sample))
        for sample in product(range(len(p)), repeat=n)
    )


def binomial_mean(f: Callable[[int], float], p: float, n: int) -> float:
    return math.fsum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * f(c) for c in range(n + 1))


def expected_mle(p: tuple[float, ...], n: int) -> float:
    terms = [binomial_mean(lambda c: c * math.log2(c) if c else 0.0, q, n) for q in p]
    return math.log2(n) - math.fsum(terms) / n


def expected_miller_madow(p: tuple[float, ...], n: int) -> float:
    states = math.fsum(1 - (1 - q) ** n for q in p)
    return expected_mle(p, n) + (states - 1) / (2 * n) / LN2


def expected_grassberger(p: tuple[float, ...], n: int) -> float:
    """From E[psi(N) - psi(n)] = sum of q^k/k and E[(-x)^n] = (1 - p - p x)^N of a binomial n."""
    nats = 0.0
    for q in p:
        nats += q * math.fsum((1 - q) ** k / k for k in range(1, n))
        nats += q * quad(lambda x, q=q: (1 - q - q * x) ** (n - 1) / (1 + x), 0, 1)[0]
    return nats / LN2


def expected_jackknife(p: tuple[float, ...], n: int) -> float:
    """Leaving out one of n independent draws leaves n - 1 independent draws."""
    return n * expected_mle(p, n) - (n - 1) * (expected_mle(p, n - 1) if n > 1 else 0.0)


@pytest.mark.parametrize("p", [FAIR, SKEW], ids=["fair", "skew"])
@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (mle, expected_mle),
        (miller_madow, expected_miller_madow),
        (grassberger, expected_grassberger),
        (jackknife, expected_jackknife),
    ],
)
def test_mean_over_every_possible_sample_is_the_closed_form(
    estimator: Estimator, expected: Callable[..., float], n: int, p: tuple[float, ...]
) -> None:
    assert mean_over_all_samples(estimator, p, n) == pytest.approx(expected(p, n), abs=1e-12)


@pytest.mark.parametrize(
    ("estimator", "bias"),
    [
        (mle, -0.4557),
        (miller_madow, -0.2019),
        (grassberger, -0.0061),
        (jackknife, 0.0389),
        (chao_wang_jost, 0.0029),
    ],
)
def test_the_bias_that_a_docstring_states_is_the_enumerated_one(
    estimator: Estimator, bias: float
) -> None:
    mean = mean_over_all_samples(estimator, FAIR, 4)
    assert mean - math.log2(3) == pytest.approx(bias, abs=5e-5)
    assert f"{bias:+.4f}" in str(estimator.__doc__) or f"{-bias:.4f}" in str(estimator.__doc__)


@pytest.mark.parametrize(
    ("estimator", "bits"),
    [
        (mle, 6.643856),
        (miller_madow, 7.357990),
        # Usually quoted as 8.476602, with ln N for digamma(N) = ln N - 0.00500833.
        (grassberger, 8.476602 - 0.00500833 / LN2),
        (jackknife, 8.079314),
        (chao_wang_jost, 12.386327),
        (coverage, 0.0),
        (standard_error, 0.0),
    ],
)
def test_a_hundred_singletons(estimator: Estimator, bits: float) -> None:
    assert estimator(np.ones(100, np.int64)) == pytest.approx(bits, abs=1e-6)


def test_grassberger_follows_the_recursion_of_his_paper() -> None:
    """G(1) = -gamma - ln 2, G(2) = 2 + G(1), G(2n+1) = G(2n), G(2n+2) = G(2n) + 2/(2n+1)."""
    g = [-np.euler_gamma - LN2, 2 - np.euler_gamma - LN2]
    for n in range(2, 30):
        g.append(g[-1] if n % 2 == 0 else g[-1] + 2 / n)
    digamma_of = [-np.euler_gamma + math.fsum(1 / k for k in range(1, n)) for n in range(1, 31)]
    for n in range(1, 31):  # all samples alike: digamma(N) - G(N)
        assert grassberger([n]) * LN2 == pytest.approx(digamma_of[n - 1] - g[n - 1], abs=1e-13)


@pytest.mark.parametrize("estimator", [mle, miller_madow, jackknife, chao_wang_jost])
def test_states_that_never_vary_hold_no_information(estimator: Estimator) -> None:
    assert estimator([1]) == pytest.approx(0, abs=1e-12)
    assert estimator([1000]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("samples", "bits"), [([2, 1, 1], 1.5), ([1, 3, 5, 1], 1.6854752972), ([7] * 12, math.log2(12))]
)
def test_mle_of_known_distributions(samples: list[int], bits: float) -> None:
    assert mle(samples) == pytest.approx(bits, abs=1e-10)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_states_never_seen_say_nothing(estimator: Estimator) -> None:
    assert estimator([4, 0, 2, 0, 1]) == estimator([1, 2, 4])


def leave_one_out_entropies(samples: list[int]) -> tuple[np.ndarray, np.ndarray]:
    values = [
        shannon(np.array(samples) - np.eye(len(samples))[s], base=2) for s in range(len(samples))
    ]
    return np.repeat(values, samples), np.array(values)


@pytest.mark.parametrize("samples", [[3, 1, 1, 6], [1, 1], [5, 5, 2], [40, 1, 1, 1, 2, 2, 3]])
def test_jackknife_and_its_error_are_those_of_leaving_each_sample_out(samples: list[int]) -> None:
    left_out, _ = leave_one_out_entropies(samples)
    n = len(left_out)
    full = shannon(samples, base=2)
    assert jackknife(samples) == pytest.approx(n * full - (n - 1) * left_out.mean(), abs=1e-12)
    variance = (n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()
    assert standard_error(samples) == pytest.approx(math.sqrt(variance), abs=1e-12)


def test_one_sample_has_no_standard_error() -> None:
    assert math.isnan(standard_error([1]))


def test_coverage_is_one_less_the_share_of_singletons() -> None:
    assert coverage([1, 1, 2, 4]) == pytest.approx(0.75)


def printed_chao_wang_jost(samples: list[int]) -> float:
    """The formula as its authors print it, in 150 digits, where cancellation does no harm."""
    n, f1, f2 = sum(samples), samples.count(1), samples.count(2)
    with localcontext() as context:
        context.prec = 150
        harmonic = [Decimal(0)]
        for k in range(1, n):
            harmonic.append(harmonic[-1] + 1 / Decimal(k))
        seen = sum(Decimal(c) / n * (harmonic[n - 1] - harmonic[c - 1]) for c in samples)
        if f2:
            a = Decimal(2 * f2) / ((n - 1) * f1 + 2 * f2)
        else:
            a = Decimal(2) / ((n - 1) * (f1 - 1) + 2) if f1 else Decimal(1)
        unseen = Decimal(0)
        if a < 1:
            q, power, total = 1 - a, Decimal(1), -a.ln()
            for r in range(1, n):
                power *= q
                total -= power / r
            unseen = Decimal(f1) / n * total / power
        return float((seen + unseen) / Decimal(2).ln())


@pytest.mark.parametrize(
    "samples",
    [
        [1, 1],
        [1, 2, 3],
        [1, 5],
        [2, 2, 2],
        [1] * 400,
        [1] * 300 + [2] * 50,
        [1] * 60 + [2] * 40 + [9] * 100,  # a n = 1.3
        [1] * 20 + [2] * 100 + [9] * 100,  # 10
        [1] * 5 + [2] * 100 + [4] * 100,  # 38: the printed formula has no digit left in floats
        [1] * 1 + [2] * 100 + [4] * 100,  # 135
    ],
)
def test_chao_wang_jost_is_the_printed_formula_to_twelve_digits(samples: list[int]) -> None:
    assert chao_wang_jost(samples) == pytest.approx(printed_chao_wang_jost(samples), rel=1e-12)


@pytest.mark.parametrize(("f1", "f2"), [(10**6, 0), (1000, 3), (1000, 900), (50, 1000), (30, 1200)])
def test_chao_wang_jost_is_stable_for_a_million_samples(f1: int, f2: int) -> None:
    """A n from 2e-6 to 80: the unseen part equals its own series, summed term by term."""
    rest = 10**6 - f1 - 2 * f2
    samples = np.array([1] * f1 + [2] * f2 + ([rest] if rest else []))
    n = 10**6
    a = 2 * f2 / ((n - 1) * f1 + 2 * f2) if f2 else 2 / ((n - 1) * (f1 - 1) + 2)
    if a * n > 5:
        k = np.arange(int(45 / a))
        tail = (np.exp((k + 1) * math.log1p(-a)) / (n + k)).sum()
    else:  # little cancels here: the printed form
        r = np.arange(1, n)
        tail = -math.log(a) - (np.exp(r * math.log1p(-a)) / r).sum()
        tail *= math.exp((1 - n) * math.log1p(-a))
    harmonic = np.concatenate(([0.0], np.cumsum(1 / np.arange(1, n))))
    seen = (samples / n * (harmonic[n - 1] - harmonic[samples - 1])).sum()
    assert chao_wang_jost(samples) == pytest.approx((seen + f1 / n * tail) / LN2, rel=1e-10)


def test_all_estimators_agree_where_there_is_nothing_to_correct() -> None:
    """A million draws from eight states: all correct by about 7/(2N) nats, some 5e-6 bits.

    Grassberger's correction of a state is 0 or 1/N, as its count is even or odd.
    """
    samples = np.random.default_rng(0).multinomial(
        10**6, [0.3, 0.2, 0.15, 0.15, 0.1, 0.06, 0.03, 0.01]
    )
    assert mle(samples) == pytest.approx(shannon(samples, base=2), abs=1e-12)
    first_order = 7 / (2 * 10**6) / LN2
    for estimator in (miller_madow, jackknife, chao_wang_jost):
        assert estimator(samples) - mle(samples) == pytest.approx(first_order, rel=1e-3)
    odd = np.sum(samples % 2)
    by_parity = (odd - 0.5) / 10**6 / LN2
    assert grassberger(samples) - mle(samples) == pytest.approx(by_parity, rel=1e-3)


@pytest.mark.parametrize("estimator", [*ESTIMATORS, coverage, standard_error])
@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([], ValueError, "no sample"),
        ([0, 0], ValueError, "no sample"),
        ([3, -1], ValueError, "holds -1"),
        ([0.5, 0.5], TypeError, "dtype float64"),
    ],
)
def test_what_is_no_counts_is_refused(
    estimator: Estimator, samples: list[float], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        estimator(np.array(samples))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_mle_lies_between_zero_and_the_logarithm_of_the_states(samples: list[int]) -> None:
    assert 0 <= mle(samples) <= math.log2(len(samples)) + 1e-12


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_duplicating_the_data_leaves_mle_and_lifts_coverage_to_one(samples: list[int]) -> None:
    """Repeated inputs fool every diagnostic that looks for singletons."""
    assert mle(2 * np.array(samples)) == pytest.approx(mle(samples), abs=1e-12)
    assert coverage(2 * np.array(samples)) == 1


@pytest.mark.parametrize("far", [1, 2**58])
def test_symbols_far_apart_are_counted_as_those_close_together(far: int) -> None:
    """The first fit one number with their label, the others do not: two ways, one table."""
    rows = np.array([-3, 4, -3, 0, 4, 4, 7]) * far
    table = contingency(rows, [1, 0, 1, 2, 0, 2, 1])
    assert table.row_counts.tolist() == [2, 1, 3, 1]
    assert table.column_counts.tolist() == [2, 3, 2]
    cells = zip(table.cell_rows, table.cell_columns, table.cell_counts, strict=True)
    assert [tuple(map(int, cell)) for cell in cells] == [
        (0, 1, 2),
        (1, 2, 1),
        (2, 0, 2),
        (2, 2, 1),
        (3, 1, 1),
    ]
