"""Positions as samples: tokens and pixels, with labels, layers and predictions of their own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, Dataset, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor, PredictionEntropyMonitor
from it_callbacks.estimators import LinearVInformation
from it_callbacks.observation.batches import Batch, labels_of
from it_callbacks.observation.label_reading import read_labels
from it_callbacks.observation.labels import agreed_shift
from it_callbacks.observation.positions import MOST_POSITIONS, Grid
from it_callbacks.quantities import OF_WIDE
from it_callbacks.reductions import MeanPool
from it_callbacks.rulers import Exact

from .toys import Classifier, all_three, curve, fit, layer_names, rows, values
from .warned import OF_TINY_SETS, warned

V, T, N = 7, 6, 40
"""Tokens there are, in a sentence, and sentences."""


class Sentences(Dataset[Any]):
    """Tokens that count up by two; the labels are the tokens themselves, the first two masked."""

    def __init__(self, n: int = N) -> None:
        generator = torch.Generator().manual_seed(n)
        first = torch.randint(0, V, (n, 1), generator=generator)
        self.ids = (first + 2 * torch.arange(T)) % V
        self.labels = self.ids.clone()
        self.labels[:, :2] = -100

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        return {"input_ids": self.ids[number], "labels": self.labels[number]}


class LanguageModel(pl.LightningModule):
    """Takes a mapping by name, and scores each token by the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.read = nn.Embedding(V, 8), nn.LSTM(8, 8, batch_first=True)
        self.head = nn.Linear(8, V)

    @override
    def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> dict[str, Any]:
        return {"past": None, "logits": self.head(self.read(self.embed(input_ids))[0])}

    def loss(self, batch: Any) -> Tensor:
        """Of each token but the first, given those before."""
        logits = self(**batch)["logits"][:, :-1]
        return nn.functional.cross_entropy(
            logits.reshape(-1, V), batch["labels"][:, 1:].reshape(-1)
        )

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.loss(batch)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("user_loss", self.loss(batch), batch_size=len(batch["labels"]))

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), 1e-2)


def sentences(n: int = N, batch_size: int = 20) -> DataLoader[Any]:
    return DataLoader(Sentences(n), batch_size)


class Tagger(Classifier):
    """A class for each token of sentences of unequal length, packed."""

    def __init__(self, *, batch_first: bool = True) -> None:
        super().__init__(nn.LSTM(4, 5, batch_first=batch_first, bidirectional=True))
        self.embed, self.head = nn.Embedding(V, 4), nn.Linear(10, 3)

    @override
    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embed(x), lengths.cpu(), True, enforce_sorted=False)
        steps, _ = pad_packed_sequence(self.net(packed)[0], True, total_length=x.shape[1])
        return self.head(steps)  # type: ignore[no-any-return] # a tensor

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        x, y, lengths = batch
        logits = self(x, lengths)
        return nn.functional.cross_entropy(logits.reshape(-1, 3), y.reshape(-1)), logits

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("user_loss", self.step(batch)[0], batch_size=int((batch[1] >= 0).sum()))


def tagged(n: int = 30) -> DataLoader[Any]:
    """Sentences of one to six tokens; the tag of a token is its number modulo 3."""
    generator = torch.Generator().manual_seed(n)
    x = torch.randint(0, V, (n, T), generator=generator)
    lengths = 1 + torch.arange(n) % T
    is_token = torch.arange(T)[None] < lengths[:, None]
    return DataLoader(TensorDataset(x * is_token, (x % 3).where(is_token, -100), lengths), 10)


class Segments(Classifier):
    """A class for each pixel of 4 x 4, through a grid of 2 x 2."""

    def __init__(self, n_classes: int = 3) -> None:
        super().__init__(
            nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(4, 4, 1),
                nn.Tanh(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(4, n_classes, 1),
            )
        )
        self.loss = nn.CrossEntropyLoss(ignore_index=255)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        loss, _ = self.step(batch)
        self.log("user_loss", loss, batch_size=int((batch[1] != 255).sum()))


def images(n: int = 24) -> DataLoader[Any]:
    """Pixels above 0 are 1, above 1 are 2; the first line is to be ignored."""
    x = torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(n))
    y = (x[:, 0] > 0).long() + (x[:, 0] > 1).long()
    y[:, 0] = 255
    return DataLoader(TensorDataset(x, y), 8)


KINDS: dict[str, tuple[Any, Any, dict[str, Any], int, list[str]]] = {
    # of 6 labels the first two are masked, and the last one's next is not there
    "language model": (LanguageModel, sentences(), {}, N * (T - 2), ["embed", "read", "head"]),
    "tagger": (Tagger, tagged(), {}, sum(1 + n % T for n in range(30)), ["embed", "net", "head"]),
    "segmentation": (
        Segments,
        images(),
        {"ignore_index": 255},
        24 * 12,
        ["net.1", "net.4", "net.5", "net.6"],
    ),
}


