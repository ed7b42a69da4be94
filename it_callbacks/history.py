"""Keep what was measured, in columns, and what a checkpoint can hold of it.

Checkpoints are loaded with ``weights_only=True``: plain Python and tensors only. A state may come
from a stranger: whatever does not have the form that is written here is refused by a ValueError.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from it_callbacks.records import Record

SCHEMA = 2
"""Goes up whenever the form changes; a state of another schema is not read."""

_WHOLE = ("tag", "step", "epoch", "n_samples")


class History:
    """All values of a run in columns of 40 bytes a row; made into records when asked for.

    A thousand epochs of twenty layers are some hundred thousand rows: as columns they are saved
    and loaded in milliseconds, as records they would hold every checkpoint up.

    Example:
        >>> history = History()
        >>> history.extend([Record("I_XT", "val", "fc", 3.5, step=5, epoch=1, n_samples=9)])
        >>> history.records[0].tag
        'information_plane/val/I_XT/fc'
    """

    def __init__(self) -> None:
        self._tags: dict[tuple[str, str, str], int] = {}
        self._names: list[tuple[str, str, str]] = []
        self._whole = {name: array("q") for name in _WHOLE}
        self._bits = array("d")
        self._records: list[Record] = []
        self._points: dict[str, list[tuple[int, int]]] = {}

    def __len__(self) -> int:
        return len(self._bits)

    def extend(self, records: Iterable[Record]) -> None:
        """Add the values of a point."""
        records = list(records)
        names = [(record.quantity, record.set, record.layer) for record in records]
        for name in names:
            if name not in self._tags:
                self._tags[name] = len(self._names)
                self._names.append(name)
        tag, step, epoch, n_samples = self._whole.values()
        tag.extend([self._tags[name] for name in names])
        step.extend([record.step for record in records])
        epoch.extend([record.epoch for record in records])
        n_samples.extend([record.n_samples for record in records])
        self._bits.extend([record.bits for record in records])
        self._note_points((record.set, record.epoch, record.step) for record in records)

    def _note_points(self, places: Iterable[tuple[str, int, int]]) -> None:
        for set_, epoch, step_ in places:
            points = self._points.setdefault(set_, [])
            if not points or points[-1] != (epoch, step_):
                points.append((epoch, step_))

    @property
    def records(self) -> list[Record]:
        """Every value, in the order measured: one list, which grows."""
        tag, step, epoch, n_samples = self._whole.values()
        for i in range(len(self._records), len(self)):
            name = self._names[tag[i]]
            self._records.append(Record(*name, self._bits[i], step[i], epoch[i], n_samples[i]))
        return self._records

    @property
    def last(self) -> tuple[int, int] | None:
        """Epoch and step of the latest point; None before the first."""
        return (self._whole["epoch"][-1], self._whole["step"][-1]) if len(self) else None

    @property
    def latest(self) -> list[Record]:
        """The last value under each tag."""
        tag, step, epoch, n_samples = self._whole.values()
        rows = {number: row for row, number in enumerate(tag)}
        return [
            Record(*self._names[number], self._bits[row], step[row], epoch[row], n_samples[row])
            for number, row in rows.items()
        ]

    @property
    def sets(self) -> list[str]:
        """The sets that have points, in the order of their first ones."""
        return list(self._points)

    def has_point(self, set_: str, place: tuple[int, int]) -> bool:
        """Whether anything was measured of a set at that epoch and step."""
        return place in self._points.get(set_, [])

    def n_points(self, set_: str, *, before: tuple[int, int] | None = None) -> int:
        """How many points a set has, but for those at that epoch and step, if any."""
        return len({place for place in self._points.get(set_, []) if place != before})

    def holds(self, records: Sequence[Record]) -> bool:
        """Whether all values of this point are there already, except the time that it took."""
        known = self._at(records[0].epoch, records[0].step)
        values = (
            (known.get((record.quantity, record.set, record.layer)), record.bits)
            for record in records
            if record.layer != "overhead"
        )
        return all(a == b or (a != a and b != b) for a, b in values)  # NaN is NaN

    def _at(self, epoch: int, step: int) -> dict[tuple[str, str, str], float]:
        tag, steps, epochs, _ = map(np.array, self._whole.values())
        rows = np.flatnonzero((epochs == epoch) & (steps == step))
        return {self._names[tag[row]]: self._bits[row] for row in rows}

    def to_state(self) -> dict[str, Any]:
        """One tensor per column, and the names that ``tag`` counts."""
        return {
            "tags": [list(name) for name in self._names],
            "bits": torch.from_numpy(np.array(self._bits)),
            **{name: torch.from_numpy(np.array(column)) for name, column in self._whole.items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """The history of a state; ValueError unless it has the form of `to_state`."""
        names = state.get("tags")
        if not isinstance(names, list) or not all(
            isinstance(name, list) and len(name) == 3 and all(isinstance(n, str) for n in name)
            for name in names
        ):
            raise ValueError("tags: need a list of three texts each")
        history = cls()
        history._names = [(name[0], name[1], name[2]) for name in names]
        history._tags = {name: i for i, name in enumerate(history._names)}
        history._bits.frombytes(_column(state, "bits", torch.float64))
        for name, column in history._whole.items():
            column.frombytes(_column(state, name, torch.int64))
        if {len(column) for column in history._whole.values()} != {len(history)}:
            raise ValueError("columns: need equal lengths")
        tag = np.array(history._whole["tag"])
        if len(tag) and not 0 <= tag.min() <= tag.max() < len(names):
            raise ValueError(f"tag: need numbers of the {len(names)} tags")
        sets = [history._names[number][1] for number in tag]
        places = (history._whole[name] for name in ("epoch", "step"))
        history._note_points(zip(sets, *places, strict=True))
        return history


def _column(state: Mapping[str, Any], name: str, dtype: torch.dtype) -> bytes:
    column = state.get(name)
    if not isinstance(column, Tensor) or column.ndim != 1 or column.dtype != dtype:
        raise ValueError(f"{name}: need a tensor (n,) of {dtype}")
    return column.cpu().numpy().tobytes()


def to_state(history: History, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The history and settings as plain Python and tensors."""
    return {
        "schema": SCHEMA,
        **history.to_state(),
        "settings": json.dumps(settings, default=_listed),
    }


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
