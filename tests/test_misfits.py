"""No misfit of data or model ends a run or changes it; a wrong argument ends it in time."""

from __future__ import annotations

import copy
import math
import pickle
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import StochasticWeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
)
from it_callbacks.checks import ArgumentError
from it_callbacks.plain import plain

from .toys import (
    MONITORS,
    N_CLASSES,
    N_UNITS,
    VAL,
    Classifier,
    Lenient,
    LogsLoss,
    Own,
    Stream,
    all_three,
    callback,
    curve,
    epochs,
    fit,
    lazy,
    loader,
    n_hooks,
    trainer,
    when,
)
from .warned import warned

Plane = InformationPlaneMonitor
X, Y = VAL


def _of(*columns: Tensor, batch_size: int = 25) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*columns), batch_size)


# One line, and training as without.


class Silent(LogsLoss):
    """Its validation step calls nothing."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("val_loss", 1.0)


class NotTheForward(LogsLoss):
    """Its steps call the network; its forward takes something else."""

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        logits = self.net(batch[0])
        return self.loss(logits, batch[1]), logits

    @override
    def forward(self, x: Tensor) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


class Squeezes(LogsLoss):
    """A batch of one loses its axis."""

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        logits = self(batch[0]).squeeze()
        return self.loss(logits, batch[1].squeeze()), logits

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x).squeeze()


def _squeezed(items: list[Any]) -> tuple[Tensor, Tensor]:
    x, y = map(torch.stack, zip(*items, strict=True))
    return x, y.squeeze()


NAMED = DataLoader([(x, "a name") for x in X], 25)  # type: ignore[arg-type] # a list will do
"""Labels that are texts."""

Misfit = tuple[Callable[[], Any], dict[str, Any], dict[str, Any], str]

MISFITS: dict[str, Misfit] = {
    "an empty validation step": (Silent, {}, {}, "no"),
    "an unreadable batch": (Lenient, {}, {"val": NAMED}, "target"),
    "a forward that fails on the set": (
        NotTheForward,
        {"data": VAL},
        {},
        r"called as model\(Tensor \(105, 8\)\): RuntimeError: mat1 and mat2 .*inputs=",
    ),
    "no forward": (
        type("NoForward", (NotTheForward,), {"forward": pl.LightningModule.forward}),
        {"data": VAL},
        {},
        "NotImplementedError.*define forward",
    ),
    "an iterable set behind a loader": (
        LogsLoss,
        {"data": "val"},
        {"val": DataLoader(Stream(X, Y), 25)},
        "map-style",
    ),
    "no such loader": (LogsLoss, {"data": "val"}, {"val": None}, "data='val': .*no such loader"),
    "several loaders": (
        Lenient,
        {"data": "val"},
        {"val": [loader(60, seed=1), loader(60, seed=3)]},
        "data='val': there are 2",
    ),
    "predictions beyond one row per label": (
        Lenient,
        {"logits": lambda out: out[:5]},
        {},
        "logits: the model's forward gave no predictions",
    ),
}


def _trained(model: Callable[[], Any], monitors: list[Any], **options: Any) -> Any:
    """The weights at the end, and all that the user's code has logged."""
    torch.manual_seed(0)
    made, running = fit(monitors, model, **options)
    theirs = {k: float(v) for k, v in running.callback_metrics.items() if "/" not in k}
    assert running.state.finished
    assert n_hooks(made) == 0
    return {k: v.clone() for k, v in made.state_dict().items()}, theirs


def _assert_same(got: Any, expected: Any) -> None:
    assert got[1] == expected[1]
    assert all(torch.equal(got[0][name], value) for name, value in expected[0].items())


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("sanity", [0, 2])
@pytest.mark.parametrize("kind", MISFITS)
def test_a_misfit_is_said_in_one_line_and_training_is_as_without(kind: str, sanity: int) -> None:
    """In the sanity check, before the first step, and in training without that check."""
    model, arguments, options, text = MISFITS[kind]
    options = {"max_epochs": 3, "num_sanity_val_steps": sanity, **options}
    monitor = PredictionEntropyMonitor(**arguments)
    with warned() as given:
        got = _trained(model, [monitor], **options)
    assert given.causes == ["skipped"]
    assert given[0].text.count("\n") == 0
    assert re.search(text, given[0].text)
    assert monitor.history == []
    _assert_same(got, _trained(model, [], **options))


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("kind", MISFITS)
def test_on_error_raise_raises_of_every_misfit_before_the_first_step(kind: str) -> None:
    model, arguments, options, text = MISFITS[kind]
    made = model()
    with pytest.raises((ValueError, TypeError, RuntimeError), match=text):
        fit([PredictionEntropyMonitor(**arguments, on_error="raise")], made, **options)
    assert made.trainer.global_step == 0
    assert n_hooks(made) == 0


