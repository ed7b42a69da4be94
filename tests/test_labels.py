"""Kinds of labels: which a whole pass has, and the classes that the plane makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from it_callbacks.observation.label_reading import read_labels
from it_callbacks.observation.labels import (
    KINDS,
    Binned,
    LabelKind,
    SeveralLabels,
    Targets,
    decided,
    restored,
)

ONE_HOT = torch.tensor([[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]])
SEVERAL = torch.tensor([[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]])


def targets(*batches: Tensor | None) -> Targets:
    """Those of a pass over these batches; of a batch without labels, of two samples."""
    several = [(None if one is None else read_labels(one), one) for one in batches]
    return Targets.joined(
        [Targets.of(labels, np.arange(2 if one is None else len(one))) for labels, one in several]
    )


def kind_of(found: Targets, **kept: str) -> LabelKind:
    return KINDS[decided(found.fits, kept, "val")].of(found)


# Which kind.


@pytest.mark.parametrize(
    ("batches", "name", "classes"),
    [
        ([torch.tensor([2, 0, 1])], "classes", [2, 0, 1]),
        ([torch.tensor([True, False])], "classes", [1, 0]),
        ([torch.tensor([1.0, 0.0]), torch.tensor([[0.0], [1.0]])], "classes", [1, 0, 0, 1]),
        ([torch.tensor([1.0, 0.0]), torch.tensor([2, 0])], "classes", [1, 0, 2, 0]),
        ([ONE_HOT], "classes", [0, 2, 1, 0]),
        ([ONE_HOT.double(), torch.tensor([2, 0])], "classes", [0, 2, 1, 0, 2, 0]),
        ([ONE_HOT.bool()], "classes", [0, 2, 1, 0]),
        ([ONE_HOT.float(), torch.tensor([[0.2, 0.5, 0.3]])], "soft", [0, 2, 1, 0, 1]),
        ([torch.tensor([[0.3, 0.7]]).half()], "soft", [1]),
        ([ONE_HOT.float()[:2], SEVERAL.float()], "multi-label", None),
        ([SEVERAL], "multi-label", None),
        ([torch.tensor([1.0, 0.0]), torch.tensor([0.5, 1.0])], "regression", [2, 0, 1, 2]),
        ([torch.tensor([1.0, 2.0, 5.0])], "regression", [0, 1, 2]),
        ([SEVERAL.float(), torch.tensor([[0.2, -1.0, 5.0]])], "columns", None),
        ([torch.rand(3, 2, 4, 4)], "columns", None),
        ([None, None], "none", None),
        ([torch.tensor([2, 0]), torch.zeros(0)], "classes", [2, 0]),
    ],
)
def test_the_whole_pass_shows_the_kind(
    batches: list[Any], name: str, classes: list[int] | None
) -> None:
    found = targets(*batches)
    kind = kind_of(found)
    assert kind.name == name
    if classes is not None:
        assert kind.classes(found).tolist() == classes  # type: ignore[union-attr] # has classes


def test_rows_of_several_labels_are_classes_while_there_are_few() -> None:
    found = targets(SEVERAL)
    classes = kind_of(found).classes(found)
    assert classes is not None
    assert (classes[:, None] == classes).tolist() == [
        [True, False, False, True],
        [False, True, False, False],
        [False, False, True, False],
        [True, False, False, True],
    ]
    for n_rows in (51, 52):
        bits = torch.arange(n_rows)[:, None] >> torch.arange(6) & 1
        many = targets(bits)
        assert (kind_of(many).classes(many) is None) is (n_rows == 52)


@pytest.mark.parametrize(
    "batches",
    [
        [torch.tensor([2, 0]), torch.tensor([0.5, 1.0])],
        [torch.tensor([2, 0]), None],
        [torch.tensor([2, 0]), SEVERAL],
    ],
)
def test_several_kinds_in_one_pass_are_refused(batches: list[Any]) -> None:
    with pytest.raises(ValueError, match="target: the labels are of several kinds"):
        kind_of(targets(*batches))


def test_the_kind_of_a_set_is_kept() -> None:
    """A later pass that is one-hot by chance is multi-label still; floats are none of it."""
    assert kind_of(targets(ONE_HOT), val="multi-label").name == "multi-label"
    with pytest.raises(ValueError, match="were of the kind 'multi-label' and are of 'regression'"):
        kind_of(targets(torch.rand(3)), val="multi-label")


def test_another_set_has_the_same_kind_where_it_fits() -> None:
    assert decided(targets(ONE_HOT).fits, {"val": "multi-label"}, "test") == "multi-label"
    assert decided(targets(torch.tensor([1.0])).fits, {"val": "regression"}, "test") == "regression"
    assert decided(targets(None).fits, {"val": "regression"}, "test") == "none"


# A ruler for regression targets.


def test_bins_of_a_regression_target_have_equal_shares_and_are_frozen() -> None:
    """Of 0, 1, ..., 15 each bin has two; values of a later pass go where those went."""
    first = targets(torch.randperm(16).double())
    kind = kind_of(first)
    assert kind == Binned((1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0))
    classes = kind.classes(first)
    assert classes is not None
    assert np.bincount(classes).tolist() == [2] * 8
    later = targets(torch.tensor([-50.0, 0.5, 1.0, 1.01, 14.0, 900.0]))
    assert kind.classes(later).tolist() == [0, 0, 0, 1, 7, 7]  # type: ignore[union-attr] # has classes


def test_a_few_values_have_a_bin_each() -> None:
    """Ratings, say: most are 5."""
    ratings = torch.tensor([5.0] * 20 + [1.0, 2.0, 2.0, 4.0])
    assert kind_of(targets(ratings)) == Binned((1.0, 2.0, 4.0))


def test_a_value_that_most_samples_have_is_one_bin() -> None:
    found = targets(torch.cat([torch.zeros(90), torch.arange(1, 11) / 2]).double())
    kind = kind_of(found)
    assert kind == Binned((0.0,))


# Checkpoints.


@pytest.mark.parametrize(
    "kind", [*(KINDS[name].of(targets(SEVERAL)) for name in KINDS), Binned((0.5, 2.0))], ids=str
)
def test_a_kind_comes_back_from_its_state(kind: LabelKind, tmp_path: Any) -> None:
    torch.save(kind.state(), tmp_path / "kind")
    assert restored(torch.load(tmp_path / "kind", weights_only=True)) == kind


@pytest.mark.parametrize("state", [{}, {"name": "other"}, {"name": "classes", "edges": ()}])
def test_other_states_are_refused(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="labels: need the state of one of classes, soft"):
        restored(state)


def test_the_number_of_kinds_of_rows_is_that_of_the_first_pass() -> None:
    assert kind_of(targets(SEVERAL)) == SeveralLabels(3)
