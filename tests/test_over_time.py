"""Axes of time: epochs with their parts where they are known, else steps, logarithmic both."""

from __future__ import annotations

from it_callbacks.figures.over_time import exact, log_time, ticks, time_axis


def test_parts_of_epochs_follow_from_steps() -> None:
    """Of 45 steps an epoch: step 9 is a fifth of the first one."""
    epochs = {0: 0, 9: 0, 45: 1, 72: 1, 90: 2, 2700: 60}
    assert exact(epochs) == {0: 0, 9: 0.2, 45: 1, 72: 1.6, 90: 2, 2700: 60}


def test_epochs_of_different_lengths_stay_whole() -> None:
    """If two epochs take 20 steps, three end by step 30: at step 30 there were only two."""
    epochs = {10: 1, 20: 2, 30: 2}
    assert exact(epochs) == epochs
    assert exact({}) == {}
    assert exact({3: 0}) == {3: 0}


def test_time_is_epochs_where_all_are_known_and_differ() -> None:
    known = {0: 0.0, 10: 1.0, 20: 2.0}
    assert time_axis([([0, 10, 20], known)]).unit == "epoch"
    assert time_axis([([0, 10, 20, 30], known)]).unit == "step"
    assert time_axis([([0, 10, 20], {0: 0, 10: 0, 20: 1})]).unit == "step"
    assert time_axis([]).unit == "epoch"


def test_a_training_of_less_than_three_epochs_is_told_in_steps() -> None:
    parts = {0: 0.0, 1: 0.1, 5: 0.5, 10: 1.0}
    assert time_axis([(list(parts), parts)]).unit == "step"
    longer = parts | {30: 3.0}
    assert time_axis([(list(longer), longer)]).unit == "epoch"


def test_runs_are_compared_by_epoch_though_their_steps_differ() -> None:
    axis = time_axis([([0, 10], {0: 0, 10: 1}), ([0, 40], {0: 0, 40: 1})])
    assert axis.unit == "epoch"
    assert axis.place(10, {10: 1}) == axis.place(40, {40: 1}) == log_time(1)


def test_words_of_a_time_have_no_more_digits_than_it_needs() -> None:
    epochs = {1: 0.022, 2: 1.53, 3: 28.0, 4: 1200.0}
    axis = time_axis([(list(epochs), epochs)])
    assert [axis.word(step, epochs) for step in epochs] == ["0.022", "1.5", "28", "1200"]


def test_ticks_are_round_and_none_is_written_over_the_last() -> None:
    assert ticks(0, 60) == [0, 1, 3, 10, 30, 60]
    assert ticks(0, 11) == [0, 1, 3, 11]
    assert ticks(0, 0) == [0]
    assert ticks(1, 1) == [1]
    assert ticks(0, 10**6, most=6) == [0, 1, 100, 10_000, 10**6]
