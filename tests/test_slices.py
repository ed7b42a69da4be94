"""Slices show what closed forms say, nothing for labels dealt at random, at any scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from it_callbacks.estimators import Extra, SlicedInformation
from it_callbacks.estimators.slices import sliced
from it_callbacks.estimators.univariate import binned, read


def two_classes(
    n_samples: int, n_units: int, distance: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unit Gaussians whose means are so far apart along the first unit."""
    rng = np.random.default_rng([seed, 1])
    classes = np.arange(n_samples) % 2
    rows = rng.standard_normal((n_samples, n_units), dtype=np.float32)
    rows[:, 0] += distance * classes
    return rows, classes


# --- labels dealt at random ---------------------------------------------------------------------


@pytest.mark.parametrize("n_samples", [512, 1024])
@pytest.mark.parametrize("n_classes", [2, 10, 20])
@pytest.mark.parametrize("n_units", [20, 127])
@pytest.mark.parametrize("range_of", ["slice", "all"])
def test_independent_labels_show_nothing(
    n_samples: int, n_classes: int, n_units: int, range_of: Any
) -> None:
    for seed in range(4):
        rng = np.random.default_rng([seed, 2])
        rows = rng.standard_normal((n_samples, n_units), dtype=np.float32)
        classes = rng.permutation(np.arange(n_samples) % n_classes)
        assert abs(sliced(rows, classes, range_of=range_of).information) <= 0.02


@pytest.mark.parametrize("n_units", [1, 5, 127])
def test_the_standard_error_is_not_too_small_where_there_is_nothing(n_units: int) -> None:
    """In a layer of one unit all directions are wrong together."""
    far = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 3])
        rows = rng.standard_normal((512, n_units))
        found = sliced(rows, rng.permutation(np.arange(512) % 10))
        far += abs(found.information) > 3.18 * found.information_se
    assert far <= 5  # a deviation from four draws: 5 % of 40 are 2


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "entropy"),
    [
        (0.05, 6.369174),
        (0.1, 5.369625),
        (0.2, 4.371424),
        (0.5, 3.061969),
        (1.0, 2.104833),
        (2.0, 1.267658),
    ],
)
def test_a_gaussian_slice_has_the_entropy_of_its_bins(width: float, entropy: float) -> None:
    values = np.random.default_rng(4).standard_normal((4, 50_000))
    ends = values.min(axis=1), values.max(axis=1)
    states = binned(values, ends, np.full(4, width))
    found = read(states, np.zeros((1, 50_000), np.int64))
    assert found.entropies.mean() == pytest.approx(entropy, abs=0.02)


@pytest.mark.parametrize("range_of", ["slice", "all"])
def test_isotropic_layers_have_the_slice_entropy_of_thirty_bins(range_of: Any) -> None:
    rows = np.random.default_rng(5).standard_normal((10_000, 200))
    found = sliced(rows, np.zeros(10_000, np.int64), range_of=range_of)
    assert found.entropy == pytest.approx(4.328786, abs=0.02)
    assert (found.information, found.information_se) == pytest.approx((0, 0), abs=1e-12)


@pytest.mark.parametrize(
    ("distance", "n_units", "truth"),
    [
        (2, 1, 0.485944),
        (2, 2, 0.266975),
        (2, 3, 0.188248),
        (2, 10, 0.064621),
        (2, 64, 0.011026),
        (2, 512, 0.001405),
        (4, 1, 0.912822),
        (4, 2, 0.596432),
        (4, 3, 0.463730),
        (4, 10, 0.202213),
        (4, 64, 0.041566),
        (4, 512, 0.005571),
        (8, 1, 0.999865),
        (8, 2, 0.818634),
        (8, 3, 0.723508),
        (8, 10, 0.452253),
        (8, 64, 0.137947),
        (8, 512, 0.021578),
    ],
)
def test_two_gaussians_show_the_mean_slice_information_of_the_integral(
    distance: float, n_units: int, truth: float
) -> None:
    rows, classes = two_classes(10_000, n_units, distance, seed=6)
    found = sliced(rows, classes)
    # In one unit there is the sampling error of 10 000 labels, too.
    sampling = 0.7 / math.sqrt(10_000) if n_units < 10 else 0
    assert abs(found.information - truth) <= 4 * math.hypot(found.information_se, sampling) + 0.003


def test_permutations_take_off_what_fifty_classes_show_by_chance() -> None:
    """Uncorrected, 30 bins and 50 classes show .6 bit in 1024 samples of nothing."""
    rng = np.random.default_rng(7)
    rows, classes = rng.standard_normal((1024, 64)), rng.permutation(np.arange(1024) % 50)
    assert abs(sliced(rows, classes).information) <= 0.02


# --- the scale ----------------------------------------------------------------------------------


def test_a_slice_that_never_varies_has_no_bits() -> None:
    """The mean of a thousand times 0.1 is not 0.1, and rounding is no information."""
    rows = np.full((1000, 130), 0.1, dtype=np.float32)
    assert sliced(rows, np.arange(1000) % 2) == (0, 0, 0)


def test_one_sample_has_no_bits() -> None:
    assert sliced(np.ones((1, 3)), np.zeros(1, np.int64)) == (0, 0, 0)


@pytest.mark.parametrize("range_of", ["slice", "all"])
@pytest.mark.parametrize("scale", [2.0**-120, 2.0**-40, 2.0**100])
def test_the_scale_of_the_layer_changes_nothing(range_of: Any, scale: float) -> None:
    rows, classes = two_classes(1024, 20, 4, seed=8)
    plain = sliced(rows, classes, range_of=range_of)
    assert sliced(rows * np.float32(scale), classes, range_of=range_of) == plain


