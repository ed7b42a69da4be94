"""Arguments are checked alike everywhere: whole numbers, finite numbers, the nearest name."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from it_callbacks.checks import finite, nearest, whole
from it_callbacks.estimators import LinearVInformation, NoiseInjected, permutation_p_value
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy
from it_callbacks.reductions import PCA, RandomProjection
from it_callbacks.rulers import (
    Calibrated,
    Quantile,
    Refitted,
    Uniform,
    Width,
    exactib,
    ibsgd,
    idnns,
)
from it_callbacks.schedules import LogSpaced, check_schedule, is_due

NUMPYS = [np.int8, np.uint8, np.int32, np.int64, np.uint64]


@pytest.mark.parametrize("value", [2, 3, 2**70, *(kind(7) for kind in NUMPYS)])
def test_a_whole_number_is_given_back_as_a_plain_one(value: Any) -> None:
    number = whole("bins", value, at_least=2)
    assert type(number) is int
    assert number == value


@pytest.mark.parametrize(
    "value", [3.0, np.float64(3), True, np.True_, "3", None, [3], np.array([3, 4]), Fraction(6, 2)]
)
def test_what_is_no_whole_number_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="bins: need a whole number >= 2, got ") as raised:
        whole("bins", value, at_least=2)
    assert str(raised.value).endswith(repr(value))


@pytest.mark.parametrize("value", [1, 0, -3, np.int64(1)])
def test_a_whole_number_that_is_too_small_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="bins: need a whole number >= 2, got ") as raised:
        whole("bins", value, at_least=2)
    assert str(raised.value).endswith(repr(value))


@pytest.mark.parametrize(
    "value", [0.5, 3, np.float32(0.5), np.float64(1e-300), np.int64(4), Fraction(1, 2)]
)
def test_a_finite_number_is_given_back_as_a_plain_one(value: Any) -> None:
    number = finite("width", value, above=0)
    assert type(number) is float
    assert number == value


def test_a_finite_number_may_be_negative_where_nothing_forbids_it() -> None:
    assert finite("low", -2.5) == -2.5


@pytest.mark.parametrize("value", ["1", None, True, np.True_, 1j, (1.0,), torch.ones(2)])
def test_what_is_no_number_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="low: need a finite number, got "):
        finite("low", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), 10**400])
def test_what_is_not_finite_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="low: need a finite number, got "):
        finite("low", value)


@pytest.mark.parametrize("value", [0, 0.0, -0.0, -1e-300])
def test_a_bound_is_outside_of_what_is_right(value: float) -> None:
    with pytest.raises(ValueError, match="width: need a finite number > 0, got "):
        finite("width", value, above=0)


@pytest.mark.parametrize(
    ("name", "candidates", "suggested"),
    [
        ("vall", ["train", "val"], "val"),
        ("encodr.*", ["decoder.1", "encoder.0"], "encoder.0"),
        ("corected", ("linear", "corrected"), "corrected"),
        (12, [11, 999], "11"),
        ("val", iter(["val_ood", "train"]), "val_ood"),
    ],
)
def test_the_nearest_name_is_suggested(name: Any, candidates: Any, suggested: str) -> None:
    assert nearest(name, candidates) == f"; did you mean {suggested!r}?"


@pytest.mark.parametrize("candidates", [[], ["train", "val"]])
def test_nothing_is_suggested_where_nothing_is_alike(candidates: list[str]) -> None:
    assert nearest("x", candidates) == ""


def _p_value_of(permutations: Any) -> Any:
    return permutation_p_value([0, 1] * 4, [0, 1] * 4, permutations=permutations)


TAKES_WHOLE_NUMBERS: dict[str, tuple[str, int, Callable[[Any], Any]]] = {
    "Uniform": ("bins", 1, lambda n: Uniform(n, 0, 1)),
    "Calibrated": ("bins", 2, Calibrated),
    "idnns": ("bins", 2, idnns),
    "exactib": ("bins", 2, lambda n: exactib("uniform", n)),
    "Quantile": ("bins", 2, Quantile),
    "Refitted": ("bins", 2, Refitted),
    "RandomProjection": ("k", 1, RandomProjection),
    "its seed": ("seed", 0, lambda n: RandomProjection(2, seed=n)),
    "PCA": ("k", 1, PCA),
    "LogSpaced": ("per_decade", 1, LogSpaced),
    "LinearVInformation": ("folds", 2, lambda n: LinearVInformation(folds=n)),
    "its rarity": ("every", 1, lambda n: LinearVInformation(every=n)),
    "NoiseInjected": ("seed", 0, lambda n: NoiseInjected(seed=n)),
    "PredictionEntropy": ("num_classes", 2, PredictionEntropy),
    "ConditionalEntropy": ("num_classes", 2, ConditionalEntropy),
    "permutation_p_value": ("permutations", 1, _p_value_of),
    "a list of epochs": (r"schedule\[1\]", 0, lambda n: check_schedule([0, n])),
}
"""For each: what the argument is called, its smallest value, and what takes it."""


@pytest.mark.parametrize("taker", TAKES_WHOLE_NUMBERS)
def test_whoever_takes_a_whole_number_takes_numpys(taker: str) -> None:
    name, least, take = TAKES_WHOLE_NUMBERS[taker]
    taken = take(np.int64(least))
    if hasattr(taken, name):
        assert type(getattr(taken, name)) is int
        assert repr(taken) == repr(take(least))


@pytest.mark.parametrize("taker", TAKES_WHOLE_NUMBERS)
@pytest.mark.parametrize("wrong", [True, 2.0, np.float64(2), "2", None])
def test_whoever_takes_a_whole_number_refuses_what_is_none(taker: str, wrong: Any) -> None:
    name, least, take = TAKES_WHOLE_NUMBERS[taker]
    with pytest.raises(TypeError, match=rf"^{name}: need a whole number >= {least}, got "):
        take(wrong)


@pytest.mark.parametrize("taker", TAKES_WHOLE_NUMBERS)
def test_whoever_takes_a_whole_number_refuses_one_that_is_too_small(taker: str) -> None:
    name, least, take = TAKES_WHOLE_NUMBERS[taker]
    with pytest.raises(ValueError, match=rf"^{name}: need a whole number >= {least}, got "):
        take(least - 1)


@pytest.mark.parametrize("schedule", [np.int64(3), [np.int64(0), np.int64(3), np.int64(6)]])
def test_schedules_of_numpys_numbers_are_due_when_plain_ones_are(schedule: Any) -> None:
    check_schedule(schedule)
    due = [is_due(schedule, epoch=epoch, step=0) for epoch in range(7)]
    assert due == [True, False, False, True, False, False, True]
    assert all(type(answer) is bool for answer in due)


TAKES_FINITE_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "width": Width,
    r"width\[1\]": lambda number: Width((0.5, number)),
    "low": lambda number: Uniform(3, number, 9),
    "high": lambda number: Uniform(3, 0, number),
    "sigma": NoiseInjected,
    r"penalties\[0\]": lambda number: LinearVInformation(penalties=(number, 10.0)),
}


@pytest.mark.parametrize("name", TAKES_FINITE_NUMBERS)
@pytest.mark.parametrize(("wrong", "error"), [(math.nan, ValueError), ("0.5", TypeError)])
def test_whoever_takes_a_finite_number_refuses_what_is_none(
    name: str, wrong: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=rf"^{name}: need a finite number.*, got "):
        TAKES_FINITE_NUMBERS[name](wrong)


def test_numpys_numbers_are_widths_and_ranges() -> None:
    assert Width(np.float32(0.5)) == Width(0.5)
    assert repr(Width((np.float64(0.5), np.int64(2)))) == "Width(width=(0.5, 2.0))"
    assert repr(Uniform(3, np.int64(-1), np.float32(1))) == "Uniform(bins=3, low=-1.0, high=1.0)"
    assert repr(ibsgd(np.float64(0.5))) == "ibsgd(width=0.5)"
