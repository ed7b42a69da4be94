"""Keep what was measured, in columns, and what a checkpoint can hold of it.

Checkpoints are loaded with ``weights_only=True``: plain Python and tensors only. A state may come
from a stranger: whatever does not have the form that is written here is refused by a ValueError.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.columns import Columns, Names
from it_callbacks.records import Record

SCHEMA = 3
"""Goes up whenever the form changes; a state of another schema is not read."""

_Name = tuple[str, str, str]
_Place = tuple[int, int, int]
_T = TypeVar("_T", _Name, _Place)


class _Table(Generic[_T]):
    """Numbers values in the order in which they first come."""

    def __init__(self) -> None:
        self._numbers: dict[_T, int] = {}
        self._values: list[_T] = []

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[_T]:
        return iter(self._values)

    def __getitem__(self, number: int) -> _T:
        return self._values[number]

    def numbers(self, values: Iterable[_T]) -> list[int]:
        """The number of each; those that are new get one."""
        known = self._numbers
        found = []
        for value in values:
            number = known.get(value)
            if number is None:
                number = known[value] = len(self._values)
                self._values.append(value)
            found.append(number)
        return found


class History:
    """All values of a run in columns of 16 bytes a row; made into records when asked for.

    A row is a value, the number of its tag and the number of its place: step, epoch and how many
    samples. A thousand epochs of sixty layers are most of a million rows: as columns they are saved
    and loaded in milliseconds, as records they would hold every checkpoint up.

    Example:
        >>> history = History()
        >>> from it_callbacks.records import Value
        >>> values = [Value("I_XT", "fc", 3.5)]
        >>> history.add(Columns.of(values, "val", step=5, epoch=1, n_samples=9))
        >>> history.records[0].tag
        'information_plane/val/I_XT/fc'
    """

    def __init__(self) -> None:
        self._tags = _Table[_Name]()
        self._places = _Table[_Place]()
        self._tag = array("i")
        self._place = array("i")
        self._bits = array("d")
        self._records: list[Record] = []
        self._points: dict[str, dict[tuple[int, int], None]] = {}
        self._latest_names: dict[str, tuple[Names, list[int]]] = {}
        """By set the names of its latest point, and their numbers."""

    def __len__(self) -> int:
        return len(self._bits)

    def add(self, point: Columns) -> None:
        """Add the values of a point."""
        names, sizes = point.names, list(dict.fromkeys(point.n_samples))
        latest, numbers = self._latest_names.get(names.set, (None, []))
        if latest is not names:  # in most runs they are the same from point to point
            numbers = self._tags.numbers(names.keys)
            self._latest_names[names.set] = names, numbers
        places = self._places.numbers((point.step, point.epoch, size) for size in sizes)
        place_of = dict(zip(sizes, places, strict=True))
        self._bits.extend(point.bits)
        self._place.extend(map(place_of.__getitem__, point.n_samples))
        self._tag.extend(numbers)
        self._note_points([(names.set, point.epoch, point.step)] if numbers else [])

    def _note_points(self, places: Iterable[tuple[str, int, int]]) -> None:
        for set_, epoch, step in places:
            self._points.setdefault(set_, {})[epoch, step] = None

    @property
    def records(self) -> list[Record]:
        """Every value, in the order measured: one list, which grows."""
        self._records.extend(map(self._record, range(len(self._records), len(self))))
        return self._records

    def _record(self, row: int) -> Record:
        return Record(*self._tags[self._tag[row]], self._bits[row], *self._places[self._place[row]])

    @property
    def last(self) -> tuple[int, int] | None:
        """Epoch and step of the latest point; None before the first."""
        if not len(self):
            return None
        step, epoch, _ = self._places[self._place[-1]]
        return epoch, step

    @property
    def latest(self) -> list[Record]:
        """The last value under each tag."""
        row_of = np.full(len(self._tags), -1)
        row_of[np.array(self._tag)] = np.arange(len(self))  # the last of several stays
        return [self._record(row) for row in row_of.tolist() if row >= 0]

    @property
    def sets(self) -> list[str]:
        """The sets that have points, in the order of their first ones."""
        return list(self._points)

    def has_point(self, set_: str, place: tuple[int, int]) -> bool:
        """Whether anything was measured of a set at that epoch and step."""
        return place in self._points.get(set_, {})

    def n_points(self, set_: str, *, before: tuple[int, int] | None = None) -> int:
        """How many points a set has, but for those at that epoch and step, if any."""
        points = self._points.get(set_, {})
        return len(points) - (before in points)

    def holds(self, point: Columns) -> bool:
        """Whether all values of this point are there already, except the time that it took.

        Sums over a set depend on how its batches were joined, in the last digit.
        """
        known = self._at(point.epoch, point.step)
        pairs = zip(point.names.keys, point.bits, strict=True)
        values = ((known.get(key), bits) for key, bits in pairs if key[2] != "overhead")
        return all(a is not None and _are_equal(a, b) for a, b in values)

    def _at(self, epoch: int, step: int) -> dict[_Name, float]:
        is_there = np.array([place[:2] == (step, epoch) for place in self._places], bool)
        rows = np.flatnonzero(is_there[np.array(self._place)]) if len(self) else ()
        return {self._tags[self._tag[row]]: self._bits[row] for row in rows}

    def to_state(self) -> dict[str, Any]:
        """One tensor per column, and the tables of what ``tag`` and ``place`` count."""
        return {
            "tags": json.dumps(list(self._tags)),  # one text: a loader takes a list apart in Python
            "places": torch.tensor(list(self._places), dtype=torch.int64).reshape(-1, 3),
            "tag": torch.from_numpy(np.array(self._tag)),
            "place": torch.from_numpy(np.array(self._place)),
            "bits": torch.from_numpy(np.array(self._bits)),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """The history of a state; ValueError unless it has the form of `to_state`."""
        names = json.loads(state["tags"])
        if not isinstance(names, list) or not all(
            isinstance(name, list) and len(name) == 3 and all(isinstance(n, str) for n in name)
            for name in names
        ):
            raise ValueError("tags: need a list of three texts each")
        places = _array(state, "places", torch.int64, 2)
        if places.shape[1] != 3:
            raise ValueError(f"places: need three numbers each, got {places.shape[1]}")
        tag, place = (_array(state, name, torch.int32, 1) for name in ("tag", "place"))
        bits = _array(state, "bits", torch.float64, 1)
        if not len(tag) == len(place) == len(bits):
            raise ValueError("columns: need equal lengths")
        for name, column, table in (("tag", tag, names), ("place", place, places)):
            if len(column) and not 0 <= column.min() <= column.max() < len(table):
                raise ValueError(f"{name}: need numbers of the {len(table)} {name}s")
        history = cls()
        history._tags.numbers((name[0], name[1], name[2]) for name in names)
        history._places.numbers(map(tuple, places.tolist()))
        if len(history._tags) < len(names) or len(history._places) < len(places):
            raise ValueError("tags, places: need each of them once")
        for own, column in ((history._tag, tag), (history._place, place), (history._bits, bits)):
            own.frombytes(column.tobytes())
        history._note_points(history._in_order(tag, place))
        return history

    def _in_order(
        self, tag: NDArray[np.int32], place: NDArray[np.int32]
    ) -> Iterator[tuple[str, int, int]]:
        """The set, epoch and step of each row, but for those of the row before."""
        sets = list(dict.fromkeys(set_ for _, set_, _ in self._tags))
        set_of = np.array([sets.index(set_) for _, set_, _ in self._tags], np.int64)
        at = set_of[tag] * len(self._places) + place
        for both in at[np.flatnonzero(np.diff(at, prepend=-1))].tolist():
            set_number, number = divmod(both, len(self._places))
            step, epoch, _ = self._places[number]
            yield sets[set_number], epoch, step


def _array(state: Mapping[str, Any], name: str, dtype: torch.dtype, ndim: int) -> NDArray[Any]:
    values = state.get(name)
    if not isinstance(values, Tensor) or values.ndim != ndim or values.dtype != dtype:
        raise ValueError(f"{name}: need a tensor of {dtype} and {ndim} dimensions")
    found: NDArray[Any] = values.cpu().contiguous().numpy()
    return found


def to_state(history: History, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The history and settings as plain Python and tensors."""
    return {
        "schema": SCHEMA,
        **history.to_state(),
        "settings": json.dumps(settings, default=_listed),
    }


def _are_equal(a: float, b: float) -> bool:
    """But for rounding; NaN is NaN."""
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))


def _listed(value: Any) -> Any:
    """What JSON does not know: NumPy's scalars and arrays, and tensors; all else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def from_state(state: dict[str, Any]) -> tuple[History, dict[str, dict[str, Any]]]:
    """The history and settings of a state; ValueError on a schema or a form that is not ours."""
    if state.get("schema") != SCHEMA:
        raise ValueError(f"schema {state.get('schema')!r}, this version reads {SCHEMA}")
    settings = json.loads(state["settings"])
    if not isinstance(settings, dict) or not all(isinstance(s, dict) for s in settings.values()):
        raise ValueError("settings: need a mapping per set")
    return History.from_state(state), settings
