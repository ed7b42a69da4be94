"""Linear V-information is what a linear reader can tell of the label, with an honest error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from it_callbacks.estimators import Extra, LinearVInformation
from it_callbacks.estimators.linear import _stratified_folds
from it_callbacks.estimators.logistic import directions
from it_callbacks.tasks import digits_task


def information(activations: object, labels: object, **arguments: object) -> tuple[float, float]:
    found = LinearVInformation(**arguments)(activations, labels)  # type: ignore[arg-type]
    assert list(found) == ["linear_V_TY", "linear_V_TY_se"]
    return found["linear_V_TY"], found["linear_V_TY_se"]


def two_classes(
    n_samples: int, distance: float, seed: int, n_units: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Unit Gaussians whose means are so far apart along the first unit; the others are noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n_samples)
    activations = rng.standard_normal((n_samples, n_units))
    activations[:, 0] += distance * labels
    return activations, labels


def bayes_information(distance: float) -> float:
    """I(T;Y) of these classes: the posterior is logistic, so a linear reader can have it all."""
    return float(
        quad(
            lambda t: (
                norm.pdf(t, distance / 2)
                * (1 - np.logaddexp2(0, -distance * t * math.log2(math.e)))
            ),
            -10,
            10 + distance,
        )[0]
    )


# --- against other systems and closed forms -----------------------------------------------------


@pytest.mark.parametrize("penalty", [1.0, 10.0, 100.0])
def test_digits_are_read_as_scikit_learn_reads_them(penalty: float) -> None:
    """Its logistic regression, cross-fitted by hand on folds of its own, at the same penalty."""
    images, labels = (tensor.numpy() for tensor in digits_task())
    spread = images.std(0)
    units = (images - images.mean(0)) / np.where(spread > 0, spread, 1)
    log_p = np.empty(len(labels))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(units, labels):
        model = LogisticRegression(C=1 / penalty, max_iter=2000).fit(units[train], labels[train])
        log_p[test] = model.predict_log_proba(units[test])[np.arange(len(test)), labels[test]]
    gain = (log_p - np.log(np.bincount(labels) / len(labels))[labels]) / math.log(2)
    bits, error = information(images, labels, penalties=(penalty,))
    assert bits == pytest.approx(gain.mean(), abs=0.02)
    assert error == pytest.approx(gain.std() / math.sqrt(len(gain)), rel=0.1)


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0, 4.0])
def test_two_gaussians_are_read_as_well_as_bayes_would(distance: float) -> None:
    assert bayes_information(2) == pytest.approx(0.4859442, abs=1e-7)
    bits, error = information(*two_classes(4000, distance, seed=1))
    assert 0 < error < 0.02
    assert abs(bits - bayes_information(distance)) < 4 * error


def test_xor_is_invisible_to_a_linear_reader_until_a_layer_makes_it_visible() -> None:
    """The same bit: 0 of it in the inputs, 1 in their product. No data-processing inequality."""
    signs = 2.0 * np.random.default_rng(2).integers(0, 2, (2000, 2)) - 1
    labels = (signs.prod(axis=1) < 0).astype(np.int64)
    bits, error = information(signs, labels)
    assert abs(bits) < min(3 * error, 0.01)
    bits, _ = information(np.column_stack([signs, signs.prod(axis=1)]), labels)
    assert 0.97 < bits < 1


@pytest.mark.parametrize(("flipped", "truth"), [(0.1, 0.5310044), (0.3, 0.1187091), (0.5, 0.0)])
def test_flipped_labels_leave_the_information_of_the_channel(flipped: float, truth: float) -> None:
    """A unit that was the label: 1 - h(e), from a table of the binary symmetric channel."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 4000)
    seen = np.where(rng.random(4000) < flipped, 1 - labels, labels)
    bits, error = information(2.0 * labels[:, None] - 1, seen)
    assert abs(bits - truth) < 4 * error


