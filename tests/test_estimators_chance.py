"""The chance level is the exact mean over permutations of the labels."""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.metrics.cluster import expected_mutual_information as sklearn_expected

from it_callbacks.estimators import (
    chance,
    expected_mutual_information,
    mutual_information,
    permutation_p_value,
)
from it_callbacks.estimators.chance import chance_share, expected_from_marginals

LN2 = math.log(2)


@pytest.mark.parametrize(
    ("n", "states", "classes"), [(50, 4, 3), (400, 90, 10), (3000, 700, 2), (300, 5, 60)]
)
def test_expected_information_is_that_of_scikit_learn(n: int, states: int, classes: int) -> None:
    rng = np.random.default_rng(n)
    x = np.minimum(rng.geometric(3 / states, n), states)
    y = rng.integers(0, classes, n)
    theirs = sklearn_expected(contingency_matrix(x, y, sparse=True), n) / LN2
    assert expected_mutual_information(x, y) == pytest.approx(theirs, rel=1e-11, abs=1e-12)


def test_expected_information_is_the_mean_of_all_720_permutations() -> None:
    t, y = [0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2]
    arrangements = set(permutations(y))  # 60 distinct ones, each reached by 12 permutations
    mean = np.mean([mutual_info_score(t, p) for p in arrangements])
    assert expected_mutual_information(t, y) * LN2 == pytest.approx(mean, abs=1e-12)
    assert mean == pytest.approx(0.5030963323, abs=1e-10)


def test_all_distinct_symbols_are_expected_to_tell_everything() -> None:
    y = np.repeat([0, 1, 2], [10, 20, 30])
    everything = 1.4591479170  # H(1/6, 1/3, 1/2)
    assert expected_mutual_information(np.arange(60), y) == pytest.approx(everything, abs=1e-9)
    assert expected_mutual_information(y, np.arange(60)) == pytest.approx(everything, abs=1e-9)


def test_what_never_varies_tells_nothing_by_chance() -> None:
    assert expected_mutual_information([4, 4, 4], [0, 1, 2]) == 0
    assert expected_mutual_information([0, 1, 2], [4, 4, 4]) == 0
    assert expected_mutual_information([4], [4]) == 0


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40))
def test_expected_information_is_symmetric_and_blind_to_the_pairing(
    pairs: list[tuple[int, int]],
) -> None:
    x, y = np.array(pairs).T
    value = expected_mutual_information(x, y)
    assert expected_mutual_information(y, x) == pytest.approx(value, abs=1e-12)
    assert expected_mutual_information(np.sort(x), np.sort(y)) == pytest.approx(value, abs=1e-12)
    assert expected_mutual_information(7 - 3 * x, y + 100) == pytest.approx(value, abs=1e-12)


def test_a_table_too_large_for_one_block_gives_the_sum_of_its_parts() -> None:
    """Counts 1, 2, ..., 120 on both sides make 583 000 terms, more than are handled at once."""
    a = np.arange(1, 121)
    n = int(a.sum())
    x, y = np.repeat(a, a), np.random.default_rng(0).permutation(np.repeat(a, a))
    theirs = sklearn_expected(contingency_matrix(x, y, sparse=True), n) / LN2
    assert expected_from_marginals(a, a) == pytest.approx(theirs, rel=1e-11)


def test_chance_in_a_million_samples_is_the_first_order_bias() -> None:
    """(rows - 1)(columns - 1) / (2N) nats once every cell is full."""
    rows, columns = np.full(10, 10**5), np.full(4, 250_000)
    first_order = 9 * 3 / (2 * 10**6) / LN2
    assert expected_from_marginals(rows, columns) == pytest.approx(first_order, rel=1e-4)


def test_chance_share_of_a_single_class_is_zero() -> None:
    assert chance_share(0.0, 0.0) == 0


def test_the_canonical_labels_have_their_known_chance_levels(shared: Path) -> None:
    """12-bit patterns: the number of ones, and the first six bits, against the label."""
    task = scipy.io.loadmat(shared / "data" / "var_u.mat")
    patterns, labels = task["F"].astype(int), task["y"].ravel().astype(int)
    ones = patterns.sum(1)
    first_six = patterns[:, :6] @ (1 << np.arange(6))
    assert expected_mutual_information(ones, labels) == pytest.approx(0.0022702, abs=5e-8)
    assert expected_mutual_information(first_six, labels) == pytest.approx(0.0111850, abs=5e-8)


# --- permutation test --------------------------------------------------------------------------


