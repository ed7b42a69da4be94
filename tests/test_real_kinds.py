"""Networks of the kinds that users train, with the monitors attached as the README shows.

Weights and the user's own metrics end as without, byte for byte; what is measured is what NumPy
counts. Kinds that other files hold: fused encoders, attention, half precision and parts compiled in
place are in `test_listening.py`; soft, several and one-hot labels, regression and labels that are
missing in `test_measured_labels.py`; empty steps and forwards that fail in `test_misfits.py`; means
over padding, and positions in general, in `test_positions.py`; heads, embeddings and several calls
of the forward in `test_prediction_sources.py`; any vocabulary in `test_vocabulary.py`; offsets of
units, as rulers read them, in `test_rulers.py`; lists of default layers in
`test_default_layers.py`; real third-party models in `test_zoo.py`. What a PCA of wide maps costs
belongs to another piece of work.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor, PredictionEntropyMonitor
from it_callbacks.rulers import Uniform, Width

from .toys import (
    MONITORS,
    N_CLASSES,
    ROOTS,
    VAL,
    Classifier,
    LogsLoss,
    all_three,
    fit,
    layer_names,
    loader,
    outputs,
    trainer,
    values,
)
from .warned import OF_TINY_SETS, warned

X, Y = VAL
SIGNS = Uniform(2, -1, 1)
"""Reads what a tanh gives by its sign."""


class Seen(pl.Callback):
    """Every weight and every metric of the user's own after each validation, as bytes."""

    def __init__(self) -> None:
        self.states: list[dict[str, bytes]] = []

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = trainer.callback_metrics.items()
        state = pl_module.state_dict() | {k: v for k, v in metrics if not k.startswith(ROOTS)}
        self.states.append({k: v.detach().cpu().numpy().tobytes() for k, v in state.items()})

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.on_validation_end(trainer, pl_module)


def undisturbed(
    make: Callable[[], pl.LightningModule],
    train: Any,
    val: Any,
    monitors: list[Any],
    **options: Any,
) -> tuple[pl.LightningModule, pl.Trainer]:
    """Train without and with monitors, compare byte for byte, and return the latter."""
    alone, beside = Seen(), Seen()
    np.random.seed(0)
    fit([alone], make, train=train, val=val, **options)
    np.random.seed(0)
    model, running = fit([*monitors, beside], make, train=train, val=val, **options)
    assert beside.states == alone.states
    assert len(alone.states) > 1
    assert any("loss" in name for name in alone.states[-1])
    return model, running


def bits(running: pl.Trainer, name: str = "val_loss") -> Any:
    """A loss of the user's in bits, as far as float32 is exact."""
    return pytest.approx(running.callback_metrics[name].item() / math.log(2), rel=1e-5)


def predicted(logits: NDArray[Any], labels: NDArray[Any]) -> dict[str, Any]:
    """Entropies of predictions ``(n, n_classes)`` and their surprise, by SciPy in float64."""
    log_p = log_softmax(logits.astype(np.float64), 1) / math.log(2)
    p = np.exp2(log_p)
    found = {
        "mean": -(p * log_p).sum(1).mean(),
        "marginal": -(p.mean(0) * np.log2(p.mean(0))).sum(),
        "cross_entropy": -log_p[np.arange(len(labels)), labels].mean(),
    }
    return {f"prediction_entropy/val/{k}": pytest.approx(v, rel=1e-5) for k, v in found.items()}


def counted(states: Any, labels: Any) -> tuple[Any, Any]:
    """I(X;T) and I(T;Y) of rows of states, in bits, by counting."""
    t = np.unique(np.asarray(states), axis=0, return_inverse=True)[1].ravel()
    pairs = [t, np.asarray(labels), np.stack([t, np.asarray(labels)], 1)]
    h_t, h_y, h_ty = (_entropy(np.unique(part, axis=0, return_counts=True)[1]) for part in pairs)
    return pytest.approx(h_t, abs=1e-9), pytest.approx(h_t + h_y - h_ty, abs=1e-9)


def _entropy(counts: NDArray[Any]) -> float:
    return float(np.log2(counts.sum()) - (counts * np.log2(counts)).sum() / counts.sum())