# What is measured.


@pytest.mark.parametrize(("shape", "units_axis"), [((2, 3, 4), -1), ((2, 4, 3), 1)])
def test_units_at_positions_are_those_of_the_output(
    shape: tuple[int, ...], units_axis: int
) -> None:
    output = torch.arange(24.0).reshape(shape)
    units_last = output if units_axis == -1 else output.transpose(1, 2)
    expected = [units_last[row, place].tolist() for row in range(2) for place in range(3)]
    grid = Grid(2, (3,))
    assert grid.rows_at(output, units_axis, torch.arange(6)).tolist() == expected
    assert grid.rows_at(output, units_axis, torch.tensor([1, 5])).tolist() == expected[1::4]


def test_an_output_at_all_positions_is_not_copied() -> None:
    output = torch.arange(24.0).reshape(2, 3, 4)
    assert Grid(2, (3,)).rows_at(output, -1, torch.arange(6)).data_ptr() == output.data_ptr()


@pytest.mark.parametrize("data", [None, "val"], ids=["listening", "fixed"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_three_monitors_measure_positions_without_a_function_of_the_users(
    kind: str, data: Any
) -> None:
    """Their cross entropy is the user's own loss; nothing of the training changes."""
    make, val, options, n_samples, layers = KINDS[kind]
    if kind == "tagger" and data is not None:
        options = {**options, "inputs": lambda batch: (batch[0], batch[2])}
    alone, _ = fit([], make, train=val, val=val)
    monitors = all_three(data, **options)
    with warned() as given:
        model, running = fit(monitors, make, train=val, val=val)
    assert set(given.causes) - OF_TINY_SETS <= {"shift", "repeated"}
    assert ("shift" in given.causes) == (kind == "language model")
    for left, right in zip(alone.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(left, right)
    assert layer_names(monitors[2]) == layers
    of_all = [r for monitor in monitors for r in monitor.history if r.name not in OF_WIDE]
    assert {record.n_samples for record in of_all} == {n_samples}
    bits = running.callback_metrics["user_loss"].item() / math.log(2)
    assert values(monitors[0])["prediction_entropy/val/cross_entropy"] == pytest.approx(
        bits, rel=1e-5
    )
    for monitor in monitors:
        assert monitor.settings["val"]["samples"].startswith("pairs (row, position)")
    assert not any(record.quantity.endswith(("_low", "_high")) for record in of_all)
    assert not any(record.layer == "label_bound_se" for record in monitors[0].history)


def test_what_a_layer_tells_of_tokens_is_what_counting_gives() -> None:
    """An embedding tells tokens apart, and the next token follows from it: I(T;Y) = H(Y)."""
    plane = InformationPlaneMonitor("embed", bins=Exact())
    with warned():
        fit([plane], LanguageModel, train=sentences(), val=sentences(), max_epochs=1)
    data = Sentences()
    counts = torch.bincount(data.ids[:, 2:].reshape(-1), minlength=V).double()
    p = counts / counts.sum()
    h = -(p * p.log2()).sum().item()
    assert curve(plane, "information_plane/val/I_XT/embed") == [pytest.approx(h)]
    assert curve(plane, "information_plane/val/I_TY/embed") == [pytest.approx(h)]


def test_packed_steps_are_read_whatever_batch_first_is() -> None:
    """It only concerns padded sequences: the values are the same, too."""
    planes = {}
    for batch_first in (True, False):
        planes[batch_first] = InformationPlaneMonitor(bins=4)
        torch.manual_seed(0)
        model = Tagger(batch_first=batch_first)
        with warned():
            fit([planes[batch_first]], model, train=tagged(), val=tagged(), max_epochs=1)
        assert layer_names(planes[batch_first]) == ["embed", "net", "head"]
    assert rows(planes[False]) == rows(planes[True])


class Swish(nn.Module):
    """As `torch.nn.SiLU`."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.silu(x)


class Cut(nn.Module):
    """Leaves out the first and the last step."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x[..., 1:-1]


@pytest.mark.parametrize(
    ("known", "own"),
    [
        (lambda: (nn.Conv1d(2, 3, 1), nn.SiLU()), lambda: (nn.Conv1d(2, 3, 1), Swish())),
        (
            lambda: (nn.Conv1d(2, 3, 1), nn.Identity()),
            lambda: (nn.Conv1d(2, 3, 1, padding=1), Cut()),
        ),
    ],
)
def test_channels_of_a_sequence_are_not_taken_for_positions(known: Any, own: Any) -> None:
    """By an activation of one's own, or by a layer of which only the shape is known."""
    x = torch.randn(40, 2, T, generator=torch.Generator().manual_seed(0))
    data = DataLoader(TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 0)), 20)
    found = []
    for parts in (known, own):
        plane = InformationPlaneMonitor("net.1", bins=4, wide=None)
        torch.manual_seed(0)
        model = Classifier(nn.Sequential(*parts(), nn.Conv1d(3, 3, 1)))
        with warned():
            fit([plane], model, train=data, val=data, max_epochs=1)
        found.append(rows(plane))
    assert found[0]
    assert found[1] == found[0]


def test_a_subset_of_positions_is_the_same_in_every_epoch_and_for_a_fixed_set() -> None:
    listening = InformationPlaneMonitor(max_samples=30, schedule=2)
    fixed = InformationPlaneMonitor(max_samples=None, data="val", name="all")
    with warned():
        fit([listening, fixed], LanguageModel, train=sentences(), val=sentences(), max_epochs=2)
    assert {record.n_samples for record in listening.history} == {30}
    assert {record.n_samples for record in fixed.history} == {N * (T - 2)}


def test_a_resumed_run_goes_on_with_the_same_positions(tmp_path: Path) -> None:
    arguments = {"train": sentences(), "val": sentences(), "max_epochs": 3}
    whole, first, second = (InformationPlaneMonitor(max_samples=50) for _ in range(3))
    options = {"default_root_dir": tmp_path}
    with warned():
        fit([whole], LanguageModel, **arguments)
        _, running = fit([first], LanguageModel, **{**arguments, "max_epochs": 1}, **options)
        running.save_checkpoint(tmp_path / "one.ckpt")
        path = str(tmp_path / "one.ckpt")
        fit([second], LanguageModel, **arguments, **options, ckpt_path=path)
    np.testing.assert_equal(rows(second), rows(whole))


def test_rows_kept_for_further_estimators_are_of_different_sentences() -> None:
    """Else positions of one sentence would lie in several folds."""
    seen: list[int] = []

    class Counts(LinearVInformation):
        def __call__(self, rows: Any, labels: Any) -> Any:
            seen.append(len(rows))
            return super().__call__(rows, labels)

    plane = InformationPlaneMonitor("head", extra=[Counts(penalties=(10.0,))])
    with warned():
        fit([plane], LanguageModel, train=sentences(), val=sentences(), max_epochs=1)
    assert seen == [N]


def test_samples_may_be_asked_for() -> None:
    """Labels of 0 and 1 for each of three steps are several labels, unless they are positions."""
    y = torch.tensor([[0, 1, 1], [1, 0, 0]])
    assert read_labels(y).axes == ()
    assert read_labels(y, samples="positions").axes == (3,)
    with pytest.raises(ValueError, match=r"target: labels of shape \(2, 3\).*samples='positions'"):
        read_labels(y + 1, samples="rows")
    with pytest.raises(ValueError, match="samples: need 'auto', 'rows' or 'positions', got 'row'"):
        PredictionEntropyMonitor(samples="row")  # type: ignore[arg-type] # that is the point


# Labels of positions.


@pytest.mark.parametrize(
    "batch",
    [
        {"input_ids": torch.tensor([[1, 2, 3]]), "labels": torch.tensor([[1, 2, 3]])},
        (torch.tensor([[1, 2, 3]]), torch.tensor([[-100, 2, 3]])),
    ],
)
def test_labels_that_are_the_inputs_are_those_of_the_next_position(batch: Any) -> None:
    labels = labels_of(batch, None)
    assert labels is not None
    assert labels.is_shifted
    shown = labels.values[torch.from_numpy(labels.is_labelled)]
    assert shown.tolist() == [2, 3]


def test_a_masked_token_left_as_it_is_makes_no_causal_model() -> None:
    """A masked model has labels of few tokens, of which one in ten stands for itself."""
    ids = torch.arange(24).reshape(2, 12)
    labels = torch.full_like(ids, -100)
    labels[0, 3], labels[1, 7] = ids[0, 3], ids[1, 7]
    found = labels_of({"input_ids": ids, "labels": labels}, None)
    assert found is not None
    assert not found.is_shifted
    with pytest.raises(ValueError, match="in some batches only"):
        agreed_shift(True, found)


def test_labels_that_a_loader_has_shifted_are_taken_as_they_are() -> None:
    ids = torch.tensor([[1, 2, 3, 4]])
    labels = labels_of((ids[:, :-1], ids[:, 1:]), None)
    assert labels is not None
    assert not labels.is_shifted
    assert labels.values.tolist() == [2, 3, 4]


def test_labels_that_a_user_names_are_those_of_their_own_position() -> None:
    """A model that copies its input, say."""
    ids = torch.tensor([[1, 2, 3, 4]])
    for target in (1, lambda batch: batch[1].clone()):
        labels = labels_of((ids, ids.clone()), target)
        assert labels is not None
        assert labels.values.tolist() == [1, 2, 3, 4]


def test_a_mask_of_tokens_masks_their_labels() -> None:
    """Shifted ones, too: what follows the last token is padding."""
    ids, mask = torch.tensor([[1, 2, 3, 9, 9]]), torch.tensor([[1, 1, 1, 0, 0]])
    labels = labels_of({"input_ids": ids, "attention_mask": mask, "labels": ids}, None)
    batch = Batch.of(ids, labels, np.arange(1), mask=mask.bool())
    assert batch.labels is not None
    assert batch.labels.is_labelled.tolist() == [True, True, False, False, False]
    own = Batch.of(ids, labels_of((ids, ids), 1), np.arange(1), mask=mask.bool())
    assert own.labels is not None
    assert own.labels.is_labelled.tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("axis", [1, -1])
def test_one_hot_tokens_are_class_numbers(axis: int) -> None:
    numbers = torch.tensor([[0, 2, 1, 1], [2, 2, 2, 0]])
    one_hot = nn.functional.one_hot(numbers, 3).movedim(-1, axis).float()
    assert read_labels(one_hot).values.tolist() == numbers.flatten().tolist()


def test_several_labels_at_a_pixel_are_refused() -> None:
    with pytest.raises(ValueError, match="several labels at one position"):
        read_labels(torch.ones(2, 3, 4, 4))


def test_more_positions_than_a_number_can_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="positions in a row"):
        Grid(1, (MOST_POSITIONS + 1,)).indices(np.arange(1))


