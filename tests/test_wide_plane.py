"""The plane of any width of a monitor: when it is read, of whom, and what is logged beside it."""

from __future__ import annotations

import copy
import csv
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor
from it_callbacks import InformationPlaneMonitor as Plane
from it_callbacks.estimators import (
    LinearVInformation,
    SlicedInformation,
    UnitInformation,
    WideReading,
)
from it_callbacks.estimators.wide import Rows
from it_callbacks.observation.sampling import ranks_of
from it_callbacks.quantities import OF_WIDE
from it_callbacks.rulers import Calibrated
from it_callbacks.schedules import LogSpaced
from it_callbacks.texts import to_text

from .toys import VAL, Classifier, Side, curve, fit, loader, outputs, raises, trainer, values
from .warned import OF_TINY_SETS, warned

ALL = {"relative_I_XT", "relative_I_XT_se", "relative_I_XT_high", "V_TY", "V_TY_se", "spread"}


def read_at(plane: Plane, set_: str = "val") -> list[float]:
    """The epochs at which a set was read at any width."""
    return curve(plane, f"information_plane/{set_}/wide_epoch")


def at_any_width(plane: Plane, quantity: str, layer: str, set_: str = "val") -> list[float]:
    return curve(plane, f"information_plane/{set_}/{quantity}/{layer}")


def wide_settings(plane: Plane, set_: str = "val") -> dict[str, Any]:
    return dict(plane.settings[set_]["wide"])


# When.


def test_it_is_read_at_log_spaced_epochs_and_at_the_end() -> None:
    plane = Plane()
    fit([plane], max_epochs=9)
    assert read_at(plane) == [1, 2, 3, 4, 7, 9]
    assert len(at_any_width(plane, "I_XT", "net.1")) == 9
    for quantity in (*ALL, "wide_status"):
        assert len(at_any_width(plane, quantity, "net.1")) == 6


def test_of_a_fixed_set_the_untrained_network_is_read_too() -> None:
    plane = Plane(data=VAL)
    fit([plane], max_epochs=5)
    assert read_at(plane, "data") == [0, 1, 2, 3, 4, 5]


