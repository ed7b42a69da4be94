"""What the monitors measure beside labels of every kind, and beside none."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.estimators import LinearVInformation
from it_callbacks.report import report

from .toys import MONITORS, VAL, Binary, Classifier, Lenient, all_three, fit, outputs, values
from .warned import warned

X, Y = VAL
N = len(X)
TO_PREDICTIONS = (PredictionEntropyMonitor, ConditionalEntropyMonitor)


class Runs(Lenient):
    """Runs the model on the inputs of any batch, and trains as usual."""


def batches(*parts: Tensor, size: int = 25) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*parts), size)


def plane_beside(labels: Tensor, **options: Any) -> tuple[Any, NDArray[np.bool_]]:
    """A plane of the tanh layer at two bins, and its states, which are signs."""
    plane = InformationPlaneMonitor("net.1", bins=2, **options)
    model, _ = fit([plane], Runs, val=batches(X, labels), max_epochs=1)
    (activations,) = outputs(model, ["net.1"], X.split(25))
    return plane, (activations >= 0).numpy()


def information(states: NDArray[Any], classes: Any) -> float:
    """I(T;Y) by scikit-learn, in bits."""
    codes = np.unique(states, axis=0, return_inverse=True)[1].ravel()
    return float(mutual_info_score(codes, np.asarray(classes)) / math.log(2))


def i_ty(plane: Any) -> float:
    return values(plane)["information_plane/val/I_TY/net.1"]


# Binary.


@pytest.mark.parametrize("shape", [(N,), (N, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_floats_of_0_and_1_are_the_classes_of_a_bernoulli_logit(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """As BCEWithLogitsLoss wants them, without an argument: the values of integers."""

    def measured(labels: Tensor) -> list[dict[str, float]]:
        monitors = all_three()
        model = BinaryAnyway()
        fit(monitors, model, val=batches(X, labels), max_epochs=1, seed=3)
        return [values(monitor) for monitor in monitors]

    class BinaryAnyway(Binary):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self(batch[0])

    binary = (Y > 0).long()
    torch.manual_seed(0)
    as_floats = measured(binary.to(dtype).reshape(shape))
    torch.manual_seed(0)
    np.testing.assert_equal(as_floats, measured(binary))


# Soft labels and masks.


def test_soft_labels_count_by_their_largest_entry_and_that_is_said() -> None:
    soft = 0.9 * nn.functional.one_hot(Y, 3).float() + 0.1 / 3
    plane = InformationPlaneMonitor("net.1", bins=2)
    monitors = [PredictionEntropyMonitor(), ConditionalEntropyMonitor(), plane]
    with warned() as given:
        fit(monitors, Runs, val=batches(X, soft), max_epochs=1)
    assert len(given.of("labels")) == 1
    plain = [PredictionEntropyMonitor(), ConditionalEntropyMonitor()]
    plain.append(InformationPlaneMonitor("net.1", bins=2))  # type: ignore[arg-type] # any monitor
    fit(plain, Runs, max_epochs=1)
    np.testing.assert_equal(list(map(values, monitors)), list(map(values, plain)))


@pytest.mark.parametrize("data", [None, "val"])
def test_the_ignore_index_is_left_out_and_counted(data: Any) -> None:
    y = torch.where(torch.arange(N) % 5 == 0, 255, Y).to(torch.uint8)
    monitors = all_three(data, ignore_index=255)
    fit(monitors, Runs, val=batches(X, y), max_epochs=1)
    for monitor in monitors:
        assert monitor.history[0].n_samples == 84
        assert monitor.settings["val"]["n_unlabelled"] == 21
    assert monitors[-1].settings["val"]["classes"] == [0, 1, 2]


def test_a_class_beyond_the_predictions_hints_at_the_ignore_index() -> None:
    y = torch.where(torch.arange(N) % 5 == 0, 255, Y)
    with pytest.raises(ValueError, match=r"256 or more classes.*pass ignore_index=255"):
        fit(
            [PredictionEntropyMonitor(on_error="raise")],
            Runs,
            val=batches(X, y),
            num_sanity_val_steps=0,
        )
    plane = InformationPlaneMonitor()
    with warned() as given:
        fit([plane], Runs, val=batches(X, y), max_epochs=1)
    (missing,) = given.of("missing")
    assert "ignore_index=255" in missing.text
    assert len(missing.text) < 150


# Several labels.

SEVERAL = torch.stack([Y > 0, X[:, 0] > 0, X[:, 3] > 1], 1).float()


def test_several_labels_are_measured_column_by_column() -> None:
    monitors = [PredictionEntropyMonitor(), ConditionalEntropyMonitor()]
    model, _ = fit(monitors, Runs, val=batches(X, SEVERAL), max_epochs=1)
    (logits,) = outputs(model, ["net.4"], X.split(25))
    q = logits.double().sigmoid().numpy()
    h = -(q * np.log2(q) + (1 - q) * np.log2(1 - q))
    whole = values(monitors[0])
    for k in range(3):
        assert whole[f"prediction_entropy/val/label_{k}"] == pytest.approx(h[:, k].mean(), abs=1e-6)
        there = q[SEVERAL[:, k].numpy() == 1, k].mean()
        inside = -(there * math.log2(there) + (1 - there) * math.log2(1 - there))
        tag = f"conditional_entropy/val/class_{k}"
        assert values(monitors[1])[tag] == pytest.approx(inside, abs=1e-6)
    assert whole["prediction_entropy/val/mean"] == pytest.approx(h.mean(0).sum(), abs=1e-6)
    assert monitors[0].settings["val"]["labels"] == "multi-label"


def test_a_whole_row_of_labels_is_the_y_of_the_plane() -> None:
    plane, states = plane_beside(SEVERAL)
    rows = (SEVERAL @ torch.tensor([1.0, 2.0, 4.0])).long()
    assert i_ty(plane) == pytest.approx(information(states, rows), abs=1e-9)


def test_beyond_51_kinds_of_rows_there_is_no_y() -> None:
    bits = (torch.arange(N)[:, None] >> torch.arange(7) & 1).float()
    with warned() as given:
        plane, _ = plane_beside(bits)
    assert "105 kinds of rows" in given.of("labels")[0].text
    assert not any("I_TY" in tag for tag in values(plane))


def test_a_random_subset_of_several_labels_is_one_of_their_whole_rows() -> None:
    several = PredictionEntropyMonitor(max_samples=40)
    fit([several], Runs, val=batches(X, SEVERAL), max_epochs=2)
    assert {record.n_samples for record in several.history} == {40}
    assert "prediction_entropy/val/label_2" in values(several)


def test_one_hot_batches_count_for_both_until_the_pass_is_over() -> None:
    """The first batch is one-hot, so that only later ones show that labels are several."""
    first = nn.functional.one_hot(Y[:25], 3).float()
    labels = torch.cat([first, SEVERAL[25:]])
    later = PredictionEntropyMonitor()
    fit([later], Runs, val=batches(X, labels), max_epochs=1)
    at_once = PredictionEntropyMonitor()
    fit([at_once], Runs, val=batches(X.flip(0), labels.flip(0)), max_epochs=1)
    assert values(later) == pytest.approx(values(at_once), abs=1e-6)


def test_numbers_in_0_to_1_throughout_are_probabilities_of_several_labels() -> None:
    """As behind a sigmoid: the values of the logits before it."""

    class Sigmoid(Runs):
        @override
        def forward(self, x: Tensor) -> Any:
            return self.net(x).sigmoid()

    class Trained(Runs):
        @override
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return super().training_step(batch, batch_idx) * 0

    class TrainedSigmoid(Sigmoid, Trained):
        pass

    found = []
    for model in (Trained, TrainedSigmoid):
        monitor = PredictionEntropyMonitor()
        with warned():
            fit([monitor], model, val=batches(X, SEVERAL), max_epochs=1)
        found.append(values(monitor))
    assert found[1] == pytest.approx(found[0], abs=1e-5)


# Regression.

TARGET = X[:, 0] + 2 * X[:, 1]


@pytest.mark.parametrize("shape", [(N,), (N, 1)])
def test_a_regression_target_is_read_in_eighths(shape: tuple[int, ...]) -> None:
    plane, states = plane_beside(TARGET.reshape(shape))
    ranks = TARGET.argsort().argsort().numpy()
    eighths = np.searchsorted(np.ceil(np.arange(1, 8) * N / 8) - 1, ranks)
    assert i_ty(plane) == pytest.approx(information(states, eighths), abs=1e-9)
    settings = plane.settings["val"]
    assert settings["Y"] == "bin Y"
    assert settings["H_Y"] == pytest.approx(3.0, abs=0.01)
    assert "bin Y" in plane.figure().layout.yaxis.title.text


@pytest.mark.parametrize("monitor", TO_PREDICTIONS)
def test_of_a_regression_nothing_is_predicted_and_one_line_says_so(monitor: type[Any]) -> None:
    watching = monitor()
    with warned() as given:
        _, running = fit([watching], Runs, val=batches(X, TARGET), max_epochs=3)
    assert running.global_step == 15
    assert watching.history == []
    (line,) = given
    assert "regression" in line.text


def test_bins_of_a_regression_target_outlive_a_checkpoint(tmp_path: Any) -> None:
    """The resumed run has other targets, and reads them by the bins of the first."""
    saving = InformationPlaneMonitor("net.1")
    _, running = fit([saving], Runs, val=batches(X, TARGET), max_epochs=1)
    running.save_checkpoint(tmp_path / "one.ckpt")
    resumed = InformationPlaneMonitor("net.1")
    with warned():
        fit(
            [resumed],
            Runs,
            val=batches(X, TARGET + 100),
            max_epochs=2,
            ckpt_path=tmp_path / "one.ckpt",  # type: ignore[arg-type] # a path
        )
    latest = [r.bits for r in resumed.history if r.tag == "information_plane/val/I_TY/net.1"]
    assert latest[0] > 0
    assert latest[1] == 0.0  # all in the last bin


# No labels.


class AutoEncoder(pl.LightningModule):
    """Restores its input; its batches are a tensor, or a list of one."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 8))

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x)

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x = batch if isinstance(batch, Tensor) else batch[0]
        return nn.functional.mse_loss(self(x), x)

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.training_step(batch, batch_idx)

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(X, 25),  # type: ignore[arg-type] # a tensor is a map-style set
        DataLoader(TensorDataset(X), 25),
        DataLoader(TensorDataset(X, X), 25),
        DataLoader(TensorDataset(X, X.reshape(-1, 2, 2, 2)), 25),
    ],
    ids=["tensor", "list", "restored", "maps"],
)
def test_without_labels_there_is_i_xt_alone(loader: Any, data: Any) -> None:
    plane = InformationPlaneMonitor("net.1", bins=2, data=data, extra=[LinearVInformation()])
    with warned() as given:
        model, _ = fit([plane], AutoEncoder, train=loader, val=loader, max_epochs=1)
    assert len(given.of("labels")) == 1
    found = values(plane)
    (activations,) = outputs(model, ["net.1"], X.split(25))
    codes = np.unique((activations >= 0).numpy(), axis=0, return_inverse=True)[1].ravel()
    entropy = mutual_info_score(codes, codes) / math.log(2)
    assert found["information_plane/val/I_XT/net.1"] == pytest.approx(entropy, abs=1e-9)
    assert not any("TY" in tag for tag in found)
    assert plane.settings["val"]["H_Y"] is None
    assert plane.history[0].n_samples == N


