"""Noise-injected information is that of its mixture, and its bounds hold it."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from it_callbacks.estimators import Extra, NoiseInjected, noise
from it_callbacks.estimators.extra import own_generator

Density = Callable[[float], float]

KEYS = [
    *(f"noise_{quantity}{end}" for quantity in ("I_XT", "I_TY") for end in ("", "_low", "_high")),
    "noise_I_TY_permuted",
]


def mean_and_deviation(density: Density, value: Density) -> tuple[float, float]:
    """Of a value, under a density on the real line without mass beyond +-14."""

    def moment(power: int) -> float:
        def integrand(t: float) -> float:
            return density(t) * value(t) ** power

        return sum(quad(integrand, a, a + 2, epsabs=1e-12)[0] for a in range(-14, 14, 2))

    first, second = moment(1), moment(2)
    return first, math.sqrt(second - first**2)


def mixture(points: list[float], sigma: float) -> Density:
    return lambda t: float(norm.pdf(t, points, sigma).mean())


# --- two points, the case that can be done by hand ----------------------------------------------


@pytest.mark.parametrize(
    ("distance", "lower", "upper"),
    [
        (1, 0.0873525, 0.3160515),
        (2, 0.3160515, 0.8168816),
        (4, 0.8168816, 0.9995162),
    ],
)
def test_two_points_have_the_bounds_of_the_closed_form(
    distance: float, lower: float, upper: float
) -> None:
    """1 - log2(1 + exp(-d²/8)) and 1 - log2(1 + exp(-d²/2)), worked out beforehand."""
    found = NoiseInjected(sigma=1.0)([[0.0], [distance]] * 3, [0, 1] * 3)
    assert found["noise_I_XT_low"] == pytest.approx(lower, abs=1e-7)
    assert found["noise_I_XT_high"] == pytest.approx(upper, abs=1e-7)


@pytest.mark.parametrize(("distance", "printed"), [(1, 0.1607472), (2, 0.4859442), (4, 0.9128223)])
def test_two_points_have_the_information_of_the_integral(distance: float, printed: float) -> None:
    """A sample tells log2 of the ratio of its own density to the mean of both."""
    truth, deviation = mean_and_deviation(
        lambda t: float(norm.pdf(t, distance / 2)),
        lambda t: 1 - float(np.logaddexp2(0, -distance * t * math.log2(math.e))),
    )
    assert truth == pytest.approx(printed, abs=1e-7)
    n = 4000
    found = NoiseInjected(sigma=1.0)([[0.0], [distance]] * (n // 2), [0, 1] * (n // 2))
    assert abs(found["noise_I_XT"] - truth) < 4 * deviation / math.sqrt(n)
    # The label is the point, so both informations are one; rounding apart.
    assert found["noise_I_TY"] == pytest.approx(found["noise_I_XT"], abs=1e-9)


def test_only_the_distance_in_units_of_the_noise_counts() -> None:
    """Two points two noise widths apart, in a plane of five units: the bounds of the line."""
    direction = np.array([2.0, -1.0, 4.0, 2.0, 0.0]) / 5  # of length 1
    far = NoiseInjected(sigma=0.3)(np.stack([0 * direction, 0.6 * direction]), [0, 1])
    assert far["noise_I_XT_low"] == pytest.approx(0.3160515, abs=1e-7)
    assert far["noise_I_XT_high"] == pytest.approx(0.8168816, abs=1e-7)


# --- the two ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("n_units", [1, 40])
def test_points_far_apart_are_all_told_apart(n_units: int) -> None:
    """A hundred million noise widths: a point's distance to itself must not be rounding."""
    points = 1e8 * np.random.default_rng(8).standard_normal((48, n_units))
    found = NoiseInjected(sigma=1.0)(points, np.repeat([0, 1, 2], 16))
    for key in KEYS:
        expected = math.log2(48) if "I_XT" in key else math.log2(3)
        assert found[key] == pytest.approx(expected, abs=1e-12), key


def test_identical_points_tell_nothing() -> None:
    found = NoiseInjected(sigma=0.1)(np.full((50, 3), 7.3), np.arange(50) % 2)
    assert list(found) == KEYS
    assert list(found.values()) == pytest.approx([0] * 7, abs=1e-12)


def test_a_single_sample_tells_nothing() -> None:
    found = NoiseInjected()([[3.0, 4.0]], [1])
    assert list(found.values()) == [0] * 7