class StopsAt(Classifier):
    """Ends its training after some epochs, as early stopping does."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    @override
    def on_train_epoch_end(self) -> None:
        self.trainer.should_stop = self.current_epoch + 1 >= self.epochs


@pytest.mark.parametrize("data", [None, VAL])
def test_a_training_that_ends_early_is_read_at_its_end(tmp_path: Path, data: Any) -> None:
    """From the sketches of its last validation: the same value as if it had been due there."""
    due, early = Plane(data=data, name="a"), Plane(data=data, name="b")
    due.wide  # noqa: B018 # what is compared with
    every = Plane(data=data, name="c", wide=WideReading(schedule=1))
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    fit([early, every], lambda: StopsAt(6), max_epochs=50, logger=logger)
    first = [] if data is None else [0]
    assert read_at(early, "b") == [*first, 1, 2, 3, 4, 6]
    for quantity in ALL:
        last = [at_any_width(m, quantity, "net.3", s)[-1] for m, s in ((early, "b"), (every, "c"))]
        assert last[0] == last[1]
    events = EventAccumulator(str(tmp_path / "run" / "version_0"))
    events.Reload()
    steps = [e.step for e in events.Scalars("information_plane/b/V_TY/net.3")]
    assert steps[-1] == events.Scalars("information_plane/b/I_XT/net.3")[-1].step
    assert len(steps) == len(read_at(early, "b"))


def test_a_rare_schedule_of_the_code_misses_no_reading() -> None:
    """Measured every third epoch: those in which a reading was due since the one before."""
    plane = Plane(schedule=3, wide=WideReading(schedule=[2, 3, 9]))
    fit([plane], lambda: Classifier(lr=0.001), max_epochs=13)
    assert read_at(plane) == [1, 3, 9, 12]


@pytest.mark.parametrize("schedule", [LogSpaced(5, unit="steps"), 2, [4], lambda epoch: epoch == 3])
def test_every_kind_of_schedule_works(schedule: Any) -> None:
    plane = Plane(wide=WideReading(schedule=schedule))
    fit([plane], max_epochs=5)
    found = read_at(plane)
    assert found[0] == 1
    assert found[-1] == 5
    by_kind = {2: [1, 2, 4, 5], LogSpaced(5, unit="steps"): [1, 2, 4, 5]}  # 5 steps each
    if not callable(schedule) and not isinstance(schedule, list):
        assert found == by_kind[schedule]


def test_a_schedule_that_fails_loses_nothing_else() -> None:
    plane = Plane(wide=WideReading(schedule=raises(ValueError("no luck"))))
    with warned() as given:
        fit([plane], max_epochs=3)
    assert len(given.of("schedule")) == 1
    assert len(at_any_width(plane, "I_XT", "net.1")) == 3
    assert read_at(plane) == [1, 3]  # the first and the last are read whatever it says


def test_a_validation_of_its_own_is_read_and_is_no_second_point() -> None:
    plane = Plane()
    model, running = fit([plane], max_epochs=2)
    before = values(plane)
    with warned() as given:
        running.validate(model, loader(105, seed=1), verbose=False)
    assert given.of("twice") == []
    assert values(plane) == before


def test_without_a_reading_nothing_is_sketched() -> None:
    plane = Plane(wide=None)
    with warned() as given:
        fit([plane])
    assert not OF_WIDE & {record.name for record in plane.history}
    assert "wide" not in plane.settings["val"]
    (saturated,) = given.of("saturated")
    assert "pass wide=WideReading()" in saturated.text


@pytest.mark.parametrize("wide", ["yes", 3, True, LinearVInformation()])
def test_what_is_no_reading_is_refused(wide: Any) -> None:
    with pytest.raises(TypeError, match=r"wide: need estimators.WideReading\(...\) or None"):
        Plane(wide=wide)


# Of whom, and what.


def test_values_are_those_of_the_samples_of_lowest_rank() -> None:
    """Collected by hooks of the test's own, and read by the public value's own functions."""
    n, size = 300, 64
    val = loader(n, 32, seed=5)
    plane = Plane(wide=WideReading(n_samples=size), seed=3)
    model, _ = fit([plane], val=val, max_epochs=1)
    _, y = val.dataset.tensors  # type: ignore[attr-defined] # a TensorDataset
    chosen = np.argsort(ranks_of(np.arange(n), 3))[:size]
    (out,) = outputs(model, ["net.3"], [batch for batch, _ in val])
    rows = Rows.of(out[torch.from_numpy(chosen)].numpy(), y.numpy()[chosen])
    expected = WideReading(n_samples=size).read(rows, rows).values
    found = {name: at_any_width(plane, name, "net.3")[-1] for name in ALL}
    assert found == pytest.approx({name: expected[name] for name in ALL}, abs=1e-5)
    assert wide_settings(plane)["n_samples"] == size
    assert {r.n_samples for r in plane.history if r.quantity == "V_TY"} == {size}
    share = np.bincount(y.numpy()[chosen]) / size
    assert wide_settings(plane)["H_Y"] == pytest.approx(-(share * np.log2(share)).sum())


def test_every_layer_narrow_or_wide_is_in_it() -> None:
    class Mixed(Classifier):
        def __init__(self) -> None:
            super().__init__(
                nn.Sequential(
                    nn.Unflatten(1, (2, 2, 2)),
                    nn.Conv2d(2, 40, 2, padding=1),
                    nn.ReLU(),
                    nn.Flatten(),
                    nn.Linear(360, 2),
                    nn.Tanh(),
                    nn.Linear(2, 3),
                )
            )

    plane = Plane()
    fit([plane], Mixed)
    layers = wide_settings(plane)["layers"]
    assert {tag: about["numbers"] for tag, about in layers.items()} == {
        "net.2": 127,
        "net.5": 2,
        "net.6": 3,
    }
    for layer in layers:
        assert 0 < at_any_width(plane, "relative_I_XT", layer)[-1] < 8.1


def test_the_size_of_a_batch_changes_nothing() -> None:
    of_sizes = []
    for size in (7, 25, 105):
        plane = Plane(name="a")
        fit([plane], val=loader(105, size, seed=1), max_epochs=1)
        of_sizes.append({t: v for t, v in values(plane).items() if "V_TY" in t or "relative" in t})
    assert of_sizes[0] == pytest.approx(of_sizes[1], abs=1e-5)
    assert of_sizes[0] == pytest.approx(of_sizes[2], abs=1e-5)


def test_rows_that_are_not_finite_are_left_out_and_a_layer_of_them_has_no_value() -> None:
    class Ill(Classifier):
        def __init__(self, one_in: int) -> None:
            super().__init__()
            self.side = Side(one_in)
            self.side.ill = True

        @override
        def forward(self, x: Tensor) -> Any:
            self.side(x)
            return super().forward(x)

    some, all_ = Plane(["side"], name="some"), Plane(["side", "net.1"], name="all")
    with warned():
        fit([some], lambda: Ill(5), max_epochs=1)
        fit([all_], lambda: Ill(1), max_epochs=1)
    assert 1.5 < at_any_width(some, "relative_I_XT", "side", "some")[0] < 3.2
    assert at_any_width(all_, "relative_I_XT", "side", "all") == []
    assert "not read: 0 of 105 rows" in wide_settings(all_, "all")["layers"]["side"]["caution"]
    assert at_any_width(all_, "wide_status", "side", "all") == [1.0]
    assert at_any_width(all_, "wide_status", "net.1", "all") == [0.0]


def test_without_labels_there_is_no_information_about_them() -> None:
    class Plain(Classifier):
        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            logits = self(batch[0])
            return logits.square().mean(), logits

    x = torch.randn(60, 8)
    plane = Plane(data=TensorDataset(x))
    with warned() as given:
        loaders = DataLoader(TensorDataset(x), 20)
        fit([plane], Plain, train=loaders, val=loaders)
    assert set(given.causes) - OF_TINY_SETS == {"labels"}
    names = {r.quantity for r in plane.history if r.name in OF_WIDE and r.layer == "net.1"}
    assert names == {
        *("relative_I_XT", "relative_I_XT_se", "relative_I_XT_high", "spread", "wide_status")
    }
    assert wide_settings(plane, "data")["H_Y"] is None


def many_classes(n: int, n_classes: int) -> tuple[Tensor, Tensor]:
    labels = torch.arange(n) % n_classes
    return torch.eye(n_classes)[labels] * 8 + torch.randn(n, n_classes), labels


@pytest.mark.parametrize("sanity", [0, 2])
def test_of_more_than_50_classes_the_label_is_read_among_50(sanity: int) -> None:
    """120 separated classes, each as often: all log2 50 bits of 50 of them, but no sliced value."""
    x, y = many_classes(4000, 120)

    class Wide(Classifier):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Linear(120, 200), nn.Tanh(), nn.Linear(200, 120)))

    plane = Plane(["net.1"])
    val = DataLoader(TensorDataset(x, y), 100)
    with warned():
        fit([plane], Wide, train=val, val=val, max_epochs=2, num_sanity_val_steps=sanity)
    found = wide_settings(plane)
    assert (found["among"], found["n_classes"], found["n_samples_of_labels"]) == (50, 120, 1024)
    # The first batch has classes 0 to 99 once each: the first 50 of them.
    assert found["classes"] == list(range(50))
    assert found["H_Y"] == pytest.approx(math.log2(50), abs=0.05)
    for bits in at_any_width(plane, "V_TY", "net.1"):
        assert bits == pytest.approx(math.log2(50), abs=0.1)
    assert at_any_width(plane, "sliced_I_TY", "net.1") == []


def test_a_vocabulary_is_no_reason_to_measure_nothing() -> None:
    labels = torch.arange(3000)
    plane = Plane(data=(torch.randn(3000, 8), labels))
    with warned() as given:
        fit([plane], max_epochs=1)
    assert "skipped" not in given.causes
    assert wide_settings(plane, "data")["n_classes"] == 3000
    assert math.isnan(at_any_width(plane, "V_TY", "net.1", "data")[-1])
    assert "no V(T→Y)" in wide_settings(plane, "data")["layers"]["net.1"]["caution"]


class Tagger(pl.LightningModule):
    """One layer of units for each of 16 positions, which shows which row it is of, never trained.

    Labels of a row's positions are alike, and have nothing to do with what the layer shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(500, 20), nn.Linear(20, 2)
        nn.init.normal_(self.embed.weight, std=3.0)

    @override
    def forward(self, ids: Tensor) -> Tensor:
        row = self.embed(ids[:, :1].expand_as(ids))
        out: Tensor = self.head(row + torch.randn(row.shape, generator=torch.Generator()))
        return out

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        out = self(batch[0])
        return out.mean() * 0

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self(batch[0])

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def test_positions_of_a_row_never_lie_in_several_folds() -> None:
    """64 rows of 16 positions without information: naively over half a bit would be read."""
    for seed in range(3):
        torch.manual_seed(seed)
        ids = torch.arange(64)[:, None].repeat(1, 16)
        labels = torch.randint(0, 2, (64, 1)).repeat(1, 16)
        val = DataLoader(TensorDataset(ids, labels), 16)
        plane = Plane(["embed", "head"], samples="positions")
        with warned():
            running = trainer([plane], max_epochs=1)
            running.fit(Tagger(), val, val)
        assert wide_settings(plane)["n_samples"] == 1024
        for layer in ("embed", "head"):
            bits, se = (at_any_width(plane, name, layer)[-1] for name in ("V_TY", "V_TY_se"))
            assert abs(bits) < 3 * se + 0.01


