"""Hold small batches, to take several of them in as one: most of what one costs is fixed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby
from typing import Final, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.gathering import GATHERED

MOST_BYTES: Final = 2**23
"""Of outputs that are held."""
_BYTES: Final = 4
"""Of a number, as most have."""

Key = TypeVar("Key", bound=Hashable)


class Held(NamedTuple, Generic[Key]):
    """A batch, or several as one, and copies of outputs.

    Args:
        batch: The batch.
        outputs: By what they are of, ``(n_rows, ...)``.
    """

    batch: Batch
    outputs: dict[Key, Tensor]


class SmallBatches(Generic[Key]):
    """Batches of plain rows and what was made of them, while that is little.

    To copy an output costs less than to read it by itself.

    Args:
        enough: Batches with more than half as many numbers in an output are not held.
    """

    def __init__(self, enough: int = GATHERED) -> None:
        self._enough = enough
        self._held: list[Held[Key]] = []
        self._is_open = False
        self._n_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether enough is held to be taken in."""
        return self._n_bytes >= MOST_BYTES

    def begin(self, batch: Batch, n_numbers: float, n_all: float = 0) -> bool:
        """A batch begins; whether it is small, so that its outputs are to be held.

        Args:
            batch: The batch.
            n_numbers: Of its largest output.
            n_all: Of all outputs together; of so many that they fill the memory none is held.
        """
        is_plain = not batch.grid.axes and batch.mask is None
        is_small = 2 * n_numbers <= self._enough and n_all * _BYTES <= MOST_BYTES
        self._is_open = is_plain and is_small
        if self._is_open:
            self._held.append(Held(batch.without_inputs, {}))
        return self._is_open

    def hold(self, key: Key, output: Tensor, *, is_copy: bool = False) -> bool:
        """Keep an output of the batch; False if the batch is not held.

        Args:
            key: What it is of.
            output: The output; a copy of it is kept.
            is_copy: Whether it is one already.
        """
        if self._is_open:
            self._held[-1].outputs[key] = output if is_copy else output.detach().clone()
            self._n_bytes += output.nbytes
        return self._is_open

    def joined(self) -> Iterator[Held[Key]]:
        """What is held, of as few batches as possible; from then on nothing is."""
        held, self._held, self._n_bytes, self._is_open = self._held, [], 0, False
        for _, alike in groupby(held, _kind_of):
            yield _as_one([*alike])


def _kind_of(held: Held[Key]) -> tuple[object, ...]:
    """Batches of one kind can be joined without changing any number."""
    labels = held.batch.labels
    of_labels = None if labels is None else (labels.values.shape[1:], labels.values.dtype)
    outputs = {key: _kind_of_rows(rows) for key, rows in held.outputs.items()}
    return of_labels, held.batch.is_step_routed, outputs


def _kind_of_rows(rows: Tensor) -> tuple[object, ...]:
    return rows.shape[1:], rows.dtype, rows.device


def _as_one(held: list[Held[Key]]) -> Held[Key]:
    if len(held) == 1:
        return held[0]
    return Held(Batch.joined([one.batch for one in held]), _joined([one.outputs for one in held]))


def _joined(parts: Sequence[dict[Key, Tensor]]) -> dict[Key, Tensor]:
    """The outputs of several batches, put together by one call for all that are of one kind."""
    by_kind: dict[tuple[object, ...], list[Key]] = {}
    for key, rows in parts[0].items():
        by_kind.setdefault(_kind_of_rows(rows), []).append(key)
    found: dict[Key, Tensor] = {}
    for keys in by_kind.values():
        rows = torch.cat([part[key] for key in keys for part in parts])
        n_rows = [sum([part[key].shape[0] for part in parts]) for key in keys]
        found.update(zip(keys, torch.split(rows, n_rows), strict=True))
    return {key: found[key] for key in parts[0]}
