"""Records and settings in; what a checkpoint can hold out, and back.

Checkpoints are loaded with ``weights_only=True``: plain Python and tensors only. Each column is
one tensor, so that a long history loads in milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from it_callbacks.estimators.verdict import Peak
from it_callbacks.records import Record
from it_callbacks.reductions import Projection, Reduction
from it_callbacks.rulers import Ruler, Width

SCHEMA = 1


def to_state(history: Sequence[Record], settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The history and settings as plain Python and tensors."""
    tags: dict[tuple[str, str, str], int] = {}
    rows = [tags.setdefault((r.quantity, r.set, r.layer), len(tags)) for r in history]
    return {
        "schema": SCHEMA,
        "tags": [list(tag) for tag in tags],
        "tag": torch.tensor(rows, dtype=torch.int64),
        "bits": torch.tensor([r.bits for r in history], dtype=torch.float64),
        "step": torch.tensor([r.step for r in history], dtype=torch.int64),
        "epoch": torch.tensor([r.epoch for r in history], dtype=torch.int64),
        "n_samples": torch.tensor([r.n_samples for r in history], dtype=torch.int64),
        "settings": json.dumps(settings),
    }


def from_state(state: dict[str, Any]) -> tuple[list[Record], dict[str, dict[str, Any]]]:
    """The history and settings of a state; raises ValueError on a schema that is not ours."""
    if state.get("schema") != SCHEMA:
        raise ValueError(f"schema {state.get('schema')!r}, this version reads {SCHEMA}")
    tags = state["tags"]
    columns = (state[name].tolist() for name in ("tag", "bits", "step", "epoch", "n_samples"))
    history = [
        Record(tags[tag][0], tags[tag][1], tags[tag][2], bits, step, epoch, n_samples)
        for tag, bits, step, epoch, n_samples in zip(*columns, strict=True)
    ]
    return history, json.loads(state["settings"])


def readers_to_state(
    rulers: Mapping[str, Sequence[Ruler]], reductions: Mapping[str, Reduction]
) -> dict[str, Any]:
    """What was calibrated, per layer; what the constructor's arguments give again is None."""
    return {
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


def peaks_to_state(peaks: Mapping[tuple[str, str, int], Peak]) -> list[list[Any]]:
    """What is remembered of each layer's highest point, with its samples' surprisals."""
    return [
        [
            *key,
            peak.epoch,
            peak.bits,
            peak.saturated,
            None if peak.surprisal is None else torch.from_numpy(peak.surprisal),
        ]
        for key, peak in peaks.items()
    ]


def peaks_from_state(state: Sequence[Sequence[Any]]) -> dict[tuple[str, str, int], Peak]:
    """The peaks of a state."""
    peaks: dict[tuple[str, str, int], Peak] = {}
    for set_, layer, number, epoch, bits, saturated, surprisal in state:
        peak = peaks[set_, layer, number] = Peak()
        peak.restore(epoch, bits, saturated, None if surprisal is None else surprisal.numpy())
    return peaks