def test_rows_with_equal_inputs_are_counted_as_one_by_the_reader() -> None:
    """60 inputs five times each with labels dealt at random: a reader could remember them."""
    x = torch.randn(60, 8).repeat(5, 1)
    y = torch.randint(0, 2, (60,)).repeat(5)

    class Wide(Classifier):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Linear(8, 60), nn.Tanh(), nn.Linear(60, 2)), lr=0.0)

    plane = Plane(["net.1"], data=(x, y))
    with warned():
        loaders = DataLoader(TensorDataset(x, y), 50)
        fit([plane], Wide, train=loaders, val=loaders, max_epochs=1)
    for bits, se in zip(
        at_any_width(plane, "V_TY", "net.1", "data"),
        at_any_width(plane, "V_TY_se", "net.1", "data"),
        strict=True,
    ):
        assert bits < 3 * se + 0.01


def test_longer_padding_changes_nothing() -> None:
    lengths = torch.randint(3, 9, (80,), generator=torch.Generator().manual_seed(0))
    of_lengths = []
    for most in (9, 30):
        ids = torch.zeros(80, most, dtype=torch.long)
        for row, length in enumerate(lengths):
            ids[row, :length] = 1 + (row + torch.arange(int(length))) % 40
        mask = torch.arange(most) < lengths[:, None]
        plane = Plane(["embed"], inputs="input_ids")
        val = DataLoader(Padded(ids, mask), 16)
        with warned():
            torch.manual_seed(0)
            trainer([plane], max_epochs=1).fit(Encoder(), val, val)
        of_lengths.append({name: at_any_width(plane, name, "embed") for name in ALL})
    assert of_lengths[0] == of_lengths[1]