def test_labels_of_one_class_hold_nothing_to_tell() -> None:
    points = np.random.default_rng(0).standard_normal((100, 2))
    found = NoiseInjected(sigma=1.0)(points, np.full(100, 5))
    assert found["noise_I_XT"] > 0.5
    assert found["noise_I_TY"] == pytest.approx(0, abs=1e-12)


# --- the label ----------------------------------------------------------------------------------


def test_label_information_of_a_line_is_that_of_the_integral() -> None:
    """Five points in two unequal classes: I(T+Z;Y) from the densities themselves."""
    sigma, classes = 0.7, {0: [-1.0, 0.0], 1: [0.5, 2.0, 2.5]}
    everything = mixture([*classes[0], *classes[1]], sigma)
    truth, square = 0.0, 0.0
    for points in classes.values():
        own = mixture(points, sigma)

        def tells(t: float, own: Density = own) -> float:
            return math.log2(own(t) / everything(t)) if own(t) > 1e-300 else 0.0

        mean, deviation = mean_and_deviation(own, tells)
        truth += len(points) / 5 * mean
        square += len(points) / 5 * (mean**2 + deviation**2)
    repeats = 800
    t = np.repeat([*classes[0], *classes[1]], repeats)[:, None]
    y = np.repeat([0, 0, 1, 1, 1], repeats)
    found = NoiseInjected(sigma=sigma)(t, y)["noise_I_TY"]
    error = math.sqrt((square - truth**2) / len(y))
    assert 0.51 < truth < 0.52  # of 0.971 bits in the label
    assert error < 0.02
    assert abs(found - truth) < 4 * error


def test_samples_of_a_population_approach_its_information() -> None:
    """T normal in each of two classes, so is T+σZ; data drawn with the seed of Z change nothing."""
    rng = np.random.default_rng(0)
    y = np.arange(2000) % 2
    t = (2.0 * y - 1 + 0.5 * rng.standard_normal(2000))[:, None]
    width = math.sqrt(0.5)  # .5² of the layer and .5² of the noise
    truth, deviation = mean_and_deviation(
        lambda v: float(norm.pdf(v, 1, width)),
        lambda v: 1 - float(np.logaddexp2(0, -2 * v / width**2 * math.log2(math.e))),
    )
    found = NoiseInjected(sigma=0.5, seed=0)(t, y)["noise_I_TY"]
    assert abs(found - truth) < 4 * deviation / math.sqrt(2000)


def test_labels_are_names_only() -> None:
    rng = np.random.default_rng(1)
    points, y = rng.standard_normal((200, 2)), rng.integers(0, 3, 200)
    plain = NoiseInjected(sigma=0.5)(points, y)
    renamed = NoiseInjected(sigma=0.5)(points, np.array([70, -4, 9])[y])
    assert renamed == pytest.approx(plain, abs=1e-12)


# --- labels permuted ----------------------------------------------------------------------------


def test_permuted_labels_show_what_independent_labels_show() -> None:
    """In 64 isotropic units that is most of one bit: the samples, not the layer."""
    rng = np.random.default_rng(9)
    points, labels = rng.standard_normal((600, 64)), np.arange(600) % 2
    found = [NoiseInjected(sigma=1.6, seed=seed)(points, labels) for seed in range(8)]
    given, permuted = (
        np.mean([values[key] for values in found]) for key in ("noise_I_TY", "noise_I_TY_permuted")
    )
    assert given > 0.3
    assert permuted == pytest.approx(given, abs=0.02)


def test_permuted_labels_show_little_where_the_labels_show_all() -> None:
    labels = np.arange(1000) % 2
    found = NoiseInjected(sigma=1.0)(20.0 * labels[:, None], labels)
    assert found["noise_I_TY"] == pytest.approx(1, abs=1e-9)
    assert abs(found["noise_I_TY_permuted"]) < 0.01


def test_the_permuted_value_is_the_value_of_the_permuted_labels() -> None:
    rng = np.random.default_rng(11)
    points, labels = rng.standard_normal((300, 3)), rng.permutation(np.repeat([0, 1, 2], [9, 1, 5]))
    labels = np.resize(labels, 300)
    permuted = own_generator(0, "permuted labels").permutation(labels)
    found, of_permuted = (NoiseInjected(sigma=0.5)(points, y) for y in (labels, permuted))
    assert found["noise_I_TY_permuted"] == pytest.approx(of_permuted["noise_I_TY"], abs=1e-12)


# --- bounds -------------------------------------------------------------------------------------