def test_figures_and_the_report_do_without_y(tmp_path: Any) -> None:
    plane = InformationPlaneMonitor()
    loader = DataLoader(TensorDataset(X), 25)
    with warned():
        fit([plane], AutoEncoder, train=loader, val=loader)
    for reading, quantity in (("wide", "I(X;T+σZ)"), ("code", "I(X;T)")):
        figure = plane.figure(reading=reading)
        assert figure.layout.meta["kind"] == "curves"
        assert figure.layout.yaxis.title.text.startswith(f"{quantity}, bits")
        assert len({trace.meta["layer"] for trace in figure.data} - {None}) == 2
    run = plane._journal.run({})
    html = report([run])
    assert '<th scope="col">I(X;T) ' in html
    assert '<th scope="col">I(T;Y) ' not in html


@pytest.mark.parametrize("monitor", TO_PREDICTIONS)
def test_without_labels_no_predictions_are_measured(monitor: type[Any]) -> None:
    watching = monitor()
    loader = DataLoader(TensorDataset(X), 25)
    with warned() as given:
        fit([watching], AutoEncoder, train=loader, val=loader, max_epochs=3)
    assert watching.history == []
    (line,) = given
    assert "no labels" in line.text


# What contradicts the kind.


def test_a_pass_of_another_kind_costs_its_point() -> None:
    labels = Y.clone().float()
    labels.clamp_(max=1)

    class Changes(pl.Callback):
        @override
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                labels[3] = 0.5
            else:
                labels.clamp_(max=1).round_()

    monitors = [monitor() for monitor in MONITORS]
    with warned() as given:
        fit([Changes(), *monitors], Runs, val=batches(X, labels), max_epochs=3)
    for monitor in monitors:
        assert sorted({record.epoch for record in monitor.history}) == [1, 3]
    assert len(given.of("skipped")) == 3
    assert all("were of the kind 'classes'" in one.text for one in given.of("skipped"))


