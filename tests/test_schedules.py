"""Schedules: which epochs are measured."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from it_callbacks.schedules import LogSpaced, check_schedule, counts_steps, is_due


def included(schedule: LogSpaced, end: int) -> list[int]:
    return [n for n in range(end + 1) if schedule.includes(n)]


def test_log_spaced_points_thin_out() -> None:
    assert included(LogSpaced(10), 100) == [
        *(0, 1, 2, 3, 4, 6, 7, 8, 10),
        *(13, 16, 20, 26, 32, 40, 51, 64, 80, 100),
    ]


def test_one_point_per_decade_is_the_powers_of_ten() -> None:
    assert included(LogSpaced(1), 20_000) == [0, 1, 10, 100, 1000, 10_000]


@pytest.mark.parametrize("per_decade", [1, 2, 3, 7, 10, 25, 100, 1000])
def test_a_point_is_the_first_whole_number_at_or_after_each_power(per_decade: int) -> None:
    """For n some k has (n - 1)**p < 10**k <= n**p: exact, in whole numbers."""

    def due(n: int) -> bool:
        most = len(str(n**per_decade)) - 1  # the largest k with 10**k <= n**p
        return n <= 1 or 10**most > (n - 1) ** per_decade

    numbers = [*range(300), 999, 1000, 1001, 1996, 5012, 10_000, 10_001]
    schedule = LogSpaced(per_decade)
    assert [n for n in numbers if schedule.includes(n)] == [n for n in numbers if due(n)]


@pytest.mark.parametrize("per_decade", [1, 4, 10])
def test_every_decade_has_as_many_points_as_asked_for_once_numbers_are_dense(
    per_decade: int,
) -> None:
    points = [n for n in included(LogSpaced(per_decade), 10_000) if n > 100]
    assert len(points) == 2 * per_decade


def test_neighbouring_points_keep_the_ratio() -> None:
    points = included(LogSpaced(10), 10_000)[12:]
    ratios = [Fraction(b, a) for a, b in pairwise(points)]
    assert all(1.15 < ratio < 1.35 for ratio in ratios)


@pytest.mark.parametrize("per_decade", [1, 3, 10])
def test_the_first_point_and_the_first_epoch_are_always_among_the_points(per_decade: int) -> None:
    assert LogSpaced(per_decade).includes(0)
    assert LogSpaced(per_decade).includes(1)
    assert not LogSpaced(per_decade).includes(-1)


def test_powers_of_ten_survive_rounding() -> None:
    assert all(LogSpaced(p).includes(10**k) for p in (3, 7, 9, 10) for k in range(9))


def test_a_schedule_is_a_value() -> None:
    schedule = LogSpaced(5, "steps")
    assert eval(repr(schedule)) == schedule
    assert hash(schedule) == hash(LogSpaced(5, "steps"))


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ((0,), ValueError, "per_decade"),
        ((2.5,), TypeError, "per_decade"),
        ((True,), TypeError, "per_decade"),
        ((10, "batches"), ValueError, "unit"),
    ],
)
def test_a_wrong_spacing_is_named(
    arguments: tuple[Any, ...], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        LogSpaced(*arguments)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (1, [0, 1, 2, 3, 4, 5, 6]),
        (3, [0, 3, 6]),
        ([0, 4, 5], [0, 4, 5]),
        (range(0, 7, 2), [0, 2, 4, 6]),
        (LogSpaced(3), [0, 1, 3, 5]),
        (lambda epoch: epoch > 4, [5, 6]),
    ],
)
def test_epochs_that_are_due(schedule: Any, expected: list[int]) -> None:
    check_schedule(schedule)
    assert [epoch for epoch in range(7) if is_due(schedule, epoch=epoch, step=77)] == expected


def test_steps_are_counted_only_where_asked_for() -> None:
    in_steps = LogSpaced(1, "steps")
    assert [step for step in range(101) if is_due(in_steps, epoch=3, step=step)] == [0, 1, 10, 100]
    assert counts_steps(in_steps)
    assert not any(counts_steps(other) for other in (1, [1], LogSpaced(1), math.isfinite))


def test_a_function_may_answer_with_any_truth() -> None:
    assert is_due(lambda epoch: epoch & 1, epoch=3, step=0) is True


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (True, TypeError),
        (1.5, TypeError),
        (None, TypeError),
        ([], ValueError),
        ([1, -2], ValueError),
        ([1, 2.5], TypeError),
        ([True], TypeError),
        ("3", ValueError),
        ({1, 2}, TypeError),
    ],
)
def test_a_wrong_schedule_is_named(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="schedule"):
        check_schedule(wrong)