def test_the_cause_of_an_error_in_the_users_forward_is_kept() -> None:
    with pytest.raises(RuntimeError, match="called as model") as caught:
        fit([Plane(data=VAL, on_error="raise")], NotTheForward)
    assert str(caught.value.__cause__) == "mat1 and mat2 shapes cannot be multiplied"


@pytest.mark.parametrize("monitor", MONITORS)
def test_a_batch_of_one_that_is_squeezed_is_one_sample(monitor: type[Any]) -> None:
    val = DataLoader(TensorDataset(X[:51], Y[:51]), 25, collate_fn=_squeezed)
    watching = monitor()
    with warned() as given:
        got = _trained(Squeezes, [watching], val=val)
    assert given.of("skipped") == []
    assert {record.n_samples for record in watching.history} == {51}
    _assert_same(got, _trained(Squeezes, [], val=val))


class FailsOnce:
    """Labels of a batch; those of the ninth are missing."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, batch: Any) -> Any:
        self.n += 1
        return batch[1].double() if self.n == 9 else batch[1]


@pytest.mark.parametrize("monitor", MONITORS)
def test_a_misfit_of_one_batch_costs_its_point_only(monitor: type[Any]) -> None:
    """Two batches of the sanity check, then five each epoch: the ninth is one of epoch 2."""
    watching = monitor(target=FailsOnce())
    with warned() as given:
        fit([watching], max_epochs=4)
    assert given.causes.count("skipped") == 1
    assert epochs(watching) == [1, 3, 4]


def test_a_misfit_is_tried_when_a_point_is_due_and_not_at_every_step() -> None:
    n_calls = []

    class Counts(NotTheForward):
        @override
        def forward(self, x: Tensor) -> Any:
            n_calls.append(len(x))
            raise RuntimeError("no")

    plane = Plane(data=VAL, schedule=LogSpaced(1, unit="steps"))
    with warned():
        fit([plane], Counts, max_epochs=2)
    assert len(n_calls) == 3  # at steps 0, 1 and 10


def test_a_lazy_module_is_measured_once_it_has_its_shapes() -> None:
    monitors = all_three("val")
    with warned() as given:
        fit(monitors, lazy, num_sanity_val_steps=0)
    assert given.causes.count("skipped") == 3
    assert all(epochs(monitor) == [1, 2] for monitor in monitors)


class LenientInTest(Lenient):
    test_step = Lenient.validation_step


@pytest.mark.parametrize("loop", ["validate", "test"])
@pytest.mark.parametrize("monitor", MONITORS)
def test_a_misfit_does_not_end_a_loop_of_its_own(monitor: type[Any], loop: str) -> None:
    watching = monitor()
    with warned() as given:
        getattr(trainer([watching]), loop)(LenientInTest(), NAMED, verbose=False)
    assert given.causes.count("skipped") == 1
    assert watching.history == []


# Wrong arguments.


@pytest.mark.parametrize(
    "monitor",
    [
        Plane("nett.4"),
        Plane(bins={"nett.*": 5}),
        Plane(target="label"),
        Plane(target=2),
        PredictionEntropyMonitor(inputs=5),
        PredictionEntropyMonitor(logits="nett"),
        ConditionalEntropyMonitor(class_names=["a", "b"]),
        ConditionalEntropyMonitor(class_names=["a", "b"], data="val"),
        PredictionEntropyMonitor(data=(X, Y[:5])),
    ],
    ids=range(9),
)
def test_a_wrong_argument_ends_the_run_before_the_first_step(monitor: Any) -> None:
    model = LogsLoss()
    with pytest.raises(ArgumentError):
        fit([monitor], model)
    assert model.trainer.global_step == 0
    assert n_hooks(model) == 0


def test_a_key_that_is_missing_only_in_training_costs_points() -> None:
    """Without a sanity check it is known too late."""
    plane = Plane(target="label")
    with warned() as given:
        _, running = fit([plane], num_sanity_val_steps=0)
    assert given.causes == ["skipped"]
    assert running.global_step == 10


def test_inputs_and_target_may_be_changed_before_a_run_and_nothing_else() -> None:
    monitor = PredictionEntropyMonitor()
    monitor.target = 0
    assert monitor.target == 0
    with warned() as given:
        fit([monitor])
    assert given.causes == ["skipped"]
    with pytest.raises(AttributeError, match="schedule: cannot be changed"):
        monitor.schedule = 3


# Which weights.


AVERAGED: dict[str, Callable[[], Any]] = {
    "WeightAveraging": lambda: callback("WeightAveraging"),
    "EMA": lambda: callback("EMAWeightAveraging", decay=0.8),
    "SWA": lambda: StochasticWeightAveraging(swa_lrs=1e-2, swa_epoch_start=2),
}


class Losses(pl.Callback):
    """Each validation loss in bits, by step."""

    def __init__(self) -> None:
        self.bits: dict[int, float] = {}

    @override
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            loss = float(trainer.callback_metrics["val_loss"])
            self.bits[trainer.global_step] = loss / math.log(2)


CROSS_ENTROPY = "prediction_entropy/data/cross_entropy"


def _cross_entropies(monitor: Any) -> dict[int, float]:
    return {record.step: record.bits for record in monitor.history if record.tag == CROSS_ENTROPY}


@pytest.mark.parametrize("comes_first", [False, True])
@pytest.mark.parametrize("kind", AVERAGED)
def test_a_fixed_set_has_the_weights_of_the_validation_loss(kind: str, comes_first: bool) -> None:
    """Also beside monitors that listen to that very loop, which hear nothing of it."""
    losses, fixed, others = Losses(), PredictionEntropyMonitor(data=VAL), all_three()
    ours = [*others, fixed]
    averaging = AVERAGED[kind]()
    fit([averaging, *ours, losses] if comes_first else [*ours, averaging, losses], LogsLoss)
    measured = _cross_entropies(fixed)
    assert list(measured) == [0, 5, 10]
    for step in (5, 10):
        assert measured[step] == pytest.approx(losses.bits[step], abs=1e-6)
    assert "validation loop" in fixed.settings["data"]["weights"]
    tag = "prediction_entropy/val/cross_entropy"
    assert curve(others[0], tag) == pytest.approx([measured[5], measured[10]], abs=1e-6)


@pytest.mark.parametrize("comes_first", [False, True])
@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"check_val_every_n_epoch": 2}, [(0, 0), (1, 5), (2, 10)]),
        ({"val_check_interval": 2}, [(0, 0), (1, 5), (2, 10)]),
        ({"val_check_interval": 3, "check_val_every_n_epoch": None}, [(0, 0), (1, 5), (2, 10)]),
        ({"limit_val_batches": 0}, [(0, 0), (1, 5), (2, 10)]),
    ],
)
@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
def test_points_of_a_fixed_set_lie_where_epochs_end(
    options: dict[str, Any], places: Any, comes_first: bool
) -> None:
    """Without a validation there, with the weights of training, which the settings say."""
    plain_weights, fixed = PredictionEntropyMonitor(data=VAL), PredictionEntropyMonitor(data=VAL)
    averaging = callback("EMAWeightAveraging", decay=0.8)
    fit([averaging, fixed] if comes_first else [fixed, averaging], LogsLoss, **options)
    fit([plain_weights], LogsLoss, **options)
    assert when(fixed) == places
    averaged = {10} if "check_val_every_n_epoch" in options and len(options) == 1 else set()
    for step, bits in _cross_entropies(fixed).items():
        same = bits == pytest.approx(_cross_entropies(plain_weights)[step], abs=1e-9)
        assert same == (step not in averaged)
    assert "those of training" in fixed.settings["data"]["weights"]


def test_schedules_by_steps_measure_the_weights_of_training() -> None:
    steps = LogSpaced(1, unit="steps")
    averaged, alone = (PredictionEntropyMonitor(data=VAL, schedule=steps) for _ in range(2))
    fit([callback("WeightAveraging"), averaged], LogsLoss)
    fit([alone], LogsLoss)
    assert _cross_entropies(averaged) == pytest.approx(_cross_entropies(alone), abs=1e-9)
    assert averaged.settings["data"]["weights"] == "those of training, after a step"


# BatchNorm that has tracked nothing.


def test_no_ruler_is_calibrated_behind_a_batch_norm_that_has_tracked_nothing() -> None:
    """Layers behind it have their first point after training began, and are read as then."""
    plane, late = (Plane(["net.0", "net.3"], wide=None, data=VAL) for _ in range(2))
    fit([plane], _normed)
    model = _normed()
    with torch.no_grad():  # the state after one epoch, as a pretrained model has it
        model.net(X)
    fit([late], model, max_epochs=1)
    of = {r.layer: [q.epoch for q in plane.history if q.tag == r.tag] for r in plane.history}
    assert of["net.0"] == [0, 1, 2]
    assert of["net.3"] == [1, 2]
    assert {r.epoch for r in late.history if r.layer == "net.3"} == {0, 1}


def _normed() -> Classifier:
    return Classifier(
        nn.Sequential(nn.Linear(N_UNITS, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, N_CLASSES))
    )


def test_where_all_layers_wait_for_a_batch_norm_one_line_says_so() -> None:
    plane = Plane("net.3", wide=None, data=VAL)
    with warned() as given:
        fit([plane], _normed)
    assert given.causes.count("later") == 1
    assert epochs(plane) == [1, 2]
    raising = Plane("net.3", wide=None, data=VAL, on_error="raise")
    with warned():
        fit([raising], _normed)
    assert epochs(raising) == [1, 2]


# Checkpoints and copies.


class Colour(str, Enum):
    RED = "red"


class Seed(int, Enum):
    THREE = 3


ODD: list[Callable[[], Any]] = [
    lambda: Plane(name=np.str_("val"), max_samples=np.int64(90), seed=np.uint8(3)),
    lambda: Plane(name=Colour.RED, seed=Seed.THREE, bins=np.int32(7), schedule=np.int64(1)),
    lambda: Plane(bins={np.str_("net.1"): np.int64(5)}, data=VAL),
    lambda: Plane(extra=[Own(np.str_("own"), lambda *_: np.float32(1.5))]),
    lambda: PredictionEntropyMonitor(name=Colour.RED, max_samples=np.int16(50)),
    lambda: ConditionalEntropyMonitor(class_names=[np.str_("a"), Colour.RED, "c"]),
]


@pytest.mark.parametrize("make", ODD, ids=range(len(ODD)))
def test_a_checkpoint_loads_with_weights_only_whatever_the_arguments_were(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    monitor = make()
    val = {Colour.RED: loader(105, seed=1), np.str_("ood"): loader(60, seed=2)}
    _, running = fit([monitor], Lenient, max_epochs=1, val=val)
    running.save_checkpoint(tmp_path / "a.ckpt")
    stored = torch.load(tmp_path / "a.ckpt", weights_only=True)["callbacks"][monitor.state_key]
    assert len(stored["bits"])
    again = make()
    again.load_state_dict(stored)
    assert [r.tag for r in again.history] == [r.tag for r in monitor.history]
    assert all(type(record.set) is str for record in again.history)


def test_what_cannot_be_stored_never_fails_a_save(tmp_path: Path) -> None:
    monitor = PredictionEntropyMonitor()
    _, running = fit([monitor], max_epochs=1)
    monitor._instrument._kinds["val"] = object()  # type: ignore[assignment] # what is tested
    with warned() as given:
        running.save_checkpoint(tmp_path / "a.ckpt")
    assert given.causes == ["not stored"]
    torch.load(tmp_path / "a.ckpt", weights_only=True)


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_used_monitors_can_be_copied_and_used_again(
    copied: Callable[[Any], Any], data: Any
) -> None:
    monitors = all_three(data)
    fit(monitors, max_epochs=1)
    twins = [copied(monitor) for monitor in monitors]
    assert [twin.history == monitor.history for twin, monitor in zip(twins, monitors, strict=True)]
    fit(twins, max_epochs=1)
    assert all(when(twin) == when(monitor) for twin, monitor in zip(twins, monitors, strict=True))


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Colour.RED, "red"),
        (Seed.THREE, 3),
        ({np.str_("k"): (np.int8(1), [None])}, {"k": (1, [None])}),
    ],
)
def test_plain_gives_the_value_in_plain_types(odd: Any, expected: Any) -> None:
    got = plain(odd)
    assert got == expected
    assert type(got) is type(expected)


def test_plain_refuses_what_a_checkpoint_cannot_hold() -> None:
    assert torch.equal(plain(np.arange(3)), torch.arange(3))
    assert type(plain(nn.Parameter(torch.ones(2)))) is Tensor
    with pytest.raises(TypeError, match="cannot hold a object"):
        plain([object()])


# From run to run.


def test_a_test_by_another_trainer_between_two_fits_keeps_the_history() -> None:
    monitor = PredictionEntropyMonitor()
    model, running = fit([monitor], max_epochs=1)
    trainer([monitor]).test(model, loader(60, seed=3), verbose=False)
    running.fit_loop.max_epochs = 2
    running.fit(model, loader(), loader(105, seed=1))
    places = [(r.set, r.epoch) for r in monitor.history if r.layer == "mean"]
    assert places == [("val", 1), ("test", 0), ("val", 2)]


def test_after_a_validation_of_its_own_a_quantity_that_is_not_due_keeps_its_value() -> None:
    rare = Own("own", lambda *_: 1.5, every=5)
    plane = Plane("net.1", extra=[rare])
    model, running = fit([plane], max_epochs=1)
    tag = next(r.tag for r in plane.history if r.quantity == "own")
    with warned() as given:
        running.validate(model, loader(60, seed=5), verbose=False)
    assert given.of("twice")
    assert running.callback_metrics[tag] == 1.5


def test_sets_that_meet_are_refused_in_a_validation_of_its_own() -> None:
    monitors = [Plane(), Plane(data="train", name="val_1")]
    loaders = [loader(105, seed=1), loader(60, seed=3)]
    with pytest.raises(ArgumentError, match="val_1"):
        trainer(monitors).validate(Classifier(), loaders, verbose=False)
