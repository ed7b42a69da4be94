"""Predictions are plausible, or they are not measured: where they come from, found or refused."""

from __future__ import annotations

import gc
import logging
import math
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import Any

import pytest
import torch
from lightning_utilities.core import rank_zero
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import ConditionalEntropyMonitor, PredictionEntropyMonitor
from it_callbacks.observation.batches import Batch, labels_of
from it_callbacks.observation.prediction_observer import PredictionObserver
from it_callbacks.observation.prediction_pass import PredictionPass
from it_callbacks.observation.prediction_source import Source
from it_callbacks.predictions.instrument import PredictionInstrument, WholeSet

from .toys import (
    N_CLASSES,
    N_UNITS,
    Binary,
    Classifier,
    LogsLoss,
    beyond_0,
    fit,
    loader,
    mlp,
    samples,
    values,
)
from .warned import OF_TINY_SETS, warned

MONITORS: tuple[type[Any], ...] = (PredictionEntropyMonitor, ConditionalEntropyMonitor)


def source_of(model: Any, *, val: Any = "default", **options: Any) -> tuple[str, list[str]]:
    """Where a monitor found predictions, as its settings say; and what it warned of."""
    monitor = PredictionEntropyMonitor(**options)
    with warned() as given:
        fit([monitor], model, val=val, max_epochs=1)
    causes = [one.text for one in given if one.cause not in OF_TINY_SETS]
    return monitor.settings.get("val", {}).get("predictions", ""), causes


class NoForward(Classifier):
    """Its steps call its parts; `last` says which parts of a hidden layer, in order."""

    def __init__(self, **heads: nn.Module) -> None:
        super().__init__(nn.Sequential(nn.Linear(N_UNITS, 16), nn.ReLU()))
        self.heads = nn.ModuleDict(heads)

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        hidden = self.net(batch[0])
        outputs = [head(hidden) for head in self.heads.values()]
        return outputs[0].square().mean(), outputs[0]

    @override
    def forward(self, x: Tensor) -> Any:
        raise AssertionError("nobody calls this")


# Without a forward.


def test_the_last_linear_layer_gives_predictions_where_the_forward_is_not_called() -> None:
    assert source_of(lambda: NoForward(main=nn.Linear(16, N_CLASSES)))[0].endswith("heads.main")


def test_of_two_heads_the_one_with_a_column_for_each_class_counts() -> None:
    for order in ({"main": N_CLASSES, "aux": 12}, {"aux": 12, "main": N_CLASSES}):
        heads = {name: nn.Linear(16, n) for name, n in order.items()}
        found, said = source_of(lambda heads=heads: NoForward(**heads))
        assert found.endswith("heads.main")
        assert said == []


class FunctionalReLU(NoForward):
    """All its linear layers look like the last one, since no module comes between them."""

    def __init__(self) -> None:
        super().__init__()
        widths = (N_UNITS, 9, 6, N_CLASSES)
        self.layers = nn.ModuleList(starmap(nn.Linear, pairwise(widths)))

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        x = batch[0]
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        z = self.layers[-1](x)
        return self.loss(z, batch[1]), z


def test_a_pass_whose_first_batch_lacks_a_class_shows_the_next_one_what_is_last() -> None:
    """Labels in order: the first batch shows two classes; all of the first pass show three."""
    x, y = samples(60)
    order = y.argsort()
    val = DataLoader(TensorDataset(x[order], y[order]), 10)
    monitor = PredictionEntropyMonitor()
    with warned() as given:
        fit([monitor], FunctionalReLU, val=val, max_epochs=3, num_sanity_val_steps=1)
    assert {record.epoch for record in monitor.history} == {2, 3}
    (line,) = (one.text for one in given if one.cause not in OF_TINY_SETS)
    assert "several last layers fit" in line
    assert "next pass tries again, with all 3 classes" in line
    assert monitor.settings["val"]["predictions"] == "logits, from layers.2"


@pytest.mark.parametrize(
    "heads",
    [
        {"one": nn.Linear(16, N_CLASSES), "two": nn.Linear(16, N_CLASSES)},
        {"critic": nn.Linear(16, 1)},
        {"activation": nn.Sequential(nn.Linear(16, 8), nn.LeakyReLU(), nn.Linear(8, 1))},
    ],
)
def test_what_may_be_no_prediction_is_not_measured(heads: dict[str, nn.Module]) -> None:
    """Two alike, a critic's one number, a hidden layer of a discriminator."""
    found, said = source_of(lambda: NoForward(**heads))
    assert found == ""
    (line,) = said
    assert "Pass logits=" in line