# Batches.


class Graph(SimpleNamespace):
    """A batch of a graph library: attributes, and moved as a whole."""

    def to(self, device: Any, non_blocking: bool = False) -> Graph:
        return self


class OfGraphs(Classifier):
    """Sums the nodes of each graph."""

    @override
    def forward(self, batch: Any) -> Any:
        h = self.net[1](self.net[0](batch.x))
        pooled = torch.zeros(int(batch.batch.max()) + 1, 4).index_add(0, batch.batch, h)
        return self.net[4](self.net[3](self.net[2](pooled)))

    @override
    def parts(self, batch: Any) -> tuple[Any, Tensor]:
        return batch, batch.y


@pytest.mark.parametrize("data", [None, "val"])
def test_labels_of_a_graph_batch_are_found(data: Any) -> None:
    def collate(items: Any) -> Graph:
        x, y = map(torch.stack, zip(*items, strict=True))
        return Graph(x=x.repeat(2, 1), batch=torch.arange(len(x)).repeat(2), y=y)

    loader = DataLoader(TensorDataset(X, Y), 25, collate_fn=collate)
    monitors = [PredictionEntropyMonitor(data=data), InformationPlaneMonitor("net.4", data=data)]
    fit(monitors, OfGraphs, train=loader, val=loader, max_epochs=1)
    assert [monitor.history[0].n_samples for monitor in monitors] == [N, N]


