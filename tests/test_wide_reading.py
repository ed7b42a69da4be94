"""The wide reading against closed forms, Monte Carlo of the truth, and networks."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

from it_callbacks.estimators import WideReading
from it_callbacks.estimators.groups import standard_error_of_mean
from it_callbacks.estimators.linear_reader import linear_reader
from it_callbacks.estimators.relative_noise import highest, relative_noise
from it_callbacks.estimators.wide import Rows, one_thread
from it_callbacks.schedules import LogSpaced

N = 1024
READING = WideReading()


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *b"test"])


def x_of(rows: NDArray[np.floating], **options: float) -> float:
    return WideReading(**options)(rows)["relative_I_XT"]  # type: ignore[arg-type] # noise only


def y_of(rows: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    return READING(rows, labels)["V_TY"]


def caution(rows: NDArray[np.floating], labels: NDArray[np.int64] | None = None) -> str:
    of_rows = Rows.of(READING.sketch(rows), labels)
    return READING.read(of_rows, None if labels is None else of_rows).caution


# Across: I(X; T + noise).


@pytest.mark.parametrize(
    ("noise", "bits"),
    [(0.2, 18.0337), (0.25, 11.5416), (0.3, 8.0150), (0.4, 4.5084), (0.5, 2.8854)],
)
def test_the_cap_is_that_of_infinitely_many_dimensions(noise: float, bits: float) -> None:
    assert highest(noise) == pytest.approx(bits, abs=1e-4)
    in_dimensions = 1e7 / 2 * math.log2(1 + 1 / (noise**2 * 1e7))
    assert highest(noise) == pytest.approx(in_dimensions, abs=1e-3)


@pytest.mark.parametrize(
    ("n_units", "low", "high"),
    # Of D units the population has D / 2 log2(1 + 1 / (.09 D)): 1.799, 2.713; 5.390, 7.391, 7.846.
    [(1, 1.69, 1.90), (2, 2.61, 2.82), (10, 4.95, 5.45), (64, 6.2, 7.2), (256, 6.2, 7.2)],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_gaussian_layer_has_the_bits_of_its_channel(
    n_units: int, low: float, high: float, seed: int
) -> None:
    assert low < x_of(random(seed).standard_normal((N, n_units))) < high


@pytest.mark.parametrize("n_units", [64, 256])
def test_a_value_that_still_rises_with_samples_is_marked(n_units: int) -> None:
    rows = random(0).standard_normal((N, n_units)).astype(np.float32)
    assert "may be low" in caution(rows)
    assert caution(rows[:, :3]) == ""


@pytest.mark.parametrize(
    ("n_classes", "bits", "tolerance"),
    [
        (2, 0.9981, 0.005),
        (3, 1.5696, 0.04),
        (4, 1.9634, 0.04),
        (10, 3.1435, 0.04),
        (100, 5.52, 0.2),
    ],
)
def test_collapsed_classes_are_told_apart_as_far_as_the_noise_allows(
    n_classes: int, bits: float, tolerance: float
) -> None:
    """Truth: a simplex of equal classes under the noise, by Monte Carlo."""
    simplex = np.eye(n_classes)[np.arange(N) % n_classes]
    assert x_of(simplex) == pytest.approx(bits, abs=tolerance)


def test_nothing_is_gained_by_scale_shift_or_rotation() -> None:
    rows = random(1).standard_normal((N, 40)) * np.linspace(0.1, 2, 40)
    bits = x_of(rows)
    assert x_of(1000 * rows + 5) == pytest.approx(bits, rel=1e-6)
    assert x_of(rows * 2.0**30) == bits
    rotation = np.linalg.qr(random(2).standard_normal((40, 40)))[0]
    # The same layer in other coordinates, under the same draws of the noise: within its error.
    assert x_of(rows @ rotation) == pytest.approx(bits, abs=3 * READING(rows)["relative_I_XT_se"])


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e18, 1e300])
def test_any_scale_can_be_read(scale: float) -> None:
    rows = random(3).standard_normal((N, 20))
    labels = (rows[:, 0] > 0).astype(np.int64)
    found, scaled = READING(rows, labels), READING(rows * scale, labels)
    assert scaled["spread"] == pytest.approx(found["spread"] * scale, rel=1e-6)
    for name in ("relative_I_XT", "relative_I_XT_high", "V_TY"):
        assert scaled[name] == pytest.approx(found[name], abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_layer_has_nothing(value: float, dtype: type) -> None:
    found = READING(np.full((N, 30), value, dtype), np.arange(N) % 2)
    assert set(found.values()) == {0.0}


def test_the_upper_value_is_the_rate_of_a_gaussian_and_never_lower() -> None:
    spectrum = np.array([4.0, 2.0, 1.0, 0.5])
    rows = random(4).standard_normal((200_000, 4)) * np.sqrt(spectrum)
    high = WideReading(n_samples=200_000 // 50)(rows)["relative_I_XT_high"]
    rate = 0.5 * np.log2(1 + spectrum / (0.09 * spectrum.sum())).sum()
    assert high == pytest.approx(rate, abs=0.05)
    collapsed = READING(np.eye(10)[np.arange(N) % 10])
    assert collapsed["relative_I_XT_high"] > collapsed["relative_I_XT"] + 1


def test_a_row_or_a_unit_that_holds_the_spread_is_named() -> None:
    rows = random(5).standard_normal((N, 30)).astype(np.float32)
    assert READING.read(Rows.of(rows)).uneven == ""
    far = rows.copy()
    far[7] *= 100
    assert "one row holds" in READING.read(Rows.of(far)).uneven
    assert x_of(far) < 1 < x_of(rows) - 4
    stretched = rows.copy()
    stretched[:, 3] *= 100
    assert "one unit holds 100%" in READING.read(Rows.of(stretched)).uneven


# Up: what a linear reader says about the label.


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("n_units", [1, 10])
@pytest.mark.parametrize(
    ("distance", "bits"), [(1, 0.160747), (2, 0.485944), (4, 0.912822)], ids=str
)
def test_two_gaussians_have_the_information_between_them(
    distance: float, bits: float, n_units: int, seed: int
) -> None:
    """Truth: numerical integration of I(T;Y)."""
    rng = random(10 + seed)
    labels = np.arange(N) % 2
    rows = rng.standard_normal((N, n_units))
    rows[:, 0] += distance * labels
    assert y_of(rows, labels) == pytest.approx(bits, abs=0.075)


@pytest.mark.parametrize(("distance", "bits"), [(1, 0.160747), (2, 0.485944), (4, 0.912822)])
def test_a_hundred_units_of_noise_lower_the_reading_but_never_raise_it(
    distance: float, bits: float
) -> None:
    labels = np.arange(N) % 2
    rows = random(20).standard_normal((N, 100))
    rows[:, 0] += distance * labels
    least = 0.04 if distance == 1 else 0.6 * bits
    assert least < y_of(rows, labels) < bits + 0.03


def test_what_can_be_separated_is_read_whole_and_what_is_not_linear_is_not() -> None:
    rng = random(21)
    labels = np.arange(N) % 4
    assert y_of(10 * np.eye(4)[labels] + 0.1 * rng.standard_normal((N, 4)), labels) > 1.99
    bits = rng.integers(0, 2, (N, 2))
    assert abs(y_of(bits.astype(float), bits[:, 0] ^ bits[:, 1])) < 0.02
    line = rng.standard_normal((N, 1))
    assert abs(y_of(line, (np.abs(line[:, 0]) > 0.6745).astype(np.int64))) < 0.01
    units = rng.standard_normal((N, 30))
    threshold = (units @ rng.standard_normal(30) > 0).astype(np.int64)
    assert y_of(units, threshold) == pytest.approx(0.855, abs=0.05)


def test_a_rare_class_is_read_almost_whole() -> None:
    """3 % of the samples, 4 deviations apart: H(Y) is .194 bit, of which .18 can be read."""
    labels = (np.arange(N) < 0.03 * N).astype(np.int64)
    rows = random(22).standard_normal((N, 1)) + 4 * labels[:, None]
    assert y_of(rows, labels) == pytest.approx(0.17, abs=0.04)


@pytest.mark.parametrize("n", [512, N])
@pytest.mark.parametrize("n_units", [5, 20, 128, 600])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_without_information_it_is_zero(n: int, n_units: int, n_classes: int) -> None:
    for seed in range(3):
        rng = random(30 + seed)
        rows, labels = rng.standard_normal((n, n_units)), rng.integers(0, n_classes, n)
        assert abs(y_of(rows, labels)) <= 0.015


@pytest.mark.parametrize(("n", "most"), [(N, 0.03), (200, 0.07)])
def test_labels_dealt_at_random_have_nothing_in_an_untrained_network(n: int, most: float) -> None:
    """Leave-one-out, or one covariance for all folds, reads up to 2.3 bits here."""
    for seed in range(4):
        torch.manual_seed(seed)
        widths = (784, 1024, 20, 20, 20, 10)
        stack = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]
        rows, labels = torch.rand(n, 784), random(40 + seed).integers(0, 10, n)
        for layer in stack[:-1]:
            rows = layer(rows).detach()
            if isinstance(layer, nn.ReLU) or layer is stack[-2]:
                assert abs(y_of(rows.numpy(), labels)) <= most


@pytest.mark.parametrize("n_classes", [2, 10, 50])
def test_permuted_labels_of_a_layer_that_knows_them_have_nothing(n_classes: int) -> None:
    labels = np.arange(N) % n_classes
    rows = 6 * np.eye(n_classes)[labels] + random(50).standard_normal((N, n_classes))
    assert y_of(rows, labels) > 0.8 * math.log2(n_classes)
    for seed in range(4):
        found = READING(rows, random(51 + seed).permutation(labels))
        assert found["V_TY"] <= 2 * found["V_TY_se"]
        if n_classes <= 10:
            assert abs(found["V_TY"]) <= 0.015


def test_its_standard_error_is_that_of_repeated_samples() -> None:
    values, errors = [], []
    for seed in range(30):
        labels = np.arange(500) % 2
        rows = random(60 + seed).standard_normal((500, 5))
        rows[:, 0] += 2 * labels
        found = READING(rows, labels)
        values.append(found["V_TY"])
        errors.append(found["V_TY_se"])
    assert np.std(values, ddof=1) == pytest.approx(np.mean(errors), rel=0.35)


def test_rows_that_belong_together_share_a_fold_and_count_as_one() -> None:
    """64 images of 16 positions each: what identifies an image is no information about labels."""
    images, leaked = np.repeat(np.arange(64), 16), []
    for seed in range(4):
        rng = random(70 + seed)
        of_image = 3 * rng.standard_normal((64, 20))
        rows = of_image[images] + rng.standard_normal((N, 20))
        labels = rng.integers(0, 2, 64)[images]
        naive, grouped = Rows.of(rows, labels), Rows.of(rows, labels, images)
        found = READING.read(grouped, grouped).values
        assert abs(found["V_TY"]) < 3 * found["V_TY_se"]
        leaked.append(READING.read(naive, naive).values["V_TY"])
    assert np.mean(leaked) > 0.2


def test_a_standard_error_counts_what_belongs_together_once() -> None:
    of_group = random(75).standard_normal(64)
    groups = np.repeat(np.arange(64), 16)
    clustered = standard_error_of_mean(of_group[groups], groups)
    assert clustered == pytest.approx(of_group.std(ddof=1) / 8)
    alone = standard_error_of_mean(of_group, np.arange(64))
    assert alone == pytest.approx(of_group.std(ddof=1) / 8)


def test_equal_rows_that_share_a_fold_are_not_remembered() -> None:
    """Each of 100 inputs eight times, with a label of its own that nothing explains."""
    inputs = np.repeat(np.arange(100), 8)
    rng = random(80)
    rows, labels = rng.standard_normal((100, 60))[inputs], rng.integers(0, 2, 100)[inputs]
    apart = Rows.of(rows, labels, inputs)
    found = READING.read(apart, apart).values
    assert found["V_TY"] < 3 * found["V_TY_se"]
    naive = Rows.of(rows, labels)
    assert READING.read(naive, naive).values["V_TY"] > 0.3


@pytest.mark.parametrize("n_groups", [64, 300])
def test_positions_without_information_have_none_in_slices_and_few_of_them_are_marked(
    n_groups: int,
) -> None:
    """Ten classes, dealt to rows of 4 to 16 positions: with positions permuted, .3 of a bit."""
    groups = np.repeat(np.arange(n_groups), 1024 // n_groups)
    for seed in range(4):
        rng = random(85 + seed)
        rows = rng.standard_normal((n_groups, 40))[groups] + 0.3 * rng.standard_normal(
            (len(groups), 40)
        )
        labels = rng.integers(0, 10, n_groups)[groups]
        together = Rows.of(rows, labels, groups)
        wide = READING.read(together, together)
        found, why = wide.values, wide.caution
        if n_groups == 64:
            assert "sliced_I_TY" not in found
            assert "64 rows that differ" in why
        else:
            assert abs(found["sliced_I_TY"]) < 3 * found["sliced_I_TY_se"] + 0.01
            assert found["V_TY"] < 3 * found["V_TY_se"]
            assert "V(T→Y)" not in why


def test_a_dozen_rows_have_no_reading_of_the_label() -> None:
    groups = np.repeat(np.arange(12), 80)
    rows, labels = random(89).standard_normal((12, 8))[groups], np.arange(12)[groups] % 2
    found = READING.read(Rows.of(rows, labels, groups), Rows.of(rows, labels, groups))
    assert math.isnan(found.values["V_TY"])
    assert "12 rows that differ, 25 are needed" in found.caution


# Few samples, many classes.


def test_few_samples_of_a_class_are_marked_and_very_few_have_no_value() -> None:
    rng = random(90)
    rows = rng.standard_normal((N, 20))
    assert "need 200" in caution(rows[:190], np.arange(190) % 10)
    assert "need 400" in caution(rng.standard_normal((300, 100)), np.arange(300) % 2)
    found = READING(rows[:45], np.arange(45) % 10)
    assert math.isnan(found["V_TY"])
    assert "no V(T→Y)" in caution(rows[:45], np.arange(45) % 10)


def test_beyond_50_classes_the_label_is_read_among_the_most_frequent() -> None:
    """100 separated classes: all of log2 50 bits; read as they are, few samples of each fail."""
    labels = np.concatenate([np.repeat(np.arange(50), 24), np.repeat(np.arange(50, 100), 8)])
    rows = 10 * np.eye(100)[labels] + random(91).standard_normal((len(labels), 100))
    found = READING(rows, labels)
    assert found["V_TY"] == pytest.approx(math.log2(50), abs=0.05)
    assert "sliced_I_TY" not in found


def test_50_classes_are_read_almost_whole() -> None:
    labels = np.arange(N) % 50
    rows = random(92).standard_normal((50, 128))[labels] + random(93).standard_normal((N, 128))
    assert y_of(rows, labels) > 5.4  # the truth is 5.64


def test_without_labels_the_values_are_those_about_the_input() -> None:
    assert set(READING(random(94).standard_normal((N, 4)))) == {
        "relative_I_XT",
        "relative_I_XT_se",
        "relative_I_XT_high",
        "spread",
    }


def test_a_class_alone_has_nothing_to_be_read() -> None:
    found = READING(random(95).standard_normal((N, 4)), np.zeros(N, np.int64))
    assert found["V_TY"] == found["V_TY_se"] == 0


# Arguments, and the machine.


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"n_components": 128}, "n_components: need a prime"),
        ({"noise": 0}, "noise: need a finite number > 0"),
        ({"noise": 1.5}, "noise: need a share of the spread, at most 1"),
        ({"n_samples": 9}, "n_samples: need a whole number >= 25"),
        ({"folds": 1}, "folds: need a whole number >= 2"),
        ({"schedule": 0}, "schedule"),
    ],
)
def test_arguments_without_a_meaning_are_refused(options: dict[str, float], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        WideReading(**options)  # type: ignore[arg-type] # what is tested


@pytest.mark.parametrize(
    ("rows", "labels", "what"),
    [
        (
            np.zeros((0, 3)),
            None,
            r"activations: need \(n_samples, n_units\), .* got shape \(0, 3\)",
        ),
        (np.zeros(5), None, "activations: need"),
        (np.zeros((5, 2)), [1, 2], "labels: need 5 integer class numbers"),
        (np.full((50, 2), np.nan), None, "activations: 100 values are NaN or infinite"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(rows: Any, labels: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        READING(rows, labels)


def test_it_prints_as_what_it_is_and_equals_its_like() -> None:
    assert WideReading() == WideReading(schedule=LogSpaced(5))
    assert repr(WideReading(noise=0.25)).startswith(
        "WideReading(n_samples=1024, n_components=127, noise=0.25, folds=5, schedule=LogSpaced("
    )


def test_the_users_threads_are_as_before_after_an_error_too() -> None:
    def n_threads() -> list[int]:
        blas = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
        return [pool["num_threads"] for pool in blas]

    with threadpool_limits(2, user_api="blas"):
        before = n_threads()
        assert set(before) == {2}
        inside = []

        def fail() -> None:
            with one_thread():
                inside.extend(n_threads())
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert set(inside) == {1}
        READING(random(96).standard_normal((50, 4)))
        assert n_threads() == before


def test_torch_tensors_and_maps_are_read_as_arrays_are() -> None:
    maps = torch.randn(200, 3, 9, 9, requires_grad=True)
    labels = torch.arange(200) % 2
    assert READING(maps, labels) == READING(maps.detach().double().numpy(), labels.numpy())


def test_functions_and_the_value_agree() -> None:
    rows = random(97).standard_normal((N, 12)).astype(np.float32)
    labels, each = np.arange(N) % 3, np.arange(N)
    found = READING.read(Rows.of(rows, labels), Rows.of(rows, labels)).values
    assert found["relative_I_XT"] == relative_noise(rows, each, 0.3).bits
    assert found["V_TY"] == linear_reader(rows, labels, each, 5).bits
