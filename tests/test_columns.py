"""The values of a point in columns, and a history of such points, beside one record for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from it_callbacks.columns import Columns
from it_callbacks.history import History
from it_callbacks.records import Record, Value


class Place(NamedTuple):
    set: str
    epoch: int
    step: int
    n_samples: int


def _slowly(values: Sequence[Value], at: Place) -> list[Record]:
    """The plain way: a record for each value."""
    n_of = [at.n_samples if value.n_samples is None else value.n_samples for value in values]
    return [
        Record(value.quantity, at.set, value.layer, value.bits, at.step, at.epoch, n)
        for value, n in zip(values, n_of, strict=True)
    ]


def _point(values: Sequence[Value], at: Place) -> Columns:
    return Columns.of(values, at.set, step=at.step, epoch=at.epoch, n_samples=at.n_samples)


VALUES = [
    Value("I_XT", "fc1", 3.5),
    Value("linear_V_TY", "fc1", -0.25, 200),
    Value("information_plane", "epoch", 2.0),
    Value("conditional_entropy", "within/class_3", math.inf, 7),
]


def test_columns_are_what_a_record_of_each_value_would_be() -> None:
    at = Place("val", 2, 120, 360)
    point, records = _point(VALUES, at), _slowly(VALUES, at)
    assert list(point.names.tags) == [record.tag for record in records]
    assert point.names.of_tags == {record.tag: record.name for record in records}
    assert list(point.bits) == [record.bits for record in records]
    assert list(point.n_samples) == [record.n_samples for record in records] == [360, 200, 360, 7]


def test_a_point_like_the_one_before_has_its_names() -> None:
    """Told by what they are: texts are made anew for each point."""
    first = _point(VALUES, Place("val", 2, 120, 360)).names
    anew = [Value("".join(v.quantity), f"{v.layer[:1]}{v.layer[1:]}", 0.0) for v in VALUES]
    assert _point(anew, Place("val", 3, 180, 99)).names is first
    assert _point(VALUES, Place("test", 2, 120, 360)).names is not first
    assert _point(VALUES[::-1], Place("val", 2, 120, 360)).names.tags == first.tags[::-1]


@pytest.mark.parametrize("seed", range(5))
def test_a_history_of_points_is_that_of_their_records(seed: int) -> None:
    """Of any order: names that come, go and come back, sets in turns, sizes that differ."""
    rng = np.random.default_rng(seed)
    history, expected = History(), list[Record]()
    kinds = [[Value(f"q{n}", f"layer{n % 3}", 0.0) for n in range(size)] for size in (1, 4, 9)]
    for epoch in range(30):
        for set_ in ("val", "val_1")[: rng.integers(1, 3)]:
            sizes = (None, 20, 30)
            values = [
                value._replace(bits=float(rng.normal()), n_samples=sizes[rng.integers(3)])
                for value in kinds[rng.integers(3)]
            ]
            at = Place(set_, epoch, 5 * epoch, int(rng.integers(40, 42)))
            history.add(_point(values, at))
            expected += _slowly(values, at)
            assert history.holds(_point(values, at))
        if epoch == 15:
            history = History.from_state(history.to_state())
    assert history.records == expected
    assert {record.tag: record for record in history.latest} == {r.tag: r for r in expected}
    assert history.sets == list(dict.fromkeys(record.set for record in expected))


def test_what_is_no_number_leaves_a_history_as_it_was() -> None:
    history, wrong = History(), [Value("I_XT", "fc", None)]  # type: ignore[arg-type] # on purpose
    history.add(_point(VALUES, Place("val", 1, 5, 9)))
    before: list[Any] = list(history.records)
    with pytest.raises(TypeError):
        history.add(_point(wrong, Place("val", 2, 10, 9)))
    assert history.records == before
    assert history.last == (1, 5)
