"""What one pass over a set has left, for the estimates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.labels import Targets

V = TypeVar("V")


@dataclass(frozen=True)
class Observed:
    """What one pass over a set has left: everything that the estimates need.

    Args:
        indices: Which samples of the set they are, ``(n_samples,)``, in increasing order.
        targets: Their labels.
        inputs: Keys ``(n_samples, 2)`` of the inputs; None if they were not told apart.
        keys: For each layer, keys ``(n_samples, 2)`` per ruler.
        kept: For each layer, its reduced rows ``(n_kept, n_units)`` for the extra estimators.
        kept_indices: Which samples those rows are, ``(n_kept,)``.
        n_units: For each layer, its units after the reduction.
        max_state: For each layer, the largest state of its first ruler in absolute value.
        missed: Layers that did not run in every batch, and why that matters.
        faults: Layers that could not be read, and why: NaN, say. They are in none of the above.
        n_unlabelled: Samples left out because their label is masked: negative, say.
        left_out: For each layer with rows that are not finite, which samples those are,
            ``(n_samples,)``: its keys of these mean nothing.
        by_position: Whether the samples are positions of rows.
        is_shifted: Whether each position has the label of the next one.
        merged: For each layer, keys ``(n_samples, 2)`` per ruler with its bins merged in pairs;
            None for a ruler of which they are not wanted.
        spreads: For each layer, the root of the summed variances of its outputs.
        sketches: For each layer, sketches ``(n_samples, n_numbers)``, where they are wanted of all.
    """

    indices: NDArray[np.int64]
    targets: Targets
    inputs: NDArray[np.int64] | None
    keys: dict[str, list[NDArray[np.int64]]]
    kept: dict[str, Tensor]
    kept_indices: NDArray[np.int64]
    n_units: dict[str, int]
    max_state: dict[str, float]
    missed: dict[str, str]
    faults: dict[str, str]
    n_unlabelled: int
    left_out: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    by_position: bool = False
    is_shifted: bool = False
    merged: dict[str, list[NDArray[np.int64] | None]] = field(default_factory=dict)
    spreads: dict[str, float] = field(default_factory=dict)
    sketches: dict[str, NDArray[np.floating[Any]]] = field(default_factory=dict)

    def read(self, layer: str) -> NDArray[np.bool_]:
        """Which samples the layer was read on, ``(n_samples,)``: all whose rows are finite."""
        return ~self.left_out[layer] if layer in self.left_out else self._all

    @cached_property
    def _all(self) -> NDArray[np.bool_]:
        every = np.ones(len(self.indices), bool)
        every.flags.writeable = False
        return every

    def dropped(self, faults: Mapping[str, str]) -> Observed:
        """The same without the layers that cannot be read, each for its reason."""
        if not faults:
            return self
        return replace(
            self,
            keys=_without(self.keys, faults),
            merged=_without(self.merged, faults),
            kept=_without(self.kept, faults),
            sketches=_without(self.sketches, faults),
            n_units=_without(self.n_units, faults),
            max_state=_without(self.max_state, faults),
            left_out=_without(self.left_out, faults),
            faults={**self.faults, **faults},
        )


def _without(by_layer: dict[str, V], layers: Collection[str]) -> dict[str, V]:
    return {name: value for name, value in by_layer.items() if name not in layers}
