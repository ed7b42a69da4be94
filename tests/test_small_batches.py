"""Small batches wait and are taken in together: fewer calls, the same numbers."""

from __future__ import annotations

import gc
import math
import weakref
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.callbacks import loops, outbox
from it_callbacks.codes import encode_keys, encoded_at_once
from it_callbacks.metrics import PredictionEntropy
from it_callbacks.observation import at_hand, prediction_pass, streams
from it_callbacks.observation import batches as reading
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.gathering import Gathered, enough_for
from it_callbacks.observation.label_reading import read_labels
from it_callbacks.observation.labels import KINDS
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.passes import Pass
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.small_batches import SmallBatches
from it_callbacks.observation.streams import KeyStream
from it_callbacks.predictions.instrument import PredictionInstrument
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Uniform, Width

from .toys import Classifier, MemoryLogger, MergesClasses, fit, loader, samples

TANH = Layer("net.1", "net.1", 1, n_units=4)
RELU = Layer("net.3", "net.3", 1, n_units=3)


def a_pass(*layers: Layer, hash_inputs: bool = False) -> Pass:
    found = Pass(max_samples=None, seed=0, keep_rows=False, hash_inputs=hash_inputs)
    for layer in layers:
        found.observe(layer, KeyStream(Reader(Joint(), (Width(0.25),))))
    return found


def batches(*sizes: int, n_classes: int = 3) -> list[Batch]:
    """Of these many samples each, in order, with seeded labels."""
    labels = torch.randint(n_classes, (sum(sizes),), generator=torch.Generator().manual_seed(0))
    starts = np.cumsum([0, *sizes])
    return [
        Batch.of(None, read_labels(labels[start : start + n]), np.arange(start, start + n))
        for start, n in zip(starts, sizes, strict=False)
    ]


def outputs(n: int, n_units: int, seed: int = 1) -> Tensor:
    return torch.randn(n, n_units, generator=torch.Generator().manual_seed(seed))


# A pass.


@pytest.mark.parametrize("sizes", [(200,), (7,) * 28 + (4,), (1, 150, 49), (50, 50, 50, 50)])
def test_keys_labels_and_indices_are_those_of_the_whole_set(sizes: tuple[int, ...]) -> None:
    of_tanh, of_relu = outputs(200, 4), outputs(200, 3, seed=2)
    current, start = a_pass(TANH, RELU), 0
    for batch in batches(*sizes):
        rows = slice(start, start := start + len(batch))
        current.begin(batch)
        current.take("net.3", 1, of_relu[rows])
        current.take("net.1", 1, of_tanh[rows])
    observed = current.observed()
    np.testing.assert_array_equal(observed.keys["net.1"][0], encode_keys(of_tanh, Width(0.25)))
    np.testing.assert_array_equal(observed.keys["net.3"][0], encode_keys(of_relu, Width(0.25)))
    np.testing.assert_array_equal(observed.indices, np.arange(200))
    (whole,) = batches(200)
    assert whole.labels is not None
    np.testing.assert_array_equal(observed.targets.numbers, whole.labels.values)


def test_many_small_batches_are_encoded_at_once() -> None:
    current = a_pass(TANH)
    with mock.patch.object(streams, "encoded_at_once", side_effect=encoded_at_once) as encoded:
        for batch in batches(*(5,) * 40):
            current.begin(batch)
            current.take("net.1", 1, outputs(5, 4))
        assert not encoded.called
        current.observed()
    assert [[len(rows) for rows in call.args[0]] for call in encoded.call_args_list] == [[200]]


def test_an_output_that_a_later_layer_rewrites_was_copied() -> None:
    """An in-place ReLU changes what the layer before it has returned."""
    current, rows = a_pass(TANH), outputs(20, 4)
    expected = encode_keys(rows, Width(0.25))
    (batch,) = batches(20)
    current.begin(batch)
    current.take("net.1", 1, rows)
    rows.relu_()
    np.testing.assert_array_equal(current.observed().keys["net.1"][0], expected)


def test_what_waits_never_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("it_callbacks.observation.small_batches.MOST_BYTES", 1000)
    current, most = a_pass(TANH), 0
    for batch in batches(*(10,) * 100):  # 160 bytes of outputs each
        current.begin(batch)
        current.take("net.1", 1, outputs(10, 4))
        most = max(
            most,
            sum(rows.nbytes for held in current._small._held for rows in held.outputs.values()),
        )
    assert 1000 <= most <= 1160
    assert len(current.observed().keys["net.1"][0]) == 1000