def test_units_that_never_vary_tell_what_the_class_frequencies_of_the_others_tell() -> None:
    """30 % and 70 %: each fold hears of 240 and 560, and of one sample shared by both."""
    labels = np.repeat([0, 1], [300, 700])
    expected = 0.3 * math.log2(240.5 / 801 / 0.3) + 0.7 * math.log2(560.5 / 801 / 0.7)
    bits, error = information(np.full((1000, 3), 0.1), labels)
    assert bits == pytest.approx(expected, abs=1e-9)
    assert -1e-5 < bits < 0
    assert error < 1e-4


def test_a_class_seen_once_surprises_by_the_one_shared_sample() -> None:
    """The fold that holds it has learnt from 800 samples of the other class, and half of one."""
    labels = np.repeat([3, 8], [999, 1])
    expected = (
        math.log2(0.5 / 801 / 0.001)
        + 199 * math.log2(800.5 / 801 / 0.999)
        + 800 * math.log2(799.5 / 801 / 0.999)
    ) / 1000
    bits, _ = information(np.zeros((1000, 2)), labels)
    assert bits == pytest.approx(expected, abs=1e-9)


# --- wide layers --------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_samples", "n_units"), [(300, 1200), (600, 300)])
def test_wide_noise_is_not_read_as_knowledge_nor_as_much_less(n_samples: int, n_units: int) -> None:
    """Without the choice of penalty, overfitting would cost more than a bit."""
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        units, labels = rng.standard_normal((n_samples, n_units)), rng.integers(0, 4, n_samples)
        found.append(information(units, labels)[0])
    assert -0.03 < np.mean(found) < 0.01
    assert information(units, labels, penalties=(0.1,))[0] < -0.3