def test_a_squeezed_batch_of_one_has_its_positions() -> None:
    grid = Grid(1, (2, 3))
    for shape, found in (((2, 3), (6,)), ((4, 2, 3), (6, 4)), ((2, 3, 4), (6, 4))):
        got = grid.predictions(torch.zeros(shape))
        assert got is not None
        assert tuple(got.shape) == found


def test_one_hot_pixels_are_class_numbers() -> None:
    numbers = torch.tensor([[[0, 2], [1, 1]]])
    one_hot = nn.functional.one_hot(numbers, 3).movedim(-1, 1)
    assert read_labels(one_hot.float()).values.tolist() == [0, 2, 1, 1]


def test_a_channel_of_zeros_and_ones_is_binary() -> None:
    labels = read_labels(torch.ones(2, 1, 3, 3))
    assert labels.axes == (3, 3)
    assert "classes" in labels.fits


# The grid.


def test_the_class_axis_is_found_or_asked_for() -> None:
    x = torch.arange(2 * 3 * 4).reshape(2, 3, 4).float()
    last = Grid(2, (3,)).predictions(x)
    second = Grid(2, (4,)).predictions(x)
    assert last is not None
    assert second is not None
    assert last[1].tolist() == x[0, 1].tolist()
    assert second[1].tolist() == x[0, :, 1].tolist()
    assert Grid(2, (5,)).predictions(x) is None
    with pytest.raises(ValueError, match=r"logits: predictions|either axis 1 or the last"):
        Grid(2, (3,)).predictions(torch.zeros(2, 3, 3))


