"""Units show what can be counted by hand, nothing for random labels, and the best has a p-value."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from it_callbacks.estimators import Extra, UnitInformation


def test_each_unit_of_a_one_hot_layer_has_the_entropy_of_its_share() -> None:
    """-.1 log2 .1 - .9 log2 .9 bits, all of them about the label."""
    labels = np.random.default_rng(0).permutation(np.arange(10_000) % 10)
    found = UnitInformation()(np.eye(10)[labels], labels)
    assert list(found) == ["unit_I_TY", "unit_H", "unit_dead"]
    assert found["unit_H"] == pytest.approx(0.468996, abs=1e-6)
    assert found["unit_I_TY"] == pytest.approx(0.468996, abs=0.002)
    assert found["unit_dead"] == 0


def test_of_three_fair_bits_of_which_one_is_the_label_the_mean_is_a_third() -> None:
    bits = np.array([[n >> 2 & 1, n >> 1 & 1, n & 1] for n in range(8)] * 500)
    found = UnitInformation()(bits, bits[:, 0])
    assert found["unit_H"] == pytest.approx(1, abs=1e-12)
    assert found["unit_I_TY"] == pytest.approx(1 / 3, abs=0.001)


def test_single_units_show_nothing_of_the_xor_of_two() -> None:
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 500)
    found = UnitInformation()(bits, bits[:, 0] ^ bits[:, 1])
    assert found["unit_I_TY"] == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("n_classes", [2, 10, 20])
def test_independent_labels_show_nothing(n_classes: int) -> None:
    rng = np.random.default_rng(1)
    rows, labels = rng.standard_normal((1024, 50)), rng.permutation(np.arange(1024) % n_classes)
    assert abs(UnitInformation()(rows, labels)["unit_I_TY"]) <= 0.01


def test_a_gaussian_unit_has_the_entropy_of_thirty_bins_of_its_own_range() -> None:
    rows = np.random.default_rng(2).standard_normal((20_000, 8)) * 10.0 ** np.arange(-4, 4)
    found = UnitInformation()(rows, np.arange(20_000) % 2)
    assert found["unit_H"] == pytest.approx(4.328786, abs=0.02)


def test_dead_units_are_those_that_never_vary() -> None:
    """The mean of a thousand times 0.1 is not 0.1, and one sample is enough to be alive."""
    rows = np.zeros((1000, 4))
    rows[:, 0] = 0.1
    rows[7, 1] = 1e-30
    rows[:, 2] = np.arange(1000)
    found = UnitInformation()(rows, np.arange(1000) % 2)
    assert found["unit_dead"] == 0.5
    one_of_a_thousand = -0.001 * math.log2(0.001) - 0.999 * math.log2(0.999)
    uniform = found["unit_H"] * 4 - one_of_a_thousand
    assert uniform == pytest.approx(math.log2(30), abs=0.06)


def test_a_layer_of_dead_units_has_no_bits() -> None:
    found = UnitInformation()(np.full((200, 3), 7.3), np.arange(200) % 2)
    assert found == {"unit_I_TY": 0, "unit_H": 0, "unit_dead": 1}


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_a_unit_changes_nothing(scale: float) -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(600) % 3
    rows = rng.standard_normal((600, 4)) + labels[:, None]
    plain, scaled = (UnitInformation()(each, labels) for each in (rows, rows * scale))
    assert scaled == pytest.approx(plain, abs=1e-3)


def test_more_units_than_fit_a_block_are_read_as_a_few_are() -> None:
    rng = np.random.default_rng(4)
    labels = np.arange(400) % 2
    rows = rng.standard_normal((400, 700)) + 0.3 * labels[:, None]
    whole = UnitInformation()(rows, labels)
    halves = [UnitInformation()(half, labels) for half in (rows[:, :350], rows[:, 350:])]
    for name, value in whole.items():
        assert np.mean([half[name] for half in halves]) == pytest.approx(value, abs=1e-12)


def test_there_is_no_information_below_a_sample_for_each_bin_and_class() -> None:
    rows = np.random.default_rng(5).standard_normal((300, 5))
    labels = np.arange(300) % 11
    found = UnitInformation()(rows, labels)
    assert math.isnan(found["unit_I_TY"])
    assert found["unit_H"] > 4
    assert UnitInformation().about(rows, labels) == ""


# --- the settings text --------------------------------------------------------------------------


def p_value(text: str) -> float:
    return float(re.search(r"p = ([\d.]+)$", text)[1])  # type: ignore[index]


def test_the_most_informative_units_are_named_in_order() -> None:
    rng = np.random.default_rng(6)
    labels = rng.permutation(np.arange(1000) % 2)
    rows = rng.standard_normal((1000, 40))
    rows[:, 17] += 4 * labels
    rows[:, 3] += 2 * labels
    text = UnitInformation().about(rows, labels)
    assert re.match(r"most informative units: 17 \(0\.[89]\d bits\), 3 \(0\.4\d bits\), ", text)
    assert text.count("bits") == 5
    assert p_value(text) == 1 / 40


def test_the_best_of_many_units_is_as_likely_as_chance_allows() -> None:
    """Of units with as many bins as they like: 40 draws, of which two are below .05."""
    values = []
    for seed in range(40):
        rng = np.random.default_rng([seed, 7])
        rows = rng.standard_normal((200, 20)).round(rng.integers(0, 2))
        labels = rng.permutation(np.arange(200) % 2)
        values.append(p_value(UnitInformation(seed=seed).about(rows, labels)))
    assert sum(value <= 0.05 for value in values) <= 6
    assert 0.3 < np.mean(values) < 0.7


# --- what it is ---------------------------------------------------------------------------------


def test_it_is_a_value_that_names_its_quantities() -> None:
    assert UnitInformation(15, every=3) == UnitInformation(bins=15, every=3, seed=0)
    assert isinstance(UnitInformation(), Extra)
    assert UnitInformation.rows == "kept"
    names = [quantity.name for quantity in UnitInformation().quantities]
    assert names == ["unit_I_TY", "unit_H", "unit_dead"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": 1}, "bins: need a whole number >= 2, got 1"),
        ({"every": 0}, "every: need a whole number >= 1, got 0"),
        ({"seed": -1}, "seed: need a whole number >= 0, got -1"),
    ],
)
def test_arguments_without_sense_raise(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        UnitInformation(**arguments)


def test_samples_without_sense_raise() -> None:
    with pytest.raises(ValueError, match="activations: 1 values are NaN or infinite"):
        UnitInformation()([[1.0], [math.nan]], [0, 1])
