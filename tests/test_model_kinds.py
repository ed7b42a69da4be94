"""Every kind of model is observed: sane numbers, the same training, nothing left behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import ModelSummary
from pytorch_lightning.tuner import Tuner
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.observation.listening import Firing, Listener
from it_callbacks.rulers import Uniform

from .models import (
    N_CLASSES,
    N_UNITS,
    Classifier,
    fit,
    layer_names,
    loader,
    mlp,
    n_hooks,
    samples,
    trainer,
    when,
)


def all_three(data: Any = None, layers: Any = None, **options: Any) -> list[Any]:
    """The three monitors, the plane in few bins, with options that all of them take."""
    return [
        PredictionEntropyMonitor(data=data, **options),
        ConditionalEntropyMonitor(data=data, **options),
        InformationPlaneMonitor(layers, bins=4, data=data, **options),
    ]


# The models.


def convolutional() -> Classifier:
    """Two maps and a linear read-out, on inputs folded to 1 x 2 x 4."""
    return Classifier(
        nn.Sequential(
            nn.Unflatten(1, (1, 2, 4)),
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 3, (1, 2)),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(3, 3),
        )
    )


class Sequences(Classifier):
    """Steps of two numbers through `net`, then a read-out of what `last` picks."""

    def __init__(self, net: nn.Module, width: int, last: Callable[[Any], Tensor]) -> None:
        super().__init__(net)
        self.head = nn.Linear(width, N_CLASSES)
        self.last = last

    def steps(self, x: Tensor) -> Any:
        """The inputs ``(n_samples, 4 steps, 2)``."""
        return x.reshape(-1, 4, 2)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(self.last(self.net(self.steps(x))))


class TimeMajor(Sequences):
    """The time axis comes before the samples'."""

    @override
    def steps(self, x: Tensor) -> Any:
        return super().steps(x).transpose(0, 1)


class Packed(Sequences):
    """Sequences of unequal length."""

    @override
    def steps(self, x: Tensor) -> Any:
        lengths = torch.arange(len(x)) % 4 + 1
        return pack_padded_sequence(super().steps(x), lengths, True, enforce_sorted=False)


def last_of_packed(output: tuple[PackedSequence, Any]) -> Tensor:
    """The last true step of each sequence."""
    padded, lengths = pad_packed_sequence(output[0], batch_first=True)
    return padded[torch.arange(len(padded)), lengths - 1]


def recurrent() -> Classifier:
    """An LSTM that returns (steps, (h, c))."""
    return Sequences(nn.LSTM(2, 5, batch_first=True), 5, lambda output: output[0][:, -1])


def time_major() -> Classifier:
    """An LSTM that returns steps of shape (steps, n_samples, 5)."""
    return TimeMajor(nn.LSTM(2, 5), 5, lambda output: output[0][-1])


def packed() -> Classifier:
    """An LSTM that returns (PackedSequence, (h, c))."""
    return Packed(nn.LSTM(2, 5, batch_first=True), 5, last_of_packed)


def transformer() -> Classifier:
    """Two encoder layers, which have a fast path in eval mode."""
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.1, batch_first=True)
    net = nn.Sequential(nn.Linear(2, 4), nn.TransformerEncoder(layer, 2))
    return Sequences(net, 4, lambda output: output.mean(1))


class BlockTwice(Classifier):
    """One block of two layers is called twice in a forward."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Linear(N_UNITS, N_UNITS), nn.Tanh()))
        self.head = nn.Linear(N_UNITS, N_CLASSES)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.head(self.net(self.net(x)))


class TwoNames(Classifier):
    """One network under two names, called by the second."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = self.net

    @override
    def forward(self, x: Tensor) -> Any:
        return self.twin(x)


def lazy() -> Classifier:
    """Layers that learn their sizes from the sanity check's first batch."""
    return Classifier(
        nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.Tanh(), nn.LazyLinear(3))
    )


def parametrised() -> Classifier:
    """Weight and spectral norm: layers that have children of their own."""
    return Classifier(
        nn.Sequential(
            parametrizations.weight_norm(nn.Linear(N_UNITS, 4)),
            nn.Tanh(),
            parametrizations.spectral_norm(nn.Linear(4, 4)),
            nn.ReLU(),
            nn.Linear(4, 3),
        )
    )


