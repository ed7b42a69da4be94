"""Put together what all processes have observed in one pass over a set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.labels import Targets
from it_callbacks.observation.observed import Observed
from it_callbacks.observation.sketched import pooled


def observed_by_all(
    parts: Sequence[Observed],
    chosen: NDArray[np.int64],
    kept: NDArray[np.int64],
    *,
    keeps: bool,
) -> Observed:
    """What all processes observed, as one process would have.

    Args:
        parts: Of each process.
        chosen: Which of all samples, one process after the other, belong to the set, in order.
        kept: Which of all kept rows, as `chosen`.
        keeps: Whether rows are kept.
    """
    whole = _in_order(chosen, parts[0].indices) and _in_order(kept, parts[0].kept_indices)
    if len(parts) == 1 and whole:
        return parts[0]  # as most often: one process, no subset
    faults = {name: why for part in parts for name, why in part.faults.items()}
    missed = {
        name: why for part in parts for name, why in part.missed.items() if name not in faults
    }
    names = [name for name in parts[0].keys if name not in missed and name not in faults]
    # A process without samples has told no inputs apart, which is no reason to forget those
    # of the others.
    inputs = [part.inputs for part in parts if len(part.indices)]
    return Observed(
        indices=np.concatenate([part.indices for part in parts])[chosen],
        targets=Targets.joined([part.targets for part in parts]).at(chosen),
        inputs=None
        if not inputs or any(one is None for one in inputs)
        else np.concatenate([one for one in inputs if one is not None])[chosen],
        keys={
            name: [
                np.concatenate([part.keys[name][number] for part in parts])[chosen]
                for number in range(len(parts[0].keys[name]))
            ]
            for name in names
        },
        merged={name: found for name in names if (found := _merged_of(name, parts, chosen))},
        kept={name: _kept_of(name, parts)[torch.from_numpy(kept)] for name in names}
        if keeps
        else {},
        kept_indices=np.concatenate([part.kept_indices for part in parts])[kept],
        sketches={
            name: of_all[chosen]
            for name, of_all in pooled([p.sketches for p in parts if len(p.indices)]).items()
        },
        n_units={name: max(part.n_units.get(name, 0) for part in parts) for name in names},
        max_state={name: max(part.max_state.get(name, 0.0) for part in parts) for name in names},
        missed=missed,
        faults=faults,
        n_unlabelled=sum(part.n_unlabelled for part in parts),
        left_out={
            name: left_out
            for name in names
            if any(name in part.left_out for part in parts)
            and (left_out := np.concatenate([~part.read(name) for part in parts])[chosen]).any()
        },
        by_position=any(part.by_position for part in parts),
        is_shifted=any(part.is_shifted for part in parts),
    )


def _in_order(positions: NDArray[np.int64], of: NDArray[np.int64]) -> bool:
    """Whether `positions` take all of something as it stands."""
    return np.array_equal(positions, np.arange(len(of)))


def _merged_of(
    layer: str, parts: Sequence[Observed], chosen: NDArray[np.int64]
) -> list[NDArray[np.int64] | None]:
    """A layer's keys with merged bins, of all processes that have samples of it."""
    some = [part.merged[layer] for part in parts if layer in part.merged]
    return [
        None
        if any(keys is None for keys in of_parts)
        else np.concatenate([keys for keys in of_parts if keys is not None])[chosen]
        for of_parts in zip(*some, strict=True)
    ]


def _kept_of(layer: str, parts: Sequence[Observed]) -> Tensor:
    rows = [part.kept[layer] for part in parts if len(part.kept.get(layer, ()))]
    return torch.cat(rows) if rows else torch.zeros(0, 0)