def read(plane: Any, layer: str) -> tuple[float, float]:
    """I(X;T) and I(T;Y) as measured last."""
    found = values(plane)
    i_xt, i_ty = (found[f"information_plane/val/{name}/{layer}"] for name in ("I_XT", "I_TY"))
    return i_xt, i_ty


# Encoders of sentences: mappings as batches, tuples as outputs.

V, T = 30, 9


@dataclass
class Output:
    """What a model of a hub returns."""

    loss: Tensor | None
    logits: Tensor


class Block(nn.Module):
    """Attends under a mask, and returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.mix = nn.Linear(4, 4)

    @override
    def forward(self, steps: Tensor, is_padding: Tensor) -> tuple[Tensor, None]:
        mixed, _ = self.attention(steps, steps, steps, is_padding, need_weights=False)
        return torch.tanh(self.mix(steps + mixed)), None


class Bert(nn.Module):
    """Embeds, attends, and reads the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(V, 4)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.classify = nn.Linear(4, N_CLASSES)

    @override
    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> Output:
        steps = self.embed(input_ids)
        for block in self.blocks:
            steps, _ = block(steps, attention_mask == 0)
        logits = self.classify(steps[:, 0])
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return Output(loss, logits)


class FromAHub(pl.LightningModule):
    """Passes each batch by name to the model that it wraps."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Bert()

    @override
    def forward(self, **batch: Tensor) -> Output:
        return self.model(**batch)  # type: ignore[no-any-return] # an output

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self(**batch).loss

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        out = self(**batch)
        self.log("val_loss", out.loss, batch_size=len(out.logits))
        right = (out.logits.argmax(1) == batch["labels"]).float().mean()
        self.log("val_acc", right, batch_size=len(out.logits))

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), 1e-2)


def sentences(n: int, n_steps: int = T, *, left: bool = False) -> dict[str, Tensor]:
    """Sentences of 4 to 9 tokens, padded on the right, or on the left but for the first token."""
    generator = torch.Generator().manual_seed(n)
    lengths = torch.randint(4, T + 1, (n, 1), generator=generator)
    ids = torch.randint(1, V, (n, T), generator=generator)
    y = torch.randint(0, N_CLASSES, (n,), generator=generator)
    ids[:, 0] = 1 + y
    mask = (torch.arange(T)[None] < lengths).long()
    ids, mask = (nn.functional.pad(part, (0, n_steps - T)) for part in (ids * mask, mask))
    if left:
        ids, mask = ids.flip(1), mask.flip(1)
    return {"input_ids": ids, "attention_mask": mask, "labels": y}


def of_mappings(columns: dict[str, Tensor], size: int = 40, **options: Any) -> DataLoader[Any]:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return DataLoader(rows, size, **options)  # type: ignore[arg-type] # a list is a map-style set


@pytest.mark.parametrize("data", [None, "val"])
def test_a_bert_is_measured_from_batches_that_are_mappings(data: Any) -> None:
    """Also by a fixed set, which is passed by name; its blocks give tuples and mask padding."""
    val = sentences(210)
    plane = InformationPlaneMonitor(["model.blocks.?"], bins=Width(0.25), data=data, name="val")
    monitors = [PredictionEntropyMonitor(data=data, name="val"), plane]
    train = of_mappings(sentences(200), shuffle=True)
    model, running = undisturbed(FromAHub, train, of_mappings(val), monitors)
    found = values(monitors[0])
    logits: list[NDArray[Any]] = []
    states: list[Tensor] = []
    assert isinstance(model.model, Bert)
    model.model.blocks[1].register_forward_hook(lambda _m, _a, out: states.append(out[0]))
    model.eval()
    with torch.no_grad():
        for batch in of_mappings(val):
            logits.append(model(**batch).logits.numpy())
    assert found | predicted(np.concatenate(logits), val["labels"].numpy()) == found
    assert found["prediction_entropy/val/cross_entropy"] == bits(running)
    assert (
        monitors[0].settings["val"]["predictions"] == "logits, from 'logits' of the model's forward"
    )
    mask = val["attention_mask"][..., None]
    means = ((torch.cat(states) * mask).sum(1).double() / mask.sum(1)).float()
    assert read(plane, "model.blocks.1") == counted(torch.floor(means / 0.25), val["labels"])


@pytest.mark.parametrize("left", [False, True])
def test_padding_of_any_length_and_side_changes_no_value(left: bool) -> None:
    """The network does not see padding, so its layers do not change; nor does what is read."""

    class Means(Classifier):
        def __init__(self) -> None:
            super().__init__(nn.Embedding(V, 3))
            self.mix, self.act, self.head = nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, N_CLASSES)

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            logits = self(batch)
            return self.loss(logits, batch["labels"]), logits

        @override
        def forward(self, batch: Any) -> Any:
            mask = batch["attention_mask"][..., None]
            steps = self.act(self.mix(self.net(batch["input_ids"])))
            return self.head((steps * mask).sum(1) / mask.sum(1))

    found = []
    for n_steps in (T, 2 * T, 4 * T):
        val = of_mappings(sentences(200, n_steps, left=left))
        plane = InformationPlaneMonitor(bins=10)
        fit([plane], Means, train=val, val=val, max_epochs=1, seed=3)
        found.append({tag: value for tag, value in values(plane).items() if "/I_" in tag})
    assert layer_names(plane) == ["net", "act", "head"]
    assert found[1] == pytest.approx(found[0], abs=1e-9, nan_ok=True)
    assert found[2] == pytest.approx(found[0], abs=1e-9, nan_ok=True)


# Language models of a large vocabulary.


class Gpt(pl.LightningModule):
    """Predicts each token from those before; its labels are its inputs, the first three masked."""

    n_tokens = 1500

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.act = nn.Embedding(self.n_tokens, 6), nn.Tanh()
        self.recur = nn.GRU(6, 6, batch_first=True)
        self.head = nn.Linear(6, self.n_tokens)

    @override
    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Any]:
        logits = self.head(self.recur(self.act(self.embed(input_ids)))[0])
        nll = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return {"loss": nll, "logits": logits, "past": None}

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self(**batch)["loss"]  # type: ignore[no-any-return] # a tensor

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self(**batch)["loss"], batch_size=len(batch["labels"]))

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), 1e-2)


class SmallGpt(Gpt):
    """Of few tokens."""

    n_tokens = 15


def texts(n: int, n_tokens: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(n)
    first = torch.randint(0, n_tokens, (n, 1), generator=generator)
    ids = (first + 7 * torch.arange(T)) % n_tokens
    return {"input_ids": ids, "labels": ids.where(torch.arange(T) >= 3, -100)}


def test_the_token_entropy_of_a_large_vocabulary_is_measured() -> None:
    """The table of pairs of classes is too large then, which is one line."""
    val = texts(80, 1500)
    monitors = all_three()
    with warned() as given:
        model, running = undisturbed(
            Gpt, of_mappings(texts(120, 1500), 30), of_mappings(val), monitors
        )
    found = values(monitors[0])
    model.eval()
    with torch.no_grad():
        logits = model(**val)["logits"][:, 2:-1].flatten(0, 1).numpy()
    assert found | predicted(logits, val["labels"][:, 3:].flatten().numpy()) == found
    assert found["prediction_entropy/val/cross_entropy"] == bits(running)
    assert {record.n_samples for record in monitors[0].history} == {80 * 6}
    assert [one.cause for one in given if one.monitor == "ConditionalEntropyMonitor"] == ["skipped"]


def test_layers_of_a_language_model_are_read_beside_the_next_token() -> None:
    val = texts(80, 15)
    plane = InformationPlaneMonitor(["act", "recur"], bins=SIGNS)
    with warned():
        model, _ = undisturbed(SmallGpt, of_mappings(texts(120, 15), 30), of_mappings(val), [plane])
    assert isinstance(model, SmallGpt)
    model.eval()
    with torch.no_grad():
        act = model.act(model.embed(val["input_ids"]))
        recur = model.recur(act)[0]
    for name, steps in (("act", act), ("recur", recur)):
        signs = (steps[:, 2:-1].flatten(0, 1) >= 0).numpy()
        assert read(plane, name) == counted(signs, val["labels"][:, 3:].flatten())


# Segmentation.


class UNet(Classifier):
    """Two scales with a skip; a class for each pixel, of which 255 marks those without."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()))
        self.down = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(4, 3, 3, padding=1), nn.Tanh())
        self.up = nn.ConvTranspose2d(3, 4, 2, 2)
        self.head = nn.Conv2d(8, N_CLASSES, 1)
        self.loss = nn.CrossEntropyLoss(ignore_index=255)

    @override
    def forward(self, x: Tensor) -> Any:
        fine = self.net(x)
        return self.head(torch.cat([fine, self.up(self.down(fine))], 1))

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("val_loss", self.step(batch)[0], batch_size=int((batch[1] != 255).sum()))