class Padded(torch.utils.data.Dataset[Any]):
    def __init__(self, ids: Tensor, mask: Tensor) -> None:
        self.ids, self.mask = ids, mask

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        ids, mask = self.ids[row], self.mask[row]
        return {"input_ids": ids, "attention_mask": mask, "labels": (ids[0] > 20).long()}


class Encoder(Tagger):
    @override
    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.head(self.embed(ids).mean(1))
        return out

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self(batch["input_ids"]).mean() * 0

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self(batch["input_ids"])


def test_layers_behind_a_batch_norm_that_has_seen_nothing_are_read_at_once() -> None:
    """There is nothing to calibrate."""
    plane = Plane(["net.3"], data=VAL)
    normed = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    with warned():
        fit([plane], lambda: Classifier(normed), max_epochs=1)
    assert read_at(plane, "data") == [0, 1]
    assert [r.epoch for r in plane.history if r.quantity == "I_XT"] == [1]


# Beside it.


def test_a_value_that_is_not_due_keeps_its_last_one_for_callbacks() -> None:
    seen = []

    class Looks(pl.Callback):
        @override
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            seen.append(dict(trainer.callback_metrics).get("information_plane/val/V_TY/net.1"))

    plane = Plane(wide=WideReading(schedule=4))
    stopping = EarlyStopping("information_plane/val/V_TY/net.1", patience=100, mode="max")
    with warned() as given:
        fit([plane, Looks(), stopping], max_epochs=6)
    (warning,) = given.of("patience")
    assert "EarlyStopping watches information_plane/val/V_TY/net.1" in warning.text
    known = [round(float(bits), 6) for bits in seen[1:] if bits is not None]
    first, later = at_any_width(plane, "V_TY", "net.1")[:2]
    assert known == [round(first, 6)] * 3 + [round(later, 6)] * 2


