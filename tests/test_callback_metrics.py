"""`trainer.callback_metrics`: what Lightning's callbacks that wait for a metric make of ours.

They fare as with a metric of the user's own that has the same values, is NaN at the same points,
and is logged at the same points only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor, PredictionEntropyMonitor
from it_callbacks.estimators import Extra

from .toys import Classifier, MemoryLogger, fit, loader


@pytest.fixture(autouse=True)
def _no_warning_of_a_monitor_goes_unseen() -> None:
    """Here they may: what is tested is what callbacks see."""


pytestmark = pytest.mark.filterwarnings(
    "ignore::it_callbacks.callbacks.console.MonitorWarning",
    # Lightning's, of the tests' checkpoints.
    "ignore:.*weights_only.*",
    "ignore:Checkpoint directory .* exists",
)

NAN, N_EPOCHS, BAD_EPOCH = math.nan, 8, 3
MODES = ("min", "max")
RISES_AND_FALLS = (1.0, 2.0, 3.0, 2.5, 2.0, 4.0, 1.5, 1.0)
I_TY = "information_plane/val/I_TY/net.4"
MEAN = "prediction_entropy/val/mean"
SCRIPTED = "information_plane/val/scripted/net.4"


class Clock(pl.Callback):
    """Knows which epoch it is, for functions that know only their batch."""

    epoch = 0

    @override
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.epoch = trainer.current_epoch + 1


class Scripted(Extra):
    """An estimator that gives these values, one after the other."""

    def __init__(self, values: Sequence[float], every: int = 1) -> None:
        self.values = iter(values)
        self.every = every

    @property
    @override
    def quantities(self) -> tuple[str, ...]:
        return ("scripted",)

    @override
    def __call__(self, activations: Any, labels: Any) -> dict[str, float]:
        return {"scripted": next(self.values)}


class Watched(Classifier):
    """Logs a metric of its own; its learning rate waits for a metric.

    Args:
        own: By epoch, what ``own`` is logged as; it is not logged in other epochs.
        plateau: What the learning rate waits for; it is constant if None.
    """

    def __init__(self, own: dict[int, float] | None = None, plateau: str | None = None) -> None:
        super().__init__()
        self.own = own or {}
        self.plateau = plateau
        self.rates: list[float] = []

    @override
    def on_validation_epoch_end(self) -> None:
        epoch = self.current_epoch + 1
        if epoch in self.own and not self.trainer.sanity_checking:
            self.log("own", self.own[epoch])

    @override
    def on_train_epoch_start(self) -> None:
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])

    @override
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        if self.plateau is None:
            return optimizer
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", 0.5, patience=0)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": self.plateau},
        }


class Case(NamedTuple):
    """A monitor and one of its tags.

    Args:
        monitor: Makes it.
        tag: What is waited for.
        epochs: When it has a finite value.
    """

    monitor: Callable[[Clock], Any]
    tag: str
    epochs: tuple[int, ...]


def _nan_value(clock: Clock) -> Any:
    values = [NAN if i + 1 == BAD_EPOCH else value for i, value in enumerate(RISES_AND_FALLS)]
    return InformationPlaneMonitor("net.4", extra=[Scripted(values)])


def _bad_layer(clock: Clock) -> Any:
    def pick(output: Tensor) -> Tensor:
        return output * NAN if clock.epoch == BAD_EPOCH else output

    return InformationPlaneMonitor({"net.4": pick, "net.1": lambda output: output}, bins=3)


def _bad_batch(clock: Clock) -> Any:
    def target(batch: Any) -> Tensor:
        if clock.epoch == BAD_EPOCH:
            raise ZeroDivisionError("no labels today")
        return batch[1]  # type: ignore[no-any-return] # a tensor

    return PredictionEntropyMonitor(target=target)


GOOD_EPOCHS = tuple(epoch for epoch in range(1, N_EPOCHS + 1) if epoch != BAD_EPOCH)
NAN_ONCE = {
    "an estimator gives NaN": Case(_nan_value, SCRIPTED, GOOD_EPOCHS),
    "a layer cannot be read": Case(_bad_layer, I_TY, GOOD_EPOCHS),
    "a point is skipped": Case(_bad_batch, MEAN, GOOD_EPOCHS),
}
NOT_ALWAYS_DUE = {
    "an estimator of every third point": Case(
        lambda _: InformationPlaneMonitor("net.4", extra=[Scripted(RISES_AND_FALLS, every=3)]),
        SCRIPTED,
        (1, 4, 7),
    ),
    "a monitor of every third epoch": Case(
        lambda _: PredictionEntropyMonitor(schedule=3), MEAN, (1, 3, 6)
    ),
    "an estimator in a point that is skipped": Case(
        lambda clock: InformationPlaneMonitor(
            "net.4",
            extra=[Scripted(RISES_AND_FALLS, every=3)],
            target=_bad_batch(clock).target,
        ),
        SCRIPTED,
        (1, 5, 8),
    ),
}
CASES = NAN_ONCE | NOT_ALWAYS_DUE


@dataclass
class Seen(pl.Callback):
    """What a metric is after each validation."""

    tag: str

    def __post_init__(self) -> None:
        self.values: list[float] = []

    @override
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self.values.append(float(trainer.callback_metrics[self.tag]))


def _train(
    callbacks: list[Any], model: Watched | Callable[[], Watched], **options: Any
) -> pl.Trainer:
    """Eight epochs of one step."""
    options = {"max_epochs": N_EPOCHS} | options
    return fit(callbacks, model, train=loader(25), val=loader(40, seed=1), **options)[1]


class Outcome(NamedTuple):
    """What became of a training.

    Args:
        trainer: Its Trainer.
        model: Its model.
        seen: The metric that was waited for, after each validation.
        waiting: What waited for it.
    """

    trainer: pl.Trainer
    model: Watched
    seen: list[float]
    waiting: list[Any]


Outcomes = tuple[Outcome, Outcome]


def _ours_and_the_users_own(
    case: Case, waiting: Callable[[str], list[Any]], *, plateau: bool = False
) -> Outcomes:
    """Train with what waits for our tag, and with what waits for a metric with its values."""
    clock = Clock()
    monitor = case.monitor(clock)

    def train(callbacks: list[Any], tag: str, own: dict[int, float]) -> Outcome:
        waits, seen = waiting(tag), Seen(tag)
        model = Watched(own, tag if plateau else None)
        keeps = any(isinstance(one, ModelCheckpoint) for one in waits)
        running = _train([*callbacks, seen, *waits], model, enable_checkpointing=keeps)
        return Outcome(running, model, seen.values, waits)

    ours = train([clock, monitor], case.tag, {})
    measured = {r.epoch: r.bits for r in monitor.history if r.tag == case.tag}
    finite = tuple(epoch for epoch, bits in measured.items() if math.isfinite(bits))
    assert finite == tuple(epoch for epoch in case.epochs if epoch <= ours.trainer.current_epoch)
    missing = {BAD_EPOCH: NAN} if case in NAN_ONCE.values() else {}
    return ours, train([], "own", measured | missing)


def _cases(cases: dict[str, Case]) -> Any:
    return pytest.mark.parametrize(
        "case", [pytest.param(of, id=name) for name, of in cases.items()]
    )


@pytest.fixture(scope="module", params=[pytest.param(of, id=name) for name, of in CASES.items()])
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Of trainings with all that can wait for a metric; none of it ends them."""

    def waiting(tag: str) -> list[Any]:
        folders = [tmp_path_factory.mktemp("checkpoints") for _ in MODES]
        return [
            *(EarlyStopping(tag, mode=mode, patience=9, check_finite=False) for mode in MODES),
            *(
                ModelCheckpoint(folder, "{epoch}", tag, mode=mode, save_top_k=2)
                for mode, folder in zip(MODES, folders, strict=True)
            ),
        ]

    return _ours_and_the_users_own(request.param, waiting, plateau=True)