def pruned() -> Classifier:
    """Half of the weights are masked."""
    model = Classifier()
    prune.l1_unstructured(model.net.get_submodule("0"), "weight", amount=0.5)
    return model


def frozen() -> Classifier:
    """The first layer has no gradients."""
    model = Classifier()
    model.net.get_submodule("0").requires_grad_(False)
    return model


class TwoOptimizers(Classifier):
    """Manual optimisation: the body and the read-out take turns."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        for optimizer in self.optimizers():
            loss = self.step(batch)[0]
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()

    @override
    def configure_optimizers(self) -> Any:
        body, head = list(self.net[:4].parameters()), self.net[4].parameters()
        return [torch.optim.SGD(body, 0.1), torch.optim.Adam(head, 0.01)]


class Checkpointed(Classifier):
    """Its body is run a second time from inside the backward pass."""

    def __init__(self, use_reentrant: bool) -> None:
        super().__init__()
        self.use_reentrant = use_reentrant

    @override
    def forward(self, x: Tensor) -> Any:
        if not torch.is_grad_enabled():
            return self.net(x)
        x = x.clone().requires_grad_()  # which the reentrant mode needs
        return self.net[4](checkpoint(self.net[:4], x, use_reentrant=self.use_reentrant))


@dataclass(frozen=True)
class Hidden:
    """What a part of the user's returns."""

    hidden: Tensor
    mask: Any = None