def test_whoever_waits_for_a_quantity_of_every_point_is_not_warned() -> None:
    with warned() as given:
        every = EarlyStopping("information_plane/val/V_TY/net.1", patience=100)
        fit([Plane(wide=WideReading(schedule=1)), every], max_epochs=3)
        other = EarlyStopping("information_plane/val/I_TY/net.1", patience=100)
        fit([Plane(wide=WideReading(schedule=4)), other], max_epochs=3)
    assert not given.of("patience")


def test_a_resumed_run_reads_on_when_it_is_due(tmp_path: Path) -> None:
    path = tmp_path / "three.ckpt"
    before = Plane()
    _, running = fit([before], max_epochs=5)
    running.save_checkpoint(path)
    after = Plane()
    fit([after], max_epochs=9, ckpt_path=str(path))
    assert read_at(after) == [1, 2, 3, 4, 5, 7, 9]


def test_another_reading_after_a_resume_is_said(tmp_path: Path) -> None:
    path = tmp_path / "one.ckpt"
    _, running = fit([Plane()], max_epochs=1)
    running.save_checkpoint(path)
    with warned() as given:
        fit([Plane(wide=WideReading(noise=0.2))], max_epochs=2, ckpt_path=str(path))
    (warning,) = given.of("other wide")
    assert "not comparable" in warning.text


def test_a_used_monitor_can_be_copied_and_pickled() -> None:
    plane = Plane()
    fit([plane], max_epochs=2)
    for again in (copy.deepcopy(plane), pickle.loads(pickle.dumps(plane))):
        assert again.wide == WideReading()
        fit([again], max_epochs=2)
        assert read_at(again) == [1, 2]


def test_the_limit_of_samples_is_one_of_the_reading_too() -> None:
    plane = Plane(max_samples=40)
    fit([plane])
    assert wide_settings(plane)["n_samples"] == 40


def test_slices_are_read_on_all_samples_without_the_reading_too() -> None:
    for wide in (None, WideReading(n_samples=32)):
        plane = Plane(wide=wide, extra=[SlicedInformation(every=1)])
        val = loader(105, 16, seed=1)
        fit([plane], val=val, max_epochs=1)
        found = [r for r in plane.history if r.quantity == "all_sliced_I_TY" and r.layer == "net.1"]
        assert [record.n_samples for record in found] == [105]


def test_one_line_for_all_layers_that_are_too_wide() -> None:
    with warned() as given:
        fit([InformationPlaneMonitor()])
    (line,) = given.of("saturated")
    assert line.layer == ""
    assert "read them at any width" in line.text


def test_what_an_estimator_says_of_layers_is_in_the_settings() -> None:
    """Settings of a run, as TensorBoard shows them."""
    plane = Plane(extra=[UnitInformation(every=1)])
    fit([plane], max_epochs=1)
    about = plane.settings["val"]["about_layers"]["UnitInformation"]
    assert set(about) == {"net.1", "net.3", "net.4"}
    assert all("p = " in words for words in about.values())
    text = to_text(plane.settings["val"])
    assert "what they say of layers" in text
    assert "sliced I(T;Y) is low by 10 to 40 %: 105 samples of 3 classes" in text


class Interrupted(Classifier):
    """Its user ends the training in the sixth epoch."""

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.current_epoch == 5 and batch_idx == 2:
            raise KeyboardInterrupt
        return super().training_step(batch, batch_idx)


def test_a_training_that_its_user_interrupts_is_read_at_its_end() -> None:
    plane = Plane()
    with pytest.raises(SystemExit):
        fit([plane], Interrupted, max_epochs=50)
    assert read_at(plane) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("data", [None, VAL])
def test_an_early_end_is_read_where_all_layers_wait_for_their_ruler(data: Any) -> None:
    plane = Plane(data=data, bins=Calibrated(8, at=40), name="set")
    with warned():
        fit([plane], lambda: StopsAt(6), max_epochs=50)
    assert read_at(plane, "set")[-1] == 6
    assert not any(record.quantity == "I_XT" for record in plane.history)


