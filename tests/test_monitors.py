"""When the monitors look, what they take in, and whether their numbers are the right ones."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning.pytorch
import numpy as np
import plotly.graph_objects
import pytest
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import EarlyStopping, LearningRateFinder, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
)
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
)
from it_callbacks.callbacks.loops import is_unshuffled
from it_callbacks.rulers import Uniform, Width

from .models import (
    N_CLASSES,
    N_UNITS,
    Classifier,
    MemoryLogger,
    curve,
    fit,
    layer_names,
    loader,
    outputs,
    samples,
    trainer,
    when,
)

ALL = (PredictionEntropyMonitor, ConditionalEntropyMonitor, InformationPlaneMonitor)
VAL = samples(105, seed=1)  # what `fit` validates on


def bits_of(counts: Any) -> float:
    """Entropy in bits of counts."""
    p = np.asarray(counts, float)
    p = p[p > 0] / p.sum()
    return float(-(p * np.log2(p)).sum())


def rows_as_classes(states: Any) -> NDArray[np.int64]:
    """One class number per distinct row."""
    rows = np.asarray(states).reshape(len(states), -1)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def last(monitor: Any, tag: str) -> float:
    """The last value under `tag`."""
    return curve(monitor, tag)[-1]


# Both namespaces.


@pytest.mark.parametrize("lightning", [pl, lightning.pytorch])
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("monitor", ALL)
def test_a_monitor_is_a_callback_of_both_namespaces(
    monitor: type[Any], bare: bool, lightning: Any
) -> None:
    """In a list and bare, with a Trainer and a module of either."""

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(N_UNITS, 4), nn.Tanh(), nn.Linear(4, 3))

        def forward(self, x: Tensor) -> Any:
            return self.net(x)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self(batch[0])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    callback = monitor(data="val")
    assert isinstance(callback, lightning.Callback)
    running = lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=callback if bare else [callback],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    with pytest.warns(UserWarning, match="no logger"):
        running.fit(Module(), loader(), loader(105, seed=1))
    assert {epoch for epoch, _ in when(callback)} == {0, 1}


# When.


def test_listening_first_measures_after_the_first_epoch() -> None:
    """Epoch counts finished epochs; the sanity check before them records nothing."""
    monitors = [monitor() for monitor in ALL]
    fit(monitors, num_sanity_val_steps=-1)
    assert all(when(monitor) == [(1, 5), (2, 10)] for monitor in monitors)


def test_a_probe_measures_before_the_first_step_too() -> None:
    monitors = [monitor(data="train") for monitor in ALL]
    fit(monitors)
    assert all(when(monitor) == [(0, 0), (1, 5), (2, 10)] for monitor in monitors)


@pytest.mark.parametrize(
    ("schedule", "listened", "probed"),
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
    schedule: Any, listened: list[int], probed: list[int]
) -> None:
    """A log-spaced one also includes the last epoch."""
    listening = InformationPlaneMonitor(schedule=schedule)
    probing = InformationPlaneMonitor(schedule=schedule, data="train")
    fit([listening, probing], max_epochs=7)
    assert [epoch for epoch, _ in when(listening)] == listened
    assert [epoch for epoch, _ in when(probing)] == probed


def test_log_spaced_steps_look_between_batches_and_at_the_end() -> None:
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
    fit([plane, Stops()], max_epochs=20)
    assert [epoch for epoch, _ in when(plane)] == [0, 1, 4, 6]


def test_epochs_without_validation_are_probed_but_not_listened_to() -> None:
    listening, probing = InformationPlaneMonitor(), InformationPlaneMonitor(data="train")
    fit([listening, probing], max_epochs=4, check_val_every_n_epoch=2)
    assert when(listening) == [(2, 10), (4, 20)]
    assert when(probing) == [(epoch, 5 * epoch) for epoch in range(5)]


def test_validation_twice_an_epoch_is_listened_to_twice_and_probed_once() -> None:
    """The first of the two comes before the epoch has finished."""
    listening, probing = InformationPlaneMonitor(), InformationPlaneMonitor(data="train")
    fit([listening, probing], train=loader(100), val_check_interval=0.5)
    assert when(listening) == [(0, 2), (1, 4), (1, 6), (2, 8)]
    assert when(probing) == [(0, 0), (1, 4), (2, 8)]


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("options", [{"val": None}, {"limit_val_batches": 0}])
def test_without_a_validation_loop_a_probe_works(options: dict[str, Any]) -> None:
    plane = InformationPlaneMonitor(data="train")
    fit([plane], **options)
    assert when(plane) == [(0, 0), (1, 5), (2, 10)]


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("options", [{"val": None}, {"limit_val_batches": 0}])
@pytest.mark.parametrize("monitor", ALL)
def test_without_a_validation_loop_listening_says_so_and_training_goes_on(
    monitor: type[Any], options: dict[str, Any]
) -> None:
    """One warning, and not a number."""
    silent = monitor()
    with pytest.warns(UserWarning, match="no validation loop") as warned:
        model, _ = fit([silent], **options)
    ours = [str(w.message) for w in warned if monitor.__name__ in str(w.message)]
    assert len(ours) == 1
    assert "pass data='train'" in ours[0]
    assert silent.history == []
    assert model.trainer.global_step == 10


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("options", [{"val": None}, {"limit_val_batches": 0}])
@pytest.mark.parametrize("monitor", ALL)
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
    with pytest.warns(UserWarning, match="nothing was measured.*data='train'") as warned:
        fit([silent], **options)
    assert sum("InformationPlaneMonitor" in str(w.message) for w in warned) == 1
    assert silent.history == []


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
def test_misuse_that_no_validation_loop_could_show_does_not_end_the_test_loop() -> None:
    """Training is over by then, and what the user does after the test must still happen."""
    plane = InformationPlaneMonitor(["net.nine"])
    with pytest.warns(UserWarning, match="no validation loop"):
        model, running = fit([plane], val=None, max_epochs=1)
    with pytest.warns(UserWarning, match=r"point is left out.*no module named 'net\.nine'"):
        running.test(model, loader(60, seed=2), verbose=False)
    assert plane.history == []


class NoValidation(pl.LightningModule):
    """Has no validation_step at all."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(N_UNITS, N_CLASSES)

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore:You passed in a `val_dataloader` but have no")
def test_a_model_without_a_validation_step_trains_on_beside_a_silent_monitor() -> None:
    plane = InformationPlaneMonitor()
    with pytest.warns(UserWarning, match=r"no validation_step.*data='train'"):
        _, running = fit([plane], NoValidation)
    assert plane.history == []
    assert running.global_step == 10


def test_max_steps_ends_with_a_point() -> None:
    """Training that ends inside an epoch is probed where it ends."""
    plane = InformationPlaneMonitor(data="train")
    fit([plane], max_steps=7, max_epochs=-1)
    assert when(plane)[-1][1] == 7


