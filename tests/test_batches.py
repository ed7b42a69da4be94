"""Batches of every kind that loaders make: labels and inputs come out, or an error that helps."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from it_callbacks.observation.batches import INPUT_KEYS, TARGET_KEYS, inputs_of, labels_of, select

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([2, 0, 1, 2])

Named = namedtuple("Named", ["y", "x"])  # made at run time, as users do
Unnamed = namedtuple("Unnamed", ["img", "cls"])  # same


@dataclass
class Record:
    target: Tensor
    image: Tensor
    id: str = "a"


# Labels


@pytest.mark.parametrize(
    "batch",
    [
        (X, Y),
        [X, Y],
        (X, Y[:, None]),
        (X, Y.int()),
        (X, Y.to(torch.uint8)),
        (X, torch.nn.functional.one_hot(Y)),
        (X, torch.nn.functional.one_hot(Y).float()),
        (X, torch.nn.functional.one_hot(Y).bool()),
        ({"ids": X, "mask": X}, Y),
        {"x": X, "y": Y},
        OrderedDict(pixels=X, label=Y),
        Record(Y, X),
        Named(Y, X),
        Unnamed(X, Y),
    ],
    ids=lambda batch: type(batch).__name__,
)
def test_labels_are_found_without_arguments(batch: Any) -> None:
    labels = labels_of(batch, None)
    assert labels.dtype == torch.int64
    assert torch.equal(labels, Y)


@pytest.mark.parametrize("key", TARGET_KEYS)
def test_usual_names_of_labels_are_known(key: str) -> None:
    assert torch.equal(labels_of({"image": X, key: Y}, None), Y)


@pytest.mark.parametrize(
    ("batch", "target"),
    [
        ((X, X, Y), 2),
        ((X, X, Y), -1),
        ((Y, X), 0),
        ({"x": X, "digit": Y}, "digit"),
        (Unnamed(X, Y), "cls"),
        (SimpleNamespace(inputs=X, classes=Y), "classes"),
        (Record(X, Y), "image"),
        ((X, {"class": Y}), lambda batch: batch[1]["class"]),
        ((X, torch.stack([Y, Y + 5], 1)), lambda batch: batch[1][:, 0]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_labels_are_found_where_they_are_said_to_be(batch: Any, target: Any) -> None:
    assert torch.equal(labels_of(batch, target), Y)


def test_booleans_are_classes_0_and_1() -> None:
    assert labels_of((X, Y > 1), None).tolist() == [1, 0, 0, 1]


def test_an_ignore_index_stays_what_it_is() -> None:
    assert labels_of((X, torch.tensor([0, -100, 1, -1])), None).tolist() == [0, -100, 1, -1]


@pytest.mark.parametrize("labels", [Y, Y[:, None], torch.nn.functional.one_hot(Y)])
def test_labels_are_a_copy(labels: Tensor) -> None:
    """A training step may edit its batch in place after it was read."""
    labels = labels.clone()
    taken = labels_of((X, labels), None)
    labels.zero_()
    assert torch.equal(taken, Y)


def test_a_column_of_one_class_number_is_not_one_hot() -> None:
    assert labels_of((X, torch.ones(4, 1, dtype=torch.int64)), None).tolist() == [1, 1, 1, 1]


def test_no_samples_have_no_labels() -> None:
    assert labels_of((X[:0], Y[:0]), None).tolist() == []


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (X, "cannot find the labels in a Tensor"),
        ((X, Y, Y), "tuple of 3 parts"),
        ([], "list of 0 parts"),
        ((X,), "tuple of 1 parts"),
        ({"x": X, "digit": Y}, r"whose keys are \['x', 'digit'\]"),
        ("xy", "cannot find"),
        (None, "NoneType"),
        ((X, torch.rand(4)), "float32 of shape .*integer class numbers"),
        ((X, torch.rand(4, 1)), "integer class numbers"),
        ((X, torch.rand(4, 3)), "neither class numbers .* nor one-hot"),
        ((X, torch.ones(4, 3)), "nor one-hot"),
        ((X, torch.zeros(4, 3)), "nor one-hot"),
        ((X, torch.full((4, 3), 1 / 3)), "nor one-hot"),
        ((X, torch.tensor([[2, -1], [1, 0]])), "nor one-hot"),
        ((X, torch.zeros(4, 5, 5, dtype=torch.int64)), "segmentation"),
        ((X, torch.tensor(3)), "single number"),
    ],
)
def test_labels_that_are_none_are_named(batch: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"target: .*{said}"):
        labels_of(batch, None)


@pytest.mark.parametrize("labels", [[2, 0, 1, 2], ("a", "b"), None, 3])
def test_labels_are_a_tensor(labels: Any) -> None:
    with pytest.raises(TypeError, match=f"target: the labels are a {type(labels).__name__}"):
        labels_of({"x": X, "y": labels}, None)


# Inputs


@pytest.mark.parametrize(
    "batch",
    [
        X,
        (X, Y),
        [X, Y],
        (X,),
        (X, Y, Y),
        {"x": X, "y": Y},
        {"pixels": X, "label": Y},
        {"y": Y, "image": X, "weight": X + 1},
        Record(Y, X),
        Named(Y, X),
        Unnamed(X, Y),
    ],
    ids=lambda batch: type(batch).__name__,
)
def test_inputs_are_found_without_arguments(batch: Any) -> None:
    assert inputs_of(batch, None, None) is X


@pytest.mark.parametrize("key", INPUT_KEYS)
def test_usual_names_of_inputs_are_known(key: str) -> None:
    assert inputs_of({"weight": X + 1, key: X, "y": Y}, None, None) is X


@pytest.mark.parametrize(
    ("batch", "target"),
    [
        ((Y, X), 0),
        ([Y, X], -2),
        ({"pixels": X, "digit": Y}, "digit"),
        ({"x": Y, "pixels": X}, "x"),
        ((X, Y), 1),
        ((X, Y), -1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_labels_are_not_taken_for_the_inputs(batch: Any, target: Any) -> None:
    assert inputs_of(batch, None, target) is X


@pytest.mark.parametrize(
    ("batch", "inputs"),
    [((Y, X), 1), ({"a": X, "b": X + 1}, "a"), ((0, {"z": X}), lambda batch: batch[1]["z"])],
    ids=lambda value: type(value).__name__,
)
def test_inputs_are_found_where_they_are_said_to_be(batch: Any, inputs: Any) -> None:
    assert inputs_of(batch, inputs, None) is X


def test_inputs_of_several_parts_stay_together() -> None:
    parts = {"ids": X, "mask": X}
    assert inputs_of((parts, Y), None, None) is parts


@pytest.mark.parametrize(
    "batch",
    [{"a": X, "b": X}, {"y": Y}, {}, [], None, "text"],
    ids=lambda value: type(value).__name__,
)
def test_inputs_that_cannot_be_found_are_an_error(batch: Any) -> None:
    with pytest.raises(ValueError, match="inputs: cannot find"):
        inputs_of(batch, None, None)


# Selecting


@pytest.mark.parametrize(
    ("source", "selector", "said"),
    [
        ({"label": Y}, "lable", r"option='lable'.*keys \['label'\]; did you mean 'label'\?"),
        ({"label": Y}, "zzz", r"keys \['label'\]$"),
        ((X, Y), "label", "no such key in a tuple"),
        ((X, Y), 2, "option=2: no such index in a tuple of length 2"),
        ({"label": Y}, 0, "no such index in a dict"),
        (None, 0, "no such index in a NoneType"),
        (Record(Y, X), "targte", "did you mean 'target'"),
    ],
)
def test_a_selector_that_finds_nothing_is_named(source: Any, selector: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        select(source, selector, "option")


def test_keys_come_before_attributes() -> None:
    """A mapping has an attribute called `values`; its key of that name is meant."""
    assert select({"values": Y}, "values", "target") is Y
    with pytest.raises(ValueError, match="no such key"):
        select({"label": Y}, "values", "target")


def test_the_error_of_a_users_own_function_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        select((X, Y), lambda batch: 1 / 0, "target")


def test_an_index_may_come_as_text_as_a_command_line_gives_it() -> None:
    """Where a batch has keys, it is a key."""
    assert select(("x", "y"), "1", "target") == "y"
    assert select({"1": "a", 1: "b"}, "1", "target") == "a"
    with pytest.raises(ValueError, match="target=5: no such index"):
        select(("x", "y"), "5", "target")