@pytest.mark.parametrize("first", [3, 4])
def test_sentences_as_long_as_there_are_tags_cost_no_run(first: int) -> None:
    """Three tags: a batch of three steps shows its class axis only by those of four."""

    class Tags(Classifier):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Embedding(V, 4), nn.Linear(4, 3)))

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            logits = self(batch[0])
            return self.loss(logits.flatten(0, 1), batch[1].flatten()), logits

        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.log("user_loss", self.step(batch)[0], batch_size=batch[1].numel())

    data = []
    for n in (first, 7 - first, 4):
        ids = torch.randint(0, V, (6, n), generator=torch.Generator().manual_seed(n))
        data.append((ids, ids % 3))
    val = DataLoader(data, None)  # type: ignore[arg-type, var-annotated] # ready batches
    monitor = PredictionEntropyMonitor()
    with warned() as given:
        _, running = fit([monitor], Tags, train=val, val=val, max_epochs=3, num_sanity_val_steps=0)
    epochs = {record.epoch for record in monitor.history}
    assert epochs == ({2, 3} if first == 3 else {1, 2, 3})
    assert len(given.of("skipped")) == (first == 3)
    bits = running.callback_metrics["user_loss"].item() / math.log(2)
    assert values(monitor)["prediction_entropy/val/cross_entropy"] == pytest.approx(bits, rel=1e-5)