def observed(model: nn.Module, x: Tensor, labels: Tensor) -> PredictionObserver:
    """An observer of one batch of a model, taken in as Lightning would."""
    observer = PredictionObserver(model, None)
    instrument = PredictionInstrument(WholeSet(), logits=None, max_samples=None, about={})
    observer.attach()
    batch = Batch.of(x, labels_of((x, labels), None), torch.arange(len(x)).numpy())
    observer.begin(batch, instrument.dry_run("val"))
    with torch.no_grad():
        model(x)
    observer.end()
    return observer


def test_no_output_of_the_first_batch_is_kept_alive() -> None:
    """Of the model's own tensors the latest lives; of copies that of the latest readout."""
    n_layers, most = 50, 0
    gc.freeze()  # what there is before is not searched through at each layer

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = (nn.Sequential(nn.Linear(77, 77), nn.Hardtanh()) for _ in range(n_layers))
            self.layers = nn.ModuleList(layers)
            self.head = nn.Linear(77, N_CLASSES)

        @override
        def forward(self, x: Tensor) -> Any:
            nonlocal most
            for layer in self.layers:
                x = layer(x)
                tensors = (one for one in gc.get_objects() if type(one) is Tensor)
                most = max(most, sum(one.shape == (31, 77) for one in tensors))
            return self.head(x)

    try:
        observer = observed(Deep(), torch.randn(31, 77), torch.arange(31) % N_CLASSES)
    finally:
        gc.unfreeze()
    assert str(observer.source) == "the model's forward"
    assert observer.source is not None
    assert observer.source.kind == "logits"
    assert 2 <= most <= 3  # the input of the batch, what a layer took, what it gave


# What the forward returns.


class Embeds(Classifier):
    """Its forward gives an embedding, to which the step applies a head.

    Args:
        n_units: Of the embedding.
        between: What comes between that and the head.
    """

    def __init__(self, n_units: int, between: Any = lambda embedding: embedding) -> None:
        super().__init__(nn.Linear(N_UNITS, n_units))
        self.head = nn.Linear(n_units, N_CLASSES)
        self.between = between

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        z = self.head(self.between(self(batch[0])))
        return self.loss(z, batch[1]), z


@pytest.mark.parametrize("n_units", [2, 12, 64])
def test_an_embedding_that_a_head_takes_is_no_prediction(n_units: int) -> None:
    assert source_of(lambda: Embeds(n_units)) == ("logits, from head", [])


def test_a_forward_is_not_trusted_where_a_later_layer_has_a_column_for_each_class() -> None:
    found, said = source_of(lambda: Embeds(12, nn.functional.normalize))
    assert found == ""
    (line,) = said
    assert "head, called after it" in line
    assert "Pass logits=" in line


def test_a_softmax_or_a_loss_of_what_the_forward_gave_is_no_head() -> None:
    class Softmaxed(Classifier):
        def __init__(self) -> None:
            super().__init__(mlp())
            self.softmax = nn.Softmax(1)

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            z = self(batch[0])
            self.softmax(z)
            return self.loss(z, batch[1]), z

    assert source_of(Softmaxed) == ("logits, from the model's forward", [])


@dataclass
class Scores:
    """An output of the user's."""

    hidden: Tensor
    scores: Tensor


@pytest.mark.parametrize(
    ("wrap", "where"),
    [
        (lambda z, h: {"loss": z.mean(), "logits": z, "hidden": h}, "'logits'"),
        (lambda z, h: {"hidden": h, "scores": z, "loss": z.mean()}, "'scores'"),
        (lambda z, h: (z, h), "0 of"),
        (lambda z, h: [h, z], "1 of"),
        (lambda z, h: Scores(h, z), "'scores'"),
    ],
)
def test_logits_or_the_only_plausible_part_of_an_output_counts(wrap: Any, where: str) -> None:
    class Parts(Classifier):
        @override
        def forward(self, x: Tensor) -> Any:
            z = self.net(x)
            return wrap(z, torch.cat([z, z, z], 1))

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            self(batch[0])
            return self.net(batch[0]).square().mean(), self.net(batch[0])

    found, said = source_of(Parts)
    assert where in found
    assert said == []


def test_two_parts_that_fit_are_one_too_many() -> None:
    class Twice(Classifier):
        @override
        def forward(self, x: Tensor) -> Any:
            return self.net(x), self.net(x).exp()

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            z, _ = self(batch[0])
            return self.loss(z, batch[1]), z

    found, said = source_of(Twice)
    assert found == ""
    assert "several parts" in said[0]
    assert source_of(Twice, logits=0) == ("logits, from 0 of the model's forward", [])


class Autoencoder(Classifier):
    """Gives back its input."""

    def __init__(self, width: int = N_UNITS) -> None:
        super().__init__(nn.Linear(width, width))

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        out = self(batch[0])
        return (out - batch[0]).square().mean(), out


