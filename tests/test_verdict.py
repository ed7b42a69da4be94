"""A drop is called compression where it is larger than its error, and only there."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from it_callbacks.estimators import Drop, Verdict, entropy
from it_callbacks.estimators.verdict import (
    Peak,
    drop_error,
    surprisal,
)

NAN = math.nan


# --- surprisal ----------------------------------------------------------------------------------


def test_surprisal_is_what_a_code_would_spend_on_each_sample() -> None:
    """Shares 1/2, 1/4, 1/8, 1/8 cost 1, 2, 3 and 3 bits, in the order of the samples."""
    assert surprisal([9, 4, 9, 9, 7, 9, 4, -2]).tolist() == [1, 2, 1, 1, 3, 1, 2, 3]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=50))
def test_the_mean_surprisal_is_the_entropy(symbols: list[int]) -> None:
    assert surprisal(symbols).mean() == pytest.approx(entropy(symbols).bits, abs=1e-12)


def test_surprisal_takes_pairs_of_keys() -> None:
    """The second key tells apart what the first does not."""
    assert surprisal(np.array([[1, 5], [1, 6], [1, 5], [2, 0]])).tolist() == [1, 2, 1, 2]


# --- the standard error of a drop ---------------------------------------------------------------


def coarser_later(n_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The states of one probe early and late in a training: 40 skewed ones, then a fifth of them.

    The late states are the early ones merged, for all but a tenth of the samples, which have moved.
    """
    rng = np.random.default_rng(seed)
    early = np.minimum(rng.geometric(0.08, n_samples) - 1, 39)
    late = np.where(rng.random(n_samples) < 0.1, rng.integers(0, 8, n_samples), early // 5)
    return early, late


def test_the_error_of_a_drop_is_its_spread_over_probes() -> None:
    """600 probes of 1024 samples: the mean error is the spread of the drops within 10 %.

    Errors of the two entropies put together as if they were independent would be 20 % too large.
    """
    drops, errors, apart = [], [], []
    for seed in range(600):
        early, late = coarser_later(1024, seed)
        before, after = surprisal(early), surprisal(late)
        drops.append(before.mean() - after.mean())
        errors.append(drop_error(before, after))
        apart.append(math.hypot(*(np.std(values) / 32 for values in (before, after))))
    assert np.mean(errors) == pytest.approx(np.std(drops), rel=0.1)
    assert np.mean(apart) > 1.2 * np.std(drops)


def test_what_both_points_share_does_not_count() -> None:
    """Every sample's surprisal fell by one bit: the drop is one bit in any probe."""
    before = np.random.default_rng(0).random(100)
    assert drop_error(before, before - 1) == pytest.approx(0, abs=1e-15)


def test_the_error_of_a_drop_by_hand() -> None:
    """Falls of 0 and 2 bits: standard deviation √2 of the two, over √2."""
    assert drop_error(np.array([3.0, 3.0]), np.array([3.0, 1.0])) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("before", "after"),
    [(np.ones(3), np.ones(2)), (np.ones(1), np.ones(1)), (np.ones((2, 2)),) * 2],
)
def test_other_samples_have_no_paired_error(before: np.ndarray, after: np.ndarray) -> None:
    with pytest.raises(ValueError, match="need the same two or more samples, got"):
        drop_error(before, after)


# --- one ruler ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "error", "compressed"),
    [
        (6.0, 0.1, True),
        (7.5, 0.1, True),
        (7.75, 0.01, False),  # sure, but below .3 bit
        (7.5, 0.2, False),  # .5 bit, but not three errors
        (7.5, 0.16, True),
        (8.0, 0.0, False),
        (7.75, NAN, False),  # below .3 bit whatever the error
        (6.0, NAN, None),
    ],
)
def test_compression_is_a_drop_beyond_both_limits(
    last: float, error: float, compressed: bool | None
) -> None:
    """The larger of .3 bit and three standard errors; the peak was 8 bits."""
    drop = Drop(peak_epoch=3, peak_bits=8.0, last_bits=last, standard_error=error)
    assert drop.bits == 8.0 - last
    assert drop.is_compression is compressed


def test_a_false_alarm_is_rare() -> None:
    """Noise that moves a tenth of the samples anew each time, around a level that stays."""
    alarms = 0
    for seed in range(100):
        peak, rng = Peak(), np.random.default_rng(seed)
        base = rng.integers(0, 64, 512)
        for epoch in range(20):
            moved = np.where(rng.random(512) < 0.1, rng.integers(0, 64, 512), base)
            states = surprisal(moved)
            peak.update(epoch, float(states.mean()), partial(surprisal, moved), saturated=False)
        alarms += peak.drop().is_compression is True
    assert alarms == 0


# --- following a layer --------------------------------------------------------------------------


def follow(*values: list[float]) -> Peak:
    peak = Peak()
    for epoch, value in enumerate(values):
        bits = np.array(value)
        peak.update(epoch, float(bits.mean()), partial(np.array, value), saturated=False)
    return peak


def test_the_drop_is_from_the_highest_point_to_the_last() -> None:
    peak = follow([1, 1, 1, 1], [3, 3, 5, 5], [2, 2, 2, 2], [1, 3, 3, 3])
    drop = peak.drop()
    assert (drop.peak_epoch, drop.peak_bits, drop.last_bits) == (1, 4.0, 2.5)
    assert drop.bits == 1.5
    # Falls of 2, 0, 2, 2 bits: standard deviation 1, over the root of 4.
    assert drop.standard_error == pytest.approx(0.5, abs=1e-7)


