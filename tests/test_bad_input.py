"""Misuse is named by argument, by what came and what would be right, before any training."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
)
from it_callbacks.rulers import Calibrated, Quantile, Uniform, exactib

from .toys import (
    MONITORS,
    N_UNITS,
    VAL,
    ByTheWay,
    Classifier,
    Lenient,
    Stream,
    TakesAPair,
    all_three,
    fit,
    loader,
    n_hooks,
    samples,
)
from .warned import warned

Plane = InformationPlaneMonitor
PREDICTION_MONITORS = (PredictionEntropyMonitor, ConditionalEntropyMonitor)
X, Y = VAL


def assert_refused(
    monitors: list[Any],
    error: type[Exception],
    message: str,
    model: Callable[[], Classifier] = Lenient,
    **options: Any,
) -> None:
    """Fitting raises before the first training step, with no hook left on the model."""
    made = model()
    with pytest.raises(error, match=message):
        fit(monitors, made, **options)
    assert made.trainer.global_step == 0
    assert n_hooks(made) == 0


def assert_said(
    monitors: list[Any],
    message: str,
    model: Callable[[], Classifier] = Lenient,
    **options: Any,
) -> None:
    """Each monitor warns once and measures nothing; training reaches its end, with no hook left."""
    with warned() as given:
        made, running = fit(monitors, model(), **options)
    assert given.causes == ["skipped"] * len(monitors)
    assert all(re.search(message, one.text) for one in given)
    assert all(monitor.history == [] for monitor in monitors)
    assert running.state.finished
    assert running.global_step > 0
    assert n_hooks(made) == 0


# What the constructor can see.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bins": 0}, ValueError, "bins: need .* got 0"),
        ({"bins": -1}, ValueError, "bins: need .* got -1"),
        ({"bins": 1}, ValueError, "bins: need .* got 1"),
        ({"bins": 1.5}, TypeError, r"bins: need a whole number >= 2, got 1\.5"),
        ({"bins": float("nan")}, TypeError, "bins: need a whole number >= 2, got nan"),
        ({"bins": True}, TypeError, "bins: need a whole number >= 2, got True"),
        ({"bins": "30"}, TypeError, "bins: need a whole number >= 2, got '30'"),
        ({"bins": None}, TypeError, "bins: need a whole number >= 2, got None"),
        ({"bins": object()}, TypeError, "bins: need a whole number >= 2, got <object"),
        ({"bins": []}, ValueError, "bins: an empty list"),
        ({"bins": [30, 1]}, ValueError, "bins: need .* got 1"),
        ({"bins": {"net.0": 1}}, ValueError, r"bins\['net\.0'\]: need .* got 1"),
        ({"bins": Calibrated}, TypeError, "bins: got the class Calibrated; make one of it"),
        ({"bins": Quantile(5)}, TypeError, r"bins: .*Quantile\(bins=5"),
        ({"bins": exactib("uniform")}, TypeError, r"bins: .*ExactIB\("),
        ({"reduce": "mean"}, ValueError, "reduce: need 'auto' or a value of .*, got 'mean'"),
        ({"extra": 3}, TypeError, "extra: need a list .*, got 3"),
        ({"extra": ["V_TY"]}, TypeError, r"extra: need a list .*, got \['V_TY'\]"),
        ({"exhaustive": "all"}, ValueError, "exhaustive: need True or False, got 'all"),
        ({"seed": 1.5}, TypeError, r"seed: need a whole number >= 0, got 1\.5"),
        ({"seed": -1}, ValueError, "seed: need a whole number >= 0, got -1"),
    ],
)
def test_the_planes_arguments_are_checked_at_once(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Plane(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"schedule": 0}, ValueError, "schedule: need .* got 0"),
        ({"schedule": -2}, ValueError, "schedule: need .* got -2"),
        ({"schedule": 1.5}, TypeError, r"schedule: need a number of epochs, .*, got 1\.5"),
        ({"schedule": True}, TypeError, "schedule: need a number of epochs, .*, got True"),
        ({"schedule": "daily"}, ValueError, "schedule: need a list of epochs .*, got 'daily'"),
        ({"schedule": []}, ValueError, r"schedule: need a list of epochs .*, got \[\]"),
        ({"schedule": [1, -1]}, ValueError, r"schedule.*: need .* got .*-1"),
        ({"schedule": LogSpaced(unit="steps")}, ValueError, "schedule: steps need data="),
        ({"data": "validation"}, ValueError, "data: need 'train', 'val', .* got 'validation'"),
        ({"max_samples": 1}, ValueError, "max_samples: need a whole number >= 2, got 1"),
        ({"max_samples": 0.5}, TypeError, r"max_samples: need a whole number .*, got 0\.5"),
        ({"max_samples": True}, TypeError, "max_samples: need a whole number .*, got True"),
        ({"on_error": "ignore"}, ValueError, "on_error: need 'warn' or 'raise', got 'ignore'"),
        ({"name": "my set"}, ValueError, "name: need letters, digits, .* got 'my set'"),
        ({"name": "a/b"}, ValueError, "name: need letters, digits, .* got 'a/b'"),
        ({"name": ""}, ValueError, "name: need letters, digits, .* got ''"),
        ({"name": "x" * 300}, ValueError, "name: need letters, digits"),
        ({"name": 3}, ValueError, "name: need letters, digits, .* got 3"),
    ],
)
@pytest.mark.parametrize("monitor", MONITORS)
def test_arguments_that_all_share_are_checked_at_once(
    monitor: type[Any], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        monitor(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"per_decade": 0}, ValueError, "per_decade: need a whole number >= 1, got 0"),
        ({"per_decade": 2.5}, TypeError, r"per_decade: need a whole number >= 1, got 2\.5"),
        ({"unit": "batches"}, ValueError, "unit: need 'epochs' or 'steps', got 'batches'"),
    ],
)
def test_log_spaced_checks_its_arguments(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        LogSpaced(**arguments)


def test_class_names_must_be_a_list_of_texts() -> None:
    with pytest.raises(TypeError, match="class_names: need a list of texts, got 'cat'"):
        ConditionalEntropyMonitor(class_names="cat")
    with pytest.raises(TypeError, match=r"class_names: need a list of texts, got \[1, 2\]"):
        ConditionalEntropyMonitor(class_names=[1, 2])  # type: ignore[list-item] # what is tested


# What needs the model.


@pytest.mark.parametrize("data", [None, "train"])
@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (["0"], ValueError, "layers: no module named '0'.*The model has 'net'"),
        (["net.O"], ValueError, r"layers: no module named 'net\.O'\. Did you mean 'net\.\d'\?"),
        (["Net.4"], ValueError, r"layers: no module named 'Net\.4'\. Did you mean 'net\.4'\?"),
        (["head.*"], ValueError, r"layers: no module named 'head\.\*'"),
        ("", ValueError, "layers: no module named ''"),
        ([], ValueError, "layers: an empty choice observes nothing"),
        ({}, ValueError, "layers: an empty choice observes nothing"),
        ([3], TypeError, "layers: need names or module types, got 3"),
        (3, TypeError, "layers: need names, module types or a mapping .*, got int"),
        (nn.GRU, ValueError, "layers: no module of type GRU in the model"),
        ({"net.0": 1}, TypeError, r"layers\['net\.0'\]: need a function .*, got 1"),
    ],
)
def test_layers_that_are_not_there_are_refused(
    layers: Any, error: type[Exception], message: str, data: Any
) -> None:
    assert_refused([Plane(layers, data=data)], error, message)


@pytest.mark.parametrize("data", [None, "train"])
def test_a_ruler_for_no_layer_is_refused_with_the_nearest_name(data: Any) -> None:
    assert_refused(
        [Plane(bins={"nett.4": 30}, data=data)],
        ValueError,
        r"bins\['nett\.4'\]: matches none of the layers .*did you mean 'net\.4'\?",
    )


@pytest.mark.parametrize("data", [None, "train"])
def test_two_rulers_with_one_tag_are_refused(data: Any) -> None:
    assert_refused(
        [Plane(bins=[Uniform(9, -1, 1), Uniform(9, -2, 2)], data=data)],
        ValueError,
        "bins: two of the rulers .* would share one tag",
    )


@pytest.mark.parametrize("data", [None, "train"])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("pool", r"layers: 'pool' returns shape \(1, 1\) where the batch has \d+ labels; pass"),
        ("loss", r"layers: none can be observed.*\(loss: was never called\)"),
    ],
)
def test_a_named_layer_without_one_row_per_label_is_a_misfit(
    layer: str, message: str, data: Any
) -> None:
    """The same layers are skipped without a word where nobody named them."""
    assert_said([Plane([layer], data=data)], message, ByTheWay)
    fit([Plane(data=data)], ByTheWay, max_epochs=1)


# What needs the data.


def _dataset_of(labels: Tensor) -> TensorDataset:
    return TensorDataset(X, labels)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.full((105, 5), 2), "if rows are the samples, pass target="),
        (torch.zeros(105, 4, 4).long(), "if rows are the samples, pass target="),
    ],
    ids=["tokens", "maps"],
)
def test_labels_of_positions_are_a_misfit_where_the_model_has_none(
    labels: Tensor, message: str, monitor: type[Any], fixed: bool
) -> None:
    data = _dataset_of(labels)
    if fixed:
        assert_said([monitor(data=data)], message)
    else:
        assert_said([monitor()], message, val=DataLoader(data, 25))


@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "lable"}, r"target='lable': no such key .*\['x', 'label'\].*'label'\?"),
        ({"target": 5}, "target=5: no such index in a dict of length 2"),
        ({"inputs": "X"}, r"inputs='X': no such key .*\['x', 'label'\]"),
    ],
)
def test_a_part_that_a_batch_has_not_is_refused(
    arguments: dict[str, Any], message: str, monitor: type[Any]
) -> None:
    rows = DataLoader([{"x": x, "label": y} for x, y in zip(X, Y, strict=True)], 25)
    assert_refused([monitor(**arguments)], ValueError, message, val=rows)


@pytest.mark.parametrize("monitor", MONITORS)
def test_an_index_beyond_a_tuple_is_refused(monitor: type[Any]) -> None:
    assert_refused([monitor(target=2)], ValueError, "target=2: no such index in a list of length 2")


@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ((X, Y[:50]), ValueError, r"data: tensors of unequal length, \{0: 105, 1: 50\}"),
        ({"x": X, "y": Y[1:]}, ValueError, r"data: .*unequal length, \{'x': 105, 'y': 104\}"),
        (([1, 2], [3, 4]), TypeError, r"data\[0\]: need a tensor .*, got list"),
        (Stream(X, Y), TypeError, "data: an iterable data set has no fixed samples"),
        (7, TypeError, "data: need 'train', 'val', a data set, a loader or tensors, got int"),
    ],
    ids=range(5),
)
def test_a_fixed_set_that_is_no_set_of_samples_is_refused(
    data: Any, error: type[Exception], message: str, monitor: type[Any]
) -> None:
    assert_refused([monitor(data=data)], error, message)


@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X[:0], Y[:0]), "data: it holds no samples"),
        ((), "data: it holds no samples"),
        ([], "data: it holds no samples"),
        ((X, torch.zeros(105, 4, 4).long()), "if rows are the samples, pass target="),
    ],
    ids=range(4),
)
def test_a_fixed_set_that_cannot_be_measured_is_a_misfit(
    data: Any, message: str, monitor: type[Any]
) -> None:
    assert_said([monitor(data=data)], message)


def test_a_data_set_behind_a_stream_is_a_misfit_with_a_hint() -> None:
    assert_said(
        [Plane(data="train")],
        "data: behind a DataLoader there is no map-style data set; pass the set itself",
        train=DataLoader(Stream(X, Y), 25),
    )


@pytest.mark.parametrize("data", [None, "val"])
def test_class_names_of_another_number_than_classes_are_refused(data: Any) -> None:
    assert_refused(
        [ConditionalEntropyMonitor(class_names=["a", "b"], data=data)],
        ValueError,
        "class_names: 2 names for 3 classes",
    )


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize("monitor", PREDICTION_MONITORS)
def test_a_label_beyond_the_predicted_classes_is_a_misfit(monitor: type[Any], data: Any) -> None:
    beyond = DataLoader(_dataset_of(Y + 5), 25)
    assert_said([monitor(data=data)], "label", val=beyond)


@pytest.mark.parametrize("data", [None, "val"])
def test_more_than_a_thousand_classes_do_not_fit_the_table_of_labels_and_predictions(
    data: Any,
) -> None:
    assert_said(
        [ConditionalEntropyMonitor(data=data)],
        "logits: 1001 classes, at most 1000 .*pass logits= and target=",
        lambda: Lenient(nn.Linear(N_UNITS, 1001)),
    )


@pytest.mark.parametrize("monitor", PREDICTION_MONITORS)
def test_logits_that_are_not_there_are_refused(monitor: type[Any]) -> None:
    message = r"logits='nett\.4': no such key .*no module of that name; did you mean 'net\.4'"
    assert_refused([monitor(logits="nett.4")], ValueError, message)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (7, r"logits: 7 of the model's forward gave no predictions.*\(3,\).*Pass logits="),
        (lambda output: output.long(), "logits: .*the model's forward gave no predictions"),
    ],
)
@pytest.mark.parametrize("monitor", PREDICTION_MONITORS)
def test_logits_that_are_no_predictions_are_a_misfit(
    monitor: type[Any], logits: Any, message: str
) -> None:
    assert_said([monitor(logits=logits)], message)


@pytest.mark.parametrize("monitor", PREDICTION_MONITORS)
def test_a_model_without_predictions_is_a_misfit(monitor: type[Any]) -> None:
    """Only maps: no row of classes per sample anywhere."""

    class Maps(Lenient):
        def __init__(self) -> None:
            super().__init__(nn.Conv1d(1, 2, 3))

        @override
        def forward(self, x: Tensor) -> Any:
            return self.net(x[:, None])

        @override
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self(batch[0]).square().mean()

    assert_said(
        [monitor()],
        r"logits: the model's forward gave \(25, 2, 6\) for 25 labels.*Pass logits=",
        Maps,
    )


def test_of_several_validation_loaders_data_names_none() -> None:
    loaders = [loader(60, seed=1), loader(60, seed=3)]
    assert_said([Plane(data="val")], "data='val': there are 2 such loaders; pass the", val=loaders)


def test_inputs_that_forward_does_not_take_are_named() -> None:
    x, y = samples(60)
    nested = [((x, x), y)]
    pairs = DataLoader(nested, batch_size=None)  # type: ignore[arg-type,var-annotated] # a list will do
    called = r"model\(Tensor \(60, 8\), Tensor \(60, 8\)\): TypeError: .*; pass inputs="
    assert_said([Plane(data=pairs)], called, TakesAPair, train=pairs, val=pairs)


def test_a_fixed_set_whose_every_label_is_ignored_is_a_misfit() -> None:
    nothing = (X, torch.full((105,), -100))
    for monitor in MONITORS:
        assert_said([monitor(data=nothing)], "target: no sample has a label >= 0")


# The same faults during training cost the point only.


@pytest.mark.parametrize("monitor", MONITORS)
def test_without_a_sanity_check_a_fault_costs_the_points_and_one_warning(
    monitor: type[Any],
) -> None:
    """Nothing could be known before training, and training must not die of it."""
    watching = monitor()
    wrong = DataLoader(_dataset_of(torch.zeros(105, 4, 4).long()), 25)
    with warned() as given:
        model, running = fit([watching], Lenient, val=wrong, num_sanity_val_steps=0, max_epochs=3)
    assert given.causes == ["skipped"]
    assert "if rows are the samples, pass target=" in given[0].text
    assert watching.history == []
    assert running.global_step == 15
    assert n_hooks(model) == 0


@pytest.mark.parametrize("monitor", MONITORS)
def test_with_on_error_raise_such_a_fault_ends_training(monitor: type[Any]) -> None:
    wrong = DataLoader(_dataset_of(torch.zeros(105, 4, 4).long()), 25)
    with pytest.raises(ValueError, match="if rows are the samples, pass target="):
        fit([monitor(on_error="raise")], Lenient, val=wrong, num_sanity_val_steps=0)


def test_the_sanity_check_needs_no_label_that_counts() -> None:
    """Its two batches may be unlabelled altogether: that is no misuse."""
    y = torch.where(torch.arange(105) < 50, -100, Y)
    monitors = [monitor() for monitor in MONITORS]
    fit(monitors, Lenient, val=DataLoader(_dataset_of(y), 25), max_epochs=1)
    assert all(monitor.history[0].n_samples == 55 for monitor in monitors)


def test_good_arguments_are_taken() -> None:
    """The checks above refuse nothing that is right."""
    takes: list[Callable[[], Any]] = [
        partial(Plane, bins=(30, 5)),
        partial(Plane, bins={"net.*": 12}),
        partial(Plane, max_samples=None, seed=3, name="A-1_b.c"),
        partial(Plane, schedule=LogSpaced(unit="steps"), data="train"),
        partial(ConditionalEntropyMonitor, class_names=("a", "b", "c")),
    ]
    for make in takes:
        fit([make()], train=loader(25), max_epochs=1)


def test_a_plain_run_is_refused_by_nothing() -> None:
    fit(all_three(), val=loader(60, seed=3), max_epochs=1)
