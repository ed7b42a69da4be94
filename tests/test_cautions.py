"""What the monitor of the plane tells its user, once per layer and cause, and its verdicts."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.callbacks import stopwatch
from it_callbacks.callbacks.cautions import of_cost, of_set
from it_callbacks.estimators import LinearVInformation, NoiseInjected
from it_callbacks.estimators.extra import Extra
from it_callbacks.reductions import PCA
from it_callbacks.rulers import Uniform, Width
from it_callbacks.tasks import digits_task

from .models import Classifier, fit


def told(plane: InformationPlaneMonitor, *args: Any, **kwargs: Any) -> list[str]:
    """What `plane` says in a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit([plane], *args, **kwargs)
    return [str(w.message) for w in caught if "InformationPlaneMonitor: " in str(w.message)]


def about(messages: list[str], layer: str) -> list[str]:
    return [message for message in messages if f"layer {layer!r}" in message]


class Digits(Classifier):
    """A classifier of digits with one hidden layer."""

    def __init__(self, width: int, lr: float = 1e-3) -> None:
        super().__init__(nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10)), lr)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)


def digits_loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(*digits_task()), 256)


@pytest.mark.parametrize("width", [32, 128])
def test_a_wide_layer_is_saturated_before_the_first_step_and_says_so_once(width: int) -> None:
    """32 untrained units on digits tell nearly all samples apart; the warning says what helps."""
    plane = InformationPlaneMonitor(probe=digits_task())
    messages = told(plane, lambda: Digits(width), train=digits_loader(), val=None)
    of_layer = about(messages, "net.1")
    assert len(of_layer) == 1
    assert "SATURATED" in of_layer[0]
    assert "reduce=" in of_layer[0]
    assert "extra=" in of_layer[0]
    statuses = [r.bits for r in plane.history if r.tag == "status/probe/net.1"]
    assert statuses == [2.0] * 3  # before the first step and after both epochs


def test_the_remedies_work() -> None:
    """What the warning says to pass gives points that are not SATURATED, and a value that rises."""
    plane = InformationPlaneMonitor(
        ["net.1"], probe=digits_task(), bins=5, reduce=PCA(2), extra=[LinearVInformation(every=2)]
    )
    messages = told(plane, lambda: Digits(128), train=digits_loader(), val=None)
    assert not [message for message in messages if "SATURATED" in message]
    linear = [r for r in plane.history if r.quantity == "V_TY"]
    assert [r.epoch for r in linear] == [0, 2]
    assert linear[-1].layer == "net.1"
    assert linear[0].bits < linear[-1].bits < math.log2(10)


def test_extras_are_logged_under_their_tags() -> None:
    plane = InformationPlaneMonitor(
        probe="val", extra=[LinearVInformation(every=1), NoiseInjected(sigma=0.1, every=2)]
    )
    fit([plane])
    epochs: dict[str, list[int]] = {}
    for record in plane.history:
        if record.layer == "net.1":
            epochs.setdefault(record.quantity, []).append(record.epoch)
    for quantity in ("V_TY", "V_TY_se"):
        assert epochs[quantity] == [0, 1, 2]
    for quantity in ("noise_I_XT", "noise_I_TY"):
        for end in ("", "_low", "_high"):
            assert epochs[quantity + end] == [0, 2]