def test_probing_the_validation_set_needs_no_sanity_check() -> None:
    """Its loader is there before the first step all the same."""
    plane = InformationPlaneMonitor(data="val")
    fit([plane], num_sanity_val_steps=0)
    assert when(plane) == [(0, 0), (1, 5), (2, 10)]


def test_a_search_for_a_learning_rate_is_not_recorded(tmp_path: Any) -> None:
    """It trains and rewinds within one fit; only the training that counts is measured."""
    listening, probing = InformationPlaneMonitor(), InformationPlaneMonitor(data="train")
    finder = LearningRateFinder(num_training_steps=5, early_stop_threshold=None)
    fit([listening, probing, finder], default_root_dir=tmp_path)
    assert when(listening) == [(1, 5), (2, 10)]
    assert when(probing) == [(0, 0), (1, 5), (2, 10)]


def test_fast_dev_run_covers_the_monitors_too() -> None:
    listening, probing = InformationPlaneMonitor(), InformationPlaneMonitor(data="train")
    running = trainer([listening, probing], fast_dev_run=True, logger=None)
    running.fit(Classifier(), loader(), loader(105, seed=1))
    assert when(listening) == [(1, 1)]
    assert when(probing) == [(0, 0), (1, 1)]


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_barebones_asks_for_no_observation_and_gets_none() -> None:
    monitors = [monitor(data=data) for monitor in ALL for data in (None, "train")]
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


@pytest.mark.parametrize("monitor_first", [True, False])
@pytest.mark.parametrize(
    ("data", "validates"),
    [(None, True), (samples(60, seed=2), True), (samples(60, seed=2), False)],
    ids=["listening", "probing", "probing-without-validation"],
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

    plane = InformationPlaneMonitor(data=data, name="set")
    saves = ModelCheckpoint(tmp_path, monitor=tag, save_top_k=-1, mode="max", every_n_epochs=1)
    callbacks = [plane, Stops(tag, mode="max", patience=9), saves]
    fit(
        callbacks if monitor_first else callbacks[::-1],
        max_epochs=3,
        enable_checkpointing=True,
        **({} if validates else {"limit_val_batches": 0}),
    )
    values = curve(plane, tag)[-3:]
    assert seen == pytest.approx(values, abs=1e-6)
    assert sorted(map(float, saves.best_k_models.values())) == pytest.approx(sorted(values))


# What comes in a batch.


Pair = namedtuple("Pair", ["x", "label"])


@dataclass
class Sample:
    """A batch as a dataclass."""

    image: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.image)


def _one_hot(y: Tensor) -> Tensor:
    return nn.functional.one_hot(y, N_CLASSES)


def _as(kind: str) -> Callable[[Any], Any]:
    def collate(items: Any) -> Any:
        x, y = torch.stack([item[0] for item in items]), torch.stack([item[1] for item in items])
        return {
            "tuple": (x, y),
            "list": [x, y],
            "dict": {"image": x, "label": y},
            "reversed_dict": {"labels": y, "x": x},
            "namedtuple": Pair(x, y),
            "dataclass": Sample(x, y),
            "column": (x, y[:, None]),
            "one_hot": (x, _one_hot(y)),
            "one_hot_float": (x, _one_hot(y).float()),
            "int32": (x, y.int()),
        }[kind]

    return collate


class AnyBatch(Classifier):
    """Takes apart every kind of batch above."""

    @override
    def parts(self, batch: Any) -> tuple[Any, Tensor]:
        if isinstance(batch, dict):
            x, y = batch.get("image", batch.get("x")), batch.get("label", batch.get("labels"))
        elif isinstance(batch, Sample):
            x, y = batch.image, batch.target
        else:
            x, y = batch
        y = y.argmax(1) if y.ndim == 2 and y.shape[1] == N_CLASSES else y.reshape(-1)
        return x, y.long()


KINDS = (
    "tuple",
    "list",
    "dict",
    "reversed_dict",
    "namedtuple",
    "dataclass",
    "column",
    "one_hot",
    "one_hot_float",
    "int32",
)


def _values(monitor: Any) -> dict[str, float]:
    return {r.tag: r.bits for r in monitor.history if r.layer != "overhead"}


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_batch_gives_the_same_numbers(kind: str, data: Any) -> None:
    """Labels and inputs are found without arguments, in a short last batch too."""

    def run(kind: str) -> list[Any]:
        monitors = [monitor(data=data) for monitor in ALL]
        make = DataLoader(TensorDataset(*VAL), 25, collate_fn=_as(kind))
        fit(monitors, AnyBatch, val=make, max_epochs=1)
        return monitors

    for expected, got in zip(run("tuple"), run(kind), strict=True):
        np.testing.assert_equal(_values(got), _values(expected))
    assert got.history[0].n_samples == 105


def test_target_and_inputs_pick_the_parts_of_a_wider_batch() -> None:
    """Keys, indices and functions."""
    x, y = VAL
    wide = DataLoader(TensorDataset(torch.zeros(105, 2), y, x), 25)

    class Wide(Classifier):
        @override
        def parts(self, batch: Any) -> tuple[Any, Tensor]:
            return (batch[2], batch[1]) if len(batch) == 3 else batch

    plain = InformationPlaneMonitor(data="val")
    fit([plain], Wide, max_epochs=1)
    for target, inputs in ((1, 2), (-2, lambda batch: batch[-1])):
        plane = InformationPlaneMonitor(data="val", target=target, inputs=inputs)
        fit([plane], Wide, val=wide, max_epochs=1)
        np.testing.assert_equal(_values(plane), _values(plain))


def test_ignored_labels_are_left_out_and_counted() -> None:
    """Samples with label -100 take part in nothing."""
    x, y = VAL
    kept = torch.arange(105) % 5 != 0

    def run(val: TensorDataset) -> list[Any]:
        monitors = [monitor(data="val") for monitor in ALL]

        class Ignores(Classifier):
            @override
            def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
                self(batch[0])

        fit(monitors, Ignores, val=DataLoader(val, 105), max_epochs=1)
        return monitors

    ignoring = run(TensorDataset(x, torch.where(kept, y, -100)))
    without = run(TensorDataset(x[kept], y[kept]))
    for got, expected in zip(ignoring, without, strict=True):
        # Another number of rows in a batch may move a float by its last digit.
        assert _values(got) == pytest.approx(_values(expected), abs=1e-5, nan_ok=True)
        assert got.history[0].n_samples == int(kept.sum())
        assert got.settings["val"]["n_unlabelled"] == 21


def test_further_validation_loaders_are_sets_of_their_own() -> None:
    monitors = [monitor() for monitor in ALL]
    fit(monitors, val=[loader(105, seed=1), loader(60, seed=3)])
    for monitor in monitors:
        assert {r.set: r.n_samples for r in monitor.history} == {"val": 105, "val_1": 60}


@pytest.mark.parametrize(("method", "set_"), [("validate", "val"), ("test", "test")])
def test_validate_and_test_are_listened_to_without_training(method: str, set_: str) -> None:
    monitors = [monitor() for monitor in ALL]
    getattr(trainer(monitors), method)(Classifier(), loader(105, seed=1), verbose=False)
    for monitor in monitors:
        assert {(r.set, r.n_samples, r.step, r.epoch) for r in monitor.history} == {
            (set_, 105, 0, 0)
        }