def test_of_equal_peaks_the_first_counts() -> None:
    assert follow([2.0, 4.0], [3.0, 3.0], [1.0, 1.0]).drop().peak_epoch == 0


def test_a_layer_at_its_peak_has_not_dropped() -> None:
    drop = follow([1.0, 2.0], [3.0, 4.0]).drop()
    assert (drop.bits, drop.standard_error, drop.is_compression) == (0.0, 0.0, False)


def test_samples_without_identity_have_a_drop_but_no_error() -> None:
    peak = Peak()
    for epoch, bits in enumerate([8.0, 5.0]):
        peak.update(epoch, bits, None, saturated=False)
    drop = peak.drop()
    assert drop.bits == 3.0
    assert math.isnan(drop.standard_error)
    assert drop.is_compression is None


@pytest.mark.parametrize("last", [None, np.ones(3)], ids=["no samples", "another number of them"])
def test_a_last_point_of_other_samples_has_no_error(last: np.ndarray | None) -> None:
    peak = Peak()
    peak.update(0, 8.0, lambda: np.full(4, 8.0), saturated=False)
    peak.update(1, 5.0, None if last is None else lambda: last, saturated=False)
    assert math.isnan(peak.drop().standard_error)


def test_the_peak_remembers_its_own_saturation() -> None:
    peak = Peak()
    peak.update(0, 8.0, None, saturated=True)
    peak.update(1, 5.0, None, saturated=False)
    assert peak.drop().saturated
    peak.update(2, 9.0, None, saturated=False)
    assert not peak.drop().saturated


def test_surprisals_are_counted_only_where_somebody_asks() -> None:
    """Most points are neither a peak that is left again nor the last one."""
    asked = []
    peak = Peak()
    for epoch, bits in enumerate([1.0, 4.0, 3.0, 2.0]):
        peak.update(
            epoch, bits, lambda n=epoch: (asked.append(n), np.full(4, 4.0))[1], saturated=False
        )
    assert asked == []
    assert peak.drop().bits == 2.0
    assert peak.memory()[3] is not None
    assert asked == [1, 3]


def test_the_samples_are_kept_at_four_bytes_each() -> None:
    peak = follow([1.0, 2.0])
    assert peak.surprisal is not None
    assert peak.surprisal.dtype == np.float32


def test_a_restored_peak_goes_on_as_if_never_stopped() -> None:
    points = [[1.0, 1.0, 2.0], [7.0, 8.0, 9.0], [4.0, 5.0, 3.0], [2.0, 2.0, 3.0]]
    whole, first, second = follow(*points), follow(*points[:3]), Peak()
    second.restore(first.epoch, first.bits, first.saturated, first.surprisal)
    assert second.drop().bits == 0  # nothing seen yet since the peak
    last = np.array(points[3])
    second.update(3, float(last.mean()), lambda: last, saturated=False)
    assert second.drop() == whole.drop()
    assert second.drop().peak_epoch == 1


def test_before_the_first_point_there_is_no_drop() -> None:
    with pytest.raises(ValueError, match="no point has been taken in"):
        Peak().drop()


# --- all rulers together ------------------------------------------------------------------------

FELL = Drop(16, 8.46, 2.31, 0.09)
STAYED = Drop(30, 8.0, 7.9, 0.05)
UNSURE = Drop(16, 8.0, 5.0, NAN)
SMALL = Drop(2, 8.0, 7.9, NAN)


@pytest.mark.parametrize(
    ("drops", "compressed", "said"),
    [
        ((FELL,), True, "compressed: 6.15 ± 0.09 bits below the peak of epoch 16"),
        (
            (FELL, FELL),
            True,
            "compressed: 6.15 ± 0.09 bits below the peak of epoch 16; by other bins 6.15 ± 0.09",
        ),
        (
            (Drop(1, 11.9, 8.0, 0.1, saturated=True),),
            True,
            "compressed: 3.90 ± 0.10 bits below the peak of epoch 1, from a saturated peak",
        ),
        ((STAYED,), False, "no compression (0.10 ± 0.05 bits below the peak of epoch 30)"),
        (
            (FELL, STAYED),
            None,
            "undecided: the rulers disagree (6.15 ± 0.09 bits below the peak of epoch 16; "
            "by other bins 0.10 ± 0.05)",
        ),
        (
            (STAYED, FELL, STAYED),
            None,
            "undecided: the rulers disagree (0.10 ± 0.05 bits below the peak of epoch 30; "
            "by other bins 6.15 ± 0.09, 0.10 ± 0.05)",
        ),
        (
            (UNSURE,),
            None,
            "not available: samples are shuffled (3.00 bits below the peak of epoch 16)",
        ),
        (
            (SMALL, UNSURE),
            None,
            "not available: samples are shuffled (0.10 bits below the peak of epoch 2; "
            "by other bins 3.00)",
        ),
        ((SMALL,), False, "no compression (0.10 bits below the peak of epoch 2)"),
    ],
)
def test_a_verdict_is_what_all_rulers_agree_on(
    drops: tuple[Drop, ...], compressed: bool | None, said: str
) -> None:
    verdict = Verdict(drops)
    assert verdict.compressed is compressed
    assert str(verdict) == said


def test_a_verdict_needs_a_ruler() -> None:
    with pytest.raises(ValueError, match="drops: need at least one, got none"):
        Verdict(())


# --- successive layers --------------------------------------------------------------------------