def test_a_weak_signal_in_each_of_a_thousand_units_is_found() -> None:
    """No unit alone says more than .02 bit; a binned code of all of them is unique per sample."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 500)
    units = rng.standard_normal((500, 1000)) + 0.3 * labels[:, None]
    assert bayes_information(0.3) < 0.02
    assert information(units, labels)[0] > 0.8


def test_more_units_than_samples_are_read_by_the_same_rule() -> None:
    """Each unit twice is each unit once at half the penalty, on both sides of the rotation."""
    units, labels = two_classes(100, 2.0, seed=5, n_units=60)
    once, _ = information(units, labels, penalties=(10.0,))
    twice, _ = information(np.hstack([units, units]), labels, penalties=(20.0,))
    assert twice == pytest.approx(once, abs=1e-3)


# --- the fit ------------------------------------------------------------------------------------


def least_loss(
    units: np.ndarray, targets: np.ndarray, penalty: float, start: np.ndarray | None = None
) -> np.ndarray:
    """The weights, offsets last, by a general minimiser on the units as they are."""
    rows = np.hstack([units, np.ones((len(units), 1))])
    ridge = np.append(np.full(units.shape[1], penalty), 0)[:, None]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(rows.shape[1], -1)
        log_p = log_softmax(rows @ weights, axis=1)
        slope = rows.T @ (np.exp(log_p) - targets) + ridge * weights
        return (ridge * weights**2).sum() / 2 - (log_p * targets).sum(), slope.ravel()

    if start is None:
        start = np.zeros((rows.shape[1], targets.shape[1]))
    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-7, "maxcor": 30}
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(start.shape)


def by_the_definition(
    units: np.ndarray, labels: np.ndarray, penalties: tuple[float, ...], folds: int = 5
) -> float:
    """Linear V-information without rotation, rank or warm start."""
    n, k = len(labels), int(labels.max()) + 1
    units = (units - units.mean(0)) / np.where(np.ptp(units, axis=0) > 0, units.std(0), 1)

    def log_p(train: np.ndarray, test: np.ndarray, penalty: float) -> np.ndarray:
        targets = np.vstack([np.eye(k)[labels[train]], np.full((1, k), 1 / k)])
        rows = np.vstack([units[train], np.zeros((1, units.shape[1]))])
        weights = least_loss(rows, targets, penalty)
        scores = log_softmax(units[test] @ weights[:-1] + weights[-1], axis=1)
        return scores[np.arange(len(test)), labels[test]]

    fold_of, found = _stratified_folds(labels, folds, 0), np.empty(n)
    for fold in range(folds):
        train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        held = _stratified_folds(labels[train], 5, 0) == 0
        best = max(penalties, key=lambda p: log_p(train[~held], train[held], p).mean())
        found[test] = log_p(train, test, best)
    return float((found - np.log(np.bincount(labels) / n)[labels]).mean() / math.log(2))


def clusters(n_samples: int, n_units: int, n_classes: int, spread: float) -> tuple[Any, Any]:
    """A ReLU layer of a few latent directions, in a cluster per class."""
    rng = np.random.default_rng(12)
    labels = rng.integers(0, n_classes, n_samples)
    latent = 2 * rng.standard_normal((n_classes, 6))[labels]
    latent += spread * rng.standard_normal(latent.shape)
    return np.maximum(latent @ rng.standard_normal((6, n_units)), 0), labels


def nearly_alike(n_samples: int) -> tuple[Any, Any]:
    """Two units whose difference alone, a thousandth of either, has to do with the label."""
    rng = np.random.default_rng(13)
    unit, sign = rng.standard_normal(n_samples), rng.choice([-1, 1], n_samples)
    return np.column_stack([unit, unit + 1e-3 * sign]), (sign > 0).astype(np.int64)


@pytest.mark.parametrize("penalties", [(0.01,), (1.0,), (1.0, 30.0, 1000.0)])
@pytest.mark.parametrize(
    "layer",
    [
        clusters(200, 40, 4, 1.0),
        clusters(90, 130, 3, 0.3),
        nearly_alike(200),
        (np.random.default_rng(14).standard_normal((150, 20)), np.arange(150) % 5),
    ],
    ids=["clusters", "more units than samples", "nearly alike", "noise"],
)
def test_rotation_rank_and_warm_starts_change_no_bit_in_a_million(
    layer: tuple[np.ndarray, np.ndarray], penalties: tuple[float, ...]
) -> None:
    expected = by_the_definition(*layer, penalties)
    assert information(*layer, penalties=penalties)[0] == pytest.approx(expected, abs=1e-6)


def test_a_layer_has_as_many_directions_as_its_samples_spread_in() -> None:
    """Forty units that are sums of three are three directions, to which nothing is lost."""
    rng = np.random.default_rng(15)
    three = rng.standard_normal((100, 3))
    forty = three @ rng.standard_normal((3, 40))
    forty -= forty.mean(0)
    found = directions(forty, 1.0)
    assert found.rows.shape == (100, 4)
    assert found.squares == pytest.approx(np.linalg.svd(forty)[1][:3] ** 2)
    assert found.rows[:, 1:] @ found.rows[:, 1:].T == pytest.approx(forty @ forty.T)


# --- invariants ---------------------------------------------------------------------------------


def test_neither_the_scale_nor_the_sign_nor_the_zero_of_a_unit_counts() -> None:
    units, labels = two_classes(400, 1.5, seed=6, n_units=4)
    plain, _ = information(units, labels)
    scaled, _ = information(units * [1e-6, -3.0, 1e4, 1.0] + [0.0, 5.0, -1e6, 1e3], labels)
    assert scaled == pytest.approx(plain, abs=1e-4)


def test_labels_are_names_only() -> None:
    units, labels = two_classes(300, 1.0, seed=7)
    plain = information(units, labels)
    assert information(units, np.array([-7, 10**9])[labels]) == plain
    assert information(units, torch.from_numpy(labels)) == plain


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.integers(5, 40), st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**31))
def test_no_reader_tells_more_than_there_is_to_tell(
    n_samples: int, n_units: int, n_classes: int, seed: int
) -> None:
    """At most H(Y), and finite, whatever classes a fold lacks."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_samples)
    bits, error = information(3 * rng.standard_normal((n_samples, n_units)), labels)
    share = np.bincount(labels) / n_samples
    assert math.isfinite(bits)
    assert math.isfinite(error)
    assert bits <= -(share[share > 0] * np.log2(share[share > 0])).sum() + 1e-12


