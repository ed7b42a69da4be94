"""Subsets: of the right size, equally likely, and the same however the stream is cut."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from it_callbacks.observation.positions import MOST_POSITIONS, Grid
from it_callbacks.observation.sampling import Subset


def chosen(n_samples: int, size: int | None, seed: int, cuts: list[int] | None = None) -> NDArray:
    """The indices of a subset of a stream that comes in parts."""
    subset = Subset(size, seed)
    parts = np.split(np.arange(n_samples), cuts or [])
    admitted = np.concatenate([part[subset.admit(part)] for part in parts])
    return admitted if size is None else admitted[subset.final()]


@pytest.mark.parametrize("n_samples", [1, 2, 99, 100, 101, 5000, 20_000])
@pytest.mark.parametrize("size", [1, 2, 100, 4097])
def test_a_subset_has_the_size_asked_for_or_all(n_samples: int, size: int) -> None:
    kept = chosen(n_samples, size, seed=0)
    assert len(np.unique(kept)) == len(kept) == min(size, n_samples)
    assert kept.min() >= 0
    assert kept.max() < n_samples


@pytest.mark.parametrize("size", [None, 300, 301, 10_000])
def test_all_are_kept_in_order_where_there_is_room(size: int | None) -> None:
    np.testing.assert_array_equal(chosen(300, size, seed=3, cuts=[7, 7, 100]), np.arange(300))


def test_samples_keep_their_order() -> None:
    kept = chosen(10_000, 500, seed=1, cuts=list(range(64, 10_000, 64)))
    assert (np.diff(kept) > 0).all()


@pytest.mark.parametrize("size", [1, 10, 700])
def test_the_same_subset_however_the_stream_is_cut(size: int) -> None:
    whole = chosen(9000, size, seed=5)
    generator = np.random.default_rng(0)
    for n_cuts in (1, 5, 50, 500):
        cuts = np.sort(generator.integers(0, 9001, n_cuts)).tolist()
        np.testing.assert_array_equal(chosen(9000, size, seed=5, cuts=cuts), whole)


def test_the_same_subset_when_samples_come_in_another_order() -> None:
    """As from a loader that shuffles, or from several processes."""
    order = np.random.default_rng(0).permutation(5000)
    subset = Subset(50, seed=2)
    parts = [part[subset.admit(part)] for part in np.split(order, 10)]
    shuffled = np.concatenate(parts)[subset.final()]
    assert set(shuffled) == set(chosen(5000, 50, seed=2))


def test_a_longer_stream_keeps_a_part_of_the_subset_of_a_shorter_one() -> None:
    """Ranks depend on the index only: what falls out is only ever displaced by later samples."""
    short, long = set(chosen(3000, 100, seed=4)), set(chosen(6000, 100, seed=4))
    assert {index for index in long if index < 3000} <= short


def test_every_sample_is_equally_likely() -> None:
    """Chi-square over 3000 seeds: expected 300 times each; and no half of the set is preferred."""
    hits = np.zeros(50)
    for seed in range(3000):
        hits[chosen(50, 5, seed)] += 1
    # Sampling 5 of 50 without replacement shrinks the statistic by (50 - 5) / (50 - 1).
    statistic = ((hits - 300) ** 2 / 300).sum() * 49 / 45
    assert stats.chi2(49).sf(statistic) > 0.001
    assert stats.chi2(49).cdf(statistic) > 0.001


def test_pairs_are_as_likely_as_independence_says() -> None:
    together = sum({0, 1} <= set(chosen(10, 5, seed)) for seed in range(3000))
    expected = 3000 * (5 / 10) * (4 / 9)
    assert abs(together - expected) < 4 * np.sqrt(expected * (1 - 2 / 9))


def test_a_subset_is_not_the_first_rows() -> None:
    """Sets are often ordered by class: the first rows would be one class."""
    for seed in range(20):
        kept = chosen(10_000, 1000, seed)
        in_tenths = np.bincount(kept // 1000, minlength=10)
        assert in_tenths.min() > 60  # expected 100, standard deviation 9.5
        assert in_tenths.max() < 140


def test_seeds_give_different_subsets() -> None:
    assert len({tuple(chosen(1000, 10, seed)) for seed in range(100)}) == 100


def test_choosing_draws_from_no_global_generator() -> None:
    before = np.random.get_state()[1].copy()
    chosen(10_000, 10, seed=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_only_what_may_stay_is_admitted() -> None:
    """Late in a long stream few samples are worth keeping: memory stays near size * ln(n/size)."""
    subset = Subset(100, seed=0)
    admitted = sum(len(subset.admit(part)) for part in np.split(np.arange(100_000), 1000))
    assert admitted < 1500  # 100 * (1 + ln 1000) = 791, and batches of 100 are decided at once


def test_an_empty_batch_changes_nothing() -> None:
    subset = Subset(3, seed=0)
    assert len(subset.admit(np.arange(0))) == 0
    assert len(subset.final()) == 0


def test_all_samples_leave_no_choice_to_make() -> None:
    with pytest.raises(ValueError, match="size"):
        Subset(None, seed=0).final()


@pytest.mark.parametrize("size", [0, -5])
def test_a_subset_of_no_samples_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="size: need at least 1"):
        Subset(size, seed=0)


def test_of_pairs_of_row_and_position_a_uniform_subset_is_taken() -> None:
    """Each of four rows of 50 000 positions gives a quarter, within five standard deviations."""
    indices = Grid(4, (50_000,)).indices(np.arange(4) + 7)
    in_two, subset = Subset(4000, seed=3), Subset(4000, seed=3)
    whole = indices[subset.admit(indices)][subset.final()]
    parts = [indices[:120_000], indices[120_000:]]
    admitted = np.concatenate([part[in_two.admit(part)] for part in parts])
    assert np.array_equal(np.sort(admitted[in_two.final()]), np.sort(whole))
    assert len(whole) == 4000
    counts = np.bincount(whole // MOST_POSITIONS - 7)
    assert np.all(np.abs(counts - 1000) < 5 * np.sqrt(4000 * 0.25 * 0.75))
    places = whole % MOST_POSITIONS
    assert abs(places.mean() / 25_000 - 1) < 5 / np.sqrt(3 * 4000)
    other = Subset(4000, seed=4)
    assert len(np.intersect1d(indices[other.admit(indices)][other.final()], whole)) < 200