def images(n: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(n))
    smooth = nn.functional.avg_pool2d(x, 3, 1, 1)[:, 0].contiguous()
    y = torch.bucketize(smooth, torch.tensor([-0.2, 0.2]))
    y[: n // 2, 0] = 255
    return x, y


def of(*columns: Tensor, size: int = 25, **options: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*columns), size, **options)


def test_a_u_net_is_measured_at_its_pixels() -> None:
    """A layer of half the resolution is read at its pixel that covers one of the labels."""
    x, y = images(60)
    plane = InformationPlaneMonitor("down.2", bins=SIGNS, ignore_index=255)
    monitors = [PredictionEntropyMonitor(ignore_index=255), plane]
    model, running = undisturbed(UNet, of(*images(80)), of(x, y), monitors)
    is_labelled = (y != 255).numpy()
    model.eval()
    with torch.no_grad():
        logits = model(x).movedim(1, -1).numpy()[is_labelled]
    (half,) = outputs(model, ["down.2"], [x])
    signs = (half >= 0).movedim(1, -1).numpy().repeat(2, 1).repeat(2, 2)[is_labelled]
    found = values(monitors[0])
    assert found | predicted(logits, y.numpy()[is_labelled]) == found
    assert found["prediction_entropy/val/cross_entropy"] == bits(running)
    assert read(plane, "down.2") == counted(signs, y.numpy()[is_labelled])
    assert monitors[0].settings["val"]["n_unlabelled"] == (~is_labelled).sum()