class Dead(Classifier):
    """All its hidden units are off."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.net[2].bias.fill_(-1e3)  # type: ignore[index, union-attr]


def test_a_dead_layer_is_named() -> None:
    messages = about(told(InformationPlaneMonitor(), Dead), "net.3")
    assert len([message for message in messages if "constant" in message]) == 1


class Growing(Classifier):
    """Its logits grow a hundredfold after the first epoch."""

    @override
    def on_train_epoch_end(self) -> None:
        with torch.no_grad():
            self.net[4].weight.mul_(100)  # type: ignore[index, union-attr]


def test_growth_beyond_the_calibrated_range_is_told_once() -> None:
    messages = about(told(InformationPlaneMonitor(), Growing, max_epochs=4), "net.4")
    assert len([message for message in messages if "grown to" in message]) == 1
    given = about(told(InformationPlaneMonitor(bins=Width(0.1)), Growing, max_epochs=4), "net.4")
    assert not [message for message in given if "grown to" in message]


def test_growth_is_told_across_a_resume(tmp_path: Path) -> None:
    """The reach that it is measured against comes back with the rulers."""
    _, running = fit([InformationPlaneMonitor()], max_epochs=1)
    running.save_checkpoint(tmp_path / "one.ckpt")
    resumed = InformationPlaneMonitor()
    messages = told(resumed, Grown, max_epochs=2, ckpt_path=str(tmp_path / "one.ckpt"))
    assert len([message for message in about(messages, "net.4") if "grown to" in message]) == 1


class Grown(Classifier):
    """Its logits are a hundred times as large from the resume on."""

    @override
    def on_train_epoch_start(self) -> None:
        with torch.no_grad():
            self.net[4].weight.mul_(100)  # type: ignore[index, union-attr]


class Noisy(nn.Module):
    """Adds noise in every mode."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


def test_a_stochastic_forward_is_told() -> None:
    net = nn.Sequential(nn.Linear(8, 4), Noisy(), nn.Linear(4, 3))
    messages = told(InformationPlaneMonitor(probe="val"), lambda: Classifier(net))
    assert len([m for m in about(messages, "net.1") if "passed twice" in m]) == 1
    assert not [m for m in about(messages, "net.0") if "passed twice" in m]


def test_repeated_inputs_and_missing_classes_are_told() -> None:
    x = torch.randn(2000, 8, generator=torch.Generator().manual_seed(0))
    x[1000:] = x[:1000]
    y = (x[:, 0] > 0).long() * 2
    messages = told(InformationPlaneMonitor(probe=(x, y)))
    assert [m for m in messages if "50% of the inputs are repeated" in m]
    assert [m for m in messages if "no sample of class 1" in m]
    assert not [m for m in messages if "are few" in m]


def test_few_samples_are_told_unless_they_are_the_population() -> None:
    assert [m for m in told(InformationPlaneMonitor()) if "are few" in m]
    messages = told(InformationPlaneMonitor(population="probe"))
    assert not [m for m in messages if "are few" in m]


@pytest.mark.parametrize(
    ("per_class", "expected"),
    [([512, 512], 0), ([511, 512], 1), ([2000, 50], 0), ([2000, 49], 1)],
)
def test_few_means_below_1024_or_50_per_class(per_class: list[int], expected: int) -> None:
    assert len(of_set("val", per_class, [], None)) == expected


def test_a_layer_that_knows_more_than_the_one_it_is_computed_from_is_told() -> None:
    """Of four units in two bins, three units in a thousand cannot be computed."""
    bins = {"net.1": Uniform(2, -1, 1), "*": Width(1e-3)}
    messages = told(InformationPlaneMonitor(bins=bins))
    assert len([m for m in about(messages, "net.3") if "data-processing inequality" in m]) == 1
    assert not [m for m in about(messages, "net.4") if "data-processing inequality" in m]


