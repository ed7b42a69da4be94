"""Batches of every kind that loaders make: labels and inputs come out, or an error that helps."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from it_callbacks.observation.batches import (
    INPUT_KEYS,
    inputs_of,
    labels_of,
    n_rows_of,
)
from it_callbacks.observation.selecting import TARGET_KEYS, select

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([2, 0, 1, 2])

Named = namedtuple("Named", ["y", "x"])  # made at run time, as users do
Unnamed = namedtuple("Unnamed", ["img", "cls"])  # same


@dataclass
class Record:
    target: Tensor
    image: Tensor
    id: str = "a"


class Graphs:
    """A batch as graph libraries make them: three graphs of five nodes, attributes, no length."""

    def __init__(self, y: Tensor | None) -> None:
        self.x = torch.ones(5, 2)
        self.edge_index = torch.zeros(2, 7, dtype=torch.int64)
        self.batch = torch.tensor([0, 0, 1, 2, 2])
        self.y = y
        self.num_graphs = 3


def classes(batch: Any, target: Any = None, ignore_index: int | None = None) -> list[int]:
    """The class numbers of a batch."""
    labels = labels_of(batch, target, ignore_index)
    assert labels is not None
    assert "classes" in labels.fits
    values = labels.values
    return [int(one) for one in (values if values.ndim == 1 else values.argmax(1))]


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
        (X, torch.rand(4), Y),
        (X, Y, torch.rand(4)),
        (X, Y, Y > 0),
        (X, Y, X.long()),
        (X, Y, ["a", "b", "c", "d"]),
        ({"ids": X, "mask": X}, torch.rand(4), Y),
        SimpleNamespace(x=X, y=Y),
        SimpleNamespace(data=X, labels=Y, y=None),
        {"x": X, "y": None, "target": Y},
    ],
    ids=lambda batch: type(batch).__name__,
)
def test_labels_are_found_without_arguments(batch: Any) -> None:
    assert classes(batch) == Y.tolist()


@pytest.mark.parametrize("key", TARGET_KEYS)
def test_usual_names_of_labels_are_known(key: str) -> None:
    assert classes({"image": X, key: Y}) == Y.tolist()
    assert classes(SimpleNamespace(**{"image": X, key: Y})) == Y.tolist()


def test_labels_of_graphs_are_an_attribute() -> None:
    batch = Graphs(Y[:3])
    assert classes(batch) == Y[:3].tolist()
    assert inputs_of(batch, None, None) is batch


@pytest.mark.parametrize(
    "batch",
    [X, [X], (X,), {"image": X}, {"x": X, "digit": Y}, (X, None), Graphs(None)],
    ids=lambda batch: type(batch).__name__,
)
def test_a_batch_may_have_no_labels(batch: Any) -> None:
    assert labels_of(batch, None) is None
    assert labels_of((X, Y), lambda batch: None) is None


@pytest.mark.parametrize(
    ("batch", "n"),
    [
        (X, 4),
        ([X], 4),
        ({"name": "a", "image": X}, 4),
        (({"ids": X}, "name"), 4),
        (Graphs(None), 3),
        (SimpleNamespace(x=X, y=None), 4),
        ([torch.tensor(1.0), X], 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_samples_are_counted_without_labels(batch: Any, n: int) -> None:
    assert n_rows_of(batch, None) == n


@pytest.mark.parametrize("batch", [{}, "text", {"name": "a"}], ids=str)
def test_samples_that_cannot_be_counted_are_an_error(batch: Any) -> None:
    with pytest.raises(ValueError, match="cannot count the samples"):
        n_rows_of(batch, None)


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
        (SimpleNamespace(x=X, digit=Y), "digit"),
        ((X, {"class": Y}), lambda batch: batch[1]["class"]),
        ((X, torch.stack([Y, Y + 5], 1)), lambda batch: batch[1][:, 0]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_labels_are_found_where_they_are_said_to_be(batch: Any, target: Any) -> None:
    assert classes(batch, target) == Y.tolist()


def test_booleans_are_classes_0_and_1() -> None:
    assert classes((X, Y > 1)) == [1, 0, 0, 1]


@pytest.mark.parametrize(
    "dtype",
    [torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int8, torch.int16, torch.int32],
    ids=str,
)
def test_integers_of_every_width_are_classes(dtype: torch.dtype) -> None:
    assert classes((X, torch.tensor([0, 127, 3, 1]).to(dtype))) == [0, 127, 3, 1]


@pytest.mark.parametrize(
    ("labels", "ignore_index", "expected"),
    [
        (torch.tensor([0, -100, 1, -1]), None, [True, False, True, False]),
        (torch.tensor([0, 255, 1, 255]), 255, [True, False, True, False]),
        (torch.tensor([0, 255, 1, -1], dtype=torch.int16), 255, [True, False, True, False]),
        (torch.tensor([0.0, -100.0, 1.0, torch.nan]), -100, [True, False, True, False]),
        (torch.tensor([[1, 0], [0, 7], [1, 1], [0, 1.0]]), 7, [True, False, True, True]),
        (torch.tensor([[1, 0], [0, torch.nan], [1, 1], [0, 1]]), None, [True, False, True, True]),
    ],
)
def test_masked_labels_are_marked(
    labels: Tensor, ignore_index: int | None, expected: list[bool]
) -> None:
    """Negative classes, the ignore index and NaN; of several labels the whole row."""
    found = labels_of((X, labels), None, ignore_index)
    assert found is not None
    assert found.is_labelled.tolist() == expected


@pytest.mark.parametrize("labels", [Y, Y[:, None], torch.nn.functional.one_hot(Y)])
def test_labels_are_a_copy(labels: Tensor) -> None:
    """A training step may edit its batch in place after it was read."""
    labels = labels.clone()
    taken = labels_of((X, labels), None)
    assert taken is not None
    before = taken.values.clone()
    labels.zero_()
    assert torch.equal(taken.values, before)


def test_a_column_of_one_class_number_is_not_one_hot() -> None:
    assert classes((X, torch.ones(4, 1, dtype=torch.int64))) == [1, 1, 1, 1]


def test_no_samples_have_no_labels() -> None:
    assert classes((X[:0], Y[:0])) == []


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ("xy", "gives a str"),
        (None, "gives a NoneType"),
        (iter([X]), "dataloader_iter"),
    ],
)
def test_labels_that_are_none_are_named(batch: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"target: .*{said}"):
        labels_of(batch, None)


@pytest.mark.parametrize("labels", [[2, 0, 1, 2], ("a", "b"), 3])
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
    assert inputs_of({**parts, "labels": Y, "id": "a"}, None, None) == {**parts, "id": "a"}


@pytest.mark.parametrize(
    "batch",
    [{"y": Y}, {"name": "a", "y": Y}, {}, [], None, "text"],
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


# Parts beside the labels.


IDS = torch.tensor([[1, 2, 3], [4, 5, 0], [6, 0, 0], [7, 8, 9]])
FEW = torch.tensor([0, 1, 1, 0])


@pytest.mark.parametrize(
    ("batch", "index"),
    [
        ((IDS, (IDS > 0).long(), FEW), 2),  # a mask of tokens
        ((IDS, IDS % 3, torch.tensor([3, 2, 1, 3])), 1),  # a tag for each token, and lengths
        ((IDS, torch.tensor([3, 2, 1, 3]), FEW), 2),  # lengths
        ((X, FEW, torch.ones(4)), 1),  # weights
        ((X, torch.ones(4), FEW), 2),
    ],
)
def test_what_stands_beside_the_labels_is_known(batch: Any, index: int) -> None:
    found, named = labels_of(batch, None), labels_of(batch, index)
    assert found is not None
    assert named is not None
    assert torch.equal(found.values, named.values)


@pytest.mark.parametrize(
    "batch", [(IDS, IDS + 1, FEW), (X, torch.tensor([5, 6, 5, 2]), FEW), (IDS, FEW, FEW)]
)
def test_of_several_parts_that_may_be_labels_none_is_taken(batch: Any) -> None:
    """Two sentences and a class, say."""
    with pytest.raises(ValueError, match="target: several parts of the batch may be the labels"):
        labels_of(batch, None)