def test_the_forgotten_ignore_index_of_a_segmentation_is_suggested() -> None:
    monitors = all_three()
    with warned() as given:
        undisturbed(UNet, of(*images(80)), of(*images(60)), monitors)
    about = [one for one in given if one.cause not in OF_TINY_SETS - {"missing"}]
    assert len(about) == 3
    assert all("ignore_index=255" in one.text and len(one.text) < 300 for one in about)
    assert [monitor.history for monitor in monitors[:2]] == [[], []]


@pytest.mark.parametrize("sigmoid", [False, True])
def test_a_binary_segmentation_of_one_channel_is_measured_at_its_pixels(sigmoid: bool) -> None:
    """Logits ``(n, 1, h, w)``, or probabilities, beside floats of the same shape."""

    class Mask(LogsLoss):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1)))
            if sigmoid:
                self.net.append(nn.Sigmoid())
            self.loss: Any = nn.BCELoss() if sigmoid else nn.BCEWithLogitsLoss()

    x, _ = images(60)
    y = (nn.functional.avg_pool2d(x, 3, 1, 1) > 0).float()
    monitors = all_three()
    _, running = undisturbed(Mask, of(x, y), of(x, y), monitors)
    assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == bits(running)
    assert monitors[2].history[0].n_samples == 60 * 64


# One logit.


@pytest.mark.parametrize("sigmoid", [False, True])
def test_one_logit_or_probability_per_sample_is_binary(sigmoid: bool) -> None:
    class OneLogit(LogsLoss):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 1)))
            if sigmoid:
                self.net.append(nn.Sigmoid())
            self.loss: Any = nn.BCELoss() if sigmoid else nn.BCEWithLogitsLoss()

    y = (Y > 0).float()[:, None]
    plane = InformationPlaneMonitor("net.1", bins=2)
    monitors = [PredictionEntropyMonitor(), plane]
    model, running = undisturbed(OneLogit, of(X, y), of(X, y), monitors)
    assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == bits(running)
    (act,) = outputs(model, ["net.1"], [X])
    assert read(plane, "net.1") == counted((act >= 0).numpy(), y[:, 0])


# Recurrent networks.