class Branches(nn.Module):
    """Two layers side by side, of which neither is computed from the other."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Linear(8, 1), nn.Linear(8, 5)
        self.head = nn.Linear(6, 3)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(torch.cat([self.narrow(x), self.wide(x)], 1))


def test_layers_side_by_side_are_not_compared() -> None:
    messages = told(InformationPlaneMonitor(), lambda: Classifier(Branches()))
    assert not [m for m in messages if "data-processing inequality" in m]


@pytest.mark.parametrize("between", [nn.Identity(), nn.Dropout(0.3), nn.Flatten()])
def test_what_passes_numbers_on_does_not_change_the_ruler(between: nn.Module) -> None:
    """A tanh layer keeps its bins on [-1, 1] whatever returns its output untouched."""
    net = nn.Sequential(nn.Linear(8, 3), nn.Tanh(), between, nn.Linear(3, 3))
    plane = InformationPlaneMonitor(["net.1"])
    fit([plane], lambda: Classifier(net))
    (layer,) = plane.settings["val"]["layers"]
    assert layer["rulers"] == ["Uniform(bins=30, low=-1.0, high=1.0)"]


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
    fit([plane], lambda: Classifier(net))
    readings = {layer["tag"]: layer["reduction"] for layer in plane.settings["val"]["layers"]}
    assert readings["net.1"] == "MeanPool(units_axis=1)"
    assert readings["net.2"] == "MeanPool(units_axis=-1)"


def test_modules_that_are_never_called_are_named_once() -> None:
    class Unused(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Linear(3, 3)

    messages = told(InformationPlaneMonitor(), Unused)
    assert len([m for m in messages if "never called" in m and "'spare'" in m]) == 1


def test_calibration_on_some_classes_only_is_told() -> None:
    x = torch.randn(3000, 8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(3000) // 1000
    assert [m for m in told(InformationPlaneMonitor(probe=(x, y))) if "hold 2 of 3 classes" in m]
    given = InformationPlaneMonitor(probe=(x, y), bins=Width(0.5))
    assert not [m for m in told(given) if "classes" in m]


def test_one_probability_per_sample_is_told_to_be_read_as_a_logit() -> None:
    net = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid(), nn.Flatten(0))

    class Binary(Classifier):
        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            x, y = batch
            p = self(x)
            return nn.functional.binary_cross_entropy(p, (y > 0).float()), p

        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.step(batch)

    monitor = PredictionEntropyMonitor(target=lambda batch: (batch[1] > 0).long())
    with pytest.warns(UserWarning, match="read as logits"):
        fit([monitor], lambda: Binary(net))


def test_an_extra_that_fails_costs_its_own_number_only() -> None:
    class Fails(LinearVInformation):
        @override
        def __call__(self, activations: Any, labels: Any) -> dict[str, float]:
            raise ArithmeticError("not today")

    plane = InformationPlaneMonitor(extra=[Fails(every=1)])
    messages = told(plane)
    assert len([m for m in messages if "not today" in m]) == 3  # one for each layer
    assert [r.epoch for r in plane.history if r.tag == "I_XT/val/net.1"] == [1, 2]


def test_extras_say_from_how_many_samples_they_are() -> None:
    x, y = torch.randn(3000, 8), torch.arange(3000) % 3
    plane = InformationPlaneMonitor(["net.1"], probe=(x, y), extra=[LinearVInformation(every=1)])
    fit([plane], max_epochs=1)
    sizes = {r.quantity: r.n_samples for r in plane.history}
    assert (sizes["V_TY"], sizes["I_XT"]) == (2048, 3000)


def test_a_class_without_samples_is_told_by_the_monitor_of_classes() -> None:
    x, y = torch.randn(100, 8), torch.arange(100) % 2
    val = DataLoader(TensorDataset(x, y), 25)
    with pytest.warns(UserWarning, match="ConditionalEntropyMonitor: set 'val'.*class 2"):
        fit([ConditionalEntropyMonitor()], val=val)


class Collapsing(Classifier):
    """Its hidden layer is scaled down each epoch, so that fewer and fewer bins are used."""

    @override
    def on_train_epoch_end(self) -> None:
        with torch.no_grad():
            self.net[0].weight.mul_(0.1)  # type: ignore[index, union-attr]
            self.net[0].bias.mul_(0.1)  # type: ignore[index, union-attr]


def collapse(**options: Any) -> InformationPlaneMonitor:
    options = {"probe": "val", **options}
    plane = InformationPlaneMonitor(["net.1"], **options)
    fit([plane], Collapsing, max_epochs=4)
    return plane


def test_a_layer_that_loses_states_has_compressed() -> None:
    """The verdict gives peak, drop and paired standard error, and stands in the JSON."""
    plane = collapse(bins=Uniform(30, -1, 1))
    (set_,) = plane.verdicts
    verdict = plane.verdicts[set_]["net.1"]
    (drop,) = verdict.drops
    h = {r.epoch: r.bits for r in plane.history if r.quantity == "I_XT"}
    assert verdict.compressed is True
    assert drop.peak_epoch == max(h, key=lambda epoch: h[epoch])
    assert drop.bits == pytest.approx(max(h.values()) - h[4], abs=1e-12)
    assert 0 < drop.standard_error < drop.bits / 3
    assert str(verdict).startswith("compressed")


def test_rulers_that_disagree_give_no_verdict() -> None:
    """Beside one bin for all, under which nothing can fall, the drop is not called compression."""
    plane = collapse(bins=[Uniform(30, -1, 1), Uniform(1, -1, 1)])
    verdict = plane.verdicts["val"]["net.1"]
    assert verdict.compressed is None
    assert "disagree" in str(verdict)


def test_a_steady_layer_has_not_compressed() -> None:
    plane = InformationPlaneMonitor(["net.1"], probe="val")
    fit([plane], lambda: Classifier(lr=0.0))
    verdict = plane.verdicts["val"]["net.1"]
    assert verdict.compressed is False
    assert "no compression" in str(verdict)


@pytest.mark.parametrize(("shuffle", "available"), [(False, True), (True, False)])
def test_listening_pairs_samples_only_where_they_keep_their_order(
    shuffle: bool, available: bool
) -> None:
    from .models import loader

    plane = InformationPlaneMonitor(["net.1"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's own about a shuffled validation loader
        fit([plane], Collapsing, val=loader(200, shuffle=shuffle), max_epochs=4)
    drop = plane.verdicts["val"]["net.1"].drops[0]
    assert math.isfinite(drop.standard_error) == available
    if not available:
        assert "not available" in str(plane.verdicts["val"]["net.1"])


def test_verdicts_come_back_from_a_checkpoint(tmp_path: Path) -> None:
    whole = collapse()
    state = whole.state_dict()
    torch.save(state, tmp_path / "state.pt")
    again = InformationPlaneMonitor(["net.1"], probe="val")
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    before, after = (p.verdicts["val"]["net.1"].drops[0] for p in (whole, again))
    assert (after.peak_epoch, after.peak_bits) == (before.peak_epoch, before.peak_bits)
    whole.to_json(tmp_path / "plane.json")
    document = json.loads((tmp_path / "plane.json").read_text())
    assert document["verdicts"]["val"]["net.1"].startswith("compressed")


def test_exact_rulers_obey_the_data_processing_inequality() -> None:
    """Of layers computed from one another's exact values, H never rises and I(T;Y) neither."""
    from it_callbacks.codes import encode
    from it_callbacks.estimators import entropy, mutual_information
    from it_callbacks.rulers import Exact

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
    ("share", "seconds", "told"), [(0.11, 1.0, 1), (0.10, 60.0, 0), (0.9, 0.9, 0), (0.5, 60.0, 1)]
)
def test_more_than_a_tenth_of_the_time_is_told_unless_it_is_a_moment(
    share: float, seconds: float, told: int
) -> None:
    assert len(of_cost(share, seconds)) == told


class Slow(Extra):
    """An estimator that the clock below takes for a slow one."""

    quantities = ()

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock

    def __call__(self, activations: Any, labels: Any) -> dict[str, float]:
        self.clock[0] += 3.0
        return {}


@pytest.mark.parametrize(("between", "told"), [(5.0, 1), (500.0, 0)])
def test_a_slow_look_is_told_once_with_the_arguments_that_help(
    monkeypatch: pytest.MonkeyPatch, between: float, told: int
) -> None:
    """Each look takes 3 seconds of a clock of our own, each epoch `between` more."""
    clock = [0.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: clock[0])

    class Epochs(pl.Callback):
        def on_train_epoch_start(self, *_: Any) -> None:
            clock[0] += between

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit([InformationPlaneMonitor(extra=[Slow(clock)]), Epochs()], max_epochs=3)
    costs = [str(w.message) for w in caught if "observing takes" in str(w.message)]
    assert len(costs) == told
    assert all("schedule=" in cost and "max_samples=" in cost for cost in costs)