def test_a_reconstruction_is_no_prediction() -> None:
    """Eight columns for three classes, and the shape of the inputs."""
    found, said = source_of(Autoencoder)
    assert found == ""
    assert "shape of the inputs" in said[0]


def test_an_embedding_of_many_more_columns_than_classes_is_no_prediction() -> None:
    found, said = source_of(lambda: Classifier(nn.Linear(N_UNITS, 64)))
    assert found == ""
    assert "64 columns" in said[0]
    assert source_of(lambda: Classifier(nn.Linear(N_UNITS, 64)), logits=lambda z: z)[1] == []


def test_ten_columns_for_three_classes_seen_may_be_a_part_of_ten_classes() -> None:
    assert source_of(lambda: Classifier(nn.Linear(N_UNITS, 10)))[1] == []


# Several calls.


@pytest.mark.parametrize("monitor", MONITORS)
def test_the_first_call_of_a_batch_counts(monitor: type[Any]) -> None:
    """A second view of the batch, as in test-time augmentation, is not what the loss is of."""

    class Views(LogsLoss):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            super().validation_step(batch, batch_idx)
            self(batch[0] * 10)

    twice, once = monitor(), monitor()
    fit([twice], Views, max_epochs=1)
    _, running = fit([once], LogsLoss, max_epochs=1)
    assert values(twice) == values(once)
    if monitor is PredictionEntropyMonitor:
        bits = running.callback_metrics["val_loss"].item() / math.log(2)
        got = values(twice)["prediction_entropy/val/cross_entropy"]
        assert got == pytest.approx(bits, rel=1e-6)


# One number per sample.


def still(*ends: nn.Module, kind: type[Binary] = Binary) -> Any:
    """A binary model that does not learn, made when all is seeded."""

    def make() -> Binary:
        model = kind(*ends)
        model.lr = 0.0
        return model

    return make


class Functional(Binary):
    """Its sigmoid is none of its modules."""

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x).sigmoid()