@pytest.mark.parametrize("bad", [0, 1])
def test_a_set_that_cannot_be_measured_costs_no_other_set_its_point(bad: int) -> None:
    """Of two validation loaders one holds ignored labels only, from the second epoch on."""

    class LosesLabels(Classifier):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self(batch[0])

    x, y = samples(105, seed=1)
    losing = y.clone()
    loaders = [loader(60, seed=3), loader(60, seed=3)]
    loaders[bad] = DataLoader(TensorDataset(x, losing), 25)

    class Loses(pl.Callback):
        @override
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            losing.copy_(y if trainer.current_epoch != 1 else torch.full_like(y, -100))

    plane = InformationPlaneMonitor()
    with pytest.warns(UserWarning, match="no sample has a label"):
        fit([Loses(), plane], LosesLabels, val=loaders, max_epochs=3)
    epochs = {
        set_: [r.epoch for r in plane.history if r.tag == f"information_plane/{set_}/I_XT/net.1"]
        for set_ in ("val", "val_1")
    }
    whole, torn = ("val_1", "val")[:: 1 if bad == 0 else -1]
    assert epochs == {whole: [1, 2, 3], torn: [1, 3]}
    assert all(drop.bits == drop.bits for v in plane.verdicts[whole].values() for drop in v.drops)
    assert not any(math.isnan(v.drops[0].standard_error) for v in plane.verdicts[whole].values())


def test_a_test_after_training_keeps_the_rulers() -> None:
    """Calibrated once in the first validation, they read the test set too."""
    plane = InformationPlaneMonitor()
    model, running = fit([plane])
    running.test(model, loader(105, seed=1), verbose=False)
    rulers = {
        set_: [layer["rulers"] for layer in plane.settings[set_]["layers"]]
        for set_ in ("val", "test")
    }
    assert rulers["test"] == rulers["val"]
    assert last(plane, "information_plane/test/I_XT/net.3") == last(
        plane, "information_plane/val/I_XT/net.3"
    )


def test_a_step_that_edits_its_batch_in_place_does_not_reach_the_numbers() -> None:
    """Labels and inputs are read before the step, outputs as they leave their layer."""

    class Edits(Classifier):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            super().validation_step([part.clone() for part in batch], batch_idx)
            self(batch[0]).zero_()
            batch[0].zero_()
            batch[1].zero_()

    class Twice(Classifier):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            super().validation_step(batch, batch_idx)
            self(batch[0])

    def run(model: Any) -> list[Any]:
        monitors = [monitor() for monitor in ALL]
        fit(monitors, model, max_epochs=1)
        return monitors

    for got, expected in zip(run(Edits), run(Twice), strict=True):
        np.testing.assert_equal(_values(got), _values(expected))


# Which layers.


def _layers_of(model: Any, layers: Any = None, **options: Any) -> Any:
    plane = InformationPlaneMonitor(layers, **options)
    fit([plane], model, max_epochs=1)
    return plane


def test_the_default_reads_an_mlp_after_its_activations() -> None:
    """In firing order; `self.loss` and `self.acc` are no layers."""
    plane = _layers_of(Classifier)
    assert layer_names(plane) == ["net.1", "net.3", "net.4"]
    assert plane.settings["val"]["skipped"] == {
        "net.0": "read after its activation net.1",
        "net.2": "read after its activation net.3",
    }


class Images(Classifier):
    """A small convolutional network on inputs folded to 1 x 2 x 4."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(
                nn.Conv2d(1, 3, 3, padding=1),
                nn.BatchNorm2d(3),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.Dropout(0.2),
                nn.Flatten(),
                nn.Linear(6, 4),
                nn.Tanh(),
                nn.Identity(),
                nn.Linear(4, 3),
            )
        )

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x.reshape(-1, 1, 2, 4))


def test_the_default_skips_what_only_normalises_pools_drops_or_reshapes() -> None:
    """The settings list each skipped module with its reason."""
    plane = _layers_of(Images)
    assert layer_names(plane) == ["net.2", "net.7", "net.9"]
    assert plane.settings["val"]["skipped"] == {
        "net.0": "read after its activation net.2",
        "net.1": "normalisation",
        "net.3": "pooling",
        "net.4": "dropout",
        "net.5": "reshapes only",
        "net.6": "read after its activation net.7",
        "net.8": "reshapes only",
    }
    assert "MeanPool" in plane.settings["val"]["layers"][0]["reduction"]


class Shared(Classifier):
    """One linear and one activation, each called twice; a module that is never called."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(N_UNITS, N_UNITS))
        self.act, self.head, self.spare = nn.Tanh(), nn.Linear(N_UNITS, 3), nn.Linear(2, 2)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(self.act(self.net(self.act(self.net(x)))))


def test_a_module_called_again_is_a_layer_of_its_own() -> None:
    """Its second call is `_call2`; a module that never fires is listed as such."""
    plane = _layers_of(Shared)
    assert layer_names(plane) == ["act", "act_call2", "head"]
    assert plane.settings["val"]["skipped"] == {
        "net": "read after its activation act",
        "net_call2": "read after its activation act_call2",
        "spare": "was never called",
    }


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("net.0", ["net.0"]),
        (["net.4", "net.1"], ["net.1", "net.4"]),
        ("net.[01]", ["net.0", "net.1"]),
        (["net.*"], ["net.0", "net.1", "net.2", "net.3", "net.4"]),
        ("torch.nn.Linear", ["net.0", "net.2", "net.4"]),
        (nn.Linear, ["net.0", "net.2", "net.4"]),
        ([nn.Tanh, "net.4"], ["net.1", "net.4"]),
        ("net", ["net"]),
    ],
)
def test_layers_are_chosen_by_name_glob_class_and_type(layers: Any, names: list[str]) -> None:
    """Always listed in the order in which they fire."""
    assert layer_names(_layers_of(Classifier, layers)) == names


class Sequences(Classifier):
    """An LSTM over four steps of two numbers: it returns a tuple."""

    def __init__(self) -> None:
        super().__init__(nn.LSTM(2, 5, batch_first=True))
        self.head = nn.Linear(5, 3)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(self.net(x.reshape(-1, 4, 2))[0][:, -1])


def test_a_mapping_picks_the_rows_out_of_a_tuple() -> None:
    """The last step of an LSTM, whose output is (steps, (h, c))."""
    plane = _layers_of(Sequences, {"net": lambda output: output[0][:, -1]}, bins=Uniform(8, -1, 1))
    assert layer_names(plane) == ["net"]
    by_default = _layers_of(Sequences)
    assert layer_names(by_default) == ["head"]
    assert by_default.settings["val"]["skipped"] == {"net": "returns a tuple, not a tensor"}


