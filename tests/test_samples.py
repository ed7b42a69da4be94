"""Which samples the monitors take in: kinds of batches, labels, sets of a loop, random subsets."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
)
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)

from .toys import (
    BATCHES,
    VAL,
    AnyBatch,
    Classifier,
    Lenient,
    all_three,
    collated,
    curve,
    fit,
    loader,
    samples,
    trainer,
    values,
)
from .warned import warned

# Kinds of batches.


@cache
def measured_in(kind: str, data: Any) -> tuple[list[dict[str, float]], int]:
    """What the three monitors measure of `VAL` in batches of a kind, and of how many samples."""
    monitors = all_three(data)
    batches = DataLoader(TensorDataset(*VAL), 25, collate_fn=collated(kind))
    fit(monitors, AnyBatch, val=batches, max_epochs=1)
    return [values(monitor) for monitor in monitors], monitors[0].history[0].n_samples


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize("kind", BATCHES)
def test_every_kind_of_batch_gives_the_same_numbers(kind: str, data: Any) -> None:
    """Labels and inputs are found without arguments, in a short last batch too."""
    found, n_samples = measured_in(kind, data)
    np.testing.assert_equal(found, measured_in("tuple", data)[0])
    assert n_samples == 105


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
        np.testing.assert_equal(values(plane), values(plain))


def test_ignored_labels_are_left_out_and_counted() -> None:
    """Samples with label -100 take part in nothing."""
    x, y = VAL
    kept = torch.arange(105) % 5 != 0

    def run(val: TensorDataset) -> list[Any]:
        monitors = all_three("val")
        monitors[2] = InformationPlaneMonitor(data="val", wide=None)  # of other samples, by rank
        fit(monitors, Lenient, val=DataLoader(val, 105), max_epochs=1)
        return monitors

    ignoring = run(TensorDataset(x, torch.where(kept, y, -100)))
    without = run(TensorDataset(x[kept], y[kept]))
    for got, expected in zip(ignoring, without, strict=True):
        # Another number of rows in a batch may move a float by its last digit.
        assert values(got) == pytest.approx(values(expected), abs=1e-5, nan_ok=True)
        assert got.history[0].n_samples == int(kept.sum())
        assert got.settings["val"]["n_unlabelled"] == 21


def test_a_step_that_edits_its_batch_in_place_does_not_change_the_numbers() -> None:
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
        monitors = all_three()
        fit(monitors, model, max_epochs=1)
        return monitors

    for got, expected in zip(run(Edits), run(Twice), strict=True):
        np.testing.assert_equal(values(got), values(expected))


# Several sets in one loop.


def test_further_validation_loaders_are_sets_of_their_own() -> None:
    monitors = all_three()
    fit(monitors, val=[loader(105, seed=1), loader(60, seed=3)])
    for monitor in monitors:
        assert {r.set: r.n_samples for r in monitor.history} == {"val": 105, "val_1": 60}


@pytest.mark.parametrize("bad", [0, 1])
def test_a_set_that_cannot_be_measured_costs_no_other_set_its_point(bad: int) -> None:
    """Of two validation loaders one holds ignored labels only, in the second epoch."""
    x, y = samples(50, seed=1)
    losing = y.clone()
    loaders = [loader(60, seed=3), loader(60, seed=3)]
    loaders[bad] = DataLoader(TensorDataset(x, losing), 25)

    class Loses(pl.Callback):
        @override
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            losing.copy_(y if trainer.current_epoch != 1 else torch.full_like(y, -100))

    plane = InformationPlaneMonitor()
    with warned() as given:
        fit([Loses(), plane], Lenient, val=loaders, max_epochs=3)
    whole, torn = ("val_1", "val")[:: 1 if bad == 0 else -1]
    assert [one.set for one in given.of("skipped")] == [torn]
    epochs = {
        set_: [r.epoch for r in plane.history if r.tag == f"information_plane/{set_}/I_XT/net.1"]
        for set_ in ("val", "val_1")
    }
    assert epochs == {whole: [1, 2, 3], torn: [1, 3]}
    looks = plane._instrument._memory.looks
    n_looks = {set_: len(looks[set_, "net.1", ""]) for set_ in (whole, torn)}
    assert n_looks == {whole: 3, torn: 2}
    assert all(each.is_paired for each in looks.values())


# Random subsets.


def test_max_samples_takes_a_random_subset_and_never_the_first_rows() -> None:
    """The set is ordered by class, so that its first rows would know one class only."""
    x, y = samples(120, seed=4)
    order = y.argsort()
    ordered = DataLoader(TensorDataset(x[order], y[order]), 40)
    for data in (None, "val"):
        plane = InformationPlaneMonitor(data=data, max_samples=30)
        predictions = ConditionalEntropyMonitor(data=data, max_samples=30)
        fit([plane, predictions], val=ordered, max_epochs=1)
        assert {r.n_samples for r in plane.history + predictions.history} == {30}
        assert plane.settings["val"]["classes"] == [0, 1, 2]
        assert "conditional_entropy/val/class_2" in values(predictions)


def test_the_subset_is_the_same_each_epoch_and_depends_on_the_seed() -> None:
    """Without learning every epoch gives the same number; another seed gives another."""

    def run(seed: int) -> list[float]:
        plane = InformationPlaneMonitor(max_samples=40, seed=seed)
        fit([plane], lambda: Classifier(lr=0.0), train=loader(25), max_epochs=3)
        return curve(plane, "information_plane/val/I_TY/net.1")

    first, again, other = run(0), run(0), run(1)
    assert first == again == [first[0]] * 3
    assert other != first


def test_the_subset_does_not_depend_on_the_batches_that_it_comes_in() -> None:
    """Samples are numbered through the loop, so that batches of 25 and one of all give the same."""
    means = []
    for size in (25, 256):
        monitor = PredictionEntropyMonitor(max_samples=40)
        fit([monitor], lambda: Classifier(lr=0.0), val=loader(105, size, seed=1), max_epochs=1)
        means.append(curve(monitor, "prediction_entropy/val/mean"))
    assert means[0] == pytest.approx(means[1], abs=1e-6)


# Which sample is which.


@pytest.mark.filterwarnings("ignore:.*sampler has shuffling enabled")
@pytest.mark.parametrize(
    ("make", "keeps_order"),
    [
        (lambda data: {"batch_sampler": BatchSampler(RandomSampler(data), 25, False)}, False),
        (lambda data: {"batch_sampler": BatchSampler(SequentialSampler(data), 25, False)}, True),
        (lambda data: {"batch_sampler": [list(range(50)), list(range(50, 100))]}, False),
        (lambda data: {"batch_size": 25, "shuffle": True}, False),
        (lambda data: {"batch_size": 25}, True),
    ],
    ids=["random-batches", "batches", "own-batches", "shuffled", "plain"],
)
def test_a_drop_has_a_standard_error_only_where_samples_keep_their_order(
    make: Any, keeps_order: bool
) -> None:
    """It is paired over samples; a batch sampler of the user's own may do as it likes."""
    data = TensorDataset(*samples(100, seed=1))
    plane = InformationPlaneMonitor("net.1")
    running = trainer([plane], max_epochs=1)
    running.fit(Classifier(), loader(25), DataLoader(data, **make(data)))
    assert plane._instrument._memory.looks["val", "net.1", ""].is_paired is keeps_order
