"""What a monitor keeps: one history per training, across checkpoints, beside other monitors."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers import TensorBoardLogger

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)

from .toys import MONITORS, Classifier, all_three, epochs, fit, loader, rows, when
from .warned import warned

# From one training to the next.


def test_a_new_training_starts_a_new_history() -> None:
    """A second Trainer, even where the first one's memory is given to it."""
    plane = InformationPlaneMonitor()
    for n_epochs in (3, 2, 1):
        fit([plane], train=loader(25), max_epochs=n_epochs)
        assert when(plane) == [(epoch, epoch) for epoch in range(1, n_epochs + 1)]
    assert plane.settings.keys() == {"val"}


def test_training_on_with_one_trainer_continues_the_history() -> None:
    plane = InformationPlaneMonitor()
    model, running = fit([plane], max_epochs=1)
    running.fit_loop.max_epochs = 3
    running.fit(model, loader(), loader(105, seed=1))
    assert when(plane) == [(1, 5), (2, 10), (3, 15)]


@pytest.mark.parametrize("data", [None, "train"])
def test_a_resumed_run_continues_the_curve_of_an_uninterrupted_one(
    tmp_path: Any, data: Any
) -> None:
    """No point twice, none missing, and the same rulers and numbers throughout."""
    whole, before, after = (all_three(data) for _ in range(3))
    fit(whole, max_epochs=4)
    _, first = fit(before, max_epochs=2)
    first.save_checkpoint(tmp_path / "two.ckpt")
    fit(after, max_epochs=4, ckpt_path=str(tmp_path / "two.ckpt"))
    for uninterrupted, resumed in zip(whole, after, strict=True):
        np.testing.assert_equal(rows(resumed), rows(uninterrupted))
    assert after[2].settings == before[2].settings


def test_a_checkpoint_loads_with_weights_only(tmp_path: Any) -> None:
    """Plain Python and tensors: the user's own resume must not fail because of a monitor."""
    monitors = [
        monitor(data=data, name=name)
        for monitor in MONITORS
        for data, name in ((None, None), ("train", "b"))
    ]
    _, running = fit(monitors, max_epochs=1)
    running.save_checkpoint(tmp_path / "last.ckpt")
    loaded = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert {
        "it_callbacks.InformationPlaneMonitor.val",
        "it_callbacks.InformationPlaneMonitor.b",
    } <= set(loaded["callbacks"])


def test_a_resume_with_other_bins_warns_and_calibrates_once_more(tmp_path: Any) -> None:
    _, first = fit([InformationPlaneMonitor("net.4")], max_epochs=1)
    first.save_checkpoint(tmp_path / "one.ckpt")
    finer = InformationPlaneMonitor("net.4", bins=60)
    with warned() as given:
        fit([finer], max_epochs=2, ckpt_path=str(tmp_path / "one.ckpt"))
    (warning,) = given.of("other bins")
    assert "bins=60" in warning.text
    assert "bins=30" in warning.text
    assert epochs(finer) == [1, 2]


@pytest.mark.parametrize("state", [{}, {"schema": 99}, {"schema": 1}, {"history": [1]}])
@pytest.mark.parametrize("monitor", MONITORS)
def test_a_state_that_is_not_ours_costs_the_history_not_the_run(
    monitor: type[Any], state: dict[str, Any]
) -> None:
    loaded = monitor()
    with warned() as given:
        loaded.load_state_dict(state)
    assert given.causes == ["not ours"]
    assert loaded.history == []


# Several monitors.


@pytest.mark.parametrize("monitor", MONITORS)
def test_two_of_a_kind_live_together_by_name(monitor: type[Any]) -> None:
    one, two = monitor(name="a"), monitor(name="b")
    fit([one, two], max_epochs=1)
    assert {r.set for r in one.history} == {"a"}
    assert {r.set for r in two.history} == {"b"}
    assert len({one.state_key, two.state_key}) == 2


@pytest.mark.parametrize("pair", [(None, None), ("train", "train"), (None, "val")])
@pytest.mark.parametrize("monitor", MONITORS)
def test_two_of_a_kind_with_one_set_of_tags_are_refused(monitor: type[Any], pair: Any) -> None:
    """Also where one listens to what the other passes: both would log under `val`."""
    with pytest.raises(ValueError, match=r"name: two monitors .* name= of its own"):
        fit([monitor(data=data) for data in pair])


def test_one_layout_is_written_for_all_monitors(tmp_path: Any) -> None:
    """A logger has only one, so that the last monitor to write it must write those of all."""
    logger = TensorBoardLogger(tmp_path)
    written: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger.experiment, "add_custom_scalars", written.append)
        fit(all_three(), logger=logger, max_epochs=1)
    categories = {name for name in written[-1] if name.endswith(", val")}
    assert {
        "information plane, val",
        "predictions, val",
        "predictions inside classes, val",
    } <= categories


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize(
    "kind", [InformationPlaneMonitor, PredictionEntropyMonitor, ConditionalEntropyMonitor]
)
def test_a_monitor_measures_one_model_in_two_trainings(kind: type[Any], data: Any) -> None:
    """The same monitor and the same model, with a Trainer each: both have all their points."""
    monitor, model = kind(data=data), Classifier()
    points = []
    for _ in range(2):
        fit([monitor], lambda: model, max_epochs=1)
        points.append(sorted({record.epoch for record in monitor.history}))
    assert points == [[1], [1]] if data is None else points == [[0, 1], [0, 1]]


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize(
    "kind", [InformationPlaneMonitor, PredictionEntropyMonitor, ConditionalEntropyMonitor]
)
def test_a_used_monitor_can_be_pickled_and_copied(kind: type[Any], data: Any) -> None:
    monitor = kind(data=data)
    fit([monitor], max_epochs=1)
    for twin in (pickle.loads(pickle.dumps(monitor)), copy.deepcopy(monitor)):
        assert str(twin.history) == str(monitor.history)  # where NaN is NaN
        assert twin.settings == monitor.settings
        stored, expected = (one.state_dict()["instrument"] for one in (twin, monitor))
        readers = [
            json.dumps(one.get("readers"), default=torch.Tensor.tolist)
            for one in (stored, expected)
        ]
        assert readers[0] == readers[1]


def test_a_copy_of_the_model_is_read_by_the_rulers_of_the_original() -> None:
    """Equal weights at the same step give the same point, which is there already."""
    monitor = InformationPlaneMonitor()
    model, running = fit([monitor], max_epochs=1)
    before = str(monitor.history)
    with warned() as given:
        running.validate(copy.deepcopy(model), running.val_dataloaders, verbose=False)
    assert given.of("twice") == []
    assert str(monitor.history) == before