class InUnitInterval(Binary):
    """Its logits all lie in [0, 1], as an untrained network's may."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.net[0].weight.mul_(0.01)
            self.net[0].bias.fill_(0.5)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (still(nn.Sigmoid()), 0),
        (still(nn.Sigmoid(), nn.Flatten(0)), 0),
        (still(kind=Functional), 1),
    ],
)
def test_what_a_sigmoid_gives_counts_as_probabilities(make: Any, said: int) -> None:
    """The module shows it, or that all of the first pass lies in [0, 1], which is said."""
    of_p, of_z = (PredictionEntropyMonitor(target=beyond_0) for _ in range(2))
    with warned() as given:
        fit([of_p], make, max_epochs=1)
        fit([of_z], still(), max_epochs=1)
    assert of_p.settings["val"]["predictions"].startswith("probabilities")
    assert of_z.settings["val"]["predictions"].startswith("logits")
    assert values(of_p) == pytest.approx(values(of_z), abs=1e-6)
    assert len(given.of("logits")) == said


def test_logits_of_a_linear_layer_are_logits_wherever_they_lie() -> None:
    """A column of it, flattened, is the same numbers."""

    class Flat(InUnitInterval):
        @override
        def forward(self, x: Tensor) -> Any:
            return self.net(x)[:, 0]

    for kind in (InUnitInterval, Flat):
        monitor = PredictionEntropyMonitor(target=beyond_0)
        model, _ = fit([monitor], kind, max_epochs=1)
        assert monitor.settings["val"]["predictions"].startswith("logits")
        p = model.net(samples(105, 1)[0]).sigmoid().double()
        entropy = -(p * p.log2() + (1 - p) * (1 - p).log2()).mean().item()
        assert values(monitor)["prediction_entropy/val/mean"] == pytest.approx(entropy, abs=1e-6)


def test_numbers_in_the_unit_interval_are_logits_once_one_leaves_it() -> None:
    class Grows(Binary):
        @override
        def forward(self, x: Tensor) -> Any:
            return self.net(x).sigmoid() * (1 if self.current_epoch == 0 else 3)

    monitor = PredictionEntropyMonitor(target=beyond_0)
    with warned() as given:
        fit([monitor], Grows, max_epochs=3)
    assert {record.epoch for record in monitor.history} == {1, 2, 3}
    read_as, after_all = given.of("logits")
    assert "read as probabilities" in read_as.text
    assert "earlier points" in after_all.text


@dataclass
class Counts:
    """Stands for a metric: which kind of predictions it was made for, and what it was given."""

    kind: Any
    n_given: int = 0

    def update(self, predictions: Tensor, labels: Tensor, inputs: Any) -> None:
        self.n_given += len(labels)

    def merge_state(self, incoming_state: Any) -> None:
        self.n_given += incoming_state.n_given


class Pass(PredictionPass[Counts]):
    """A pass over single numbers, of which it can be seen how many wait."""

    def __init__(self, kind: Any = None, of_source: Any = None) -> None:
        super().__init__(
            lambda way, n_classes, kind: Counts(kind),
            decide=lambda fits: "classes",
            labels="classes",
            kind=kind,
            max_samples=None,
            seed=0,
        )
        self.of_source = of_source

    def give(self, *numbers: float) -> None:
        x, y = torch.tensor(numbers), torch.arange(len(numbers)) % 2
        batch = Batch.of(x, labels_of((x, y), None), torch.arange(len(x)).numpy())
        self.add(x, batch, Source("", kind=self.of_source))

    @property
    def n_waiting(self) -> int:
        return sum(len(rows.labels) for rows in self._waiting)


@pytest.mark.parametrize("known", [{"kind": "probabilities"}, {"of_source": "probabilities"}])
def test_probabilities_known_as_such_do_not_wait(known: dict[str, Any]) -> None:
    current = Pass(**known)
    current.give(0.2, 0.3)
    current.give(0.9, 1.0, 0.0)
    assert current.n_waiting == 0
    found = current.finish()
    assert (found.kind, found.metric.n_given) == ("probabilities", 5)
    assert not found.is_kind_a_guess


def test_the_first_number_outside_the_unit_interval_ends_the_waiting() -> None:
    current = Pass()
    current.give(0.2, 0.3)
    assert current.n_waiting == 2
    current.give(0.5, -1.0)
    current.give(0.5)
    assert current.n_waiting == 0
    found = current.finish()
    assert (found.kind, found.metric.kind, found.metric.n_given) == ("logits", "logits", 5)


def test_numbers_that_stay_in_the_unit_interval_are_probabilities_at_the_end() -> None:
    current = Pass()
    current.give(0.2, math.nan)
    current.give(1.0)
    assert current.n_waiting == 3
    found = current.finish()
    assert (found.kind, found.metric.n_given) == ("probabilities", 3)
    assert found.is_kind_a_guess


def test_a_logit_after_numbers_counted_as_probabilities_costs_that_point_alone() -> None:
    current = Pass("probabilities")
    current.give(0.2, 0.3)
    current.give(2.0)
    with pytest.raises(ValueError, match="next pass reads them as logits"):
        current.finish()


def test_small_batches_are_read_together_so_that_one_logit_shows_what_all_are() -> None:
    class Leaves(Binary):
        """In its second validation the second batch leaves [0, 1]; later none does."""

        n_batches = 0

        @override
        def on_validation_epoch_start(self) -> None:
            self.n_batches = 0

        @override
        def forward(self, x: Tensor) -> Any:
            self.n_batches += 1
            leaves = self.current_epoch == 1 and self.n_batches == 2
            return self.net(x).sigmoid() * (3 if leaves else 1)

    monitor = PredictionEntropyMonitor(target=beyond_0)
    with warned() as given:
        fit([monitor], Leaves, val=loader(90, 30), max_epochs=4)
    assert {record.epoch for record in monitor.history} == {1, 2, 3, 4}
    assert monitor.settings["val"]["predictions"].startswith("probabilities")
    assert [one.cause for one in given if one.cause in ("skipped", "logits")] == ["logits"] * 2


# What is said.


def test_one_line_on_the_console_says_what_was_taken(caplog: pytest.LogCaptureFixture) -> None:
    log = rank_zero.log  # of whichever of Lightning's names was imported last
    log.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, log.name):
        fit([PredictionEntropyMonitor()], lambda: Classifier(mlp()))
        fit([PredictionEntropyMonitor(logits="net.4")], lambda: Classifier(mlp()))
    log.removeHandler(caplog.handler)
    said = {
        record.getMessage() for record in caplog.records if "predictions" in record.getMessage()
    }
    (line,) = said
    assert "logits of 3 classes from the model's forward" in line


def test_labels_beyond_the_columns_are_no_reason_to_guess_on() -> None:
    """The first batch fits, a later one does not; the next pass looks again, and finds nothing."""

    class TwoColumns(Classifier):
        def __init__(self) -> None:
            super().__init__(nn.Linear(N_UNITS, 2))

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            z = self(batch[0])
            return z.square().mean(), z

    x, y = samples(60)
    y[:30] %= 2
    found, said = source_of(TwoColumns, val=DataLoader(TensorDataset(x, y), 30))
    assert found == ""
    assert len(said) <= 2
    assert "label" in said[0]
