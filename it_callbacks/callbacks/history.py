"""What was measured, in columns; what a checkpoint can hold of it out, and back.

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
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.estimators.verdict import Peak
from it_callbacks.observation.layers import LayerChoice
from it_callbacks.records import Record
from it_callbacks.reductions import Projection, Reduction
from it_callbacks.rulers import Ruler, Width

SCHEMA = 1
"""Goes up whenever the form changes; a state of another schema is not read."""

_WHOLE = ("tag", "step", "epoch", "n_samples")


class History:
    """All numbers of a run in columns of 40 bytes a row; made into records when asked for.

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

    def __len__(self) -> int:
        return len(self._bits)

    def extend(self, records: Iterable[Record]) -> None:
        """Add the numbers of a point."""
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

    @property
    def records(self) -> list[Record]:
        """Every number, in the order measured: one list, which grows."""
        tag, step, epoch, n_samples = self._whole.values()
        for i in range(len(self._records), len(self)):
            name = self._names[tag[i]]
            self._records.append(Record(*name, self._bits[i], step[i], epoch[i], n_samples[i]))
        return self._records

    @property
    def last(self) -> tuple[int, int] | None:
        """Epoch and step of the latest point; None before the first."""
        return (self._whole["epoch"][-1], self._whole["step"][-1]) if len(self) else None

    def has_point(self, set_: str, epoch: int, step: int) -> bool:
        """Whether anything was measured of a set at that moment."""
        return any(of == set_ for _, of, _ in self._at(epoch, step))

    def holds(self, records: Sequence[Record]) -> bool:
        """Whether all numbers of this point are there already, but for what it cost to measure."""
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
        return history


def _column(state: Mapping[str, Any], name: str, dtype: torch.dtype) -> bytes:
    column = state.get(name)
    if not isinstance(column, Tensor) or column.ndim != 1 or column.dtype != dtype:
        raise ValueError(f"{name}: need a tensor (n,) of {dtype}")
    return column.cpu().numpy().tobytes()


def to_state(history: History, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The history and settings as plain Python and tensors."""
    return {"schema": SCHEMA, **history.to_state(), "settings": json.dumps(settings)}


def from_state(state: dict[str, Any]) -> tuple[History, dict[str, dict[str, Any]]]:
    """The history and settings of a state; ValueError on a schema or a form that is not ours."""
    if state.get("schema") != SCHEMA:
        raise ValueError(f"schema {state.get('schema')!r}, this version reads {SCHEMA}")
    settings = json.loads(state["settings"])
    if not isinstance(settings, dict) or not all(isinstance(s, dict) for s in settings.values()):
        raise ValueError("settings: need a mapping per set")
    return History.from_state(state), settings


def choice_to_state(layers: LayerChoice) -> str:
    """What a choice of layers says, alike in every process: no addresses, and no order.

    Functions are known by name only: two lambdas of one place are one.

    Example:
        >>> choice_to_state(["fc2", torch.nn.Linear])
        'fc2, torch.nn.modules.linear.Linear'
    """
    if layers is None:
        return "the default"
    if isinstance(layers, Mapping):
        return ", ".join(sorted(f"{name} by {_dotted(pick)}" for name, pick in layers.items()))
    several = [layers] if isinstance(layers, (str, type)) else layers
    return ", ".join(sorted(one if isinstance(one, str) else _dotted(one) for one in several))


def _dotted(named: Any) -> str:
    """Where a class or a function was defined; of a callable object, where its class was."""
    named = named if hasattr(named, "__qualname__") else type(named)
    return f"{named.__module__}.{named.__qualname__}"


def readers_to_state(
    rulers: Mapping[str, Sequence[Ruler]],
    reductions: Mapping[str, Reduction],
    first_reach: Mapping[str, float],
) -> dict[str, Any]:
    """What was calibrated, per layer; what the constructor's arguments give again is None."""
    return {
        "reach": dict(first_reach),
        "rulers": {
            name: [list(_widths(ruler)) if isinstance(ruler, Width) else None for ruler in several]
            for name, several in rulers.items()
        },
        "projections": {
            name: [reduction.directions, reduction.origin]
            for name, reduction in reductions.items()
            if isinstance(reduction, Projection)
        },
    }


def restore_readers(
    state: dict[str, Any], name: str, rulers: Sequence[Ruler], reduction: Reduction
) -> tuple[tuple[Ruler, ...], Reduction]:
    """The rulers and the reduction of layer `name`, with what the state holds of them."""
    stored = state.get("rulers", {}).get(name, [None] * len(rulers))
    if len(stored) != len(rulers):
        stored = [None] * len(rulers)
    calibrated = tuple(
        Width(widths[0] if len(widths) == 1 and not _per_unit(ruler) else tuple(widths))
        if widths is not None and not ruler.frozen
        else ruler
        for ruler, widths in zip(rulers, stored, strict=True)
    )
    projection = state.get("projections", {}).get(name)
    if projection is not None and not reduction.frozen:
        reduction = Projection(*projection)
    return calibrated, reduction


def _widths(ruler: Width) -> tuple[float, ...]:
    return ruler.width if isinstance(ruler.width, tuple) else (ruler.width,)


def _per_unit(ruler: Ruler) -> bool:
    return getattr(ruler, "scope", "layer") == "unit"


def check_readers(state: object) -> dict[str, Any]:
    """What `readers_to_state` has made; ValueError on anything else."""
    if not isinstance(state, dict) or not {"rulers", "projections"} <= set(state):
        raise ValueError("readers: need rulers and projections")
    if not all(isinstance(reach, float) for reach in state.setdefault("reach", {}).values()):
        raise ValueError("readers: need the reach of each layer as a number")
    for several in state["rulers"].values():
        for widths in several:
            if widths is not None:
                Width(tuple(widths))  # refuses what are no widths
    for directions, origin in state["projections"].values():
        Projection(directions, origin)
    return state


def peaks_to_state(peaks: Mapping[tuple[str, str, int], Peak]) -> list[list[Any]]:
    """What is remembered of each layer's highest and latest point, with samples' surprisals."""
    return [
        [
            *key,
            *(
                torch.from_numpy(value) if isinstance(value, np.ndarray) else value
                for value in peak.memory()
            ),
        ]
        for key, peak in peaks.items()
    ]


def peaks_from_state(state: Sequence[Sequence[Any]]) -> dict[tuple[str, str, int], Peak]:
    """The peaks of a state; ValueError or TypeError on anything else."""
    peaks: dict[tuple[str, str, int], Peak] = {}
    for set_, layer, number, epoch, bits, saturated, surprisal, last_bits, last in state:
        peak = peaks[str(set_), str(layer), int(number)] = Peak()
        peak.restore(
            int(epoch),
            float(bits),
            bool(saturated),
            _surprisal(surprisal),
            float(last_bits),
            _surprisal(last),
        )
    return peaks


def _surprisal(stored: object) -> NDArray[np.float32] | None:
    if stored is None:
        return None
    if not isinstance(stored, Tensor) or stored.ndim != 1 or stored.dtype != torch.float32:
        raise ValueError("peaks: need a tensor (n_samples,) of torch.float32 or None")
    surprisal: NDArray[np.float32] = stored.cpu().numpy()
    return surprisal