def test_a_mapping_that_picks_the_wrong_rows_is_an_error_before_training() -> None:
    model = Sequences()
    with pytest.raises(ValueError, match=r"layers: 'net' returns shape \(4, 25, 5\).*25 labels"):
        fit([InformationPlaneMonitor({"net": lambda out: out[0].transpose(0, 1)})], model)
    assert model.trainer.global_step == 0


# The numbers.


def _plane_by_hand(activations: Tensor, ruler: Any, labels: Tensor) -> dict[str, float]:
    t, y = rows_as_classes(ruler(activations)), labels.numpy()
    table = contingency_matrix(y, t)
    counts = np.bincount(t)
    chance = expected_mutual_information(contingency_matrix(y, t, sparse=True), len(y))
    return {
        "I_XT": bits_of(counts),
        "I_TY": mutual_info_score(None, None, contingency=table) / math.log(2),
        "I_TY_chance": chance / math.log(2),
        "coverage": 1 - (counts == 1).sum() / len(t),
    }


def test_the_plane_is_that_of_activations_collected_by_hand() -> None:
    """Against NumPy's unique rows and scikit-learn's informations."""
    rulers = {"net.1": Uniform(30, -1, 1), "net.3": Width(0.05), "net.4": Width(0.3)}
    plane = InformationPlaneMonitor(bins=rulers)
    model, _ = fit([plane])
    activations = outputs(model, list(rulers), [x for x, _ in loader(105, seed=1)])
    for (name, ruler), of_layer in zip(rulers.items(), activations, strict=True):
        for quantity, expected in _plane_by_hand(of_layer, ruler, VAL[1]).items():
            assert last(plane, f"information_plane/val/{quantity}/{name}") == pytest.approx(
                expected, abs=1e-9
            )


def test_a_layer_that_the_next_one_overwrites_is_read_as_it_was() -> None:
    """Before the in-place ReLU there are negative values, in the first batch too."""
    plane = InformationPlaneMonitor("net.2", bins=Width(0.05))
    model, _ = fit([plane], num_sanity_val_steps=0)
    (of_layer,) = outputs(model, ["net.2"], [x for x, _ in loader(105, seed=1)])
    assert (of_layer < 0).any()
    expected = bits_of(np.bincount(rows_as_classes(Width(0.05)(of_layer))))
    assert last(plane, "information_plane/val/I_XT/net.2") == pytest.approx(expected, abs=1e-9)
    torch.manual_seed(1)
    first = InformationPlaneMonitor("net.2", bins=Width(0.05))
    trainer([first]).validate(untrained := Classifier(), loader(105, seed=1), verbose=False)
    (of_layer,) = outputs(untrained, ["net.2"], [x for x, _ in loader(105, seed=1)])
    expected = bits_of(np.bincount(rows_as_classes(Width(0.05)(of_layer))))
    assert last(first, "information_plane/val/I_XT/net.2") == pytest.approx(expected, abs=1e-9)


class Replaced(Classifier):
    """Gets a new head before its second epoch."""

    @override
    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 1:
            self.net[4] = nn.Linear(3, 3)  # type: ignore[index] # a sequence


def test_a_layer_that_is_replaced_is_read_on() -> None:
    """With the ruler that it had: the new head takes the place of the old one."""
    plane = InformationPlaneMonitor("net.4", bins=Width(0.05))
    model, _ = fit([plane], Replaced, max_epochs=3)
    assert when(plane) == [(1, 5), (2, 10), (3, 15)]
    (of_layer,) = outputs(model, ["net.4"], [x for x, _ in loader(105, seed=1)])
    expected = bits_of(np.bincount(rows_as_classes(Width(0.05)(of_layer))))
    assert last(plane, "information_plane/val/I_XT/net.4") == pytest.approx(expected, abs=1e-9)


class AugmentsOnDevice(Classifier):
    """Lightning's documented way to augment a batch where it trains."""

    @override
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        x, y = batch
        if self.trainer.training:
            x = x + torch.randn_like(x)
        return x, y


@pytest.mark.parametrize("n_batches", [0, 1.0], ids=["no validation", "validation"])
def test_a_probe_is_not_augmented_as_training_is(n_batches: float) -> None:
    """At a learning rate of 0 each look sees the same, before the first step too."""
    plane = InformationPlaneMonitor("net.1", data=samples(60, seed=1))
    still = partial(AugmentsOnDevice, lr=0.0)
    fit([plane], still, max_epochs=3, limit_val_batches=n_batches)
    values = curve(plane, "information_plane/data/I_TY/net.1")
    assert len(values) == 4
    assert len(set(values)) == 1


def test_a_schedule_that_fails_costs_looks_and_one_warning() -> None:
    def fails(epoch: int) -> bool:
        if epoch == 2:
            raise KeyError("boom")
        return True

    for data in (None, "train"):
        plane = InformationPlaneMonitor(schedule=fails, data=data)
        with pytest.warns(UserWarning, match="schedule: it fails, so no look is taken.*boom"):
            _, running = fit([plane], max_epochs=3)
        assert running.global_step == 15
        assert [epoch for epoch, _ in when(plane) if epoch] == [1, 3]
    with pytest.raises(KeyError, match="boom"):
        fit([InformationPlaneMonitor(schedule=fails, on_error="raise")], max_epochs=3)


def test_of_several_validation_loaders_a_probe_names_none() -> None:
    loaders = [loader(60, seed=1), loader(60, seed=3)]
    with pytest.raises(ValueError, match="data='val': there are 2 such loaders; pass the data set"):
        fit([InformationPlaneMonitor(data="val")], val=loaders)


class TakesAPair(Classifier):
    """Its forward takes both inputs as one."""

    @override
    def forward(self, pair: Any) -> Any:
        return self.net(pair[0] + pair[1])

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        logits = self(batch[0])
        return self.loss(logits, batch[1]), logits


def test_inputs_that_forward_does_not_take_are_told_by_the_probe() -> None:
    x, y = samples(60)
    nested = [((x, x), y)]
    pairs = DataLoader(nested, batch_size=None)  # type: ignore[arg-type,var-annotated] # a list will do
    with pytest.raises(TypeError, match=r"data: the model's forward does not take.*pass inputs="):
        fit([InformationPlaneMonitor(data=pairs)], TakesAPair, train=pairs, val=pairs)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda data: {"batch_sampler": BatchSampler(RandomSampler(data), 25, False)}, False),
        (lambda data: {"batch_sampler": BatchSampler(SequentialSampler(data), 25, False)}, True),
        (lambda data: {"batch_sampler": [list(range(50)), list(range(50, 100))]}, False),
        (lambda data: {"batch_size": 25, "shuffle": True}, False),
        (lambda data: {"batch_size": 25}, True),
    ],
)
def test_only_loaders_that_cannot_shuffle_count_as_unshuffled(make: Any, told: bool) -> None:
    """Beside a batch sampler of the user's stands a sampler that nobody asks."""
    data = TensorDataset(*samples(100))
    assert is_unshuffled(DataLoader(data, **make(data))) is told


