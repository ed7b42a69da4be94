"""Derived values are those that the estimators give, and exist where what they need is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from it_callbacks.derived import ADJUSTABLE_CHANCE, DERIVABLE
from it_callbacks.estimators import estimate
from it_callbacks.estimators.counting import contingency
from it_callbacks.estimators.discrete import entropy
from it_callbacks.records import QUANTITIES
from it_callbacks.runs import Key, Run

NAN = math.nan


def run_of(h_y: Any = 2.0, **series: float) -> Run:
    return Run(
        "a",
        {Key(name, "val", "fc"): {10: value} for name, value in series.items()},
        settings={"information_plane/val": {"H_Y": h_y}},
    )


def derived_value(run: Run, name: str) -> float:
    return run.values(Key(name, "val", "fc"))[10]


@pytest.mark.parametrize(
    ("h_y", "chance", "expected"), [(2.0, 0.5, 0.25), (0.0, 0.0, 0.0), (1.0, 1.0 + 1e-9, 1.0)]
)
def test_the_chance_share_is_chance_over_label_entropy(
    h_y: float, chance: float, expected: float
) -> None:
    assert derived_value(run_of(h_y, I_TY_chance=chance), "chance_share") == expected


@pytest.mark.parametrize(
    ("information", "chance", "expected"),
    [(0.5, 0.5, 0.0), (2.0, 0.5, 2.0), (1.25, 0.5, 1.0), (1.9, 1.85, NAN)],
)
def test_the_adjusted_value_is_zero_at_chance_and_all_at_all(
    information: float, chance: float, expected: float
) -> None:
    """Of H(Y) = 2 bits; above .9 of it chance leaves nothing to divide by."""
    run = run_of(I_TY=information, I_TY_chance=chance)
    assert derived_value(run, "I_TY_adjusted") == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("n_states", [3, 40, 190])
def test_derived_values_are_those_of_the_estimator(n_states: int) -> None:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 4, 200)
    t = (y * 7 + generator.integers(0, n_states, 200)) % n_states
    found = estimate.mutual_information_estimate(contingency(t, y))
    run = run_of(
        entropy(y).bits,
        I_TY=found.bits,
        I_TY_chance=found.chance,
    )
    assert derived_value(run, "I_TY_adjusted") == pytest.approx(found.adjusted, nan_ok=True)
    assert derived_value(run, "chance_share") == pytest.approx(found.chance_share)
    assert ADJUSTABLE_CHANCE == estimate.ADJUSTABLE_CHANCE


def test_what_was_logged_is_not_derived() -> None:
    run = run_of(I_TY=1.0, I_TY_chance=0.5, I_TY_adjusted=0.125)
    assert derived_value(run, "I_TY_adjusted") == 0.125


@pytest.mark.parametrize("h_y", [None, "2", True, NAN, 10**400])
def test_without_a_label_entropy_nothing_is_made_up(h_y: Any) -> None:
    """The text may be anybody's."""
    run = run_of(h_y, I_TY=1.0, I_TY_chance=0.5)
    for name in ("I_TY_adjusted", "chance_share"):
        assert run.values(Key(name, "val", "fc")) == {}


def test_a_run_names_what_can_be_derived() -> None:
    run = run_of(I_TY_chance=0.5)
    assert run.sets("chance_share") == ["val"]
    assert run.layers("chance_share", "val") == ["fc"]
    assert run.sets("I_TY_adjusted") == []
    assert run_of(None, I_TY_chance=0.5).sets("chance_share") == []


def test_every_quantity_that_is_not_logged_can_be_derived() -> None:
    assert {name for name, row in QUANTITIES.items() if not row.is_logged} <= set(DERIVABLE)
    assert set(DERIVABLE) <= set(QUANTITIES)