def test_a_metric_of_ours_is_what_one_of_the_users_own_would_be(outcomes: Outcomes) -> None:
    ours, theirs = outcomes
    assert ours.trainer.current_epoch == theirs.trainer.current_epoch == N_EPOCHS
    torch.testing.assert_close(ours.seen, theirs.seen, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("number", [0, 1], ids=MODES)
def test_early_stopping_counts_as_with_a_metric_of_the_users_own(
    outcomes: Outcomes, number: int
) -> None:
    ours, theirs = (outcome.waiting[number].state_dict() for outcome in outcomes)
    assert ours == theirs
    assert math.isfinite(ours["best_score"])


@pytest.mark.parametrize("number", [2, 3], ids=MODES)
def test_checkpoints_are_those_of_a_metric_of_the_users_own(
    outcomes: Outcomes, number: int
) -> None:
    ours, theirs = (
        {Path(path).name: float(score) for path, score in kept.items()}
        for kept in (outcome.waiting[number].best_k_models for outcome in outcomes)
    )
    assert ours == theirs
    assert len(ours) == 2
    assert all(math.isfinite(score) for score in ours.values())


def test_a_learning_rate_falls_as_with_a_metric_of_the_users_own(outcomes: Outcomes) -> None:
    ours, theirs = outcomes
    assert ours.model.rates == theirs.model.rates
    assert len(set(ours.model.rates)) > 1
    schedulers = [outcome.trainer.lr_scheduler_configs[0].scheduler for outcome in outcomes]
    one, other = (scheduler.state_dict() for scheduler in schedulers)
    assert float(one.pop("best")) == float(other.pop("best"))
    assert one == other


def _waits_for_finite_values(tag: str) -> list[Any]:
    return [EarlyStopping(tag, mode="max", patience=2)]


@_cases(NAN_ONCE)
def test_early_stopping_that_wants_finite_values_stops_where_one_is_not(case: Case) -> None:
    ours, theirs = _ours_and_the_users_own(case, _waits_for_finite_values)
    assert ours.trainer.current_epoch == theirs.trainer.current_epoch == BAD_EPOCH
    assert math.isnan(ours.seen[-1])


@_cases(NOT_ALWAYS_DUE)
def test_early_stopping_that_wants_finite_values_sees_the_last_one_between_points(
    case: Case,
) -> None:
    """And counts it again each time, so that two epochs without a point are too many."""
    ours, theirs = _ours_and_the_users_own(case, _waits_for_finite_values)
    assert ours.trainer.current_epoch == theirs.trainer.current_epoch
    assert ours.waiting[0].wait_count == 2
    due = [max(epoch for epoch in case.epochs if epoch <= now + 1) for now in range(len(ours.seen))]
    assert [ours.seen[epoch - 1] for epoch in due] == ours.seen == theirs.seen


@_cases(NAN_ONCE)
def test_no_logger_gets_a_value_that_is_not_finite(case: Case) -> None:
    clock, memory = Clock(), MemoryLogger()
    _train([clock, case.monitor(clock)], Watched(), logger=memory)
    logged = [(step, metrics[case.tag]) for step, metrics in memory.logged if case.tag in metrics]
    assert [step for step, _ in logged] == list(GOOD_EPOCHS)  # one step in each epoch
    assert all(math.isfinite(value) for _, metrics in memory.logged for value in metrics.values())


@pytest.mark.parametrize("data", ["train", "val"])
def test_a_fixed_set_of_every_third_epoch_has_a_value_before_each_check(data: Any) -> None:
    tag = f"prediction_entropy/{data}/mean"
    monitor = PredictionEntropyMonitor(data=data, schedule=3)
    model = Watched(plateau=tag)
    running = _train([EarlyStopping(tag, patience=9), monitor], model)
    assert running.current_epoch == N_EPOCHS
    assert [record.epoch for record in monitor.history if record.tag == tag] == [0, 3, 6]


# From one training to the next.


def _every_third(values: Sequence[float] = RISES_AND_FALLS) -> list[Any]:
    return [
        PredictionEntropyMonitor(schedule=3),
        InformationPlaneMonitor("net.4", extra=[Scripted(values, every=3)]),
    ]


def test_a_resumed_training_has_the_last_values_of_what_is_not_due(tmp_path: Path) -> None:
    """Callbacks that wait for one fail where there is none."""
    seen, again = ([Seen(MEAN), Seen(SCRIPTED)] for _ in range(2))
    at_once = _train([*_every_third(), *seen], Watched)
    first = _train(_every_third(), Watched, max_epochs=5)
    first.save_checkpoint(tmp_path / "five.ckpt")
    memory, monitors = MemoryLogger(), _every_third(RISES_AND_FALLS[2:])  # two are given already
    waits = [EarlyStopping(tag, patience=9) for tag in (MEAN, SCRIPTED)]
    resumed = _train(
        [*monitors, *again, *waits],
        Watched,
        logger=memory,
        ckpt_path=str(tmp_path / "five.ckpt"),
    )
    assert resumed.current_epoch == at_once.current_epoch == N_EPOCHS
    assert [one.values for one in again] == [one.values[5:] for one in seen]
    logged = [step for step, metrics in memory.logged if MEAN in metrics]
    assert logged == [6]  # what the first training has logged is not logged again


def test_training_on_has_the_last_values_of_what_is_not_due() -> None:
    seen = [Seen(MEAN), Seen(SCRIPTED)]
    waits = [EarlyStopping(tag, patience=9) for tag in (MEAN, SCRIPTED)]
    model = Watched()
    running = _train([*_every_third(), *seen, *waits], model, max_epochs=5)
    running.fit_loop.max_epochs = N_EPOCHS
    running.fit(model, loader(25), loader(40, seed=1))
    assert running.current_epoch == N_EPOCHS
    assert seen[1].values == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0]
    mean = seen[0].values
    assert [mean[0], mean[2], mean[2], mean[5], mean[5]] == [*mean[1:2], *mean[3:5], *mean[6:]]


def test_a_metric_of_the_users_own_under_our_tag_keeps_its_value() -> None:
    """Also where the tag was ours before."""

    class TakesOver(Watched):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.step(batch)
            if self.current_epoch > 1:
                self.log(MEAN, 7.0)

    seen = Seen(MEAN)
    monitor = PredictionEntropyMonitor()
    _train([monitor, seen], TakesOver(), max_epochs=4)
    values = [record.bits for record in monitor.history if record.tag == MEAN]
    assert len(values) == 4
    assert seen.values == [*(pytest.approx(value, abs=1e-6) for value in values[:2]), 7.0, 7.0]
