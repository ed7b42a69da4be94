"""A layer that holds NaN at one look costs its own numbers there, and comes back by itself."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
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
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.passes import Pass
from it_callbacks.observation.streams import KeyStream
from it_callbacks.reductions import PCA, Joint
from it_callbacks.rulers import Calibrated, Width

from .models import N_CLASSES, N_UNITS, Classifier, curve, fit, layer_names, loader, when
from .written_logs import read_text

LAYERS = ["net.first", "net.side", "net.last"]


class Side(nn.Module):
    """Gives two inputs back; while `ill`, the last row that it gives is NaN."""

    ill = False

    @override
    def forward(self, x: Tensor) -> Tensor:
        out = x[:, :2].clone()
        if self.ill and not self.training:
            out[-1] = float("nan")
        return out


class Net(nn.Module):
    """Two layers in a row, and one aside that training does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(N_UNITS, 4)
        self.side = Side()
        self.last = nn.Linear(4, N_CLASSES)

    @override
    def forward(self, x: Tensor) -> Tensor:
        first = torch.tanh(self.first(x))
        self.side(x)
        out: Tensor = self.last(first)
        return out


class FallsIll(Classifier):
    """Its layer aside, or all of it, is ill at the looks of some epochs."""

    def __init__(
        self, epochs: Collection[int], net: nn.Module | None = None, *, wholly: bool = False
    ) -> None:
        super().__init__(Net() if net is None else net)
        (self.side,) = [part for part in self.net.modules() if isinstance(part, Side)]
        self.epochs = epochs
        self.wholly = wholly

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x * float("nan") if self.wholly and self.side.ill else x)

    @override
    def on_train_epoch_start(self) -> None:
        self.side.ill = self.current_epoch + 1 in self.epochs

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        return self.loss(self.net(x), y)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)


def measured(
    ill: Collection[int],
    data: Any = None,
    *,
    epochs: int = 4,
    wholly: bool = False,
    **options: Any,
) -> tuple[InformationPlaneMonitor, list[str]]:
    """A monitor that has seen the network fall ill, and what it warned of."""
    val = options.pop("val", "default")
    logger = {"logger": options.pop("logger")} if "logger" in options else {}
    plane = InformationPlaneMonitor(options.pop("layers", LAYERS), data=data, **options)
    with _recorded() as seen:
        _, running = fit(
            [plane], lambda: FallsIll(ill, wholly=wholly), max_epochs=epochs, val=val, **logger
        )
    assert running.global_step == 5 * epochs
    return plane, [str(warning.message) for warning in seen]


@contextmanager
def _recorded() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield seen


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
    plane, told = measured([2, 3], data, reduce=reduce)
    well, _ = measured([], data, reduce=reduce)
    looks = [0, 1, 2, 3, 4] if data else [1, 2, 3, 4]
    assert [epoch for epoch, _ in when(plane)] == looks
    assert values(plane, but="side") == pytest.approx(values(well, but="side"), nan_ok=True)
    assert {int(key.split()[1]) for key in values(plane, of="side")} == {*looks} - {2, 3}
    kept = {k: v for k, v in values(well, of="side").items() if k.split()[1] not in "23"}
    assert values(plane, of="side") == pytest.approx(kept, nan_ok=True)
    tag = f"information_plane/{plane._set}/overhead"
    assert len(curve(plane, tag)) == len(looks)
    (message,) = [text for text in told if "NaN" in text]
    assert re.search(r"layer 'net\.side': activations: 2 of \d+ values are NaN", message)


@pytest.mark.parametrize("data", [None, "train"])
def test_all_layers_of_nan_cost_the_point(data: Any) -> None:
    plane, told = measured([2], data, wholly=True)
    assert [epoch for epoch, _ in when(plane) if epoch] == [1, 3, 4]
    (message,) = [text for text in told if "NaN" in text]
    assert f"this point of set {plane._set!r} is left out" in message
    assert "layer 'net." in message


@pytest.mark.parametrize("data", [None, "train"])
@pytest.mark.parametrize("wholly", [False, True])
def test_a_layer_of_nan_ends_training_where_asked_to(data: Any, wholly: bool) -> None:
    with pytest.raises(ValueError, match=r"layer 'net\..*': activations: .* are NaN or infinite"):
        measured([2], data, wholly=wholly, on_error="raise")


def test_a_layer_of_nan_at_a_probes_first_look_is_an_error_before_training() -> None:
    class Born(FallsIll):
        @override
        def on_fit_start(self) -> None:
            self.side.ill = True

        @override
        def on_train_start(self) -> None:
            raise RuntimeError("training has begun")

    plane = InformationPlaneMonitor(LAYERS, data="train")
    with pytest.raises(ValueError, match=r"layer 'net\.side': activations: .* NaN"):
        fit([plane], Born([]))
    assert plane.history == []


def test_a_layer_of_nan_at_the_first_look_is_calibrated_at_the_first_that_can_read_it() -> None:
    """It gives what it would have given; from then on the settings say how it is read."""
    plane, _ = measured([1, 2])
    well, _ = measured([])
    assert layer_names(plane) == LAYERS
    of_well = {k: v for k, v in values(well, of="side").items() if k.split()[1] in "34"}
    assert values(plane, of="side") == pytest.approx(of_well, nan_ok=True)
    assert plane.settings["val"]["layers"] == well.settings["val"]["layers"]
    assert plane.settings["val"]["faults"] == {}


