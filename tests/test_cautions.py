"""What the monitor of the plane warns of, once per layer and cause, and its verdicts."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
)
from it_callbacks.codes import encode
from it_callbacks.estimators import (
    LinearVInformation,
    NoiseInjected,
    entropy,
    mutual_information,
)
from it_callbacks.reductions import PCA
from it_callbacks.rulers import Exact, Uniform, Width
from it_callbacks.tasks import digits_task

from .toys import (
    N_UNITS,
    Branches,
    Classifier,
    Dead,
    Digits,
    Noisy,
    Own,
    Scales,
    curve,
    digits_loader,
    epochs,
    fit,
    loader,
    raises,
    rulers,
    trainer,
)
from .warned import Warnings, warned


def warnings_of(plane: Any, *args: Any, **kwargs: Any) -> Warnings:
    """What `plane` warns of in a fit."""
    with warned() as given:
        fit([plane], *args, **kwargs)
    return given


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("width", [32, 128])
def test_a_wide_layer_is_saturated_before_the_first_step_and_says_so_once(width: int) -> None:
    """32 untrained units give nearly all digits codes of their own; the warning says what helps."""
    plane = InformationPlaneMonitor(data=digits_task())
    given = warnings_of(plane, lambda: Digits(width), train=digits_loader(), val=None)
    (warning,) = given.of("saturated")
    assert "too wide for the binned code" in warning.text
    assert "read them at any width" in warning.text
    statuses = curve(plane, "information_plane/data/status/net.1")
    assert statuses == [2.0] * 3  # before the first step and after both epochs


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
def test_the_remedies_work() -> None:
    """What the warning says to pass gives points that are not SATURATED, and a value that rises."""
    plane = InformationPlaneMonitor(
        ["net.1"], data=digits_task(), bins=5, reduce=PCA(2), extra=[LinearVInformation(every=2)]
    )
    given = warnings_of(plane, lambda: Digits(128), train=digits_loader(), val=None)
    assert given.of("saturated") == []
    linear = [r for r in plane.history if r.quantity == "linear_V_TY"]
    assert [r.epoch for r in linear] == [0, 2]
    assert linear[-1].layer == "net.1"
    assert linear[0].bits < linear[-1].bits < math.log2(10)


def test_extras_are_logged_under_their_tags() -> None:
    plane = InformationPlaneMonitor(
        data="val", extra=[LinearVInformation(every=1), NoiseInjected(sigma=0.1, every=2)]
    )
    fit([plane])
    epochs: dict[str, list[int]] = {}
    for record in plane.history:
        if record.layer == "net.1":
            epochs.setdefault(record.quantity, []).append(record.epoch)
    for quantity in ("linear_V_TY", "linear_V_TY_se"):
        assert epochs[quantity] == [0, 1, 2]
    for quantity in ("noise_I_XT", "noise_I_TY"):
        for end in ("", "_low", "_high"):
            assert epochs[quantity + end] == [0, 2]
    assert epochs["noise_I_TY_permuted"] == [0, 2]


def test_a_dead_layer_is_named() -> None:
    given = warnings_of(InformationPlaneMonitor(), Dead)
    (dead,) = given.of("constant")
    assert "'net.3'" in dead.text
    assert "'net.1'" not in dead.text
    assert "though inputs differ" in dead.text


@pytest.mark.parametrize(
    ("factor", "words"), [(1.6, "grown to [0-9.]+ times"), (0.4, "shrunk to [0-9.]+ of")]
)
@pytest.mark.parametrize("bins", [30, Width(0.1)], ids=["calibrated", "given"])
def test_another_scale_is_told_once(factor: float, words: str, bins: int | Width) -> None:
    """Logits are scaled after each epoch; what they are read with was taken before."""
    monitor = InformationPlaneMonitor(bins=bins)
    (given,) = warnings_of(monitor, lambda: Scales(4, factor), max_epochs=4).of("scale")
    assert re.search(rf"'net.4' has {words} its first spread", str(given))
    assert "net.3" not in str(given)


@pytest.mark.parametrize("factor", [1.9, 0.55])
def test_a_scale_within_an_octave_is_not_told(factor: float) -> None:
    monitor = InformationPlaneMonitor()
    assert warnings_of(monitor, lambda: Scales(4, factor), max_epochs=1).of("scale") == []


def test_another_scale_is_told_across_a_resume(tmp_path: Path) -> None:
    """The spread that it is measured against comes back with the rulers."""
    _, running = fit([InformationPlaneMonitor()], max_epochs=1)
    running.save_checkpoint(tmp_path / "one.ckpt")
    given = warnings_of(
        InformationPlaneMonitor(),
        lambda: Scales(4, 100, at_the_start=True),
        max_epochs=2,
        ckpt_path=str(tmp_path / "one.ckpt"),
    )
    assert ["net.4" in str(one) for one in given.of("scale")] == [True]


def test_a_stochastic_forward_is_warned_of() -> None:
    net = nn.Sequential(nn.Linear(8, 4), Noisy(), nn.Linear(4, 3))
    given = warnings_of(InformationPlaneMonitor(data="val"), lambda: Classifier(net))
    (noisy,) = given.of("stochastic")
    assert "layer 'net.1', 'net.2'" in noisy.text
    assert "net.0" not in noisy.text


def test_repeated_inputs_and_missing_classes_are_warned_of() -> None:
    x = torch.randn(2000, 8, generator=torch.Generator().manual_seed(0))
    x[1000:] = x[:1000]
    y = (x[:, 0] > 0).long() * 2
    given = warnings_of(InformationPlaneMonitor(data=(x, y)), max_epochs=1)
    (repeated,), (missing,) = given.of("repeated"), given.of("missing")
    assert "50% of the inputs are repeated and count once" in repeated.text
    assert "class 1" in missing.text
    (few,) = given.of("few")
    assert "1000 samples" in few.text


def test_few_samples_are_warned_of_unless_they_are_all_there_is() -> None:
    assert [one.set for one in warnings_of(InformationPlaneMonitor()).of("few")] == ["val"]
    given = warnings_of(InformationPlaneMonitor(exhaustive=True))
    assert given.of("few") == []


@pytest.mark.parametrize(
    ("per_class", "expected"),
    [([512, 512], 0), ([511, 512], 1), ([2000, 50], 0), ([2000, 49], 1)],
)
def test_few_means_below_1024_or_50_per_class(per_class: list[int], expected: int) -> None:
    y = torch.repeat_interleave(torch.arange(2), torch.tensor(per_class))
    x = torch.randn(len(y), N_UNITS)
    with warned() as given:
        trainer([InformationPlaneMonitor(["net.1"])]).validate(
            Classifier(), DataLoader(TensorDataset(x, y), 512), verbose=False
        )
    assert len(given.of("few")) == expected


def test_a_layer_that_knows_more_than_the_one_it_is_computed_from_is_warned_of() -> None:
    """Of four units in two bins, three units in a thousand cannot be computed."""
    bins = {"net.1": Uniform(2, -1, 1), "*": Width(1e-3)}
    given = warnings_of(InformationPlaneMonitor(bins=bins))
    assert [one.layer for one in given.of("inequality")] == ["net.3"]


def test_layers_side_by_side_are_not_compared() -> None:
    given = warnings_of(InformationPlaneMonitor(), lambda: Classifier(Branches()))
    assert given.of("inequality") == []


@pytest.mark.parametrize("between", [nn.Identity(), nn.Dropout(0.3), nn.Flatten()])
def test_what_passes_numbers_on_does_not_change_the_ruler(between: nn.Module) -> None:
    """A tanh layer keeps its bins on [-1, 1] whatever returns its output untouched."""
    net = nn.Sequential(nn.Linear(8, 3), nn.Tanh(), between, nn.Linear(3, 3))
    plane = InformationPlaneMonitor(["net.1"])
    trainer([plane]).validate(Classifier(net), loader(50), verbose=False)
    assert rulers(plane) == {"net.1": ["Uniform(bins=30, low=-1.0, high=1.0)"]}


def test_a_linear_on_the_last_axis_of_a_map_is_averaged_over_positions() -> None:
    """Channels-last layers count units on their last axis; convolutions on axis 1."""
    net = nn.Sequential(
        nn.Unflatten(1, (1, 2, 4)),
        nn.Conv2d(1, 3, 1),
        nn.Linear(4, 5),
        nn.Flatten(),
        nn.Linear(30, 3),
    )
    plane = InformationPlaneMonitor()
    trainer([plane]).validate(Classifier(net), loader(50), verbose=False)
    readings = {layer["tag"]: layer["reduction"] for layer in plane.settings["val"]["layers"]}
    assert readings["net.1"] == "MeanPool(units_axis=1)"
    assert readings["net.2"] == "MeanPool(units_axis=-1)"


def test_modules_that_are_never_called_are_in_the_settings_only() -> None:
    """Users can do nothing about attention's dropout, or a head that evaluation leaves out."""

    class Unused(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Linear(3, 3)

    plane = InformationPlaneMonitor()
    assert [one for one in warnings_of(plane, Unused) if "spare" in one.text] == []
    assert plane.settings["val"]["skipped"]["spare"] == "was never called"


def test_calibration_on_some_classes_only_is_warned_of() -> None:
    x = torch.randn(3000, 8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(3000) // 1000
    given = warnings_of(InformationPlaneMonitor(data=(x, y)), max_epochs=1)
    (warning,) = given.of("calibration")
    assert "2 of 3 classes" in warning.text
    plane = InformationPlaneMonitor(data=(x, y), bins=Width(0.5))
    assert warnings_of(plane, max_epochs=1).of("calibration") == []


def test_rare_classes_may_miss_among_the_rows_of_a_calibration() -> None:
    """Classes in any order, ten samples of each: that the first rows lack some says nothing."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 8, generator=generator)
    y = (torch.arange(3000) % 300)[torch.randperm(3000, generator=generator)]
    assert len(y[:1024].unique()) < 300
    assert warnings_of(InformationPlaneMonitor(data=(x, y)), max_epochs=1).of("calibration") == []


def test_an_extra_that_fails_costs_its_own_number_only() -> None:
    plane = InformationPlaneMonitor(extra=[Own("own_I_TY", raises(ArithmeticError("not today")))])
    given = warnings_of(plane)
    assert [one.layer for one in given.of("extra")] == ["net.1", "net.3", "net.4"]
    assert all("not today" in one.text for one in given.of("extra"))
    assert epochs(plane) == [1, 2]
    assert len(curve(plane, "information_plane/val/I_XT/net.1")) == 2


def test_extras_say_from_how_many_samples_they_are() -> None:
    x, y = torch.randn(3000, 8), torch.arange(3000) % 3
    plane = InformationPlaneMonitor(["net.1"], data=(x, y), extra=[LinearVInformation(every=1)])
    fit([plane], max_epochs=1)
    sizes = {r.quantity: r.n_samples for r in plane.history}
    assert (sizes["linear_V_TY"], sizes["I_XT"]) == (2048, 3000)


def test_a_class_without_samples_is_warned_of_by_the_monitor_of_classes() -> None:
    x, y = torch.randn(100, 8), torch.arange(100) % 2
    val = DataLoader(TensorDataset(x, y), 25)
    (warning,) = warnings_of(ConditionalEntropyMonitor(), val=val, max_epochs=1).of("missing")
    assert warning.set == "val"
    assert "class 2" in warning.text


# Verdicts.


def saturates() -> Scales:
    """What goes into its tanh grows each epoch, so that more and more units run into -1 and 1."""
    return Scales(0, 1.5)


class Unknown(Scales):
    """As `saturates`, but Lightning does not know who optimizes."""

    def __init__(self) -> None:
        super().__init__(0, 1.5)
        self.automatic_optimization = False

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Nothing is learnt: only the scale grows."""

    @override
    def configure_optimizers(self) -> Any:
        return None


def followed(model: Callable[[], Any] = saturates, **options: Any) -> InformationPlaneMonitor:
    """A plane of 13 points of the layer behind the tanh."""
    plane = InformationPlaneMonitor(["net.1"], **{"data": "val", **options})
    fit([plane], model, val=loader(1000), max_epochs=12)
    return plane


def test_a_layer_that_loses_states_has_compressed() -> None:
    """The verdict gives bits, peak by epoch and step, and stands in the JSON."""
    verdict = followed(bins=Uniform(6, -1, 1)).verdicts["val"]["net.1"]
    h = {r.epoch: r.bits for r in followed(bins=Uniform(6, -1, 1)).history if r.quantity == "I_XT"}
    means = [(h[i] + h[i + 1] + h[i + 2]) / 3 for i in range(11)]
    (found,) = verdict.by_ruler
    assert verdict.compressed is True
    assert found.epoch == means.index(max(means)) + 1
    assert found.bits == pytest.approx(max(means) - means[-1], abs=1e-12)
    assert 0 < found.low < found.high
    assert re.match(rf"compressed by .* since epoch {found.epoch}, step \d+", str(verdict))


@pytest.mark.parametrize("factor", [0.8, 0.5])
def test_a_layer_that_only_shrinks_has_not_compressed(factor: float) -> None:
    """A tanh near 0 is linear: fewer bins hold it, and that is all."""
    verdict = followed(lambda: Scales(0, factor), bins=Uniform(6, -1, 1)).verdicts["val"]["net.1"]
    assert verdict.compressed is None
    assert re.search("its scale fell to .* of what it was", str(verdict))


def test_rulers_that_disagree_give_no_verdict() -> None:
    """Beside one bin for all, under which nothing can fall, the drop is not called compression."""
    plane = followed(bins=[Uniform(6, -1, 1), Uniform(1, -1, 1)])
    verdict = plane.verdicts["val"]["net.1"]
    assert verdict.compressed is None
    assert "disagree" in str(verdict)


def test_each_ruler_has_its_own_verdict(tmp_path: Path) -> None:
    """In the text, in the JSON and in the table of its ruler; the joint one stands beside them."""
    plane = followed(bins=[Uniform(6, -1, 1), Uniform(1, -1, 1)])
    plane.to_json(tmp_path / "plane.json")
    (run,) = json.loads((tmp_path / "plane.json").read_text())["runs"].values()
    said = run["verdicts"]["val"]["net.1"]
    assert list(said) == ["", "uniform1", "all rulers"]
    assert said[""].startswith("compressed")
    assert said["uniform1"].startswith("no compression")
    assert "disagree" in said["all rulers"]


def test_a_steady_layer_has_not_compressed() -> None:
    verdict = followed(lambda: Classifier(lr=0.0), bins=4).verdicts["val"]["net.1"]
    assert verdict.compressed is False
    assert "no compression" in str(verdict)


def test_few_points_have_no_verdict() -> None:
    plane = InformationPlaneMonitor(["net.1"], data="val")
    fit([plane], saturates, max_epochs=6)
    verdict = plane.verdicts["val"]["net.1"]
    assert verdict.compressed is None
    assert str(verdict) == "cannot tell: 7 points, 8 are needed"


@pytest.mark.filterwarnings("ignore:`LightningModule.configure_optimizers` returned `None`")
def test_where_lightning_counts_no_steps_epochs_are_the_time_of_a_verdict() -> None:
    """Steps of an optimizer that is the model's own stay 0."""
    verdict = followed(Unknown, bins=Uniform(6, -1, 1)).verdicts["val"]["net.1"]
    (found,) = verdict.by_ruler
    assert (found.n_points, found.step) == (13, found.epoch)
    assert verdict.compressed is True


@pytest.mark.filterwarnings("ignore:.*sampler has shuffling enabled")
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_shuffled_loader_has_verdicts_too(shuffle: bool) -> None:
    plane = InformationPlaneMonitor(["net.1"], bins=Uniform(6, -1, 1))
    fit([plane], saturates, val=loader(1000, shuffle=shuffle), max_epochs=12)
    assert plane._instrument._memory.looks["val", "net.1", ""].is_paired is not shuffle
    assert plane.verdicts["val"]["net.1"].compressed is True


def test_verdicts_come_back_from_a_checkpoint(tmp_path: Path) -> None:
    whole = followed()
    torch.save(whole.state_dict(), tmp_path / "state.pt")
    again = InformationPlaneMonitor(["net.1"], data="val")
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.verdicts == whole.verdicts


def test_exact_rulers_obey_the_data_processing_inequality() -> None:
    """Of layers computed from one another's exact values, H never rises and I(T;Y) neither."""
    generator = torch.Generator().manual_seed(0)
    t = torch.randn(4096, 12, generator=generator)
    y = (t[:, 0] > 0).long()
    h, i = [], []
    for width in (8, 5, 3, 2):
        weights = torch.randn(t.shape[1], width, generator=generator).double()
        # float64 sums of a few 8-bit numbers are exact, so equal rows stay equal.
        t = (torch.tanh((t.double() @ weights).mul(64).round() / 64) * 8).round() / 8
        symbols = encode(t, Exact())
        h.append(entropy(symbols).bits)
        i.append(mutual_information(symbols, y).bits)
    assert h[0] > h[-1] + 1  # or nothing would be tested
    assert np.diff(h).max() <= 1e-12
    assert np.diff(i).max() <= 1e-12


# What observing costs.


@pytest.mark.parametrize(
    ("of_point", "of_epoch", "expected"),
    [(11.0, 89.0, 1), (10.0, 90.0, 0), (0.3, 0.03, 0), (3.0, 5.0, 1), (3.0, 500.0, 0)],
    ids=["above-a-tenth", "a-tenth", "a-moment", "much", "little"],
)
def test_more_than_a_tenth_of_the_time_is_warned_of_once_unless_it_is_a_moment(
    monkeypatch: pytest.MonkeyPatch, of_point: float, of_epoch: float, expected: int
) -> None:
    """By a clock of our own, which an estimator and the start of an epoch put forward."""
    clock = [0.0]
    for name in ("perf_counter", "monotonic"):
        monkeypatch.setattr(time, name, lambda: clock[0])

    def slow(*_: Any) -> float:
        clock[0] += of_point
        return 0.0

    class Epochs(pl.Callback):
        @override
        def on_train_epoch_start(self, *_: Any) -> None:
            clock[0] += of_epoch

    plane = InformationPlaneMonitor("net.4", extra=[Own("slow", slow)])
    with warned() as given:
        fit([plane, Epochs()], train=loader(25), max_epochs=3)
    costs = given.of("cost")
    assert len(costs) == expected
    assert all("schedule=" in cost.text and "max_samples=" in cost.text for cost in costs)


def test_what_only_the_first_point_took_is_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has all to prepare: imports, calibration, perhaps a kernel to compile."""
    clock, taken = [0.0], iter([50.0, 0.0, 0.0])
    for name in ("perf_counter", "monotonic"):
        monkeypatch.setattr(time, name, lambda: clock[0])

    def slow_at_first(*_: Any) -> float:
        clock[0] += next(taken)
        return 0.0

    class Epochs(pl.Callback):
        @override
        def on_train_epoch_start(self, *_: Any) -> None:
            clock[0] += 10.0

    with warned() as given:
        plane = InformationPlaneMonitor("net.4", extra=[Own("slow", slow_at_first)])
        fit([plane, Epochs()], train=loader(25), max_epochs=3)
    assert not given.of("cost")
