"""Both prediction monitors of a Trainer feed on one pass where they want the same, and else do not.

What each gives beside the other is held against what it gives alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

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
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy
from it_callbacks.observation.prediction_pass import PredictionPass

from .toys import Binary, Classifier, MergesClasses, beyond_0, fit, loader, rows, samples
from .warned import warned

BOTH: tuple[type[Any], ...] = (PredictionEntropyMonitor, ConditionalEntropyMonitor)


def of_tensors(x: Tensor, y: Tensor, batch_size: int = 30) -> DataLoader[Any]:
    return DataLoader(TensorDataset(x, y), batch_size)


def plain() -> DataLoader[Any]:
    return of_tensors(*samples(105, seed=1))


def repeated() -> DataLoader[Any]:
    x, y = samples(60, seed=1)
    return of_tensors(x.repeat(3, 1), y.repeat(3))


def with_ignored() -> DataLoader[Any]:
    x, y = samples(105, seed=1)
    y[::7] = 9
    y[40:70] = 9  # a whole batch, nearly
    return of_tensors(x, y)


def one_nan() -> DataLoader[Any]:
    x, y = samples(105, seed=1)
    x[3] = torch.nan
    return of_tensors(x, y)


class Answers(Classifier):
    """Validates without a loss."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self(batch[0])


def several(batch: Any) -> Tensor:
    """Columns of labels, of which any may be present."""
    return torch.stack([batch[1] > 0, batch[0][:, 0] > 0, batch[0][:, 1] > 0], 1).long()


CASES: dict[str, tuple[Callable[[], Any], Any, dict[str, Any]]] = {
    "plain": (plain, Classifier, {}),
    "repeated": (repeated, Classifier, {}),
    "ignored": (with_ignored, Answers, {"ignore_index": 9}),
    "a row of NaN": (one_nan, Classifier, {}),
    "subset": (plain, Classifier, {"max_samples": 50}),
    "several labels": (plain, Classifier, {"target": several}),
    "one number": (plain, Binary, {"target": beyond_0}),
    "a module": (plain, Classifier, {"logits": "net"}),
    "two sets": (lambda: [plain(), repeated()], Classifier, {}),
}


def measured(kinds: tuple[type[Any], ...], name: str, **options: Any) -> list[list[Any]]:
    """All that each kind gives in one training."""
    val, model, more = CASES[name]
    monitors = [kind(**more) for kind in kinds]
    with warned():
        fit(monitors, model, val=val(), train=plain(), max_epochs=3, **options)
    return [rows(monitor) for monitor in monitors]


@pytest.mark.parametrize("name", CASES)
def test_beside_each_other_both_give_what_each_gives_alone(name: str) -> None:
    alone = [measured((kind,), name)[0] for kind in BOTH]
    assert all(len(each) > 10 for each in alone)
    for order in (BOTH, BOTH[::-1]):
        for kind, each in zip(order, measured(order, name), strict=True):
            assert [row[::2] for row in each] == [row[::2] for row in alone[BOTH.index(kind)]]
            bits = [row[1] for row in alone[BOTH.index(kind)]]
            assert [row[1] for row in each] == pytest.approx(bits, abs=1e-14, nan_ok=True)


@pytest.mark.parametrize("name", ["plain", "repeated"])
def test_beside_each_other_both_count_the_samples_that_they_warn_of(name: str) -> None:
    """What one has measured it forgets; the other must not take that for its own."""
    val, model, _ = CASES[name]

    def few(*kinds: type[Any]) -> list[str]:
        with warned() as given:
            fit([kind() for kind in kinds], model, val=val(), train=plain(), max_epochs=1)
        return sorted(one.text for one in given if one.cause == "few")

    apart = sorted(text for kind in BOTH for text in few(kind))
    assert len(apart) == 2
    assert few(*BOTH) == apart


def passes_of(*monitors: Any, **options: Any) -> int:
    """How many passes over predictions a training of two epochs makes."""
    made, finish = list[object](), PredictionPass._finish

    def counted(self: Any) -> Any:
        made.append(self)
        return finish(self)

    with warned(), mock.patch.object(PredictionPass, "_finish", counted):
        fit(list(monitors), max_epochs=2, **options)
    return len(made)


def test_what_both_want_is_read_once() -> None:
    reading = ConditionalEntropy.reading
    n_read = []

    def counted(self: Any, predictions: Tensor, labels: Tensor) -> Any:
        n_read.append(len(labels))
        return reading(self, predictions, labels)

    options = {"num_sanity_val_steps": 0, "val": plain(), "max_epochs": 3}
    with mock.patch.object(PredictionEntropy, "reading", counted), warned():
        fit([PredictionEntropyMonitor(), ConditionalEntropyMonitor()], **options)
    # The first pass takes batches as they come; then no input is known to repeat.
    assert n_read == [30, 30, 30, 15, 105, 105]


def test_they_share_where_nobody_comes_between_and_they_want_the_same() -> None:
    first, second = BOTH
    assert passes_of(first()) == passes_of(first(), second()) == 2
    assert passes_of(second(), InformationPlaneMonitor(["net.1"]), first()) == 2
    assert passes_of(first(), pl.Callback(), second()) == 4
    assert passes_of(first(), second(max_samples=50)) == 4
    assert passes_of(first(), second(logits="net")) == 4
    assert passes_of(first(), second(ignore_index=7)) == 4
    assert passes_of(first(), second(target=1)) == 4
    assert passes_of(first(), second(name="another")) == 4
    assert passes_of(first(on_error="raise"), second()) == 2


def test_a_callback_between_them_may_change_the_batch() -> None:
    before, after = PredictionEntropyMonitor(), ConditionalEntropyMonitor()
    with warned():
        fit([before, MergesClasses(), after], max_epochs=2, val=plain())
    assert not [record for record in after.history if "class_2" in record.tag]
    assert [r.bits for r in before.history] == [row[1] for row in measured_alone(before)]


