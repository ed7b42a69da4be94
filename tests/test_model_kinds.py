"""Every kind of model is observed: sane numbers, the same training, nothing left behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import lightning.pytorch
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelSummary
from pytorch_lightning.tuner import Tuner
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.rulers import Uniform

from .toys import (
    MLP,
    MONITORS,
    N_CLASSES,
    N_UNITS,
    BlockTwice,
    Checkpointed,
    Classifier,
    Pixels,
    TwoNames,
    TwoOptimizers,
    Views,
    all_three,
    as_dataclass,
    as_dict,
    convolutional,
    epochs,
    fit,
    frozen,
    last_of_packed,
    layer_names,
    lazy,
    loader,
    mlp,
    n_hooks,
    packed,
    parametrised,
    pruned,
    recurrent,
    samples,
    scripted,
    time_major,
    traced,
    trainer,
    transformer,
    values,
    when,
)
from .warned import OF_TINY_SETS, warned

# Trainers and modules of either name of Lightning.


@pytest.mark.parametrize("lightning", [pl, lightning.pytorch])
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("monitor", MONITORS)
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
    with warned() as given:
        running.fit(Module(), loader(25), loader(50, seed=1))
    assert len(given.of("no logger")) == 1
    assert epochs(callback) == [0, 1]


# The kinds.


@dataclass(frozen=True)
class Kind:
    """A model and the layers that the settings must list.

    Args:
        make: Makes the model.
        names: The layers taken.
        layers: What is passed as `layers`.
        warns: What of.
    """

    make: Callable[[], Classifier]
    names: list[str]
    layers: Any = None
    warns: frozenset[str] = frozenset()


KINDS = {
    "convolutional": Kind(convolutional, ["net.3", "net.6", "net.10"]),
    "lstm": Kind(recurrent, ["net"], {"net": lambda output: output[0][:, -1]}),
    "lstm-default": Kind(recurrent, ["net", "head"]),
    "time-major": Kind(time_major, ["net"], {"net": lambda output: output[0][-1]}),
    "time-major-default": Kind(time_major, ["head"]),
    "packed": Kind(packed, ["net"], {"net": last_of_packed}),
    "packed-default": Kind(packed, ["head"]),
    "transformer": Kind(
        transformer,
        ["net.0", "net.1.layers.0", "net.1.layers.1", "head"],
    ),
    "block-twice": Kind(BlockTwice, ["net.1", "net.1_call2", "head"]),
    "two-names": Kind(TwoNames, MLP),
    "lazy": Kind(lazy, ["net.2", "net.3"]),
    "parametrised": Kind(parametrised, MLP),
    "parametrised-named": Kind(parametrised, ["net.0", "net.2"], ["net.0", "net.2"]),
    "pruned": Kind(pruned, MLP),
    "frozen": Kind(frozen, MLP),
    "two-optimizers": Kind(TwoOptimizers, MLP),
    "checkpointed": Kind(lambda: Checkpointed(False), MLP),
    "checkpointed-reentrant": Kind(lambda: Checkpointed(True), MLP),
    "dict": Kind(as_dict, ["net"], {"net": lambda output: output["hidden"]}),
    "dict-default": Kind(as_dict, ["net.linear", "head"]),
    "dataclass": Kind(as_dataclass, ["net"], {"net": lambda output: output.hidden}),
    "dataclass-default": Kind(as_dataclass, ["net.linear", "head"]),
}


@cache
def trained_alone(kind: str) -> nn.Module:
    """A model of this kind after training without monitors."""
    return fit([], KINDS[kind].make, max_epochs=1)[0]


@pytest.mark.parametrize("data", [None, "val"], ids=["listening", "fixed"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_sane_numbers_and_trains_as_without(kind: str, data: Any) -> None:
    """No number beyond what 105 samples of three classes allow; weights equal; no hook left."""
    alone = trained_alone(kind)
    monitors = all_three(data, KINDS[kind].layers, bins=4)
    with warned() as given:
        model, _ = fit(monitors, KINDS[kind].make, max_epochs=1)
    assert set(given.causes) - OF_TINY_SETS == KINDS[kind].warns
    assert layer_names(monitors[2]) == KINDS[kind].names
    assert n_hooks(model) == n_hooks(alone)
    for left, right in zip(alone.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(left, right)
    for monitor in monitors:
        assert {r.epoch for r in monitor.history} == ({1} if data is None else {0, 1})
        check_sane(monitor)


def check_sane(monitor: Any) -> None:
    """Every entropy and information lies in its range, and none that must be there is missing."""
    n_bits, label_bits = math.log2(105), math.log2(N_CLASSES)
    ranges = {"I_XT": (0.1, n_bits), "coverage": (0.0, 1.0)}
    ranges |= dict.fromkeys(
        ("I_TY", "I_TY_chance", "conditional_entropy", "conditional_entropy_within"),
        (0.0, label_bits),
    )
    for record in monitor.history:
        assert record.n_samples == 105
        if record.layer in ("confused_first", "confused_second"):
            assert record.bits in range(N_CLASSES)  # numbers of classes
            continue
        if record.quantity.endswith(("_low", "_high", "adjusted", "corrected")):
            continue  # NaN where the layer is too fine for them
        assert math.isfinite(record.bits), record
        low, high = ranges.get(record.quantity, (-math.inf, math.inf))
        assert low - 1e-9 <= record.bits <= high + 1e-9, record


# What is particular to some.


@pytest.mark.parametrize("data", [None, "val"])
def test_a_named_layer_that_never_fires_is_an_error(data: Any) -> None:
    model = transformer()
    plane = InformationPlaneMonitor(
        "net.1.layers.0.self_attn.out_proj", data=data, on_error="raise"
    )
    with pytest.raises(ValueError, match=r"layers: none can be observed.*out_proj: "):
        fit([plane], model)
    assert model.trainer.global_step == 0
    assert n_hooks(model) == 0


@pytest.mark.parametrize("kind", [as_dict, as_dataclass])
def test_an_output_in_a_wrapping_is_copied_before_it_is_overwritten(
    kind: Callable[[], Classifier],
) -> None:
    """In the very first batch too, which also decides which layers there are."""
    pick = {"net": lambda out: out["hidden"] if isinstance(out, dict) else out.hidden}
    for n_sanity in (0, 2):
        wrapped = InformationPlaneMonitor(pick, bins=Uniform(6, -3, 3))
        fit([wrapped], kind, max_epochs=1, num_sanity_val_steps=n_sanity)
        bare = InformationPlaneMonitor("net.linear", bins=Uniform(6, -3, 3))
        fit([bare], lambda: _cloned(kind()), max_epochs=1, num_sanity_val_steps=n_sanity)
        expected = {tag.replace("net.linear", "net"): v for tag, v in values(bare).items()}
        np.testing.assert_equal(values(wrapped), expected)


def _cloned(model: Any) -> Classifier:
    unwrapped = model.hidden
    model.hidden = lambda output: unwrapped(output).clone()
    return model  # type: ignore[no-any-return] # the same model


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_recomputation_in_a_backward_pass_is_not_heard(use_reentrant: bool) -> None:
    """Saliency in validation, say: the body runs twice, and that is no second call."""
    runs: list[bool] = []

    class Saliency(Checkpointed):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            handle = self.net[0].register_forward_hook(lambda *_: runs.append(True))
            with torch.enable_grad():
                self.step(batch)[0].backward()
            self.zero_grad()
            handle.remove()

    monitors, plain = all_three(), all_three()
    model = partial(Saliency, use_reentrant)
    fit(monitors, model, max_epochs=1, num_sanity_val_steps=0, inference_mode=False)
    fit(plain, max_epochs=1)
    assert len(runs) == 2 * len(loader(105))
    assert layer_names(monitors[2]) == MLP
    for got, expected in zip(monitors, plain, strict=True):
        np.testing.assert_equal(values(got), values(expected))


def test_lazy_modules_without_a_sanity_check() -> None:
    """Listening waits for the first batch; a fixed set before it would draw their weights."""
    monitors = all_three()
    fit(monitors, lazy, max_epochs=1, num_sanity_val_steps=0)
    assert layer_names(monitors[2]) == ["net.2", "net.3"]
    fixed = all_three("val")
    with warned() as given:
        fit(fixed, lazy, max_epochs=2, num_sanity_val_steps=0)
    assert given.causes.count("skipped") == 3
    assert all("lazy module 'net.0' has no shape yet" in one.text for one in given.of("skipped"))
    assert all(when(monitor) == [(1, 5), (2, 10)] for monitor in fixed)


# TorchScript.

torchscript = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@torchscript
@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize("kind", [scripted, traced])
def test_a_scripted_part_is_one_layer(kind: Callable[[], Classifier], data: Any) -> None:
    monitors = all_three(data)
    fit(monitors, kind, max_epochs=1)
    assert layer_names(monitors[2]) == ["net.0", "net.1"]
    for monitor in monitors:
        check_sane(monitor)


@torchscript
@pytest.mark.parametrize("kind", [scripted, traced])
def test_the_output_of_a_scripted_part_may_be_named(kind: Callable[[], Classifier]) -> None:
    plane, whole = InformationPlaneMonitor("net.0"), InformationPlaneMonitor()
    fit([plane], kind, max_epochs=1)
    fit([whole], kind, max_epochs=1)
    assert layer_names(plane) == ["net.0"]
    assert values(plane)["information_plane/val/I_XT/net.0"] == pytest.approx(
        values(whole)["information_plane/val/I_XT/net.0"]
    )


# Forward passes that are none of the training's.


@pytest.mark.parametrize("data", [None, "train"])
def test_a_search_for_a_learning_rate_by_the_tuner_is_not_recorded(
    tmp_path: Any, data: Any
) -> None:
    """It fits with this very Trainer, and puts the weights back."""
    monitors = all_three(data)
    torch.manual_seed(1)
    model, running = Classifier(), trainer(monitors, default_root_dir=tmp_path)
    val = loader(105, seed=1)
    Tuner(running).lr_find(model, loader(), val, num_training=5, early_stop_threshold=None)
    assert all(monitor.history == [] for monitor in monitors)
    running.fit(model, loader(), val)
    first = [(0, 0)] if data else []
    assert all(when(monitor) == [*first, (1, 5), (2, 10)] for monitor in monitors)


@pytest.mark.parametrize("data", [None, "train"])
def test_a_summary_with_an_example_and_the_sanity_check_are_not_recorded(data: Any) -> None:
    """The summary runs two samples through the model, the sanity check all batches."""

    class Example(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.example_input_array = torch.zeros(2, N_UNITS)

    monitors, plain = all_three(data), all_three(data)
    fit([*monitors, ModelSummary()], Example, num_sanity_val_steps=-1)
    fit(plain)
    for got, expected in zip(monitors, plain, strict=True):
        assert when(got) == when(expected)
        np.testing.assert_equal(values(got), values(expected))


# Kinds of batches that need a choice.


def test_two_views_of_each_sample_need_a_label_for_each_row() -> None:
    """The plane's errors say so, for a named layer and for the default; then it works."""
    said = r"2 views of each sample, pass target="
    for layers in (None, "net.4"):
        with pytest.raises(ValueError, match=said):
            fit([InformationPlaneMonitor(layers, on_error="raise")], Views)
    monitors = all_three(target=lambda batch: batch[1].repeat(2))
    fit(monitors, Views, max_epochs=1)
    assert layer_names(monitors[2]) == MLP
    assert {r.n_samples for monitor in monitors for r in monitor.history} == {210}