def test_layers_that_fill_the_memory_together_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is small; all of one batch would be more than is ever held."""
    monkeypatch.setattr("it_callbacks.observation.small_batches.MOST_BYTES", 1000)
    (small, large) = batches(30, 40)
    current = a_pass(TANH)
    current.observe(RELU, KeyStream(Reader(Joint(), (Uniform(3, -1, 1),))))
    assert current.begin(small)  # 4 and 3 units, four bytes each: 840
    assert not current.begin(large)


@pytest.mark.parametrize(
    "batch",
    [
        Batch.of(None, read_labels(torch.full((4, 6), 2)), np.arange(4)),
        Batch.of(None, None, np.arange(4), mask=torch.ones(4, 6, dtype=torch.bool)),
        Batch.of(None, None, np.arange(2**17)),
    ],
    ids=["positions", "padding", "large"],
)
def test_large_batches_and_those_of_more_than_rows_are_read_as_they_come(batch: Batch) -> None:
    assert not SmallBatches[str]().begin(batch, 4 * len(batch))
    assert SmallBatches[str]().begin(Batch.of(None, None, np.arange(4)), 16)


def test_maps_and_sequences_are_read_as_they_come() -> None:
    current = a_pass(TANH, Layer("c", "c", 1, n_axes=4))
    current.begin(Batch.of(None, None, np.arange(4)))
    assert not [*current._small.joined()]


def test_batches_of_several_kinds_are_joined_with_their_like_only() -> None:
    small, kinds = SmallBatches[str](), [torch.int64, torch.int64, torch.float32, torch.int64]
    for number, dtype in enumerate(kinds):
        labels = read_labels(torch.tensor([0, 1]).to(dtype))
        small.begin(Batch.of(None, labels, np.array([2 * number, 2 * number + 1])), 8)
        small.hold(TANH, outputs(2, 4))
    small.begin(Batch.of(None, None, np.array([8, 9])), 8)  # in which the layer does not run
    joined = [*small.joined()]
    assert [batch.indices.tolist() for batch, _ in joined] == [[0, 1, 2, 3], [4, 5], [6, 7], [8, 9]]
    assert [[len(rows) for rows in held.values()] for _, held in joined] == [[4], [2], [2], []]
    assert not [*small.joined()]


def test_a_layer_that_runs_in_some_batches_only_is_still_told() -> None:
    current = a_pass(TANH, RELU)
    for number, batch in enumerate(batches(10, 10, 10)):
        current.begin(batch)
        current.take("net.1", 1, outputs(10, 4))
        if number != 1:
            current.take("net.3", 1, outputs(10, 3))
    assert current.observed().missed == {"net.3": "ran on 20 of 30 samples"}


def test_inputs_that_are_to_be_told_apart_are_before_the_model_can_write_into_them() -> None:
    current, x = a_pass(TANH, hash_inputs=True), torch.tensor([[1.0], [2.0], [1.0]])
    current.begin(Batch.of(x, None, np.arange(3)))
    current.take("net.1", 1, outputs(3, 4))
    x.zero_()
    inputs = current.observed().inputs
    assert inputs is not None
    assert np.unique(inputs[:, 0], return_inverse=True)[1].tolist() in ([0, 1, 0], [1, 0, 1])


def test_joined_labels_fit_what_all_of_them_fit() -> None:
    parts = [torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.0]), torch.tensor([math.nan])]
    read = [Batch.of(None, read_labels(part), np.arange(len(part))) for part in parts]
    joined = Batch.joined(read).labels
    assert joined is not None
    assert joined.fits == {"regression"}
    assert joined.is_labelled.tolist() == [True] * 4 + [False]
    nothing = read_labels(torch.tensor([-1, -1]))
    assert nothing.fits == frozenset(KINDS)
    assert nothing.n_classes == 0


# Rows of one layer.


def test_rows_are_given_out_in_order_when_there_are_enough() -> None:
    gathered, given = Gathered(enough=20), []
    parts = [torch.full((n, 2), float(n)) for n in (1, 2, 3, 4, 1, 5, 1)]
    for part in parts:
        given += gathered.add(part)
    # 12 numbers wait until 20 are there; of 10 and more a copy would cost more than it saves.
    assert [len(rows) for rows in given] == [10, 1, 5]
    given += gathered.rest()
    assert torch.equal(torch.cat(given), torch.cat(parts))


def test_rows_of_another_kind_are_never_joined() -> None:
    gathered = Gathered()
    assert gathered.add(torch.zeros(1, 2)) == []
    (first,) = gathered.add(torch.zeros(1, 3))
    assert first.shape == (1, 2)
    (second,) = gathered.add(torch.zeros(1, 3, dtype=torch.float64))
    assert second.dtype == torch.float32


def test_many_layers_share_the_memory() -> None:
    """Eight megabytes of float32 in all, whatever their number."""
    for n_layers in (1, 8, 60, 1000):
        assert n_layers * enough_for(n_layers) * 4 <= 8 * 2**20


def test_a_fault_of_a_ruler_in_what_has_waited_costs_its_layer_only() -> None:
    """A width that float16 cannot resolve is refused when the rows are encoded."""

    class Picky(Uniform):
        def __call__(self, activations: Tensor) -> Tensor:
            raise ValueError("width: no")

    current = a_pass(TANH)
    current.observe(RELU, KeyStream(Reader(Joint(), (Picky(3, -1, 1),))))
    for batch in batches(5, 5):
        current.begin(batch)
        current.take("net.1", 1, outputs(5, 4))
        current.take("net.3", 1, outputs(5, 3))
    observed = current.observed()
    assert list(observed.keys) == ["net.1"]
    assert observed.faults == {"net.3": "width: no"}


# A training.


def monitors() -> list[Any]:
    return [InformationPlaneMonitor(), PredictionEntropyMonitor(), ConditionalEntropyMonitor()]


def measured(batch_size: int) -> dict[tuple[str, int], float]:
    """All values of a training, whose validation comes in batches of this size."""
    watching = monitors()
    fit(watching, max_epochs=3, val=loader(105, batch_size, seed=1))
    return {
        (record.tag, record.epoch): record.bits
        for monitor in watching
        for record in monitor.history
        if "overhead" not in record.tag
    }


def test_values_do_not_depend_on_how_small_the_batches_are() -> None:
    whole, small = measured(105), measured(4)
    assert whole.keys() == small.keys()
    for key, value in whole.items():
        # Float32 products of other sizes may differ in the last digit, and so may readings of them.
        tolerance = 1e-5 if "plane" in key[0] else 1e-6
        assert small[key] == pytest.approx(value, abs=tolerance, nan_ok=True), key


def test_a_metric_is_fed_once_a_pass_when_it_is_known_that_no_input_repeats() -> None:
    lengths, reading = list[int](), PredictionEntropy.reading

    def counted(self: PredictionEntropy, predictions: Tensor, labels: Tensor) -> Any:
        lengths.append(len(predictions))
        return reading(self, predictions, labels)

    small = loader(105, 5, seed=1)
    with mock.patch.object(PredictionEntropy, "reading", counted):
        fit([PredictionEntropyMonitor()], max_epochs=3, val=small, num_sanity_val_steps=0)
    assert lengths == [5] * 21 + [105] * 2


def test_all_monitors_read_the_labels_of_a_batch_once() -> None:
    with mock.patch.object(loops, "labels_of", side_effect=loops.labels_of) as read:
        fit(monitors(), max_epochs=2, val=loader(100, 10, seed=1), num_sanity_val_steps=0)
    assert read.call_count == 2 * 10


def test_labels_are_read_again_only_where_they_have_changed() -> None:
    """The same tensors are given in every loop; one callback changes some labels in place."""
    val = loader(100, 10, seed=1)
    y = val.dataset.tensors[1]

    class Changes(pl.Callback):
        @override
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                y[35:45] = 0

    # What is no plain class number is read in every loop.
    always = ConditionalEntropyMonitor(target=lambda batch: batch[1].int(), name="always")
    monitor = ConditionalEntropyMonitor()
    with mock.patch.object(reading, "read_labels", side_effect=reading.read_labels) as read:
        fit([monitor, always, Changes()], max_epochs=4, val=val, num_sanity_val_steps=0)
    assert Counter(call.args[0].dtype for call in read.call_args_list) == {
        torch.int64: 10 + 2,
        torch.int32: 4 * 10,
    }
    found, expected = (
        {(record.quantity, record.layer, record.epoch): record.bits for record in one.history}
        for one in (monitor, always)
    )
    assert found == expected


def test_what_is_kept_from_loop_to_loop_is_little_and_holds_no_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(at_hand, "MOST_SAMPLES", 35)
    kept = list[Batch]()

    class Looks(pl.Callback):
        @override
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            kept[:] = at_hand._OF_TRAINERS[trainer].before.values()

    fit([*monitors(), Looks()], max_epochs=2, val=loader(100, 10, seed=1), num_sanity_val_steps=0)
    assert [len(batch) for batch in kept] == [10, 10, 10]
    assert all(batch.inputs is None for batch in kept)


def test_a_set_of_which_other_samples_come_is_read_as_it_is() -> None:
    """Longer batches, then shorter ones, at the same places of a loop."""
    trainer, labels = Classifier(), torch.tensor([0, 1, 2, 1])
    for n in (4, 3, 4):
        known = at_hand.batch_before(trainer, "place")
        read = reading.labels_of((None, labels[:n]), None, known=known and known.labels)
        assert read is not None
        assert read.values.tolist() == [0, 1, 2, 1][:n]
        at_hand.keep_batch(trainer, "place", Batch.of(None, read, np.arange(n)))
        assert at_hand._OF_TRAINERS[trainer].n_samples == n


@pytest.mark.parametrize(
    "raw",
    [
        torch.tensor([0, 1, -1]),  # masked otherwise
        torch.tensor([0, 1, 2, 2]),
        torch.tensor([[0], [1], [2]]),
        torch.tensor([0.0, 1.0, 2.0]),
        torch.tensor([0, 1, 2], dtype=torch.int32),
    ],
)
def test_labels_of_other_values_or_of_another_kind_are_not_taken_for_known_ones(
    raw: Tensor,
) -> None:
    known = read_labels(torch.tensor([0, 1, 2]))
    assert known.are_of(torch.tensor([0, 1, 2]))
    assert not known.are_of(raw)
    again = reading.labels_of((None, raw), None, known=known)
    assert again is not None
    assert again is not known
    assert again.values.flatten().tolist() == raw.flatten().tolist()


def test_monitors_that_read_batches_differently_each_do() -> None:
    def coarse(batch: Any) -> Tensor:
        return (batch[1] > 0).long()

    plain = ConditionalEntropyMonitor()
    other = ConditionalEntropyMonitor(target=coarse, name="coarse", logits="net")
    fit([plain, other], max_epochs=1)
    tags = [Counter(r.tag.split("/")[2] for r in m.history) for m in (plain, other)]
    assert "class_2" in tags[0]
    assert "class_2" not in tags[1]


def test_nothing_of_a_batch_is_kept_when_it_has_ended() -> None:
    _, running = fit(monitors(), max_epochs=1)
    assert running not in at_hand._OF_TRAINERS


def test_nothing_of_a_batch_is_kept_when_a_step_has_failed() -> None:
    class Fails(Classifier):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fit(monitors(), Fails, max_epochs=1)
    assert not [one for one in at_hand._OF_TRAINERS if isinstance(one.lightning_module, Fails)]


def test_inputs_are_told_apart_once_for_all_monitors() -> None:
    with mock.patch.object(reading, "row_keys", side_effect=reading.row_keys) as keys:
        fit(monitors(), max_epochs=1, val=loader(100, 10, seed=1), num_sanity_val_steps=0)
    assert keys.call_count == 10


# What loggers get.


def events(folder: str) -> list[Event]:
    """All events of the one event file of a folder."""
    (path,) = Path(folder).rglob("events.*")
    return [Event.FromString(record) for record in RawEventFileLoader(str(path)).Load()]


def test_tensorboard_gets_a_point_as_one_event(tmp_path: Any) -> None:
    monitor = PredictionEntropyMonitor()
    fit([monitor], max_epochs=2, logger=TensorBoardLogger(str(tmp_path), prefix="a"))
    points = [
        {value.tag: value.simple_value for value in event.summary.value}
        for event in events(str(tmp_path))
        if any(
            value.tag.startswith("a-prediction_entropy/val/mean") for value in event.summary.value
        )
    ]
    by_epoch = [[r for r in monitor.history if r.epoch == epoch] for epoch in (1, 2)]
    assert points == [
        {f"a-{r.tag}": pytest.approx(r.bits, rel=1e-6) for r in of_epoch} for of_epoch in by_epoch
    ]


def test_a_users_own_logger_and_writer_are_called_as_ever(tmp_path: Any) -> None:
    logged: list[str] = []

    class Filters(TensorBoardLogger):
        @override
        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            logged.extend(metrics)

    class Counts(SummaryWriter):
        @override
        def add_scalar(self, tag: str, *args: Any, **kwargs: Any) -> None:
            logged.append(tag)

    own = TensorBoardLogger(str(tmp_path / "own"))
    own._experiment = Counts(str(tmp_path / "own"))
    plain = MemoryLogger()
    monitor = PredictionEntropyMonitor()
    fit([monitor], max_epochs=1, logger=[Filters(str(tmp_path)), own, plain])
    tags = [record.tag for record in monitor.history]
    assert Counter(logged) == Counter(2 * tags)
    assert [list(metrics) for _, metrics in plain.logged if set(metrics) & set(tags)] == [tags]


def test_a_metric_serves_pass_after_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """To make one takes longer than to feed a small set; the values are those of a new one."""
    made, init = list[object](), PredictionEntropy.__init__

    def counted(self: PredictionEntropy, *args: Any, **kwargs: Any) -> None:
        made.append(self)
        init(self, *args, **kwargs)

    def values(val: Any) -> list[float]:
        monitor = PredictionEntropyMonitor()
        fit([monitor], max_epochs=4, val=val, num_sanity_val_steps=0)
        return [record.bits for record in monitor.history]

    monkeypatch.setattr(PredictionEntropy, "__init__", counted)
    reused = values(loader(seed=1))
    assert len(made) <= 2
    made.clear()
    values([loader(seed=1), loader(seed=2)])  # two sets at a time never share one
    assert 2 <= len(made) <= 4
    monkeypatch.setattr(PredictionInstrument, "_metric", fresh)
    assert values(loader(seed=1)) == reused


def fresh(self: PredictionInstrument, way: str, n_classes: int, kind: Any) -> Any:
    return self._readout.metric(way, n_classes, kind)


# What the others see.


def test_what_waiting_batches_are_refused_for_is_told_to_all_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Raised where one process raises for all: else the others would wait for it for ever."""
    asked: list[str] = []

    def together(share: Any) -> list[Any]:
        try:
            return [share()]
        except ValueError as error:
            asked.append(str(error))
            raise

    monkeypatch.setattr(prediction_pass, "together", together)
    monitor, y = PredictionEntropyMonitor(), samples(60)[1]
    y[50] = 7
    current = monitor._instrument._pass("val", None, hash_inputs=False)
    source = prediction_pass.Source("net")
    for start in (0, 30):
        rows = slice(start, start + 30)
        labels = read_labels(y[rows])
        current.add(
            torch.zeros(30, 3), Batch.of(None, labels, np.arange(start, start + 30)), source
        )
    with pytest.raises(ValueError, match="label 7"):
        current.finish()
    assert "label 7" in asked[-1]


