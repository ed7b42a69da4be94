"""When the monitors measure: after which epochs and steps, in which loops, and not in which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, LearningRateFinder, ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor, LogSpaced

from .toys import (
    MONITORS,
    N_UNITS,
    Classifier,
    NoValidation,
    TwoOptimizers,
    all_three,
    curve,
    epochs,
    fit,
    loader,
    samples,
    trainer,
    values,
    when,
)
from .warned import warned

NO_VALIDATION: list[dict[str, Any]] = [{"val": None}, {"limit_val_batches": 0}]
"""A training without a validation loop: without a loader, and without batches of it."""


def small(epochs: int) -> dict[str, Any]:
    """Options of a training of so many epochs of one step each."""
    return {"train": loader(25), "val": loader(50, seed=1), "max_epochs": epochs}


# Epochs and steps.


def test_listening_first_measures_after_the_first_epoch() -> None:
    """Epoch counts finished epochs; the sanity check before them records nothing."""
    monitors = all_three()
    fit(monitors, num_sanity_val_steps=-1)
    assert all(when(monitor) == [(1, 5), (2, 10)] for monitor in monitors)


def test_a_fixed_set_is_measured_before_the_first_step_too() -> None:
    monitors = all_three("train")
    fit(monitors)
    assert all(when(monitor) == [(0, 0), (1, 5), (2, 10)] for monitor in monitors)


@pytest.mark.parametrize(
    ("schedule", "listened", "passed"),
    [
        (3, [1, 3, 6], [0, 3, 6]),
        ([2, 5], [1, 2, 5], [0, 2, 5]),
        ((4,), [1, 4], [0, 4]),
        (lambda epoch: epoch in (3, 4), [1, 3, 4], [0, 3, 4]),
        (LogSpaced(2), [1, 4, 7], [0, 1, 4, 7]),
    ],
    ids=["number", "list", "tuple", "callable", "log-spaced"],
)
def test_a_schedule_counts_epochs_and_includes_the_first_point(
    schedule: Any, listened: list[int], passed: list[int]
) -> None:
    """A log-spaced one also includes the last epoch."""
    listening = InformationPlaneMonitor("net.1", schedule=schedule)
    fixed = InformationPlaneMonitor("net.1", schedule=schedule, data="train")
    fit([listening, fixed], **small(7))
    assert epochs(listening) == listened
    assert epochs(fixed) == passed


def test_log_spaced_steps_are_measured_between_batches_and_at_the_end() -> None:
    """Steps 0, 1, 2, 4 and 10 are log-spaced; 15 is where training ends."""
    plane = InformationPlaneMonitor(data="train", schedule=LogSpaced(3, "steps"))
    fit([plane], max_epochs=3)
    assert when(plane) == [(0, 0), (0, 1), (0, 3), (1, 5), (2, 10), (3, 15)]


def test_log_spaced_epochs_end_with_the_last_one_even_when_stopped_early() -> None:
    class Stops(pl.Callback):
        @override
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.should_stop = trainer.current_epoch == 5

    plane = InformationPlaneMonitor(data="train", schedule=LogSpaced(2))
    fit([plane, Stops()], **small(20))
    assert epochs(plane) == [0, 1, 4, 6]


def test_epochs_without_validation_are_measured_on_a_fixed_set_only() -> None:
    listening, fixed = InformationPlaneMonitor(), InformationPlaneMonitor(data="train")
    fit([listening, fixed], **small(4), check_val_every_n_epoch=2)
    assert when(listening) == [(2, 2), (4, 4)]
    assert when(fixed) == [(epoch, epoch) for epoch in range(5)]


def test_validation_twice_an_epoch_is_heard_twice_and_a_fixed_set_measured_once() -> None:
    """The first of the two comes before the epoch has finished."""
    listening, fixed = InformationPlaneMonitor(), InformationPlaneMonitor(data="train")
    fit([listening, fixed], train=loader(100), val_check_interval=0.5)
    assert when(listening) == [(0, 2), (1, 4), (1, 6), (2, 8)]
    assert when(fixed) == [(0, 0), (1, 4), (2, 8)]


def test_max_steps_ends_with_a_point() -> None:
    """Training that ends inside an epoch is measured where it ends."""
    plane = InformationPlaneMonitor(data="train")
    fit([plane], max_steps=7, max_epochs=-1)
    assert when(plane)[-1][1] == 7


def test_manual_optimisation_counts_the_steps_that_lightning_counts() -> None:
    """Two optimizers step twice a batch: points lie at 0, 10 and 20 of 5 batches each."""
    monitors = all_three("train")
    fit(monitors, TwoOptimizers)
    assert all(when(monitor) == [(0, 0), (1, 10), (2, 20)] for monitor in monitors)


def test_a_schedule_that_fails_skips_points_and_gives_one_warning() -> None:
    def fails(epoch: int) -> bool:
        if epoch == 2:
            raise KeyError("boom")
        return True

    for data in (None, "train"):
        plane = InformationPlaneMonitor(schedule=fails, data=data)
        with warned() as given:
            _, running = fit([plane], **small(3))
        (warning,) = given.of("schedule")
        assert "boom" in warning.text
        assert running.global_step == 3
        assert [epoch for epoch in epochs(plane) if epoch] == [1, 3]
    with pytest.raises(KeyError, match="boom"):
        fit([InformationPlaneMonitor(schedule=fails, on_error="raise")], **small(3))


# Trainings without validation.


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("options", NO_VALIDATION)
def test_without_a_validation_loop_a_fixed_set_is_measured(options: dict[str, Any]) -> None:
    plane = InformationPlaneMonitor(data="train")
    fit([plane], **options)
    assert when(plane) == [(0, 0), (1, 5), (2, 10)]


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("options", NO_VALIDATION)
@pytest.mark.parametrize("monitor", MONITORS)
def test_without_a_validation_loop_listening_warns_and_training_goes_on(
    monitor: type[Any], options: dict[str, Any]
) -> None:
    """One warning, and not a number."""
    silent = monitor()
    with warned() as given:
        model, _ = fit([silent], **options)
    assert given.causes == ["no loop"]
    assert "data='train'" in given[0].text
    assert silent.history == []
    assert model.trainer.global_step == 10


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("options", NO_VALIDATION)
@pytest.mark.parametrize("monitor", MONITORS)
def test_without_a_validation_loop_listening_raises_before_training_where_asked_to(
    monitor: type[Any], options: dict[str, Any]
) -> None:
    model = Classifier()
    with pytest.raises(ValueError, match=r"data: there is no validation loop.*data='train'"):
        fit([monitor(on_error="raise")], model, **options)
    assert model.trainer.global_step == 0


@pytest.mark.filterwarnings("ignore:Total length of")
@pytest.mark.parametrize(
    "options",
    [
        {"val": []},
        {"val": DataLoader(TensorDataset(torch.zeros(0, N_UNITS), torch.zeros(0).long()))},
        {"check_val_every_n_epoch": 9},
    ],
    ids=["no_loader", "no_sample", "never_due"],
)
def test_a_training_in_which_nothing_was_heard_ends_with_a_warning(options: dict[str, Any]) -> None:
    """There is a validation loop, so to speak; it never has a batch."""
    silent = InformationPlaneMonitor()
    with warned() as given:
        fit([silent], **options)
    assert given.causes == ["nothing"]
    assert "data='train'" in given[0].text
    assert silent.history == []


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
def test_misuse_that_no_validation_loop_could_show_does_not_end_the_test_loop() -> None:
    """Training is over by then, and what the user does after the test must still happen."""
    plane = InformationPlaneMonitor(["net.nine"])
    with warned() as given:
        model, running = fit([plane], val=None, max_epochs=1)
        running.test(model, loader(60, seed=2), verbose=False)
    assert given.causes == ["no loop", "skipped"]
    assert "'net.nine'" in given[1].text
    assert plane.history == []


@pytest.mark.filterwarnings("ignore:You passed in a `val_dataloader` but have no")
def test_a_model_without_a_validation_step_trains_on_beside_a_silent_monitor() -> None:
    plane = InformationPlaneMonitor()
    with warned() as given:
        _, running = fit([plane], NoValidation)
    assert given.causes == ["no loop"]
    assert "data='train'" in given[0].text
    assert plane.history == []
    assert running.global_step == 10


# Loops that are no training.


def test_measuring_the_validation_set_needs_no_sanity_check() -> None:
    """Its loader is there before the first step all the same."""
    plane = InformationPlaneMonitor(data="val")
    fit([plane], num_sanity_val_steps=0)
    assert when(plane) == [(0, 0), (1, 5), (2, 10)]


def test_a_search_for_a_learning_rate_is_not_recorded(tmp_path: Any) -> None:
    """It trains and rewinds within one fit; only the training that counts is measured."""
    listening, fixed = InformationPlaneMonitor(), InformationPlaneMonitor(data="train")
    finder = LearningRateFinder(num_training_steps=5, early_stop_threshold=None)
    fit([listening, fixed, finder], default_root_dir=tmp_path)
    assert when(listening) == [(1, 5), (2, 10)]
    assert when(fixed) == [(0, 0), (1, 5), (2, 10)]


def test_fast_dev_run_covers_the_monitors_too() -> None:
    listening, fixed = InformationPlaneMonitor(), InformationPlaneMonitor(data="train")
    running = trainer([listening, fixed], fast_dev_run=True, logger=None)
    running.fit(Classifier(), loader(), loader(105, seed=1))
    assert when(listening) == [(1, 1)]
    assert when(fixed) == [(0, 0), (1, 1)]


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_barebones_asks_for_no_observation_and_gets_none() -> None:
    monitors = [monitor(data=data) for monitor in MONITORS for data in (None, "train")]
    running = trainer(
        monitors,
        barebones=True,
        enable_progress_bar=None,
        enable_model_summary=None,
        enable_checkpointing=None,
        log_every_n_steps=None,
    )
    running.fit(Classifier(), loader(), loader(105, seed=1))
    assert all(monitor.history == [] for monitor in monitors)


@pytest.mark.parametrize(("method", "set_"), [("validate", "val"), ("test", "test")])
def test_validate_and_test_are_listened_to_without_training(method: str, set_: str) -> None:
    monitors = all_three()
    getattr(trainer(monitors), method)(Classifier(), loader(105, seed=1), verbose=False)
    for monitor in monitors:
        assert {(r.set, r.n_samples, r.step, r.epoch) for r in monitor.history} == {
            (set_, 105, 0, 0)
        }


def test_validating_after_training_repeats_no_point() -> None:
    """Its numbers are those of the last epoch; they are in the metrics, as a user expects."""
    monitors = all_three()
    model, running = fit(monitors, max_epochs=2)
    before = [values(monitor) for monitor in monitors]
    metrics = dict(running.callback_metrics)
    running.validate(model, running.val_dataloaders, verbose=False)
    for monitor, earlier in zip(monitors, before, strict=True):
        np.testing.assert_equal(values(monitor), earlier)
        assert when(monitor) == [(1, 5), (2, 10)]
    for tag in (
        "information_plane/val/I_TY/net.1",
        "prediction_entropy/val/mean",
        "conditional_entropy/val/all",
    ):
        assert running.callback_metrics[tag] == metrics[tag]


def test_validating_other_weights_after_training_warns_and_leaves_the_verdict() -> None:
    plane = InformationPlaneMonitor()
    model, running = fit([plane], max_epochs=2)
    n_rows, verdicts = len(plane.history), plane.verdicts
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    with warned() as given:
        running.validate(model, running.val_dataloaders, verbose=False)
    assert [one.set for one in given.of("twice")] == ["val"]
    assert len(plane.history) == n_rows * 3 // 2
    assert plane.verdicts == verdicts


# In time for those who wait for a value.


@pytest.mark.parametrize("monitor_first", [True, False])
@pytest.mark.parametrize(
    ("data", "validates"),
    [(None, True), (samples(60, seed=2), True), (samples(60, seed=2), False)],
    ids=["listening", "fixed", "fixed-without-validation"],
)
def test_early_stopping_and_checkpoints_see_each_value_in_time(
    tmp_path: Any, validates: bool, data: Any, monitor_first: bool
) -> None:
    """Neither sees the point of the epoch before, whatever the order of callbacks."""
    tag, seen = "information_plane/set/I_TY/net.1", []

    class Stops(EarlyStopping):
        @override
        def _evaluate_stopping_criteria(self, current: Tensor) -> Any:
            seen.append(float(current))
            return super()._evaluate_stopping_criteria(current)

    plane = InformationPlaneMonitor("net.1", data=data, name="set")
    saves = ModelCheckpoint(tmp_path, monitor=tag, save_top_k=-1, mode="max", every_n_epochs=1)
    callbacks = [plane, Stops(tag, mode="max", patience=9), saves]
    fit(
        callbacks if monitor_first else callbacks[::-1],
        max_epochs=3,
        enable_checkpointing=True,
        **({} if validates else {"limit_val_batches": 0}),
    )
    expected = curve(plane, tag)[-3:]
    assert seen == pytest.approx(expected, abs=1e-6)
    assert sorted(map(float, saves.best_k_models.values())) == pytest.approx(sorted(expected))