clouds = st.tuples(
    st.integers(2, 25), st.integers(1, 4), st.floats(0.05, 20), st.integers(0, 2**31)
)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(clouds)
def test_the_bounds_hold_the_drawn_value(cloud: tuple[int, int, float, int]) -> None:
    """Whatever the cloud, its spread and its labels, within the error of the draw."""
    n_samples, n_units, spread, seed = cloud
    rng = np.random.default_rng(seed)
    points = spread * rng.standard_normal((n_samples, n_units))
    y = rng.integers(0, 3, n_samples)
    # Repeating the samples leaves the mixture and its bounds, and draws more often.
    points, y = np.tile(points, (10, 1)), np.tile(y, 10)
    found = [NoiseInjected(sigma=1.0, seed=seed)(points, y) for seed in range(12)]
    for quantity in ("noise_I_XT", "noise_I_TY"):
        drawn = [values[quantity] for values in found]
        mean, error = np.mean(drawn), np.std(drawn, ddof=1) / math.sqrt(len(drawn))
        assert found[0][f"{quantity}_low"] <= mean + 4 * error + 1e-9
        assert found[0][f"{quantity}_high"] >= mean - 4 * error - 1e-9


@settings(deadline=None, derandomize=True, max_examples=40)
@given(clouds)
def test_less_to_see_is_never_more_information(cloud: tuple[int, int, float, int]) -> None:
    """Both bounds of I(X;T+σZ) fall, or stay, with more noise and with a unit less."""
    n_samples, n_units, spread, seed = cloud
    points = spread * np.random.default_rng(seed).standard_normal((n_samples, n_units + 1))
    y = np.arange(n_samples) % 2
    full = NoiseInjected(sigma=1.0)(points, y)
    for less in (NoiseInjected(sigma=1.5)(points, y), NoiseInjected(sigma=1.0)(points[:, 1:], y)):
        for key in ("noise_I_XT_low", "noise_I_XT_high"):
            assert less[key] <= full[key] + 1e-9


@pytest.mark.parametrize("variance", ["0.001", "0.1"])
@pytest.mark.parametrize(
    "case",
    [
        *(f"{act}_N256_D{d}_g{g}" for act in ("tanh", "relu") for d in (1, 3) for g in (1, 6)),
        "tanh_N256_D10_g1",
        "tanh_N4096_D3_g1",
        "relu_N4096_D1_g6",
        "dup_N1024_D3",
    ],
)
def test_kernel_bounds_are_those_of_the_authors_code(
    shared: Path, case: str, variance: str
) -> None:
    """Kolchinsky & Tracey's own numbers: of I(X;T), and put together those of I(T;Y)."""
    inputs = np.load(shared / "oracle" / "oracle_inputs.npz")
    outputs = json.loads((shared / "oracle" / "oracle_outputs.json").read_text())
    assert len(outputs) == 12  # every case is in the list above
    bits = outputs[case]["bits"]
    estimator = NoiseInjected(sigma=math.sqrt(float(variance)))
    upper, lower = (bits[f"kde_{end}_var{variance}_IXT"] for end in ("upper", "lower"))
    for label in ("y", "y10") if "N4096" not in case else ("y10",):
        found = estimator(inputs[f"{case}__T"], inputs[f"{case}__{label}"].ravel())
        assert found["noise_I_XT_high"] == pytest.approx(upper, abs=1e-6)
        assert found["noise_I_XT_low"] == pytest.approx(lower, abs=1e-6)
        # Theirs are upper less upper and lower less lower, which hold nothing between them; what
        # each takes off is what the other bound needs.
        given_label = {
            "upper": upper - bits[f"kde_upper_var{variance}_ITY_{label}"],
            "lower": lower - bits[f"kde_lower_var{variance}_ITY_{label}"],
        }
        assert found["noise_I_TY_high"] == pytest.approx(upper - given_label["lower"], abs=1e-6)
        assert found["noise_I_TY_low"] == pytest.approx(lower - given_label["upper"], abs=1e-6)


# --- arithmetic ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_blocks_of_rows_do_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    rng = np.random.default_rng(2)
    points, y = rng.standard_normal((100, 3)), rng.integers(0, 4, 100)
    whole = NoiseInjected(sigma=0.5)(points, y)
    monkeypatch.setattr(noise, "_BLOCK_ROWS", rows)
    assert NoiseInjected(sigma=0.5)(points, y) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("offset", [2.0**10, 2.0**20])