def measured_alone(like: Any) -> list[Any]:
    monitor = type(like)()
    with warned():
        fit([monitor], max_epochs=2, val=plain())
    return rows(monitor)


def test_hooks_of_a_users_subclass_are_its_own() -> None:
    class FirstBatch(ConditionalEntropyMonitor):
        @override
        def on_validation_batch_start(self, *args: Any, **kwargs: Any) -> None:
            if args[3] == 0:
                super().on_validation_batch_start(*args, **kwargs)

        @override
        def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
            if args[4] == 0:
                super().on_validation_batch_end(*args, **kwargs)

    for order in (1, -1):
        some, all_ = FirstBatch(), PredictionEntropyMonitor()
        with warned():
            fit([some, all_][::order], max_epochs=2, val=plain())
        assert {record.n_samples for record in some.history} == {30}
        assert {record.n_samples for record in all_.history} == {105}


@pytest.mark.parametrize("order", [1, -1])
def test_one_that_cannot_measure_leaves_the_other_alone(order: int) -> None:
    wrong, right = ConditionalEntropyMonitor(class_names=["a", "b"]), PredictionEntropyMonitor()
    alone, options = PredictionEntropyMonitor(), {"val": plain(), "num_sanity_val_steps": 0}
    with warned() as given:
        fit([wrong, right][::order], **options)
    assert wrong.history == []
    (said,) = given.of("skipped")
    assert said.monitor == "ConditionalEntropyMonitor"
    assert "2 names for 3 classes" in said.text
    with warned():
        fit([alone], **options)
    assert [r.bits for r in right.history] == [r.bits for r in alone.history]


@pytest.mark.parametrize("order", [1, -1])
def test_where_one_is_not_due_the_other_measures_by_itself(order: int) -> None:
    often, seldom = PredictionEntropyMonitor(), ConditionalEntropyMonitor(schedule=[2, 3])
    with warned():
        fit([often, seldom][::order], max_epochs=4, val=plain())
        alone = ConditionalEntropyMonitor()
        fit([alone], max_epochs=4, val=plain())
    assert {record.epoch for record in often.history} == {1, 2, 3, 4}
    assert {record.epoch for record in seldom.history} == {1, 2, 3}
    expected = [r.bits for r in alone.history if r.epoch < 4]
    assert [r.bits for r in seldom.history] == pytest.approx(expected, abs=1e-14)


class FailsOnce(Classifier):
    """Its labels cannot be read in the second validation."""

    is_ill = False

    @override
    def on_validation_epoch_start(self) -> None:
        type(self).is_ill = self.current_epoch == 1 and not self.trainer.sanity_checking


def unless_ill(batch: Any) -> Tensor:
    if FailsOnce.is_ill:
        raise ValueError("target: nothing to be seen")
    labels: Tensor = batch[1]
    return labels


def test_what_goes_wrong_for_both_costs_both_that_point_and_each_says_so() -> None:
    monitors = [kind(target=unless_ill) for kind in BOTH]
    with warned() as given:
        fit(monitors, FailsOnce, max_epochs=4, val=plain())
    for monitor in monitors:
        assert {record.epoch for record in monitor.history} == {1, 3, 4}
    said = [one.monitor for one in given.of("skipped")]
    assert sorted(said) == sorted(kind.__name__ for kind in BOTH)
    assert all("nothing to be seen" in one.text for one in given.of("skipped"))


def test_who_asked_for_it_raises_though_the_other_warns() -> None:
    first = PredictionEntropyMonitor(target=unless_ill)
    second = ConditionalEntropyMonitor(target=unless_ill, on_error="raise")
    with warned(), pytest.raises(ValueError, match="nothing to be seen"):
        fit([first, second], FailsOnce, max_epochs=4, val=plain())
    assert {record.epoch for record in first.history} == {1}


def test_where_one_stops_the_other_goes_on() -> None:
    """A monitor taken off in the middle of a training; the other has its own eyes then."""
    first, second = (kind() for kind in BOTH)

    class TakesOff(pl.Callback):
        @override
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if first in trainer.callbacks and trainer.current_epoch == 1:
                trainer.callbacks.remove(first)

    with warned():
        fit([first, second, TakesOff()], max_epochs=4, val=plain())
    assert {record.epoch for record in first.history} == {1, 2}
    assert {record.epoch for record in second.history} == {1, 2, 3, 4}


def test_who_listens_for_both_may_be_taken_off_in_mid_loop() -> None:
    """The other has no half of a set for a whole one, and says why."""
    first, second = (kind() for kind in BOTH)

    class TakesOff(pl.Callback):
        @override
        def on_validation_batch_start(
            self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, *args: Any
        ) -> None:
            if first in trainer.callbacks and trainer.current_epoch == 1 and batch_idx == 2:
                trainer.callbacks.remove(first)

    with warned() as given:
        fit([TakesOff(), first, second], max_epochs=3, val=plain())
    assert {record.epoch for record in second.history} == {1, 3}
    assert any("taken out in mid-loop" in one.text for one in given)


def test_nothing_of_a_shared_loop_outlives_it() -> None:
    monitors = [kind() for kind in BOTH]
    with warned():
        fit(monitors, max_epochs=2, val=loader(105))
    for monitor in monitors:
        assert monitor._source._loop is None
        assert not any(isinstance(value, nn.Module) for value in vars(monitor._source).values())
        (metric,) = monitor._instrument._spare.values()  # for the next pass, and empty
        for name, empty in metric._defaults.items():
            state = getattr(metric, name)
            assert state == empty if isinstance(empty, list) else torch.equal(state, empty)