def test_labels_that_are_all_distinct_give_a_finite_number_below_zero() -> None:
    """No fold has seen the class that it is asked for."""
    bits, _ = information(np.random.default_rng(8).standard_normal((50, 3)), np.arange(50))
    assert -8 < bits < 0


@pytest.mark.parametrize(("n_samples", "folds"), [(2, 2), (5, 5), (6, 5)])
def test_as_few_samples_as_folds_give_a_number(n_samples: int, folds: int) -> None:
    units = np.random.default_rng(9).standard_normal((n_samples, 2))
    bits, error = information(units, np.arange(n_samples) % 2, folds=folds)
    assert math.isfinite(bits)
    assert math.isfinite(error)


def test_the_standard_error_is_the_spread_over_repetitions() -> None:
    """100 draws of 400 samples; the fit itself varies too, and costs a little."""
    found = np.array(
        [information(*two_classes(400, 2.0, seed), penalties=(1.0,)) for seed in range(100)]
    )
    bits, errors = found.T
    assert 0.8 < errors.mean() / bits.std() < 1.25
    truth = bayes_information(2.0)
    assert truth - 0.03 < bits.mean() < truth + 3 * bits.std() / 10
    assert 0.88 <= np.mean(abs(bits - truth) < 1.96 * errors) <= 0.99


def test_the_split_depends_on_the_seed_alone() -> None:
    units, labels = two_classes(300, 1.0, seed=10)
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    first = information(units, labels)
    assert information(units, labels) == first
    assert (np.random.get_state()[1] == before).all()  # the user's random state is left alone
    other = information(units, labels, seed=1)
    assert other[0] != first[0]
    assert other[0] == pytest.approx(first[0], abs=first[1])


# --- what comes in ------------------------------------------------------------------------------


def test_it_is_a_value_that_names_its_quantities() -> None:
    assert LinearVInformation(every=3) == LinearVInformation(every=3, folds=5)
    assert isinstance(LinearVInformation(), Extra)
    names = [quantity.name for quantity in LinearVInformation().quantities]
    assert names == ["linear_V_TY", "linear_V_TY_se"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "every: need a whole number >= 1, got 0"),
        ({"folds": 1}, "folds: need a whole number >= 2, got 1"),
        ({"folds": 2.0}, r"folds: .* got 2\.0"),
        ({"seed": -3}, "seed: need a whole number >= 0, got -3"),
        ({"penalties": ()}, r"penalties: need finite numbers > 0, got \(\)"),
        ({"penalties": (1.0, 0.0)}, r"penalties\[1\]: need a finite number > 0, got 0\.0"),
        ({"penalties": (math.inf,)}, r"penalties\[0\]: .* got inf"),
    ],
)
def test_arguments_without_sense_raise(arguments: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        LinearVInformation(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("activations", "labels", "message"),
    [
        (np.empty((0, 3)), np.empty(0, int), r"activations: .* got shape \(0, 3\)"),
        (np.zeros((4, 1)), [0, 1, 0, 1], "activations: .* got 4 samples for 5 folds"),
        (np.zeros((6, 1)), [0, 1, 0], r"labels: need 6 integer class numbers, got .* \(3,\)"),
        (np.zeros((6, 1)), [0.5] * 6, "labels: .* got float64"),
        (np.full((6, 1), math.nan), [0, 1] * 3, "activations: 6 values are NaN or infinite"),
    ],
)
def test_samples_without_sense_raise(activations: object, labels: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearVInformation()(activations, labels)  # type: ignore[arg-type]