def test_validating_after_training_repeats_no_point() -> None:
    """Its numbers are those of the last epoch; they are in the metrics, as a user expects."""
    monitors = [monitor() for monitor in ALL]
    model, running = fit(monitors, max_epochs=2)
    before = [_values(monitor) for monitor in monitors]
    metrics = dict(running.callback_metrics)
    running.validate(model, running.val_dataloaders, verbose=False)
    for monitor, values in zip(monitors, before, strict=True):
        np.testing.assert_equal(_values(monitor), values)
    for tag in (
        "information_plane/val/I_TY/net.1",
        "prediction_entropy/val/mean",
        "conditional_entropy/val/all",
    ):
        assert running.callback_metrics[tag] == metrics[tag]


def test_validating_other_weights_after_training_is_told_and_leaves_the_verdict() -> None:
    plane = InformationPlaneMonitor()
    model, running = fit([plane], max_epochs=2)
    n_rows, verdicts = len(plane.history), plane.verdicts
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    with pytest.warns(UserWarning, match=r"set 'val': a second point at step 10, of other weights"):
        running.validate(model, running.val_dataloaders, verbose=False)
    assert len(plane.history) == n_rows * 3 // 2
    assert plane.verdicts == verdicts


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_every_precision_is_measured_as_it_trains(precision: Any) -> None:
    """A probe runs in the precision of the validation loop, so both give the same numbers."""

    class Half(Classifier):
        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            logits = self(batch[0])
            return self.loss(logits.float(), batch[1]), logits

    def run(data: Any) -> list[Any]:
        monitors = [monitor(data=data, schedule=[1]) for monitor in ALL]
        still = partial(Half, lr=0.0)
        fit(monitors, still, val=loader(105, 256, seed=1), precision=precision, max_epochs=1)
        return monitors

    for listening, probing in zip(run(None), run("val"), strict=True):
        np.testing.assert_equal(_values(listening), _values(probing))


def test_the_default_ruler_is_the_exact_range_or_a_width_frozen_at_the_first_look() -> None:
    """Read back from the settings, it gives the last point's numbers again."""
    plane = InformationPlaneMonitor()
    model, _ = fit([plane], max_epochs=3)
    first = {layer["tag"]: layer["rulers"] for layer in plane.settings["val"]["layers"]}
    assert first["net.1"] == ["Uniform(bins=30, low=-1.0, high=1.0)"]
    activations = outputs(model, list(first), [x for x, _ in loader(105, seed=1)])
    for (name, said), of_layer in zip(first.items(), activations, strict=True):
        ruler = eval(said[0], {"Uniform": Uniform, "Width": Width})
        for quantity, expected in _plane_by_hand(of_layer, ruler, VAL[1]).items():
            assert last(plane, f"information_plane/val/{quantity}/{name}") == pytest.approx(
                expected, abs=1e-9
            )


def test_a_calibrated_ruler_spans_the_first_pass_in_the_bins_asked_for() -> None:
    """Epoch 0 of a data: the middle 99.8 % of the layer's outputs, in 30 parts."""
    plane = InformationPlaneMonitor("net.4", data="val")
    fit([plane], max_epochs=1, max_steps=1)
    torch.manual_seed(1)
    untrained = Classifier()
    (of_layer,) = outputs(untrained, ["net.4"], [VAL[0]])
    low, high = np.quantile(of_layer.numpy().astype(float), [0.001, 0.999])
    (said,) = plane.settings["val"]["layers"][0]["rulers"]
    assert eval(said, {"Width": Width}).width == pytest.approx((high - low) / 30, rel=1e-6)


def test_listening_and_probing_the_same_weights_give_the_same_numbers() -> None:
    """With a learning rate of 0 every point of both is the same."""
    for monitor in ALL:
        listening, probing = monitor(name="a"), monitor(data="val", name="b")
        fit([listening, probing], lambda: Classifier(lr=0.0), val=loader(105, 256, seed=1))
        left = {tag.replace("/a/", "/b/"): bits for tag, bits in _values(listening).items()}
        np.testing.assert_equal(left, _values(probing))


def test_prediction_tags_are_what_one_computes_by_hand() -> None:
    """From the logits, in float64."""
    predictions, conditional = PredictionEntropyMonitor(), ConditionalEntropyMonitor()
    model, _ = fit([predictions, conditional])
    (logits,) = outputs(model, ["net.4"], [x for x, _ in loader(105, seed=1)])
    z, y = logits.double().numpy(), VAL[1].numpy()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    h = -(p * np.log2(p)).sum(1)
    hard = p.argmax(1)
    share = np.bincount(y) / len(y)
    bound = np.log2(p[np.arange(len(y)), y]) - np.log2(share[y])
    inside = [bits_of(p[y == c].sum(0)) for c in range(3)]
    table = contingency_matrix(y, hard)
    expected = {
        "prediction_entropy/val/mean": h.mean(),
        "prediction_entropy/val/marginal": bits_of(p.sum(0)),
        "prediction_entropy/val/hard": bits_of(np.bincount(hard)),
        "prediction_entropy/val/input_information": bits_of(p.sum(0)) - h.mean(),
        "prediction_entropy/val/cross_entropy": -np.log2(p[np.arange(len(y)), y]).mean(),
        "prediction_entropy/val/label_bound": bound.mean(),
        "prediction_entropy/val/label_bound_se": bound.std(ddof=1) / np.sqrt(len(y)),
        **{f"conditional_entropy/val/class_{c}": inside[c] for c in range(3)},
        **{f"conditional_entropy/val/within/class_{c}": h[y == c].mean() for c in range(3)},
        **{
            f"conditional_entropy/val/hard/class_{c}": bits_of(np.bincount(hard[y == c]))
            for c in range(3)
        },
        "conditional_entropy/val/all": (share * inside).sum(),
        "label_information/val/soft": bits_of(p.sum(0)) - (share * inside).sum(),
        "label_information/val/hard": mutual_info_score(y, hard) / math.log(2),
        "label_information/val/equivocation": bits_of(table) - bits_of(table.sum(0)),
        "prediction_entropy/val/epoch": 2.0,
        "conditional_entropy/val/epoch": 2.0,
    }
    got = {tag: last(m, tag) for m in (predictions, conditional) for tag in _values(m)}
    assert got == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("logits", ["net.4", None, lambda out: out["z"], "z"])
def test_logits_are_found_or_picked(logits: Any) -> None:
    """A module's name, the last module to fire, a function or a key of the forward's output."""

    class Structured(Classifier):
        @override
        def forward(self, x: Tensor) -> Any:
            return {"z": self.net(x), "other": x}

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            out = self(batch[0])
            return self.loss(out["z"], batch[1]), out["z"]

    plain, picking = PredictionEntropyMonitor(), PredictionEntropyMonitor(logits=logits)
    fit([plain], max_epochs=1)
    fit([picking], Structured, max_epochs=1)
    assert _values(picking) == _values(plain)