class Returns(nn.Module):
    """Gives its layer's output in a wrapping of the user's."""

    def __init__(self, wrapped: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(N_UNITS, 4)
        self.wrapped = wrapped

    @override
    def forward(self, x: Tensor) -> Any:
        return self.wrapped(self.linear(x))


class Nothing(nn.Module):
    """Has nothing to return."""

    @override
    def forward(self, x: Tensor) -> None:
        return None


class Wrapped(Classifier):
    """A part that returns no tensor, another that returns nothing; `hidden` unwraps."""

    def __init__(self, wrapped: Callable[[Tensor], Any], hidden: Callable[[Any], Tensor]) -> None:
        super().__init__(Returns(wrapped))
        self.nothing, self.head = Nothing(), nn.Linear(4, N_CLASSES)
        self.hidden = hidden

    @override
    def forward(self, x: Tensor) -> Any:
        self.nothing(x)
        # In place, so that whoever keeps a reference reads what the layer never gave.
        return self.head(self.hidden(self.net(x)).tanh_())


def as_dict() -> Classifier:
    """A part returns a mapping."""
    return Wrapped(lambda h: {"hidden": h, "mask": None}, lambda out: out["hidden"])


def as_dataclass() -> Classifier:
    """A part returns a frozen dataclass."""
    return Wrapped(Hidden, lambda out: out.hidden)


@dataclass(frozen=True)
class Kind:
    """A model and the layers that the settings must list.

    Args:
        make: Makes the model.
        names: The layers taken.
        layers: What is passed as `layers`.
    """

    make: Callable[[], Classifier]
    names: list[str]
    layers: Any = None


MLP = ["net.1", "net.3", "net.4"]

KINDS = {
    "convolutional": Kind(convolutional, ["net.3", "net.6", "net.8"]),
    "lstm": Kind(recurrent, ["net"], {"net": lambda output: output[0][:, -1]}),
    "lstm-default": Kind(recurrent, ["head"]),
    "time-major": Kind(time_major, ["net"], {"net": lambda output: output[0][-1]}),
    "time-major-default": Kind(time_major, ["head"]),
    "packed": Kind(packed, ["net"], {"net": last_of_packed}),
    "packed-default": Kind(packed, ["head"]),
    "transformer": Kind(
        transformer,
        ["net.0"]
        + [f"net.1.layers.{i}.{part}" for i in (0, 1) for part in ("linear1", "linear2")]
        + ["head"],
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


@pytest.mark.parametrize("data", [None, "val"], ids=["listening", "probing"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_sane_numbers_and_trains_as_without(kind: str, data: Any) -> None:
    """No number beyond what 105 samples of three classes allow; weights equal; no hook left."""
    alone = trained_alone(kind)
    monitors = all_three(data, KINDS[kind].layers)
    model, _ = fit(monitors, KINDS[kind].make, max_epochs=1)
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
        if "corrected" in record.quantity or "adjusted" in record.quantity:
            continue  # NaN where the layer is too fine for them
        assert math.isfinite(record.bits), record
        low, high = ranges.get(record.quantity, (-math.inf, math.inf))
        assert low - 1e-9 <= record.bits <= high + 1e-9, record


# What is particular to some.


def test_attention_that_never_fires_is_named_in_the_settings() -> None:
    """`out_proj` is used through its weights only, also off the fast path."""
    (*_, plane) = monitors = all_three()
    fit(monitors, transformer, max_epochs=1)
    skipped = plane.settings["val"]["skipped"]
    for i in (0, 1):
        assert skipped[f"net.1.layers.{i}.self_attn.out_proj"] == "was never called"
        assert skipped[f"net.1.layers.{i}.norm1"] == "normalisation"


@pytest.mark.parametrize("data", [None, "val"])
def test_a_named_layer_that_never_fires_is_an_error(data: Any) -> None:
    model = transformer()
    plane = InformationPlaneMonitor("net.1.layers.0.self_attn.out_proj", data=data)
    with pytest.raises(ValueError, match=r"layers: .*out_proj' did not fire.*out_proj cannot be"):
        fit([plane], model)
    assert model.trainer.global_step == 0
    assert n_hooks(model) == 0


def _values(monitor: Any) -> dict[str, float]:
    return {r.tag: r.bits for r in monitor.history if r.layer != "overhead"}


def test_the_fast_path_of_attention_gives_the_numbers_of_the_slow_one() -> None:
    """Hooks inside switch it off; the predictions are those of the user's own validation."""
    inside, outside = all_three(name="inside"), PredictionEntropyMonitor(name="outside")
    fit([*inside, outside], transformer, max_epochs=1)
    alone = PredictionEntropyMonitor(name="outside")
    fit([alone], transformer, max_epochs=1)
    assert _values(alone) == pytest.approx(_values(outside), abs=1e-5)


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
        expected = {tag.replace("net.linear", "net"): v for tag, v in _values(bare).items()}
        np.testing.assert_equal(_values(wrapped), expected)


def _cloned(model: Any) -> Classifier:
    unwrapped = model.hidden
    model.hidden = lambda output: unwrapped(output).clone()
    return model  # type: ignore[no-any-return] # the same model


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_recomputation_in_the_backward_pass_is_not_heard(use_reentrant: bool) -> None:
    """The body of a checkpointed model runs twice and fires once."""
    model, heard, runs = Checkpointed(use_reentrant), [], []
    model.net[0].register_forward_hook(lambda *_: runs.append(1))

    def hear(firing: Firing) -> None:
        heard.append((firing.name, firing.call))

    listener = Listener({"body": model.net[0], "head": model.net[4]}, hear)
    listener.attach()
    listener.begin()
    model(samples(5)[0]).sum().backward()
    listener.end()
    listener.detach()
    assert len(runs) == 2
    assert heard == [("body", 1), ("head", 1)]


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_validation_that_differentiates_counts_each_sample_once(use_reentrant: bool) -> None:
    """Saliency in validation, say: the recomputed layers are no second call."""

    class Saliency(Checkpointed):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            with torch.enable_grad():
                self.step(batch)[0].backward()
            self.zero_grad()

    monitors = all_three()
    fit(monitors, lambda: Saliency(use_reentrant), max_epochs=1, inference_mode=False)
    plain = all_three()
    fit(plain, max_epochs=1)
    assert layer_names(monitors[2]) == MLP
    for got, expected in zip(monitors, plain, strict=True):
        np.testing.assert_equal(_values(got), _values(expected))


def test_manual_optimisation_counts_the_steps_that_lightning_counts() -> None:
    """Two optimizers step twice a batch: points lie at 0, 10 and 20 of 5 batches each."""
    monitors = all_three("train")
    fit(monitors, TwoOptimizers)
    assert all(when(monitor) == [(0, 0), (1, 10), (2, 20)] for monitor in monitors)


def test_lazy_modules_without_a_sanity_check() -> None:
    """Listening waits for the first batch; a probe before it would draw their weights."""
    monitors = all_three()
    fit(monitors, lazy, max_epochs=1, num_sanity_val_steps=0)
    assert layer_names(monitors[2]) == ["net.2", "net.3"]
    model = lazy()
    with pytest.raises(ValueError, match=r"lazy module 'net\.0' has no shape yet"):
        fit(all_three("val"), model, num_sanity_val_steps=0)
    assert model.trainer.global_step == 0


# TorchScript.


def scripted() -> Classifier:
    """Its body is TorchScript."""
    body = torch.jit.script(nn.Sequential(nn.Linear(N_UNITS, 4), nn.Tanh()))
    return Classifier(nn.Sequential(body, nn.Linear(4, 3)))


def traced() -> Classifier:
    """Its body is traced."""
    body = torch.jit.trace(nn.Sequential(nn.Linear(N_UNITS, 4), nn.Tanh()), samples(2)[0])
    return Classifier(nn.Sequential(body, nn.Linear(4, 3)))


torchscript = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@torchscript
@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize("kind", [scripted, traced])
def test_a_scripted_part_is_skipped_by_default_and_said(
    kind: Callable[[], Classifier], data: Any
) -> None:
    """The layers around it are observed all the same."""
    monitors = all_three(data)
    fit(monitors, kind, max_epochs=1)
    assert layer_names(monitors[2]) == ["net.1"]
    assert "TorchScript" in monitors[2].settings["val"]["skipped"]["net.0"]
    check_sane(monitors[0])


@torchscript
@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize("layers", ["net.0", ["net.0.1", "net.1"]])
@pytest.mark.parametrize("kind", [scripted, traced])
def test_a_scripted_layer_is_refused_with_a_hint(
    kind: Callable[[], Classifier], layers: Any, data: Any
) -> None:
    model = kind()
    hint = r"layers: 'net\.0.*TorchScript.*module that it was scripted or traced from"
    with pytest.raises(ValueError, match=hint):
        fit([InformationPlaneMonitor(layers, data=data)], model)
    assert model.trainer.global_step == 0


@torchscript
@pytest.mark.parametrize("monitor", [PredictionEntropyMonitor, ConditionalEntropyMonitor])
def test_scripted_logits_are_refused_with_a_hint(monitor: type[Any]) -> None:
    with pytest.raises(ValueError, match=r"logits: 'net\.0' is a TorchScript module"):
        fit([monitor(logits="net.0")], scripted)


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
        np.testing.assert_equal(_values(got), _values(expected))


# Kinds of batches that need a choice.


class Views(Classifier):
    """Two views of each sample, one below the other, as in contrastive learning."""

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        x, y = batch
        logits = self(torch.cat([x, x + 0.1]))
        return self.loss(logits, y.repeat(2)), logits

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)


def test_two_views_of_each_sample_need_a_label_for_each_row() -> None:
    """The plane's errors say so, for a named layer and for the default; then it works."""
    said = r"2 views of each sample, pass target="
    for layers in (None, "net.4"):
        with pytest.raises(ValueError, match=said):
            fit([InformationPlaneMonitor(layers)], Views)
    monitors = all_three(target=lambda batch: batch[1].repeat(2))
    fit(monitors, Views, max_epochs=1)
    assert layer_names(monitors[2]) == MLP
    assert {r.n_samples for monitor in monitors for r in monitor.history} == {210}


@pytest.mark.parametrize("monitor", [PredictionEntropyMonitor, ConditionalEntropyMonitor])
def test_predictions_for_two_views_of_each_sample_are_refused(monitor: type[Any]) -> None:
    with pytest.raises(ValueError, match=r"logits: .*25 labels.*\(50, 3\)"):
        fit([monitor()], Views)


class Pixels(Classifier):
    """A class for each of eight pixels."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv1d(1, N_CLASSES, 1)))

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)


def test_segmentation_and_several_labels_work_once_one_class_is_picked() -> None:
    """One label per sample for the layers, and the logits that go with it."""
    x, y = samples(50)
    masks = torch.stack([y] * 8, 1)
    pixels = DataLoader(TensorDataset(x, masks), 25)
    for monitor in all_three():
        with pytest.raises(ValueError, match=r"target: .*\(25, 8\).*target=<function"):
            fit([monitor], Pixels, train=pixels, val=pixels)
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