def test_batches_that_wait_hold_no_inputs() -> None:
    inputs = torch.zeros(4, 3, 224, 224)
    small = SmallBatches[str]()
    small.begin(Batch.of(inputs, None, np.arange(4)), 12)
    small.hold("net", torch.zeros(4, 3))
    gone = weakref.ref(inputs)
    del inputs
    gc.collect()
    assert gone() is None
    assert [len(batch) for batch, _ in small.joined()] == [4]


def test_a_batch_that_another_callback_changes_is_read_again() -> None:
    before, after = ConditionalEntropyMonitor(name="a"), ConditionalEntropyMonitor(name="b")
    fit([before, MergesClasses(), after], max_epochs=2, num_sanity_val_steps=0)
    seen = [{record.tag.split("/")[2] for record in one.history} for one in (before, after)]
    assert "class_2" in seen[0]
    assert "class_2" not in seen[1]


def test_a_batch_of_a_users_own_kind_is_read_by_each() -> None:
    """Nobody sees whether it has changed."""
    trainer, reads = Classifier(), []
    for raw in (object(), [object(), torch.zeros(1)]):
        for _ in range(2):
            at_hand.read_once(trainer, raw, "way", lambda: reads.append(1))
    assert len(reads) == 4
    whole = [torch.zeros(1), {"y": torch.zeros(1), "name": "a"}]
    for _ in range(2):
        at_hand.read_once(trainer, whole, "way", lambda: reads.append(1))
    assert len(reads) == 5


def test_the_layout_keeps_the_charts_of_other_monitors(monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[set[str]] = []
    monkeypatch.setattr(
        outbox, "log_layout", lambda loggers, tags, own=(): laid.append(set(tags)) or []
    )
    plane, predictions = InformationPlaneMonitor(), PredictionEntropyMonitor()
    model, running = fit([plane, predictions], max_epochs=2, logger=MemoryLogger())
    running.test(model, loader(60, seed=3), verbose=False)
    assert "prediction_entropy/val/mean" in laid[-1]
    assert "information_plane/test/I_XT/net.1" in laid[-1]
