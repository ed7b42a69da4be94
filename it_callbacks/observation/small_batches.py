"""Hold small batches, to take several of them in as one: most of what one costs is fixed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.gathering import GATHERED
from it_callbacks.observation.layers import Layer

MOST_BYTES = 2**23
"""Of outputs that are held."""


class Held(NamedTuple):
    """A batch, or several as one, and copies of the outputs of its layers.

    Args:
        batch: The batch.
        outputs: Of each layer, ``(n_rows, n_units)``.
    """

    batch: Batch
    outputs: dict[Layer, Tensor]


class SmallBatches:
    """Batches of plain rows and their layers' outputs, while they are few.

    An output ``(n_rows, n_units)`` is copied, which costs less than to read it by itself; maps and
    sequences are larger and are read as they come.
    """

    def __init__(self) -> None:
        self._held: list[Held] = []
        self._is_open = False
        self._n_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether enough is held to be taken in."""
        return self._n_bytes >= MOST_BYTES

    def begin(self, batch: Batch, layers: Collection[Layer]) -> bool:
        """A batch begins; whether it is small, so that its outputs are to be held.

        Args:
            batch: The batch.
            layers: All that are read of it.
        """
        largest = max((layer.n_units for layer in layers), default=0)
        are_rows = all(layer.n_axes == 2 for layer in layers)
        is_plain = not batch.grid.axes and batch.mask is None
        self._is_open = are_rows and is_plain and 2 * largest * len(batch) <= GATHERED
        if self._is_open:
            self._held.append(Held(batch, {}))
        return self._is_open

    def hold(self, layer: Layer, output: Tensor) -> bool:
        """Copy an output of the batch; False if the batch is not held."""
        if self._is_open:
            self._held[-1].outputs[layer] = output.clone()
            self._n_bytes += output.nbytes
        return self._is_open

    def joined(self) -> Iterator[Held]:
        """What is held, of as few batches as possible; from then on nothing is."""
        held, self._held, self._n_bytes, self._is_open = self._held, [], 0, False
        for _, alike in groupby(held, _kind_of):
            yield _as_one([*alike])


def _kind_of(held: Held) -> tuple[object, ...]:
    """Batches of one kind can be joined without changing any number."""
    labels = held.batch.labels
    of_labels = None if labels is None else (labels.values.shape[1:], labels.values.dtype)
    outputs = {layer.name: _kind_of_rows(rows) for layer, rows in held.outputs.items()}
    return of_labels, held.batch.is_step_routed, outputs


def _kind_of_rows(rows: Tensor) -> tuple[object, ...]:
    return rows.shape[1:], rows.dtype, rows.device


def _as_one(held: list[Held]) -> Held:
    if len(held) == 1:
        return held[0]
    outputs = {layer: torch.cat([one.outputs[layer] for one in held]) for layer in held[0].outputs}
    return Held(Batch.joined([one.batch for one in held]), outputs)