def test_where_the_layer_lies_changes_nothing() -> None:
    rows, classes = two_classes(1024, 20, 4, seed=9)
    rows = np.round(rows * 256) / 256  # the shift itself is exact
    plain, moved = sliced(rows, classes), sliced(rows + np.float32(1024), classes)
    assert moved == pytest.approx(plain, abs=1e-3)


@pytest.mark.parametrize("share", [1 / 2, 1 / 4, 1 / 5, 1 / 1000])
def test_equal_rows_stay_in_one_state(share: float) -> None:
    """A layer of two rows has the entropy of their shares: no bin splits one of them."""
    high = np.arange(1000) < 1000 * share
    vectors = np.random.default_rng(10).standard_normal((2, 127), dtype=np.float32)
    rows, classes = vectors[high.astype(int)], high.astype(np.int64)
    found = sliced(rows, classes)
    truth = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    assert found.entropy == pytest.approx(truth, abs=1e-9)
    assert found.information == pytest.approx(truth, abs=0.01)
    # With one width for all, a slice in which the two lie close shows nothing, any other all.
    n_apart = 64 * sliced(rows, classes, range_of="all").entropy / truth
    assert n_apart == pytest.approx(round(n_apart), abs=1e-6)
    assert 50 < n_apart < 64.5


def test_one_huge_row_does_not_hide_the_others() -> None:
    rows, classes = two_classes(1024, 20, 8, seed=11)
    plain = sliced(rows, classes).information
    rows[5] *= 1000
    assert sliced(rows, classes).information == pytest.approx(plain, abs=0.03)


def test_a_width_far_below_the_range_makes_no_end_of_states() -> None:
    values = np.linspace(0, 1, 5000)[None, :]
    ends = np.zeros(1), np.ones(1)
    for width in (1e-9, 1e-300, 0.0):
        assert binned(values, ends, np.full(1, width)).max() < 1024


@pytest.mark.parametrize("odd", [math.nan, math.inf, np.finfo(np.float32).max])
def test_a_layer_that_leaves_the_range_of_floats_has_no_value(odd: float) -> None:
    rows, classes = two_classes(100, 3, 1, seed=12)
    rows[7:9, 1] = odd
    assert all(math.isnan(value) for value in sliced(rows, classes))


def test_the_draws_depend_on_the_seed_alone() -> None:
    rows, classes = two_classes(512, 20, 2, seed=13)
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    first = sliced(rows, classes)
    assert sliced(rows, classes) == first
    assert (np.random.get_state()[1] == before).all()  # the user's random state is left alone
    assert sliced(rows, classes, seed=1) != first


# --- the estimator for `extra=` -----------------------------------------------------------------


def test_sliced_information_has_the_closed_forms_of_all_samples() -> None:
    found = SlicedInformation()(*two_classes(10_000, 10, 4, seed=14))
    assert list(found) == ["all_sliced_I_TY", "all_sliced_I_TY_se", "all_sliced_H"]
    assert abs(found["all_sliced_I_TY"] - 0.202213) <= 4 * found["all_sliced_I_TY_se"] + 0.003
    assert 4.2 < found["all_sliced_H"] < 4.5  # isotropic but for the distance: 4.33


def test_one_width_for_all_slices_shows_where_a_layer_is_flat() -> None:
    """Nearly all spread along one unit: slices across it are narrow, and share few bins."""
    rng = np.random.default_rng(15)
    rows = rng.standard_normal((4000, 10))
    labels = np.arange(4000) % 2
    round_layer = SlicedInformation()(rows, labels)["all_sliced_H"]
    flat = SlicedInformation()(rows * [10, *[0.1] * 9], labels)["all_sliced_H"]
    assert flat < round_layer - 0.5


@pytest.mark.parametrize("n_classes", [2, 10])
def test_sliced_information_is_nothing_for_labels_dealt_at_random(n_classes: int) -> None:
    rng = np.random.default_rng(16)
    rows, labels = rng.standard_normal((10_000, 64)), rng.permutation(np.arange(10_000) % n_classes)
    assert abs(SlicedInformation()(rows, labels)["all_sliced_I_TY"]) <= 0.002


def test_there_is_no_information_below_a_sample_for_each_bin_and_class() -> None:
    rows = np.random.default_rng(17).standard_normal((300, 5))
    enough, few = (SlicedInformation()(rows, np.arange(300) % k) for k in (10, 11))
    assert math.isfinite(enough["all_sliced_I_TY"])
    assert math.isnan(few["all_sliced_I_TY"])
    assert math.isnan(few["all_sliced_I_TY_se"])
    assert few["all_sliced_H"] == enough["all_sliced_H"]


def test_it_is_a_value_that_takes_the_sketches_of_all_samples() -> None:
    assert SlicedInformation(32, every=3) == SlicedInformation(n_directions=32, every=3, seed=0)
    assert (Extra.rows, SlicedInformation.rows) == ("kept", "sketched")
    rows, labels = two_classes(100, 3, 1, seed=18)
    assert SlicedInformation().about(rows, labels) == ""
    names = [quantity.name for quantity in SlicedInformation().quantities]
    assert names == list(SlicedInformation()(rows, labels))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_directions": 1}, "n_directions: need a whole number >= 2, got 1"),
        ({"bins": 1}, "bins: need a whole number >= 2, got 1"),
        ({"every": 0}, "every: need a whole number >= 1, got 0"),
        ({"seed": -1}, "seed: need a whole number >= 0, got -1"),
        ({"bins": 30.0}, "bins: .* got 30.0"),
    ],
)
def test_arguments_without_sense_raise(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        SlicedInformation(**arguments)