@pytest.mark.parametrize("monitor", [PredictionEntropyMonitor, ConditionalEntropyMonitor])
def test_predictions_for_two_views_of_each_sample_are_refused(monitor: type[Any]) -> None:
    with pytest.raises(ValueError, match=r"logits: .*\(50, 3\) for 25 labels"):
        fit([monitor(on_error="raise")], Views)


def test_labels_of_pixels_count_as_they_are_or_once_one_is_picked() -> None:
    """One label per row for the layers, and the logits that go with it."""
    x, y = samples(50)
    masks = torch.stack([y] * 8, 1)
    pixels = DataLoader(TensorDataset(x, masks), 25)
    whole = all_three()
    fit(whole, Pixels, train=pixels, val=pixels, max_epochs=1)
    assert {r.n_samples for monitor in whole for r in monitor.history} == {400}
    picked: dict[str, Any] = {"target": lambda batch: batch[1][:, 0]}
    monitors = [
        PredictionEntropyMonitor(**picked, logits=lambda out: out[:, :, 0]),
        ConditionalEntropyMonitor(**picked, logits=lambda out: out[:, :, 0]),
        InformationPlaneMonitor(**picked),
    ]
    fit(monitors, Pixels, train=pixels, val=pixels, max_epochs=1)
    assert layer_names(monitors[2]) == ["net.1"]
    assert {r.n_samples for monitor in monitors for r in monitor.history} == {50}


def test_a_network_without_parameters_to_train_is_observed() -> None:
    """A fixed feature extractor, validated only."""
    model = Classifier(mlp().requires_grad_(False))
    monitors = all_three()
    trainer(monitors).validate(model, loader(105, seed=1), verbose=False)
    for monitor in monitors:
        check_sane(monitor)
