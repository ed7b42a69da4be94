"""A layer that holds NaN at one point costs its own numbers there, and comes back by itself."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor
from it_callbacks.reductions import PCA
from it_callbacks.rulers import Width

from .toys import (
    N_CLASSES,
    N_UNITS,
    VAL,
    Bypassed,
    Classifier,
    FallsIll,
    Side,
    WithSide,
    curve,
    epochs,
    fit,
    layer_names,
    loader,
    outputs,
    rulers,
)
from .warned import Warnings, warned
from .written_logs import read_text

LAYERS = ["net.first", "net.side", "net.last"]


def measured(
    ill: Collection[int],
    data: Any = None,
    *,
    epochs: int = 4,
    wholly: bool = False,
    **options: Any,
) -> tuple[InformationPlaneMonitor, Warnings]:
    """A monitor that has seen the network fall ill, and what it warned of."""
    logger = {"logger": options.pop("logger")} if "logger" in options else {}
    plane = InformationPlaneMonitor(LAYERS, data=data, **options)
    with warned() as given:
        _, running = fit([plane], lambda: FallsIll(ill, wholly=wholly), max_epochs=epochs, **logger)
    assert running.global_step == 5 * epochs
    return plane, given


def values(plane: InformationPlaneMonitor, *, of: str = "", but: str = "\0") -> dict[str, float]:
    """What was measured of some layers, by tag and epoch."""
    return {
        f"{record.tag} {record.epoch}": record.bits
        for record in plane.history
        if of in record.layer and but not in record.layer and record.layer != "overhead"
    }


@pytest.mark.parametrize("data", [None, "train"])
@pytest.mark.parametrize("reduce", ["auto", PCA(2)], ids=repr)
def test_a_layer_of_nan_costs_its_own_numbers_only_and_comes_back(data: Any, reduce: Any) -> None:
    """All others, the epoch and the overhead are as in a run in which it was well."""
    plane, given = measured([2, 3], data, reduce=reduce)
    well, _ = measured([], data, reduce=reduce)
    due = [0, 1, 2, 3, 4] if data else [1, 2, 3, 4]
    assert epochs(plane) == due
    assert values(plane, but="side") == pytest.approx(values(well, but="side"), nan_ok=True)
    assert {int(key.split()[1]) for key in values(plane, of="side")} == {*due} - {2, 3}
    kept = {k: v for k, v in values(well, of="side").items() if k.split()[1] not in "23"}
    assert values(plane, of="side") == pytest.approx(kept, nan_ok=True)
    assert len(curve(plane, f"information_plane/{data or 'val'}/overhead")) == len(due)
    (warning,) = given.of("unreadable")
    assert warning.layer == "net.side"
    assert re.search(r"2 of \d+ values are NaN", warning.text)


@pytest.mark.parametrize("data", [None, "train"])
def test_all_layers_of_nan_cost_the_point(data: Any) -> None:
    plane, given = measured([2], data, wholly=True)
    assert [epoch for epoch in epochs(plane) if epoch] == [1, 3, 4]
    (warning,) = given.of("skipped")
    assert warning.set == (data or "val")
    assert any(f"layer {layer!r}" in warning.text for layer in LAYERS)
    assert "NaN" in warning.text


@pytest.mark.parametrize("data", [None, "train"])
@pytest.mark.parametrize("wholly", [False, True])
def test_a_layer_of_nan_ends_training_where_asked_to(data: Any, wholly: bool) -> None:
    with pytest.raises(ValueError, match=r"layer 'net\..*': activations: .* are NaN or infinite"):
        measured([2], data, wholly=wholly, on_error="raise")


def test_a_layer_of_nan_at_the_first_point_of_a_fixed_set_can_end_the_run_before_training() -> None:
    class Born(FallsIll):
        @override
        def on_fit_start(self) -> None:
            self.side.ill = True

        @override
        def on_train_start(self) -> None:
            raise RuntimeError("training has begun")

    plane = InformationPlaneMonitor(LAYERS, data="train", on_error="raise")
    with pytest.raises(ValueError, match=r"layer 'net\.side': activations: .* NaN"):
        fit([plane], Born([]))
    assert plane.history == []


def test_a_layer_of_nan_at_the_first_point_is_calibrated_at_the_first_that_can_be_read() -> None:
    """It gives what it would have given; from then on the settings say how it is read."""
    plane, _ = measured([1, 2])
    well, _ = measured([])
    assert layer_names(plane) == LAYERS
    of_well = {k: v for k, v in values(well, of="side").items() if k.split()[1] in "34"}
    assert values(plane, of="side") == pytest.approx(of_well, nan_ok=True)
    assert plane.settings["val"]["layers"] == well.settings["val"]["layers"]
    assert plane.settings["val"]["faults"] == {}


def test_settings_are_written_again_where_at_the_first_point_no_layer_could_be_read(
    tmp_path: Path,
) -> None:
    plane = InformationPlaneMonitor("net.side", bins=Width(0.5))
    logger = TensorBoardLogger(tmp_path)
    with warned() as given:
        fit([plane], lambda: Classifier(Bypassed()), max_epochs=3, logger=logger)
    (warning,) = given.of("missed")
    assert warning.layer == "net.side"
    assert "100 of 105" in warning.text
    events = EventAccumulator(logger.log_dir).Reload()
    last = events.Tensors("information_plane/val/settings/text_summary")[-1]
    settings = read_text(last.tensor_proto.string_val[0].decode())
    assert [layer["tag"] for layer in settings["layers"]] == ["net.side"]
    assert settings["missed"] == {}


def test_settings_name_a_layer_that_has_not_been_read_yet_and_are_written_again(
    tmp_path: Path,
) -> None:
    """Once more when it is read, and no more after that."""
    logger = TensorBoardLogger(tmp_path)
    measured([1, 3], logger=logger)
    events = EventAccumulator(logger.log_dir).Reload()
    first, again = (
        read_text(event.tensor_proto.string_val[0].decode())
        for event in events.Tensors("information_plane/val/settings/text_summary")
    )
    assert [layer["module"] for layer in first["layers"]] == ["net.first", "net.last"]
    assert re.match("activations: .* are NaN", first["faults"]["net.side"])
    assert [layer["module"] for layer in again["layers"]] == LAYERS
    assert all(layer["rulers"][0].startswith("Width") for layer in again["layers"])


def test_settings_of_a_layer_stay_while_it_is_left_out(tmp_path: Path) -> None:
    """One text for the whole run."""
    logger = TensorBoardLogger(tmp_path)
    plane, _ = measured([2], logger=logger)
    events = EventAccumulator(logger.log_dir).Reload()
    assert len(events.Tensors("information_plane/val/settings/text_summary")) == 1
    assert [layer["module"] for layer in plane.settings["val"]["layers"]] == LAYERS


def test_a_verdict_is_of_the_points_at_which_the_layer_could_be_read() -> None:
    plane, _ = measured([2])
    well, _ = measured([])
    assert set(plane.verdicts["val"]) == set(well.verdicts["val"])
    (side,) = [name for name in plane.verdicts["val"] if "side" in name]
    assert plane.verdicts["val"][side] == well.verdicts["val"][side]


def test_layers_that_share_a_name_in_tags_do_not_swap_it_when_one_is_left_out() -> None:
    """A space and a slash are both written as an underscore."""

    class Twins(nn.Sequential):
        @override
        def forward(self, x: Tensor) -> Tensor:
            ill, well, last = self
            ill(x)
            well(x[:, :1] * 0)
            out: Tensor = last(x)
            return out

    net = Twins()
    net.add_module("a b", Side())
    net.add_module("a/b", nn.Identity())
    net.add_module("last", nn.Linear(N_UNITS, N_CLASSES))
    model = FallsIll([2], net)
    plane = InformationPlaneMonitor(["net.a b", "net.a/b"], bins=Width(0.5))
    with warned():
        fit([plane], model, max_epochs=3)
    ill, well = layer_names(plane)
    assert len(curve(plane, f"information_plane/val/I_XT/{ill}")) == 2
    assert min(curve(plane, f"information_plane/val/I_XT/{ill}")) > 0
    assert curve(plane, f"information_plane/val/I_XT/{well}") == [0.0, 0.0, 0.0]  # it is constant


@pytest.mark.parametrize("n", [1030, 1500])
def test_a_layer_is_calibrated_once_however_many_rows_its_first_pass_has(n: int) -> None:
    """Beyond as many as a calibration takes, the ruler is frozen in the middle of the pass."""
    plane, val = InformationPlaneMonitor(["net.4"]), loader(n, 200, seed=1)
    activations: list[Tensor] = []

    class Grows(Classifier):
        @override
        def on_validation_epoch_end(self) -> None:
            if not self.trainer.sanity_checking:
                activations.extend(outputs(self, ["net.4"], [x for x, _ in val]))
            with torch.no_grad():
                self.net[4].weight.mul_(3.0)

    fit([plane], partial(Grows, lr=0.0), train=loader(25), val=val, max_epochs=3)
    (printed,) = rulers(plane)["net.4"]
    ruler = eval(printed, {"Width": Width})
    for bits, of_epoch in zip(
        curve(plane, "information_plane/val/I_XT/net.4"), activations, strict=True
    ):
        _, counts = np.unique(ruler(of_epoch), axis=0, return_counts=True)
        assert bits == pytest.approx(np.log2(n) - (counts * np.log2(counts)).sum() / n, abs=1e-9)


class IllAtFirst(Side):
    """Its first row of a pass is NaN, and healthy batches follow."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        out = x[:, :2].clone()
        if self.ill and not self.training and len(x) == 25 and x[0, 0] == VAL[0][0, 0]:
            out[0] = float("nan")
        return out


def test_healthy_batches_after_a_fault_do_not_make_a_layer_whole() -> None:
    """Nor is it said to have been called in part only."""
    net = WithSide()
    net.side = IllAtFirst()
    plane = InformationPlaneMonitor(LAYERS, bins=Width(0.5))
    with warned() as given:
        fit([plane], lambda: FallsIll([2], net), max_epochs=2)
    assert given.of("missed") == []
    assert [one.layer for one in given.of("unreadable")] == ["net.side"]
    assert len(curve(plane, "information_plane/val/I_XT/net.side")) == 1
    assert len(curve(plane, "information_plane/val/I_XT/net.last")) == 2


def test_rows_that_disagree_with_labels_are_no_fault_of_the_values() -> None:
    """The point is skipped, since nobody knows which row is whose."""

    class LosesARow(FallsIll):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.net(batch[0][1:] if self.side.ill else batch[0])

    plane = InformationPlaneMonitor(LAYERS)
    with warned() as given:
        fit([plane], lambda: LosesARow([2]), max_epochs=3)
    assert given.of("unreadable") == []
    (warning,) = given.of("skipped")
    assert "25 labels" in warning.text
    assert epochs(plane) == [1, 3]