def test_a_schedule_is_no_part_of_the_method(tmp_path: Path) -> None:
    path = tmp_path / "two.ckpt"
    _, running = fit([Plane(wide=WideReading(schedule=lambda epoch: epoch == 2))], max_epochs=2)
    running.save_checkpoint(path)
    after = Plane(wide=WideReading(schedule=lambda epoch: epoch == 3))
    with warned() as given:
        fit([after], max_epochs=4, ckpt_path=str(path))
    assert given.of("other wide") == []
    assert read_at(after) == [1, 2, 3, 4]
    assert "0x" not in wide_settings(after)["schedule"]
    assert "schedule" not in wide_settings(after)["reading"]


def test_slices_of_equal_inputs_take_one_of_each() -> None:
    """100 inputs, eight times each, with labels dealt at random: taken apart, .9 of a bit."""
    x, y = torch.randn(100, 8).repeat(8, 1), torch.randint(0, 3, (100,)).repeat(8)
    plane = Plane("net.1", data=(x, y), extra=[SlicedInformation(every=1)])
    with warned():
        fit([plane], max_epochs=1)
    of_all = [r for r in plane.history if r.quantity == "all_sliced_I_TY"]
    assert {record.n_samples for record in of_all} == {100}
    for quantity in ("sliced_I_TY", "all_sliced_I_TY"):
        for bits in at_any_width(plane, quantity, "net.1", "data"):
            assert abs(bits) < 0.15


def test_a_test_set_of_other_classes_is_read_among_them() -> None:
    x, y = many_classes(3000, 120)

    class Wide(Classifier):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Linear(120, 60), nn.Tanh(), nn.Linear(60, 120)))

    plane = Plane(["net.1"])
    val = DataLoader(TensorDataset(x, y), 100)
    others = DataLoader(TensorDataset(x[y >= 100], y[y >= 100]), 100)
    with warned():
        model, running = fit([plane], Wide, train=val, val=val, max_epochs=1)
        running.test(model, others, verbose=False)
    assert wide_settings(plane, "test")["among"] is None
    assert wide_settings(plane, "test")["n_classes"] == 20
    assert at_any_width(plane, "V_TY", "net.1", "test")[0] > 3.5


def test_a_regression_target_is_read_in_its_bins_from_all_samples() -> None:
    """Eight bins of equal share of a number that the layer shows, in part."""

    class Regression(Classifier):
        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            out = self(batch[0])
            return (out[:, 0] - batch[1]).square().mean(), out

    x = torch.randn(1500, 8, generator=torch.Generator().manual_seed(0))
    data = DataLoader(TensorDataset(x, x[:, 0]), 100)
    plane = Plane(["net.1"])
    with warned():
        fit([plane], Regression, train=data, val=data, max_epochs=2)
    assert wide_settings(plane)["n_samples_of_labels"] == 1024
    assert wide_settings(plane)["among"] is None
    assert wide_settings(plane)["H_Y"] == pytest.approx(3, abs=0.02)
    assert 1 < at_any_width(plane, "V_TY", "net.1")[-1] < 3


def test_a_validation_of_its_own_on_fewer_samples_is_read_on_all_of_them() -> None:
    """What the training's set has shown of its ranks says nothing about another one."""
    plane = Plane()
    with warned():
        model, running = fit([plane], val=loader(8000, 500, seed=1), max_epochs=1)
        running.validate(model, loader(1200, 100, seed=3), verbose=False)
    assert wide_settings(plane)["n_samples"] == 1024


def test_numbers_of_samples_in_tables_are_those_of_the_history(tmp_path: Path) -> None:
    x, y = many_classes(1100, 100)

    class Wide(Classifier):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Linear(100, 60), nn.Tanh(), nn.Linear(60, 100)))

    plane = Plane(["net.1"])
    data = DataLoader(TensorDataset(x, y), 100)
    with warned():
        fit([plane], Wide, train=data, val=data, max_epochs=1)
    plane.to_csv(tmp_path / "plane.csv")
    with (tmp_path / "plane.csv").open(encoding="utf-8") as file:
        of_rows = {row["quantity"]: int(row["n_samples"]) for row in csv.DictReader(file)}
    of_history = {record.quantity: record.n_samples for record in plane.history}
    assert of_rows["V_TY"] == of_history["V_TY"] == 550
    assert of_rows["relative_I_XT"] == of_history["relative_I_XT"] == 1024