def test_predictions_are_found_where_the_modules_own_forward_is_not_used() -> None:
    """A step that calls `self.net` directly: the last module to fire gives them."""

    class Direct(Classifier):
        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            logits = self.net(batch[0])
            return self.loss(logits, batch[1]), logits

    plain, direct = PredictionEntropyMonitor(), PredictionEntropyMonitor()
    fit([plain], max_epochs=1)
    fit([direct], Direct, max_epochs=1)
    assert _values(direct) == _values(plain)
    assert "net.4" in direct.settings["val"]["predictions"]


def test_a_forward_that_already_gives_probabilities_is_read_as_such() -> None:
    class Probabilities(Classifier):
        @override
        def forward(self, x: Tensor) -> Any:
            return self.net(x).softmax(1)

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            p = self(batch[0])
            return nn.functional.nll_loss(p.log(), batch[1]), p

    plain, given = PredictionEntropyMonitor(), PredictionEntropyMonitor()
    fit([plain], max_epochs=1)
    fit([given], Probabilities, max_epochs=1)
    assert _values(given) == pytest.approx(_values(plain), abs=1e-5)
    assert given.settings["val"]["predictions"].startswith("probabilities")


def test_one_value_per_sample_is_a_bernoulli_logit() -> None:
    """H of a two-class prediction whose logit is the network's one output."""

    class Binary(Classifier):
        def __init__(self) -> None:
            super().__init__(nn.Linear(N_UNITS, 1))

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            z = self(batch[0])
            y = (batch[1] > 0).float()
            return nn.functional.binary_cross_entropy_with_logits(z[:, 0], y), z

        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.step(batch)

    monitor = PredictionEntropyMonitor(target=lambda batch: (batch[1] > 0).long())
    model, _ = fit([monitor], Binary)
    with torch.no_grad():
        p = model(VAL[0])[:, 0].double().sigmoid().numpy()
    expected = np.mean([bits_of([q, 1 - q]) for q in p])
    assert last(monitor, "prediction_entropy/val/mean") == pytest.approx(expected, abs=1e-6)


def test_max_samples_takes_a_random_subset_and_never_the_first_rows() -> None:
    """The set is ordered by class, so that its first rows would know one class only."""
    x, y = samples(120, seed=4)
    order = y.argsort()
    ordered = DataLoader(TensorDataset(x[order], y[order]), 40)
    for data in (None, "val"):
        plane = InformationPlaneMonitor(data=data, max_samples=30)
        predictions = ConditionalEntropyMonitor(data=data, max_samples=30)
        fit([plane, predictions], val=ordered)
        assert {r.n_samples for r in plane.history + predictions.history} == {30}
        assert plane.settings["val"]["classes"] == [0, 1, 2]
        assert f"conditional_entropy/val/class_{2}" in _values(predictions)


def test_the_subset_is_the_same_each_epoch_and_depends_on_the_seed() -> None:
    """Without learning every epoch gives the same number; another seed gives another."""

    def run(seed: int) -> list[float]:
        plane = InformationPlaneMonitor(max_samples=40, seed=seed)
        fit([plane], lambda: Classifier(lr=0.0), max_epochs=3)
        return curve(plane, "information_plane/val/I_TY/net.1")

    first, again, other = run(0), run(0), run(1)
    assert first == again == [first[0]] * 3
    assert other != first


def test_the_subset_does_not_depend_on_the_batches_that_it_comes_in() -> None:
    """Samples are numbered through the loop, so that batches of 25 and one of all give the same."""
    values = []
    for size in (25, 256):
        monitor = PredictionEntropyMonitor(max_samples=40)
        fit([monitor], lambda: Classifier(lr=0.0), val=loader(105, size, seed=1), max_epochs=1)
        values.append(curve(monitor, "prediction_entropy/val/mean"))
    assert values[0] == pytest.approx(values[1], abs=1e-6)


@pytest.mark.filterwarnings("ignore:.*sampler has shuffling enabled")
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_drop_has_a_standard_error_where_samples_keep_their_order(shuffle: bool) -> None:
    """It is paired over samples, and a shuffled loop does not say which is which."""
    plane = InformationPlaneMonitor()
    fit([plane], val=loader(105, seed=1, shuffle=shuffle))
    for verdict in plane.verdicts["val"].values():
        assert math.isnan(verdict.drops[0].standard_error) == shuffle