def test_a_large_offset_costs_no_digits(offset: float) -> None:
    """Activations around a million, read at a hundredth: squares of 1e16 would leave none."""
    points = np.random.default_rng(3).integers(-(2**20), 2**20, (300, 2)) / 2.0**20
    y = np.arange(300) % 3
    assert ((points + offset) - offset == points).all()  # the shift itself is exact
    plain = NoiseInjected(sigma=0.01)(points, y)
    shifted = NoiseInjected(sigma=0.01)(points + offset, y)
    assert shifted == pytest.approx(plain, abs=1e-8)


def test_a_thousand_units_do_not_overflow() -> None:
    """The noise alone is then 1000 noise widths squared long."""
    points = np.random.default_rng(4).standard_normal((200, 1000))
    found = NoiseInjected(sigma=30.0)(points, np.arange(200) % 2)
    assert all(math.isfinite(value) for value in found.values())
    assert found["noise_I_XT_low"] < found["noise_I_XT"] < found["noise_I_XT_high"]


def test_memory_grows_with_the_samples_not_with_their_square() -> None:
    """At 4096 samples all pairs would be 134 MB per array."""

    def peak(n_samples: int) -> int:
        points = np.random.default_rng(5).standard_normal((n_samples, 2))
        labels = np.arange(n_samples) % 2
        tracemalloc.start()
        NoiseInjected(sigma=0.5)(points, labels)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    small, large = peak(1024), peak(4096)
    assert large < 40e6
    assert large < 4.4 * small


# --- what comes in ------------------------------------------------------------------------------


def test_the_draw_depends_on_the_seed_alone() -> None:
    points = np.random.default_rng(6).standard_normal((100, 2))
    y = np.arange(100) % 2
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    first = NoiseInjected(sigma=1.0)(points, y)
    assert NoiseInjected(sigma=1.0)(points, y) == first
    assert (np.random.get_state()[1] == before).all()  # the user's random state is left alone
    other = NoiseInjected(sigma=1.0, seed=1)(points, y)
    assert other["noise_I_XT"] != first["noise_I_XT"]
    assert other["noise_I_XT_low"] == first["noise_I_XT_low"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_are_read_as_arrays(dtype: torch.dtype) -> None:
    tensor = torch.tensor([[0.0], [2.0]], dtype=dtype, requires_grad=True)
    found = NoiseInjected(sigma=1.0)(tensor, torch.tensor([False, True]))
    assert found["noise_I_XT_high"] == pytest.approx(0.8168816, abs=1e-7)


def test_it_is_a_value_that_names_its_quantities() -> None:
    assert NoiseInjected(0.2, every=3) == NoiseInjected(sigma=0.2, every=3, seed=0)
    assert isinstance(NoiseInjected(), Extra)
    assert [quantity.name for quantity in NoiseInjected().quantities] == KEYS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": 0.0}, r"sigma: need a finite number > 0, got 0\.0"),
        ({"sigma": -1}, "sigma: need a finite number > 0, got -1"),
        ({"sigma": math.nan}, "sigma: .* got nan"),
        ({"sigma": math.inf}, "sigma: .* got inf"),
        ({"sigma": "0.1"}, "sigma: .* got '0.1'"),
        ({"every": 0}, "every: need a whole number >= 1, got 0"),
        ({"every": True}, "every: .* got True"),
        ({"seed": -1}, "seed: need a whole number >= 0, got -1"),
    ],
)
def test_arguments_without_sense_raise(arguments: dict[str, float], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        NoiseInjected(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("activations", "labels", "message"),
    [
        (np.empty((0, 3)), np.empty(0, int), r"activations: .* got shape \(0, 3\)"),
        (np.empty((3, 0)), [0, 1, 0], r"activations: .* got shape \(3, 0\)"),
        ([1.0, 2.0], [0, 1], r"activations: .* got shape \(2,\)"),
        ([[1.0], [2.0]], [0, 1, 1], r"labels: need 2 integer class numbers, got int64 of .*\(3,\)"),
        ([[1.0], [2.0]], [[0], [1]], r"labels: .* shape \(2, 1\)"),
        ([[1.0], [2.0]], [0.0, 1.0], "labels: .* got float64"),
        ([[1.0], [math.nan]], [0, 1], "activations: 1 values are NaN or infinite"),
        ([[math.inf], [-math.inf]], [0, 1], "activations: 2 values are NaN or infinite"),
    ],
)
def test_samples_without_sense_raise(activations: object, labels: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NoiseInjected()(activations, labels)  # type: ignore[arg-type]