def test_a_layer_with_another_grid_is_read_at_the_nearest_position() -> None:
    """Eight positions over four, over two, and over sixteen."""
    grid, all_of = Grid(1, (8,)), torch.arange(8)
    for n, expected in (
        (4, [0, 0, 1, 1, 2, 2, 3, 3]),
        (2, [0, 0, 0, 0, 1, 1, 1, 1]),
        (16, [1, 3, 5, 7, 9, 11, 13, 15]),
        (8, [0, 1, 2, 3, 4, 5, 6, 7]),
    ):
        output = torch.arange(float(n)).reshape(1, n, 1)
        assert grid.rows_at(output, -1, all_of).flatten().tolist() == expected


def test_maps_are_read_at_their_pixels() -> None:
    maps = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).float()
    grid = Grid(2, (4, 4))
    got = grid.rows_at(maps, 1, torch.arange(32))
    assert torch.equal(got, maps.movedim(1, -1).reshape(32, 3))
    halved = grid.rows_at(maps[:, :, ::2, ::2], 1, torch.tensor([0, 1, 5, 15, 16]))
    expected = [maps[0, :, 0, 0], maps[0, :, 0, 0], maps[0, :, 0, 0], maps[0, :, 2, 2]]
    assert torch.equal(halved, torch.stack([*expected, maps[1, :, 0, 0]]))


def test_layers_without_positions_are_left_out_with_a_reason() -> None:
    assert "no positions" in str(Grid(2, (8,)).misfit((2, 5), -1))
    assert "not those of labels" in str(Grid(2, (8, 8)).misfit((2, 65, 5), -1))
    assert Grid(2, (8, 8)).misfit((2, 64, 5), -1) is None
    assert Grid(2).misfit((2, 5), -1) is None


def test_a_sample_is_a_pair_of_row_and_position() -> None:
    numbers = Grid(2, (2, 2)).indices(np.array([3, -1]))
    assert numbers.tolist() == [3 * MOST_POSITIONS + n for n in range(4)] + [-1] * 4


# Padding.


class Padded(Classifier):
    """Sentences of which padding is 0, read by their mean token."""

    def __init__(self, padding: int | None) -> None:
        super().__init__(nn.Embedding(V, 2, padding))
        self.mix, self.act, self.head = nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 3)

    @override
    def forward(self, x: Tensor) -> Tensor:
        mask = (x > 0).float()[..., None]
        steps = self.act(self.mix(self.net(x)))
        return self.head((steps * mask).sum(1) / mask.sum(1))  # type: ignore[no-any-return]

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        x, y = (batch["input_ids"], batch["labels"]) if isinstance(batch, dict) else batch
        logits = self(x)
        return self.loss(logits, y), logits


@pytest.mark.parametrize("known_by", ["embedding", "attention mask"])
def test_padding_enters_no_mean_over_tokens(known_by: str) -> None:
    """The same sentences padded to 6, 12 and 24 tokens have the same values."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, V, (90, T), generator=generator)
    x = x * (torch.arange(T)[None] < 1 + torch.arange(90)[:, None] % T)
    y = x[:, 0] % 3
    found = []
    for n in (T, 2 * T, 4 * T):
        padded = nn.functional.pad(x, (0, n - T))
        if known_by == "embedding":
            data: Any = TensorDataset(padded, y)
        else:
            mask = (padded > 0).long()
            data = [
                {"input_ids": a, "attention_mask": m, "labels": b}
                for a, m, b in zip(padded, mask, y, strict=True)
            ]
        plane = InformationPlaneMonitor(bins=6, wide=None)
        make = Padded(0 if known_by == "embedding" else None)
        torch.manual_seed(4)
        for parameter in make.parameters():
            nn.init.normal_(parameter)
        with warned():
            fit([plane], make, train=DataLoader(data, 30), val=DataLoader(data, 30), max_epochs=1)
        assert layer_names(plane) == ["net", "act", "head"]
        found.append(values(plane))
    assert found[1] == pytest.approx(found[0], nan_ok=True, abs=1e-9)
    assert found[2] == pytest.approx(found[0], nan_ok=True, abs=1e-9)


def test_a_mean_over_no_step_is_left_out() -> None:
    steps = torch.ones(2, 3, 1)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    means = MeanPool(-1).over(steps, mask)
    assert means[0].item() == 1
    assert means[1].isnan().all()