class Recurrent(Classifier):
    """An LSTM over sentences, packed or not; a class for each token or for the sentence."""

    def __init__(self, n_classes: int, *, packs: bool, tags: bool) -> None:
        super().__init__(nn.LSTM(4, 3, batch_first=True, bidirectional=True))
        self.embed, self.head = nn.Embedding(V, 4), nn.Linear(6, n_classes)
        self.packs, self.tags = packs, tags

    @override
    def forward(self, x: Tensor, lengths: Tensor) -> Any:
        steps: Any = self.embed(x)
        if self.packs:
            steps = pack_padded_sequence(steps, lengths, True, enforce_sorted=False)
        steps, (last, _) = self.net(steps)
        if self.packs:
            steps, _ = pad_packed_sequence(steps, batch_first=True, total_length=x.shape[1])
        return self.head(steps if self.tags else torch.cat([*last], 1))

    @override
    def parts(self, batch: Any) -> Any:
        return batch

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        x, y, lengths = self.parts(batch)
        logits = self(x, lengths)
        flat = logits.flatten(0, 1) if self.tags else logits
        return self.loss(flat, y.flatten()), logits

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        n_labelled = int((self.parts(batch)[1] >= 0).sum())
        self.log("val_loss", self.step(batch)[0], batch_size=n_labelled)


