"""A row of NaN costs that row; a layer of NaN costs its own numbers, and comes back by itself."""

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
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.codes import encode_keys
from it_callbacks.estimators import LinearVInformation
from it_callbacks.metrics import PredictionEntropy
from it_callbacks.observation.calibrating import Waiting
from it_callbacks.observation.readers import Reader
from it_callbacks.predictions.defined import DefinedRows
from it_callbacks.reductions import PCA, Joint
from it_callbacks.rulers import Calibrated, Width

from .toys import (
    N_CLASSES,
    N_UNITS,
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
    samples,
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
    plane = InformationPlaneMonitor(LAYERS, data=data, wide=None, **options)
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
    assert re.search(r"(\d+) of \1 rows are NaN", warning.text)


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
    assert re.match("activations: .* rows are NaN", first["faults"]["net.side"])
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
    n_points = [each.verdicts["val"][side].by_ruler[0].n_points for each in (plane, well)]
    assert n_points == [3, 4]


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


# Some rows only.


@pytest.mark.parametrize("reduce", ["auto", PCA(2)], ids=repr)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_row_that_is_not_finite_costs_that_row(bad: float, reduce: Any) -> None:
    """Every value of the layer is that of a set without these samples; all others stay."""
    x, y = samples(300, seed=1)
    spoilt = x.clone()
    spoilt[::3, 0] = bad  # as in every batch of 60
    net = nn.Sequential(nn.Identity(), nn.Linear(N_UNITS, 3))
    extra = [LinearVInformation(every=1)]

    def of(x: Tensor, y: Tensor) -> tuple[InformationPlaneMonitor, Warnings]:
        plane = InformationPlaneMonitor(
            ["net.0"],
            data=DataLoader(TensorDataset(x, y), 60),
            reduce=reduce,
            wide=None,  # of other samples, by rank
            extra=extra,
        )
        with warned() as given:
            fit([plane], lambda: Classifier(net), max_epochs=1)
        return plane, given

    plane, given = of(spoilt, y)
    rest = torch.arange(300) % 3 > 0
    without, _ = of(x[rest], y[rest])
    assert values(plane) == pytest.approx(values(without), nan_ok=True)
    assert {r.n_samples for r in plane.history if r.layer == "net.0"} == {200}
    (warning,) = given.of("left out")
    assert "of 300 samples, layer 'net.0' 100" in warning.text
    assert plane.settings["data"]["n_left_out"] == {"net.0": 100}
    assert plane.settings["data"]["n_samples"] == 300


def test_rows_of_nan_in_one_layer_leave_the_others_whole() -> None:
    """The layer is there at every point; its notice comes once."""
    net = WithSide()
    net.side = Side(one_in=5)
    plane = InformationPlaneMonitor(LAYERS, bins=Width(0.5))
    with warned() as given:
        fit([plane], lambda: FallsIll([2, 3], net), max_epochs=4)
    assert {r.n_samples for r in plane.history if "side" in r.layer} == {105, 84}
    assert {r.n_samples for r in plane.history if "side" not in r.layer} == {105}
    assert len(curve(plane, "information_plane/val/I_XT/net.side")) == 4
    assert [one.cause for one in given if one.cause in ("left out", "unreadable")] == ["left out"]
    assert plane.settings["val"]["n_left_out"] == {"net.side": 21}


def test_a_drop_is_paired_over_the_samples_that_both_points_have() -> None:
    """At a rate of 0 nothing moves: of the same samples the error is 0, and known."""
    net = WithSide()
    net.side = Side(one_in=5)
    plane = InformationPlaneMonitor(LAYERS, data="val", bins=Width(5.0))
    with warned():
        fit([plane], partial(FallsIll, [2], net), max_epochs=2)
    looks = plane._instrument._memory.looks["val", "net.side", ""]
    assert looks.is_paired
    assert looks._paired_error() == pytest.approx(0, abs=0.1)


def test_more_rows_of_nan_than_others_cost_the_layer() -> None:
    """What is left is no sample of the set any more."""
    net = WithSide()

    class Mostly(Side):
        @override
        def forward(self, x: Tensor) -> Tensor:
            out = x[:, :2].clone()
            if self.ill and not self.training:
                out[: len(out) // 2 + 1] = float("nan")
            return out

    net.side = Mostly()
    plane = InformationPlaneMonitor(LAYERS, bins=Width(0.5))
    with warned() as given:
        fit([plane], lambda: FallsIll([2], net), max_epochs=2)
    assert [one.layer for one in given.of("unreadable")] == ["net.side"]
    assert given.of("left out") == given.of("missed") == []
    assert len(curve(plane, "information_plane/val/I_XT/net.side")) == 1
    assert len(curve(plane, "information_plane/val/I_XT/net.last")) == 2


def test_a_ruler_is_calibrated_on_the_finite_rows() -> None:
    x = torch.randn(200, 2)
    spoilt = torch.cat([x, torch.full((50, 2), torch.inf), torch.full((10, 2), torch.nan)])
    (ruler,) = (Calibrated(30).freeze(x),)
    waiting = Waiting(Reader(Joint(), (Calibrated(30),)))
    waiting.add_owned(spoilt)
    stream = waiting.freeze()
    assert stream.reader.rulers == (ruler,)
    assert stream.read().left_out.tolist() == [False] * 200 + [True] * 60
    np.testing.assert_array_equal(stream.read().keys[0][:200], encode_keys(x, ruler).numpy())


@pytest.mark.parametrize("kind", [PredictionEntropyMonitor, ConditionalEntropyMonitor])
@pytest.mark.parametrize("bad", ["nan", "inf", "all -inf"])
def test_rows_of_predictions_that_are_no_distribution_are_left_out(kind: Any, bad: str) -> None:
    """The values are those of the other rows."""
    x, y = samples(100, seed=1)
    spoilt = torch.arange(100) % 4 == 1
    rows = {
        "nan": torch.tensor([0.0, torch.nan, 0.0]),
        "inf": torch.tensor([torch.inf, 0.0, 0.0]),
        "all -inf": torch.full((3,), -torch.inf),
    }

    class Spoils(Classifier):
        @override
        def forward(self, x: Tensor) -> Any:
            return torch.where(x[:, :1] > 100, rows[bad], self.net(x))

    def of(x: Tensor, y: Tensor) -> tuple[Any, Warnings]:
        monitor = kind(data=DataLoader(TensorDataset(x, y), 50))
        with warned() as given:
            fit([monitor], partial(Spoils, lr=0.0), max_epochs=1)
        return monitor, given

    marked = x.clone()
    marked[spoilt, 0] = 1000.0
    monitor, given = of(marked, y)
    without, _ = of(x[~spoilt], y[~spoilt])
    assert values(monitor) == pytest.approx(values(without))
    assert {record.n_samples for record in monitor.history} == {75}
    (warning,) = given.of("left out")
    assert "25 of 100 rows of predictions" in warning.text
    assert monitor.settings["data"]["n_left_out"] == 25


def test_masked_classes_are_no_reason_to_leave_a_row_out() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 1.0], [torch.nan, 0.0, 0.0], [2.0, 0.0, -torch.inf]])
    metric = DefinedRows({"": PredictionEntropy(3)})
    metric.update(logits, torch.tensor([0, 1, 0]))
    alone = PredictionEntropy(3)
    alone.update(logits[[0, 2]], torch.tensor([0, 0]))
    assert metric.n_left_out == 1
    assert metric.computed("")["mean"] == alone.compute()["mean"]


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
