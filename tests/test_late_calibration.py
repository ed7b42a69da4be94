"""A ruler that is calibrated at a later epoch, and with it the reduction of its layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from it_callbacks import InformationPlaneMonitor as Plane
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.stages import Stage, why_later
from it_callbacks.reductions import PCA, Joint
from it_callbacks.rulers import Calibrated, Uniform, Width

from .toys import VAL, epochs, fit, outputs, rulers
from .warned import warned


class Outputs(pl.Callback):
    """What a layer gives of the validation set after each epoch of training, by plain hooks."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.by_epoch: dict[int, Tensor] = {}

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        was_training = pl_module.training
        (self.by_epoch[trainer.current_epoch + 1],) = outputs(pl_module, [self.layer], [VAL[0]])
        pl_module.train(was_training)


class Settings(pl.Callback):
    """The settings of a monitor after each validation."""

    def __init__(self, monitor: Plane) -> None:
        self.monitor = monitor
        self.seen: list[dict[str, Any]] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.seen += [dict(of_set) for of_set in self.monitor.settings.values()]


def points(monitor: Plane, layer: str) -> list[int]:
    """The epochs of a layer's binned values."""
    return [r.epoch for r in monitor.history if (r.quantity, r.layer) == ("I_XT", layer)]


# The values.


def test_a_ruler_for_later_is_a_value_of_its_own() -> None:
    late = Calibrated(8, at=1)
    assert eval(repr(late)) == late != Calibrated(8)
    assert (late.slug, Calibrated(8).slug) == ("calibrated8_at1", "calibrated8")
    assert (late.earliest, Calibrated(8).earliest, Width(0.5).earliest) == (1, 0, 0)
    rows = torch.linspace(0, 8, 9)[:, None]
    assert late.freeze(rows) == Calibrated(8).freeze(rows)
    assert late.restored(late.freeze(rows).state()) == late.freeze(rows)


@pytest.mark.parametrize("at", [-1, 1.5, True, None])
def test_an_epoch_that_is_none_is_refused(at: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="at: need a whole number >= 0"):
        Calibrated(8, at=at)


def test_a_layer_waits_for_the_latest_of_its_rulers() -> None:
    reader = Reader(PCA(2), (Calibrated(8, at=2), Calibrated(4), Uniform(3, -1, 1)))
    assert reader.earliest == 2
    assert "2 finished epochs" in why_later(reader, Stage(1, True), is_untracked=False)
    assert why_later(reader, Stage(2, True), is_untracked=False) == ""
    assert "BatchNorm" in why_later(reader, Stage(2, False), is_untracked=True)
    ready = reader.calibrated(torch.randn(50, 4))
    assert (ready.earliest, why_later(ready, Stage(0, False), is_untracked=True)) == (0, "")
    assert Reader(Joint(), (Width(0.5),)).earliest == 0


# In a training.


@pytest.mark.parametrize("data", [None, VAL], ids=["listening", "data"])
def test_components_and_bins_are_those_of_the_network_at_that_epoch(data: Any) -> None:
    late = Plane(
        ["net.1"], bins=Calibrated(8, at=2), reduce=PCA(2), wide=None, data=data, name="val"
    )
    seen = Outputs("net.1")
    with warned() as given:
        fit([late, seen], max_epochs=4)
    assert points(late, "net.1") == epochs(late) == [2, 3, 4]
    (warning,) = given.of("later")  # and no second one
    assert "2 finished epochs" in warning.text
    layer = seen.by_epoch[2]
    expected = Calibrated(8).freeze(PCA(2).freeze(layer)(layer))
    (width,) = (eval(of.pop()) for of in rulers(late).values())
    assert width.width == pytest.approx(expected.width, rel=1e-6)


@pytest.mark.parametrize("data", [None, VAL], ids=["listening", "data"])
def test_other_layers_do_not_wait_and_the_settings_say_which_does(data: Any) -> None:
    """Nothing warns of it, since it was asked for."""
    bins = {"net.1": Calibrated(8, at=2), "*": 8}
    plane = Plane(["net.1", "net.3"], bins=bins, wide=None, data=data, name="val")
    settings = Settings(plane)
    with warned() as given:
        fit([settings, plane], max_epochs=3)
    assert given.of("later") == []
    assert points(plane, "net.1") == [2, 3]
    assert points(plane, "net.3") == ([1, 2, 3] if data is None else [0, 1, 2, 3])
    first = settings.seen[0]
    assert "2 finished epochs" in first["calibrated_later"]["net.1"]
    assert [layer["tag"] for layer in first["layers"]] == ["net.3"]
    last = plane.settings["val"]
    assert "calibrated_later" not in last
    assert [layer["tag"] for layer in last["layers"]] == ["net.1", "net.3"]
    assert last["layers"][0]["bins"] == ["Calibrated(bins=8, scope='auto', at=2)"]


@pytest.mark.parametrize("data", [None, VAL], ids=["listening", "data"])
def test_layers_that_wait_are_read_at_any_width_meanwhile(data: Any) -> None:
    plane = Plane(["net.1"], bins=Calibrated(8, at=2), data=data, name="val")
    settings = Settings(plane)
    with warned() as given:
        fit([settings, plane], max_epochs=3)
    assert given.of("later") == []
    assert points(plane, "net.1") == [2, 3]
    wide = {r.epoch for r in plane.history if (r.quantity, r.layer) == ("relative_I_XT", "net.1")}
    assert wide == set(epochs(plane)) == ({1, 2, 3} if data is None else {0, 1, 2, 3})
    assert list(settings.seen[0]["calibrated_later"]) == ["net.1"]
    assert "calibrated_later" not in plane.settings["val"]


def test_the_first_point_behind_that_epoch_calibrates_where_none_is_due_at_it() -> None:
    plane = Plane(["net.1"], bins=Calibrated(8, at=1), data=VAL, schedule=2)
    with warned():
        fit([plane], max_epochs=4)
    assert points(plane, "net.1") == [2, 4]


def test_a_run_that_ends_before_says_why_there_is_nothing() -> None:
    plane = Plane(["net.1"], bins=Calibrated(8, at=9), wide=None, data=VAL)
    with warned() as given:
        fit([plane])
    assert given.causes.count("later") == 1
    assert points(plane, "net.1") == []


@pytest.mark.parametrize("data", [None, VAL], ids=["listening", "data"])
@pytest.mark.parametrize("stopped", [1, 2], ids=["before", "at"])
def test_a_run_that_is_resumed_before_waits_on_and_one_resumed_after_reads_on(
    data: Any, stopped: int, tmp_path: Path
) -> None:
    def late() -> Plane:
        return Plane(["net.1"], bins=Calibrated(8, at=2), reduce=PCA(2), data=data, name="val")

    whole, first, second = late(), late(), late()
    with warned():
        fit([whole], max_epochs=3, train=_same_batch())
        _, running = fit([first], max_epochs=stopped, train=_same_batch())
        running.save_checkpoint(tmp_path / "stopped.ckpt")
        path = str(tmp_path / "stopped.ckpt")
        fit([second], max_epochs=3, ckpt_path=path, train=_same_batch())
    assert points(second, "net.1") == points(whole, "net.1") == [2, 3]
    assert rulers(second) == rulers(whole)


def _same_batch() -> Any:
    """What is trained on does not depend on where a run was stopped."""
    return DataLoader(TensorDataset(*VAL), len(VAL[0]))