@pytest.mark.parametrize("few_labels", [0, 7], ids=["drawn", "shuffled"])
@pytest.mark.parametrize("distinct", [3, 2000], ids=["binned", "sorted"])
def test_the_p_value_tends_to_the_share_of_permutations_that_reach_it(
    monkeypatch: pytest.MonkeyPatch, distinct: int, few_labels: int
) -> None:
    """Of the 720 permutations of six labels, the share is known; 4 standard errors of slack."""
    monkeypatch.setattr(chance, "_FEW_LABELS", few_labels)
    x, y = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 1, 1, 2])
    y = y * distinct
    seen = mutual_info_score(x, y)
    share = np.mean([mutual_info_score(x, p) >= seen - 1e-12 for p in set(permutations(y))])
    assert 0 < share < 1
    p_value = permutation_p_value(x, y, permutations=3000)
    assert p_value == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 3000))


def test_the_p_value_is_that_of_permuting_naively_with_many_classes() -> None:
    """States and classes so many that their table would be large take another way."""
    rng = np.random.default_rng(3)
    x = np.repeat(np.arange(100), 3)
    y = np.where(rng.random(300) < 0.1, x, rng.integers(0, 100, 300))
    seen = mutual_info_score(x, y)
    naive = [mutual_info_score(x, rng.permutation(y)) for _ in range(400)]
    share = np.mean(np.array(naive) >= seen - 1e-12)
    p_value = permutation_p_value(x, y, permutations=999)
    error = math.sqrt(max(share * (1 - share), 0.01) * (1 / 400 + 1 / 999))
    assert p_value == pytest.approx(share, abs=4 * error + 1 / 1000)


def test_where_some_states_are_seen_once_their_labels_still_vary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pair has one label in 1/10 + 3/10 of the labellings, and only then is I as large."""
    monkeypatch.setattr(chance, "_FEW_LABELS", 0)
    x, y = [0, 0, 1, 2, 3], [7, 7, 8, 8, 8]
    p_value = permutation_p_value(x, y, permutations=4000)
    assert p_value == pytest.approx(0.4, abs=4 * math.sqrt(0.4 * 0.6 / 4000))


def test_plain_dependence_gets_the_smallest_p_value() -> None:
    y = np.arange(200) % 4
    assert permutation_p_value(y, y, permutations=19) == pytest.approx(1 / 20)


@pytest.mark.parametrize("x", [np.arange(50), np.zeros(50, int)], ids=["all distinct", "constant"])
def test_symbols_that_any_labelling_fits_equally_are_no_evidence(x: np.ndarray) -> None:
    assert permutation_p_value(x, np.arange(50) % 2) == 1


def test_under_independence_the_p_value_is_rarely_small() -> None:
    rng = np.random.default_rng(5)
    values = [
        permutation_p_value(
            rng.integers(0, 30, 100), rng.integers(0, 2, 100), permutations=19, seed=i
        )
        for i in range(400)
    ]
    # Nominal 5 %: 20 of 400 expected, 35 are 3.4 standard deviations more.
    assert 5 <= sum(value <= 0.05 for value in values) <= 35


def test_the_p_value_depends_on_its_seed_alone() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 9, 100), rng.integers(0, 2, 100)
    np.random.seed(1)
    first = permutation_p_value(x, y, seed=4)
    np.random.seed(2)
    state = np.random.get_state()[1].copy()
    assert permutation_p_value(x, y, seed=4) == first
    assert (np.random.get_state()[1] == state).all()


def test_zero_permutations_are_refused() -> None:
    with pytest.raises(ValueError, match="permutations: need a whole number >= 1, got 0"):
        permutation_p_value([0, 1], [0, 1], permutations=0)


# --- the adjusted value ------------------------------------------------------------------------


def test_independent_labels_show_chance_and_adjust_to_about_zero() -> None:
    """|I - EMI| stays within 4 standard deviations of what permuting gives."""
    rng = np.random.default_rng(7)
    x, y = rng.integers(0, 300, 1000), rng.integers(0, 2, 1000)
    spread = np.std([mutual_info_score(x, rng.permutation(y)) for _ in range(60)]) / LN2
    estimate = mutual_information(x, y)
    assert estimate.bits > 0.1
    assert abs(estimate.bits - estimate.chance) < 4 * spread
    assert abs(estimate.adjusted) < 8 * spread


@pytest.mark.parametrize(("flip", "truth"), [(0.5, 0.0), (0.25, 0.1887), (0.0, 1.0)])
def test_adjusting_recovers_what_noisy_coin_labels_tell(flip: float, truth: float) -> None:
    """500 states, 1000 samples: the plain value is off by up to .41 bits, the adjusted by .06."""
    rng = np.random.default_rng(8)
    runs = []
    for _ in range(20):
        x = rng.integers(0, 500, 1000)
        y = (rng.permutation(500) % 2)[x] ^ (rng.random(1000) < flip)
        runs.append(mutual_information(x, y))
    assert np.mean([run.adjusted for run in runs]) == pytest.approx(truth, abs=0.08)
    if flip:
        assert np.mean([run.bits for run in runs]) > truth + 0.3
    assert all(run.status.name == "CAUTION" for run in runs)