def tagged(n: int, n_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sentences, the tag of each token, and lengths."""
    whole = sentences(n)
    ids, mask = whole["input_ids"], whole["attention_mask"]
    return ids, (ids % n_classes).where(mask == 1, -100), mask.sum(1)


@pytest.mark.parametrize("packs", [False, True])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_tagger_is_measured_at_its_tokens(n_classes: int, packs: bool) -> None:
    """Layers too, packed or not."""
    x, y, lengths = tagged(120, n_classes)
    plane = InformationPlaneMonitor(["embed", "net"], bins={"net": SIGNS, "embed": Width(0.5)})
    monitors = [PredictionEntropyMonitor(), plane]

    def make() -> Recurrent:
        return Recurrent(n_classes, packs=packs, tags=True)

    model, running = undisturbed(make, of(x, y, lengths), of(x, y, lengths), monitors)
    is_token = y >= 0
    model.eval()
    with torch.no_grad():
        logits = model(x, lengths)[is_token].numpy()
        embedded = model.embed(x)  # type: ignore[operator] # a module
        whole = pack_padded_sequence(embedded, lengths, True, enforce_sorted=False)
        steps = model.net(whole if packs else embedded)[0]  # type: ignore[operator] # a module
    if packs:
        steps, _ = pad_packed_sequence(steps, batch_first=True, total_length=T)
    found = values(monitors[0])
    assert found | predicted(logits, y[is_token].numpy()) == found
    assert found["prediction_entropy/val/cross_entropy"] == bits(running)
    assert read(plane, "net") == counted((steps[is_token] >= 0).numpy(), y[is_token])
    tokens = torch.floor(embedded[is_token] / 0.5).numpy()
    assert read(plane, "embed") == counted(tokens, y[is_token])


@pytest.mark.parametrize(("n_classes", "size"), [(2, 1), (2, 40), (3, 1)])
def test_tags_of_two_classes_without_padding_are_measured_at_their_tokens(
    n_classes: int, size: int
) -> None:
    """A batch may hold no others: there are as many tokens as tags, so they are not columns."""
    x = sentences(120)["input_ids"].clamp(min=1)
    y, lengths = x % n_classes, torch.full((120,), T)
    monitors = all_three()

    def make() -> Recurrent:
        return Recurrent(n_classes, packs=False, tags=True)

    loading = of(x, y, lengths, size=size)
    with warned() as given:
        _, running = undisturbed(make, loading, loading, monitors, max_epochs=1)
    assert set(given.causes) <= OF_TINY_SETS
    assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == bits(running)


def test_tags_that_are_all_alike_in_a_batch_are_not_the_inputs() -> None:
    """Most tokens are outside of any name: tags of 0, as token types are, or masks of 1."""
    whole = sentences(40)
    ids, mask = whole["input_ids"], whole["attention_mask"]
    types = torch.zeros_like(ids)

    class Named(Recurrent):
        def __init__(self) -> None:
            super().__init__(3, packs=False, tags=True)

        @override
        def parts(self, batch: Any) -> Any:
            return batch["input_ids"], batch["labels"], batch["attention_mask"].sum(1)

    for most in (0, 1):
        tags = torch.where(ids == 7, 2, most).where(mask == 1, -100)
        columns = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
        loading = of_mappings({**columns, "labels": tags}, 5)
        monitor = PredictionEntropyMonitor()
        with warned() as given:
            fit([monitor], Named, train=loading, val=loading, max_epochs=1)
        assert set(given.causes) <= {"few"}
        assert {record.n_samples for record in monitor.history} == {int(mask.sum())}


@pytest.mark.parametrize("packs", [False, True])
def test_a_classifier_of_sentences_has_its_lstm_read_or_said_not_to_be(packs: bool) -> None:
    """Unpacked steps are averaged; those of a packed output are of no sentence."""
    x, y, lengths = tagged(120, N_CLASSES)
    of_sentence = y[:, 0]
    monitors = all_three()

    def make() -> Recurrent:
        return Recurrent(N_CLASSES, packs=packs, tags=False)

    loading = of(x, of_sentence, lengths)
    _, running = undisturbed(make, loading, loading, monitors)
    assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == bits(running)
    settings = monitors[2].settings["val"]
    assert ("net" in layer_names(monitors[2])) != ("net" in settings["skipped"])
    assert ("net" in layer_names(monitors[2])) or packs


# No predictions.


class Gan(pl.LightningModule):
    """Two optimisers; its forward makes pixels, its validation judges them."""

    def __init__(self, *, both: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.make = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 8), nn.Sigmoid())
        self.judge = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 1))
        self.both = both

    @override
    def forward(self, z: Tensor) -> Any:
        return self.make(z)

    def loss(self, x: Tensor, is_real: bool) -> Tensor:
        target = torch.full((len(x), 1), float(is_real))
        return nn.functional.binary_cross_entropy_with_logits(self.judge(x), target)

    @override
    def training_step(self, batch: Any, batch_idx: int) -> None:
        x, _ = batch
        of_maker, of_judge = self.optimizers()  # type: ignore[attr-defined] # two of them
        fake = self.make(torch.randn(len(x), 4))
        of_judge.zero_grad()
        self.manual_backward(self.loss(x, True) + self.loss(fake.detach(), False))
        of_judge.step()
        of_maker.zero_grad()
        self.manual_backward(self.loss(fake, True))
        of_maker.step()

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        x, _ = batch
        fake = self.make(torch.randn(len(x), 4))
        judged = torch.cat([x, fake]) if self.both else fake
        self.log("val_loss", self.loss(judged, False), batch_size=len(x))

    @override
    def configure_optimizers(self) -> Any:
        return [torch.optim.Adam(part.parameters(), 1e-2) for part in (self.make, self.judge)]


def test_the_comparison_notices_one_number_drawn_in_validation() -> None:
    class Draws(pl.Callback):
        @override
        def on_validation_batch_start(self, *_: Any, **__: Any) -> None:
            torch.rand(1)

    with pytest.raises(AssertionError):
        undisturbed(Gan, loader(), of(X, Y), [Draws()])


def test_a_gan_has_no_predictions_and_its_layers_are_read() -> None:
    """Neither hidden units nor pixels count for predictions of classes."""
    monitors = all_three()
    with warned() as given:
        undisturbed(Gan, loader(shuffle=True), of(X, Y), monitors)
    assert [monitor.history for monitor in monitors[:2]] == [[], []]
    for monitor in MONITORS[:2]:
        (line,) = [one for one in given if one.monitor == monitor.__name__]
        assert line.cause == "skipped"
        assert "logits=" in line.text
    assert {"make.1", "make.3", "judge.1", "judge.2"} <= set(layer_names(monitors[2]))


def test_a_judge_of_real_and_made_rows_asks_for_labels_of_both() -> None:
    monitors = all_three()
    with warned() as given:
        undisturbed(lambda: Gan(both=True), loader(), of(X, Y), monitors)
    assert "judge.1" not in str(monitors[2].settings.get("val", {}).get("layers"))
    said = [one for one in given if one.cause not in OF_TINY_SETS]
    assert len(said) <= 3
    of_both = InformationPlaneMonitor(
        "judge.*", target=lambda batch: torch.tensor([1, 0]).repeat_interleave(len(batch[0]))
    )
    undisturbed(lambda: Gan(both=True), loader(), of(X, Y), [of_both])
    assert of_both.settings["val"]["H_Y"] == 1.0


class AutoEncoder(LogsLoss):
    """Restores its inputs; the labels in its batches play no part."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Linear(8, 2), nn.Tanh(), nn.Linear(2, 8)))

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        restored = self(batch[0])
        return nn.functional.mse_loss(restored, batch[0]), restored


def test_what_an_autoencoder_restores_is_no_prediction() -> None:
    monitors = [*all_three()[:2], InformationPlaneMonitor("net.1", bins=SIGNS)]
    with warned() as given:
        model, _ = undisturbed(AutoEncoder, loader(shuffle=True), of(X, Y), monitors)
    assert [monitor.history for monitor in monitors[:2]] == [[], []]
    assert [one.cause for one in given if one.cause not in OF_TINY_SETS] == ["skipped", "skipped"]
    (act,) = outputs(model, ["net.1"], [X])
    assert read(monitors[2], "net.1") == counted((act >= 0).numpy(), Y)


class Contrastive(LogsLoss):
    """Sees two views of each sample in one call."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 4)))

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        (left, right), _ = batch
        z = nn.functional.normalize(self(torch.cat([left, right])), dim=1)
        n = len(left)
        likeness = (z @ z.T / 0.1).fill_diagonal_(-1e9)
        return self.loss(likeness, torch.arange(2 * n).roll(n)), z


def two_views(x: Tensor, y: Tensor) -> DataLoader[Any]:
    items = [((one, one + 0.01), label) for one, label in zip(x, y, strict=True)]
    return DataLoader(items, 25)  # type: ignore[arg-type] # a list is a map-style set


def test_two_views_of_each_sample_are_measured_with_labels_of_both() -> None:
    """Without them one line asks for `target=`."""
    plane = InformationPlaneMonitor()
    with warned() as given:
        undisturbed(Contrastive, two_views(*VAL), two_views(*VAL), [plane])
    assert plane.history == []
    (line,) = given
    assert "target=" in line.text
    plane = InformationPlaneMonitor("net.1", bins=SIGNS, target=lambda batch: batch[1].repeat(2))
    model, _ = undisturbed(Contrastive, two_views(*VAL), two_views(*VAL), [plane])
    (act,) = outputs(model, ["net.1"], [torch.cat([X, X + 0.01])])
    assert read(plane, "net.1") == counted((act >= 0).numpy(), Y.repeat(2))


# Labels and batches.


class Mixes(LogsLoss):
    """Mixes training batches up, so that their labels are soft."""

    @override
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        x, y = batch
        if not self.trainer.training:
            return x, y
        share, order = float(np.random.beta(0.4, 0.4)), torch.randperm(len(x))
        y = nn.functional.one_hot(y, N_CLASSES).float()
        return tuple(share * part + (1 - share) * part[order] for part in (x, y))


@pytest.mark.parametrize("data", [None, "train", "val"])
def test_mixed_batches_are_drawn_as_without_monitors(data: Any) -> None:
    monitors = all_three(data)
    _, running = undisturbed(Mixes, loader(shuffle=True), of(X, Y), monitors)
    assert all(monitor.history for monitor in monitors)
    if data is None:
        assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == bits(running)


NAMES = ("none", "one", "both")


class ByName(LogsLoss):
    """Its labels are words."""

    @override
    def parts(self, batch: Any) -> tuple[Any, Tensor]:
        return batch[0], in_numbers(batch)


def in_numbers(batch: Any) -> Tensor:
    return torch.tensor([NAMES.index(name) for name in batch[1]])


def test_labels_that_are_words_are_measured_as_numbers() -> None:
    """Without a function that makes numbers of them, one line a monitor asks for one."""
    items = [(x, NAMES[int(y)]) for x, y in zip(X, Y, strict=True)]
    words: DataLoader[Any] = DataLoader(items, 25)  # type: ignore[arg-type] # a list is a set
    monitors = all_three()
    with warned() as given:
        undisturbed(ByName, words, words, monitors)
    assert given.causes == ["skipped"] * 3
    assert all("target=" in one.text for one in given)
    monitors = all_three(target=in_numbers)
    _, running = undisturbed(ByName, words, words, monitors)
    assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == bits(running)


@pytest.mark.parametrize("third", [torch.ones(105), torch.arange(105.0)], ids=["equal", "weights"])
def test_weights_in_a_batch_are_no_labels(third: Tensor) -> None:
    class Weighted(LogsLoss):
        @override
        def parts(self, batch: Any) -> tuple[Any, Tensor]:
            return batch[0], batch[1]

    monitors = all_three()
    _, running = undisturbed(Weighted, of(X, Y, third), of(X, Y, third), monitors)
    assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == bits(running)


# Compiled as a whole, or by a method.


class CompiledMethod(LogsLoss):
    """Its forward calls a method that is compiled."""

    @torch.compile(backend="eager")
    def through(self, x: Tensor) -> Any:
        """What the network gives."""
        return self.net(x)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.through(x)


def compiled_in_place() -> pl.LightningModule:
    model = LogsLoss()
    model.compile(backend="eager")
    return model


def compiled_around() -> Any:
    return torch.compile(LogsLoss(), backend="eager")


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize(
    "make",
    [CompiledMethod, compiled_in_place, pytest.param(compiled_around, marks=pytest.mark.slow)],
)
def test_a_model_that_is_compiled_as_a_whole_trains_as_without(make: Any, data: Any) -> None:
    """Nothing is compiled because of a monitor; a fixed set is measured, by the eager modules."""
    monitors = all_three(data)
    trained = []
    for callbacks in ([], monitors):
        torch._dynamo.reset()
        counters.clear()
        torch.manual_seed(1)
        running = trainer(callbacks)
        with warned() as given, warnings.catch_warnings():
            warnings.filterwarnings("error", ".*global hooks.*")
            running.fit(model := make(), loader(), of(X, Y))
        weights = [p.detach().numpy().tobytes() for p in model.parameters()]
        trained.append((weights, running.callback_metrics["val_loss"], dict(counters["stats"])))
    assert trained[0] == trained[1]
    about = [one for one in given if one.cause not in OF_TINY_SETS]
    assert len({one.monitor for one in about}) == len(about)
    assert all("data='val'" in one.text for one in about)
    if data == "val":
        assert about == []
        assert all(monitor.history for monitor in monitors)
    elif make is CompiledMethod:
        assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == bits(running)


# A second fit, in processes of its own.


@pytest.mark.slow
def test_used_monitors_go_to_spawned_processes() -> None:
    weights = []
    for monitors in ([], all_three()):
        with warned():
            if monitors:
                fit(monitors, LogsLoss, max_epochs=1)
            options = {"max_epochs": 1, "strategy": "ddp_spawn", "devices": 2, "logger": False}
            model, running = fit(monitors, LogsLoss, **options)
        assert running.state.finished
        weights.append([p.detach().numpy().tobytes() for p in model.parameters()])
    assert weights[0] == weights[1]


# Units that lie apart.


@pytest.mark.parametrize("offset", [0.5, 3.0])
def test_constant_offsets_between_logits_do_not_hide_them(offset: float) -> None:
    """As of a new BERT: logits vary by little, and lie apart by much."""
    x = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    val = of(x, (x[:, 0] > 0).long())

    def plane_of(offset: float) -> dict[str, float]:
        model = LogsLoss(nn.Sequential(nn.Linear(8, 3)), lr=0.0)
        with torch.no_grad():
            part = model.net[0]  # type: ignore[index] # the linear layer
            part.weight.copy_(0.001 * torch.eye(3, 8))
            part.bias.copy_(torch.linspace(-offset, offset, 3))
        plane = InformationPlaneMonitor("net.0", bins=12)
        fit([plane], model, val=val, max_epochs=1)
        return values(plane)

    apart, together = plane_of(offset), plane_of(0.0)
    assert apart["information_plane/val/I_XT/net.0"] == pytest.approx(
        together["information_plane/val/I_XT/net.0"], rel=0.02
    )
    assert apart["information_plane/val/I_TY/net.0"] > 0.6
