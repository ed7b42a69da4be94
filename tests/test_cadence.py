"""Which moment of a training it is, and whether a measurement is due then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from it_callbacks import LogSpaced
from it_callbacks.callbacks.moments import Cadence, Moment, ScheduleError


def trainer(**state: Any) -> SimpleNamespace:
    """What of a Trainer tells the moment: in the middle of a fit of 4 epochs, unless said."""
    known = {
        "current_epoch": 2,
        "global_step": 25,
        "is_last_batch": False,
        "sanity_checking": False,
        "max_epochs": 4,
        "max_steps": -1,
        "fn": "fit",
        **state,
    }
    return SimpleNamespace(**known, state=SimpleNamespace(fn=known["fn"]))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, Moment(2, 25, fitting=True)),
        ({"is_last_batch": True}, Moment(3, 25, fitting=True)),
        ({"is_last_batch": True, "max_epochs": 3}, Moment(3, 25, fitting=True, last=True)),
        ({"max_steps": 25}, Moment(2, 25, fitting=True, last=True)),
        ({"max_epochs": None}, Moment(2, 25, fitting=True)),
        ({"max_epochs": -1, "is_last_batch": True}, Moment(3, 25, fitting=True)),
        ({"max_epochs": None, "current_epoch": 0}, Moment(0, 25, fitting=True)),
        # The sanity check is no part of the training, though the Trainer fits.
        ({"sanity_checking": True, "current_epoch": 0}, Moment(0, 25, False, sanity=True)),
        # A stand-alone validation is of the weights that are there, whatever the last batch was.
        ({"fn": "validate", "is_last_batch": True, "current_epoch": 4}, Moment(4, 25, False)),
        ({"fn": "test", "is_last_batch": True, "max_epochs": 2}, Moment(2, 25, False)),
    ],
)
def test_a_moment_inside_a_loop(state: dict[str, Any], expected: Moment) -> None:
    assert Moment.of(trainer(**state)) == expected


@pytest.mark.parametrize("is_last_batch", [False, True])
def test_the_end_of_an_epoch_finishes_it_even_if_it_was_cut_short(is_last_batch: bool) -> None:
    at = Moment.of_epoch_end(trainer(is_last_batch=is_last_batch))
    assert at == Moment(3, 25, fitting=True)


@pytest.mark.parametrize("is_last_batch", [False, True])
def test_before_and_after_the_batches_the_trainers_count_is_that_of_finished_epochs(
    is_last_batch: bool,
) -> None:
    at = Moment.of_training(trainer(is_last_batch=is_last_batch))
    assert at == Moment(2, 25, fitting=True)


def fails(epoch: int) -> bool:
    raise KeyError(epoch)


AT = Moment(6, 60, fitting=True)


@pytest.mark.parametrize(
    ("schedule", "at", "latest", "due"),
    [
        (1, AT, (5, 50), True),
        (3, AT, (5, 50), True),
        (4, AT, (5, 50), False),
        ([2, 6], AT, (2, 20), True),
        ([2, 7], AT, (2, 20), False),
        (lambda epoch: epoch == 6, AT, (5, 50), True),
        (lambda epoch: epoch == 7, AT, (5, 50), False),
        # The first point is due whatever the schedule says, and even asks nobody.
        ([9], AT, None, True),
        (fails, AT, None, True),
        # So is a validation or test of its own, and the sanity check, which finds misuse.
        ([9], Moment(6, 60, fitting=False), (5, 50), True),
        ([9], Moment(0, 0, fitting=False, sanity=True), (5, 50), True),
        # What has its point is not measured again: a resumed run validates where it left off.
        (1, AT, (6, 60), False),
        (1, AT, (6, 55), True),
        # Rare points: 0, 1, 2, 3, 4, 6, 10, ..., and the last in any case.
        (LogSpaced(5), AT, (4, 40), False),
        (LogSpaced(5), Moment(7, 70, fitting=True), (4, 40), True),
        (LogSpaced(5), Moment(6, 60, fitting=True, last=True), (4, 40), True),
        (4, Moment(6, 60, fitting=True, last=True), (4, 40), False),
        (LogSpaced(1, unit="steps"), Moment(6, 100, fitting=True), (6, 99), True),
        (LogSpaced(1, unit="steps"), Moment(6, 101, fitting=True), (6, 100), False),
    ],
)
def test_whether_a_measurement_is_due(
    schedule: Any, at: Moment, latest: tuple[int, int] | None, due: bool
) -> None:
    assert Cadence(schedule).due(at, latest) is due


@pytest.mark.parametrize(
    ("schedule", "at", "latest", "due"),
    [
        (1, AT, (5, 50), True),
        # The end of a validation and of its epoch are one moment, by the epoch or by the step.
        (1, AT, (6, 50), False),
        (1, AT, (5, 60), False),
        (LogSpaced(1, unit="steps"), Moment(6, 100, fitting=True), (6, 10), True),
        (LogSpaced(1, unit="steps"), Moment(7, 100, fitting=True), (6, 100), False),
        (1, AT, None, True),
    ],
)
def test_whether_a_fixed_set_is_due(
    schedule: Any, at: Moment, latest: tuple[int, int] | None, due: bool
) -> None:
    assert Cadence(schedule).due_on_fixed_set(at, latest) is due


def test_a_schedule_that_fails_says_what_it_raised() -> None:
    with pytest.raises(ScheduleError, match=r"schedule: .*KeyError: 6") as raised:
        Cadence(fails).due(AT, (5, 50))
    assert isinstance(raised.value.cause, KeyError)


def test_what_a_schedule_counts_and_whether_it_wants_the_end() -> None:
    kinds = [1, [1, 2], LogSpaced(), LogSpaced(unit="steps")]
    assert [Cadence(kind).counts_steps for kind in kinds] == [False, False, False, True]
    assert [Cadence(kind).wants_the_end for kind in kinds] == [False, False, True, True]