class Bypassed(Net):
    """Its layer aside is not called in the last batch of the first look."""

    looks = 0

    @override
    def forward(self, x: Tensor) -> Tensor:
        is_last = not self.training and len(x) == 5
        self.looks += is_last
        if is_last and self.looks == 1:
            out: Tensor = self.last(torch.tanh(self.first(x)))
            return out
        return super().forward(x)


def test_settings_are_told_again_where_the_first_look_could_read_no_layer(tmp_path: Path) -> None:
    plane = InformationPlaneMonitor("net.side", bins=Width(0.5))
    logger = TensorBoardLogger(tmp_path)
    with pytest.warns(UserWarning, match=r"layer 'net.side' is left out: heard 100 of 105"):
        fit([plane], lambda: Classifier(Bypassed()), max_epochs=3, logger=logger)
    events = EventAccumulator(logger.log_dir).Reload()
    last = events.Tensors("information_plane/val/settings/text_summary")[-1]
    told = read_text(last.tensor_proto.string_val[0].decode())
    assert [layer["tag"] for layer in told["layers"]] == ["net.side"]
    assert told["missed"] == {}


def test_settings_tell_which_layer_has_not_been_read_yet_and_are_told_again(
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
    with _recorded():
        fit([plane], model, max_epochs=3)
    ill, well = layer_names(plane)
    assert len(curve(plane, f"information_plane/val/I_XT/{ill}")) == 2
    assert min(curve(plane, f"information_plane/val/I_XT/{ill}")) > 0
    assert curve(plane, f"information_plane/val/I_XT/{well}") == [0.0, 0.0, 0.0]  # it is constant


@pytest.mark.parametrize("n", [1030, 1500])
def test_a_layer_is_calibrated_once_however_many_rows_its_first_look_has(n: int) -> None:
    """Beyond as many as a calibration takes, the ruler is frozen in the middle of the pass."""
    plane = InformationPlaneMonitor(["net.4"])
    widths: list[Any] = []

    class Grows(Classifier):
        @override
        def on_validation_epoch_end(self) -> None:
            if plane._layer_observer is not None and plane._layer_observer.rulers:
                widths.append(plane._layer_observer.rulers["net.4"])
            with torch.no_grad():
                self.net[4].weight.mul_(3.0)

    with _recorded():
        fit([plane], Grows, val=loader(n, 100, seed=1), max_epochs=3)
    assert isinstance(plane._layers.rulers["net.4"][0], Width)
    assert plane.settings["val"]["layers"][0]["rulers"] == [repr(plane._layers.rulers["net.4"][0])]
    assert widths[-1] == plane._layers.rulers["net.4"]


# One pass, by hand.

NAN = float("nan")


def _pass(*names: str, ruler: Any) -> Pass:
    current = Pass(max_samples=None, seed=0, keep_rows=False, hash_inputs=False)
    for name in names:
        current.observe(Layer(name, name, 1), KeyStream(Joint(), (ruler,)))
    return current


def _hear(current: Pass, start: int, **rows: list[float]) -> None:
    n = len(next(iter(rows.values())))
    current.begin(torch.zeros(n, dtype=torch.int64), None, np.arange(start, start + n))
    for name, column in rows.items():
        current.hear(name, 1, torch.tensor(column)[:, None])


@pytest.mark.parametrize("ruler", [Width(1.0), Calibrated(2)], ids=repr)
def test_a_fault_on_one_process_leaves_the_layer_out_on_all(ruler: Any) -> None:
    one, other = _pass("a", "b", ruler=ruler), _pass("a", "b", ruler=ruler)
    _hear(one, 0, a=[0.0, 1.0], b=[0.0, 1.0])
    _hear(other, 2, a=[0.0, 1.0], b=[NAN, 1.0])
    for parts in ([one.observed(), other.observed()], [other.observed(), one.observed()]):
        merged = one.merge(parts)
        assert list(merged.keys) == list(merged.n_units) == list(merged.reach) == ["a"]
        assert merged.faults == {"b": "activations: 1 of 2 values are NaN or infinite"}
        assert merged.missed == {}
        assert len(merged.keys["a"][0]) == 4


def test_a_layer_with_a_fault_is_not_heard_again_in_its_pass() -> None:
    """Healthy rows after it do not make it look whole, nor is it said to have been missed."""
    current = _pass("a", ruler=Width(1.0))
    _hear(current, 0, a=[NAN])
    _hear(current, 1, a=[1.0])
    observed = current.observed()
    assert observed.keys == observed.missed == {}
    assert list(observed.faults) == ["a"]


def test_rows_that_disagree_with_labels_are_no_fault_of_the_values() -> None:
    current = _pass("a", ruler=Width(1.0))
    current.begin(torch.zeros(3, dtype=torch.int64), None, np.arange(3))
    with pytest.raises(ValueError, match="3 labels"):
        current.hear("a", 1, torch.zeros(2, 1))
    assert current.faults == {}