def test_one_layout_is_written_for_all_monitors(tmp_path: Any) -> None:
    """A logger has only one, so that the last monitor to write it must write those of all."""
    logger = TensorBoardLogger(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        written: list[Any] = []
        patch.setattr(logger.experiment, "add_custom_scalars", written.append)
        fit([monitor() for monitor in ALL], logger=logger)
    categories = {name for name in written[-1] if name.endswith(", val")}
    assert {
        "information plane, val",
        "predictions, val",
        "predictions inside classes, val",
    } <= categories


def test_further_rulers_have_tags_of_their_own() -> None:
    """The first is plain, each further one carries its slug after the quantity."""
    several = InformationPlaneMonitor("net.1", bins=[30, Uniform(3, -1, 1), {"net.*": 2}])
    single = InformationPlaneMonitor("net.1", bins=Uniform(3, -1, 1))
    fit([several], max_epochs=1)
    fit([single], max_epochs=1)
    values = _values(several)
    assert (
        values["information_plane/val/I_XT_uniform3/net.1"]
        == _values(single)["information_plane/val/I_XT/net.1"]
    )
    assert (
        values["information_plane/val/I_TY_chance_uniform3/net.1"]
        == _values(single)["information_plane/val/I_TY_chance/net.1"]
    )
    assert (
        values["information_plane/val/I_XT/net.1"]
        > values["information_plane/val/I_XT_uniform3/net.1"]
    )
    assert (
        values["information_plane/val/I_XT_uniform3/net.1"]
        > values["information_plane/val/I_XT_uniform2/net.1"]
    )
    assert several.settings["val"]["layers"][0]["tag_of_ruler"] == ["", "uniform3", "uniform2"]


class Noisy(nn.Module):
    """Flips the sign of each unit with probability 1/4, in eval mode too."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.where(torch.rand_like(x) < 0.25, -1.0, 1.0)


class SignNet(Classifier):
    """Two units of sign, then noise: H(T|X) is 2 h(1/4) bits."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 3))
        self.noise = Noisy()

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(self.noise(x[:, :2].sign()))


def _known(plane: Any, set_: str, layer: str) -> str:
    said = {one["tag"]: one["H_T_given_X"][0] for one in plane.settings[set_]["layers"]}
    return str(said[layer])


def test_noise_on_repeated_inputs_is_measured_and_taken_off() -> None:
    """Four inputs 2000 times each: H(T|X) = 2 h(1/4) = 1.6226 bits is not information on X."""
    patterns = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    x = torch.cat([patterns, torch.zeros(4, 6)], 1).repeat(2000, 1)
    y = torch.arange(4).repeat(2000) % 3
    plane = InformationPlaneMonitor(["noise"], data=(x, y), bins=Uniform(2, -1, 1))
    fit([plane], SignNet, max_epochs=1)
    assert _known(plane, "data", "noise") == "measured"
    # I(X;T) = 2 (1 - h(1/4)) = 0.3774 bits, by Cover & Thomas (2006), section 7.1.4.
    assert last(plane, "information_plane/data/I_XT/noise") == pytest.approx(0.3774, abs=0.03)


def test_noise_on_distinct_inputs_is_said_to_be_assumed() -> None:
    plane = InformationPlaneMonitor(["noise", "net"], data=samples(100))
    fit([plane], SignNet, max_epochs=1)
    assert "assumed" in _known(plane, "data", "noise")
    assert "two passes differ" in _known(plane, "data", "noise")


def test_a_deterministic_network_is_said_to_be_one() -> None:
    plane = InformationPlaneMonitor(data=samples(100))
    fit([plane], max_epochs=1)
    assert _known(plane, "data", "net.1") == "0, deterministic"


def test_listening_does_not_claim_what_one_pass_cannot_tell() -> None:
    """Nothing is passed twice, so that a layer is only taken to be deterministic."""
    plane = InformationPlaneMonitor(["noise"])
    fit([plane], SignNet, max_epochs=1)
    assert _known(plane, "val", "noise") == "assumed 0: one pass over distinct inputs cannot tell"
    x, y = VAL
    twice = DataLoader(TensorDataset(x.repeat(2, 1), y.repeat(2)), 30)
    plane = InformationPlaneMonitor()
    fit([plane], val=twice, max_epochs=1)
    assert _known(plane, "val", "net.1") == "0, deterministic"


def test_a_probe_of_all_there_is_has_nothing_to_correct() -> None:
    plane = InformationPlaneMonitor(data=samples(100), exhaustive=True)
    fit([plane], max_epochs=1)
    assert not [tag for tag in _values(plane) if "corrected" in tag]


# The state.


@pytest.mark.parametrize("data", [None, "train"])
def test_a_resumed_run_continues_the_curve_of_an_uninterrupted_one(
    tmp_path: Any, data: Any
) -> None:
    """No point twice, none missing, and the same rulers and numbers throughout."""

    def monitors() -> list[Any]:
        return [monitor(data=data) for monitor in ALL]

    whole, before, after = monitors(), monitors(), monitors()
    fit(whole, max_epochs=4)
    _, first = fit(before, max_epochs=2)
    first.save_checkpoint(tmp_path / "two.ckpt")
    fit(after, max_epochs=4, ckpt_path=str(tmp_path / "two.ckpt"))
    for uninterrupted, resumed in zip(whole, after, strict=True):
        left, right = (
            [(r.tag, r.bits, r.step, r.epoch, r.n_samples) for r in m.history]
            for m in (uninterrupted, resumed)
        )
        left, right = ([row for row in rows if "overhead" not in row[0]] for rows in (left, right))
        np.testing.assert_equal(right, left)
    assert after[2].settings == before[2].settings


def test_a_checkpoint_loads_with_weights_only(tmp_path: Any) -> None:
    """Plain Python and tensors: the user's own resume must not fail because of a monitor."""
    monitors = [
        monitor(data=data, name=name)
        for monitor in ALL
        for data, name in ((None, None), ("train", "b"))
    ]
    _, running = fit(monitors)
    running.save_checkpoint(tmp_path / "last.ckpt")
    loaded = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert {
        "it_callbacks.InformationPlaneMonitor.val",
        "it_callbacks.InformationPlaneMonitor.b",
    } <= set(loaded["callbacks"])


def test_a_resume_with_other_bins_says_so_and_calibrates_anew(tmp_path: Any) -> None:
    _, first = fit([InformationPlaneMonitor("net.4")], max_epochs=1)
    first.save_checkpoint(tmp_path / "one.ckpt")
    finer = InformationPlaneMonitor("net.4", bins=60)
    with pytest.warns(UserWarning, match=r"bins=60.*bins=30.*calibrated anew"):
        fit([finer], max_epochs=2, ckpt_path=str(tmp_path / "one.ckpt"))
    assert [epoch for epoch, _ in when(finer)] == [1, 2]


@pytest.mark.parametrize("state", [{}, {"schema": 99}, {"schema": 1}, {"history": [1]}])
@pytest.mark.parametrize("monitor", ALL)
def test_a_state_that_is_not_ours_costs_the_history_not_the_run(
    monitor: type[Any], state: dict[str, Any]
) -> None:
    loaded = monitor()
    with pytest.warns(UserWarning, match="stored history cannot be read"):
        loaded.load_state_dict(state)
    assert loaded.history == []


@pytest.mark.parametrize("monitor", ALL)
def test_two_of_a_kind_live_together_by_name(monitor: type[Any]) -> None:
    one, two = monitor(name="a"), monitor(name="b")
    fit([one, two], max_epochs=1)
    assert {r.set for r in one.history} == {"a"}
    assert {r.set for r in two.history} == {"b"}
    assert len({one.state_key, two.state_key}) == 2


@pytest.mark.parametrize("pair", [(None, None), ("train", "train"), (None, "val")])
@pytest.mark.parametrize("monitor", ALL)
def test_two_of_a_kind_with_one_set_of_tags_are_refused(monitor: type[Any], pair: Any) -> None:
    """Also where one listens to what the other probes: both would log under `val`."""
    with pytest.raises(ValueError, match=r"name: 2 monitors .* name= of its own"):
        fit([monitor(data=data) for data in pair])


def test_a_new_training_starts_a_new_history() -> None:
    """A second Trainer, even where the first one's memory is given to it."""
    plane = InformationPlaneMonitor()
    for n_epochs in (3, 2, 1):
        fit([plane], max_epochs=n_epochs)
        assert when(plane) == [(epoch, 5 * epoch) for epoch in range(1, n_epochs + 1)]
    assert plane.settings.keys() == {"val"}


def test_training_on_with_one_trainer_continues_the_history() -> None:
    plane = InformationPlaneMonitor()
    model, running = fit([plane], max_epochs=1)
    running.fit_loop.max_epochs = 3
    running.fit(model, loader(), loader(105, seed=1))
    assert when(plane) == [(1, 5), (2, 10), (3, 15)]


# Compiled models.


def _compiled_wrapper(model: Classifier) -> Any:
    return torch.compile(model, backend="eager")


def _compiled_in_place(model: Classifier) -> Any:
    model.net.compile(backend="eager")
    return model


@pytest.mark.parametrize("compiled", [_compiled_wrapper, _compiled_in_place])
def test_listening_to_a_compiled_model_is_refused_with_a_hint(
    compiled: Callable[[Any], Any],
) -> None:
    model = Classifier()
    running = trainer([InformationPlaneMonitor()])
    with pytest.raises(RuntimeError, match=r"data: .*compiled.*pass data='val'"):
        running.fit(compiled(model), loader(), loader(105, seed=1))
    assert running.global_step == 0


# Faults.


class Diverges(Classifier):
    """From its second epoch on, a layer gives NaN in validation; training goes on."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        x = batch[0]
        if self.trainer.current_epoch >= 1:
            spoilt = torch.arange(len(x)) <= self.trainer.current_epoch
            x = torch.where(spoilt[:, None], torch.nan, x)
        self(x)


def test_nan_costs_the_point_with_one_warning_that_names_the_layer() -> None:
    plane = InformationPlaneMonitor()
    with pytest.warns(UserWarning, match="point of set .val. is left out") as warned:
        _, running = fit([plane], Diverges, max_epochs=4)
    ours = [str(one.message) for one in warned if "left out" in str(one.message)]
    assert len(ours) == 1
    assert "layer 'net.1'" in ours[0]
    assert "NaN" in ours[0]
    assert when(plane) == [(1, 5)]
    assert running.global_step == 20


def test_nan_ends_training_if_asked_to() -> None:
    with pytest.raises(ValueError, match=r"layer 'net\.1'.*NaN"):
        fit([InformationPlaneMonitor(on_error="raise")], Diverges, max_epochs=4)


def test_nan_predictions_cost_the_point_only() -> None:
    monitor = PredictionEntropyMonitor()
    with pytest.warns(UserWarning, match="PredictionEntropyMonitor: this point.*is left out.*NaN"):
        fit([monitor], Diverges, max_epochs=3)
    assert when(monitor) == [(1, 5)]


class OneBadEpoch(Dataset[Any]):
    """Never iterated: stands for a data set that cannot be read."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        raise OSError("the disk is gone")


def test_a_probe_that_cannot_be_read_raises_before_training() -> None:
    model = Classifier()
    with pytest.raises(OSError, match="the disk is gone"):
        fit([InformationPlaneMonitor(data=OneBadEpoch())], model)
    assert model.trainer.global_step == 0


def test_a_logger_that_fails_costs_a_warning_and_no_number() -> None:
    """A full disk, say: the history has the point all the same."""

    class Full(MemoryLogger):
        @override
        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            if any(name.startswith("I_XT") for name in metrics):
                raise OSError(28, "No space left on device")

    plane = InformationPlaneMonitor()
    with pytest.warns(UserWarning, match="No space left on device"):
        fit([plane], logger=Full())
    assert when(plane) == [(1, 5), (2, 10)]


# Figures.


def _written_in(figure: Any) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


def test_the_figure_of_a_plane_shows_its_points() -> None:
    """A trajectory for each layer, on a panel for each set."""
    plane = InformationPlaneMonitor()
    fit([plane], val=[loader(105, seed=1), loader(50, seed=2)], max_epochs=3)
    figure = plane.figure()
    assert isinstance(figure, plotly.graph_objects.Figure)
    drawn = {
        (trace.xaxis, trace.name): (list(trace.x), list(trace.y))
        for trace in figure.data
        if len(trace.x) == 3 and trace.name in layer_names(plane)
    }
    assert len(drawn) == 6
    for axis, set_ in (("x", "val"), ("x2", "val_1")):
        for layer in layer_names(plane):
            across, up = drawn[axis, layer]
            assert across == pytest.approx(
                curve(plane, f"information_plane/{set_}/I_XT/{layer}"), abs=1e-6
            )
            assert up == pytest.approx(
                curve(plane, f"information_plane/{set_}/I_TY/{layer}"), abs=1e-6
            )
    h_y = plane.settings["val"]["H_Y"]
    assert f"H(Y) = {h_y:.2f}" in _written_in(figure)
    assert {"this run · val", "this run · val_1"} <= set(_written_in(figure))
    assert len(figure.frames) == 3


def test_the_figure_of_a_plane_is_drawn_in_the_view_and_at_the_resolution_asked_for() -> None:
    plane = InformationPlaneMonitor(bins=[30, 3])
    fit([plane], max_epochs=2)
    coarse = plane.figure(view="adjusted", resolution=1)
    layer = layer_names(plane)[0]
    (slug,) = {tag for tag in plane.settings["val"]["layers"][0]["tag_of_ruler"] if tag}
    (up,) = (list(trace.y) for trace in coarse.data if trace.name == layer and len(trace.x) == 2)
    assert up == pytest.approx(curve(plane, f"I_TY_adjusted_{slug}/val/{layer}"), abs=1e-6)
    with pytest.raises(ValueError, match=r"view: need one of .* did you mean 'linear'"):
        plane.figure(view="lineal")


def test_the_figure_of_prediction_entropies_names_what_it_lacks() -> None:
    """I(X;Ŷ) is one area: how much of it is told of the labels another monitor knows."""
    monitor = PredictionEntropyMonitor()
    fit([monitor], max_epochs=3)
    figure = monitor.figure()
    areas = [trace for trace in figure.data if trace.stackgroup is not None]
    assert [list(area.x) for area in areas] == [[1, 2, 3]] * 2
    total = np.sum([area.y for area in areas], axis=0)
    assert total == pytest.approx(curve(monitor, "prediction_entropy/val/marginal"), abs=1e-5)
    assert any("ConditionalEntropyMonitor" in text for text in _written_in(figure))


def test_the_figure_of_class_entropies_is_a_heat_map() -> None:
    monitor = ConditionalEntropyMonitor(class_names=["cat", "<b>dog</b>", "cow"])
    fit([monitor], max_epochs=3)
    (heat,) = monitor.figure().data
    assert list(heat.x) == [1, 2, 3]
    for number, row in enumerate(heat.z):
        values = curve(monitor, f"conditional_entropy/val/class_{number}")
        assert list(row) == pytest.approx(values, abs=1e-6)
    assert list(monitor.figure().layout.yaxis.ticktext)[1] == "&lt;b&gt;dog&lt;/b&gt;"


@pytest.mark.parametrize("kind", ALL)
def test_the_figure_before_the_first_point_says_that_there_is_none(kind: type[Any]) -> None:
    figure = kind(name="mine").figure()
    assert any("logged of this set" in text for text in _written_in(figure))
    assert "this run · mine" in _written_in(figure)


def test_monitors_load_plotly_when_they_draw_and_not_before() -> None:
    """It takes long, and a run on a cluster never needs it."""
    script = (
        "import sys; from it_callbacks import InformationPlaneMonitor; "
        "plane = InformationPlaneMonitor(images=5); before = 'plotly' in sys.modules; "
        "plane.figure(); print(before, 'plotly' in sys.modules)"
    )
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("images", [0, -1, True, 2.0, "5"])
def test_images_need_a_whole_number_of_epochs(images: Any) -> None:
    with pytest.raises(ValueError, match=r"images: need a whole number of epochs >= 1, got "):
        InformationPlaneMonitor(images=images)


def test_images_without_matplotlib_name_the_extra_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after an epoch of training."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name)
    )
    with pytest.raises(ImportError, match=r"pip install 'it_callbacks\[plot\]'"):
        InformationPlaneMonitor(images=1)
    InformationPlaneMonitor()