def test_a_mapping_of_several_inputs_is_passed_by_name() -> None:
    class ByName(Classifier):
        @override
        def forward(self, ids: Tensor, mask: Tensor) -> Any:
            return self.net(ids * mask)

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            logits = self(batch["ids"], batch["mask"])
            return self.loss(logits, batch["labels"]), logits

    rows = [{"ids": x, "mask": torch.ones(8), "labels": y} for x, y in zip(X, Y, strict=True)]
    loader: DataLoader[Any] = DataLoader(rows, 25)  # type: ignore[arg-type] # a list is a set
    listening = PredictionEntropyMonitor()
    passing = PredictionEntropyMonitor(data="val", name="fixed")
    fit([listening, passing], ByName, train=loader, val=loader, max_epochs=1)
    last = {r.tag.replace("fixed", "val"): r.bits for r in passing.history if r.epoch == 1}
    assert last == pytest.approx(values(listening), abs=1e-6)


@pytest.mark.filterwarnings("ignore:.*`dataloader_iter`")
def test_a_step_that_takes_the_iterator_is_left_alone() -> None:
    class Iterates(Classifier):
        @override
        def validation_step(self, dataloader_iter: Any) -> None:  # type: ignore[override] # Lightning's
            batch, _, _ = next(dataloader_iter)
            self.step(batch)

    monitors = [PredictionEntropyMonitor(), InformationPlaneMonitor()]
    with warned() as given:
        _, running = fit(monitors, Iterates, max_epochs=2, num_sanity_val_steps=0)
    assert running.global_step == 10
    assert [one.cause for one in given] == ["skipped", "skipped"]
    assert all("dataloader_iter" in one.text for one in given)
