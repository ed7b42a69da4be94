"""One layer's outputs, batch by batch, become the keys of its samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import Encoded, encoded, encoded_at_once, encoded_twice, kind_of
from it_callbacks.observation.gathering import GATHERED, Gathered
from it_callbacks.observation.readers import Reader
from it_callbacks.rulers import (
    Ruler,
    Uniform,
    Width,
    finite_rows,
)


class Encodings(NamedTuple):
    """The samples of a layer as keys.

    Args:
        keys: ``(n_samples, 2)`` for each ruler.
        merged: The same with bins merged in pairs; None for a ruler of which that is not wanted.
        n_units: Of the reduced layer.
        max_state: The largest state of the first ruler, in absolute value.
        left_out: Which samples have no symbol since their rows are not finite, ``(n_samples,)``.
    """

    keys: list[NDArray[np.int64]]
    merged: list[NDArray[np.int64] | None]
    n_units: int
    max_state: float
    left_out: NDArray[np.bool_]


class Held(NamedTuple):
    """Rows that wait to be encoded with one ruler.

    Args:
        kind: What can be read together has the same.
        rows: All that wait, ``(n_rows, n_units)``.
        ruler: Reads them.
        merged: Reads them, too, if that is wanted: the same with bins merged in pairs.
    """

    kind: Hashable
    rows: Tensor
    ruler: Ruler
    merged: list[Ruler]


_ReadRows = Callable[[Tensor, Ruler, list[Ruler]], Sequence[Encoded]]
"""Reads rows with a ruler and then with one, or none, that merges its bins in pairs."""


class KeyStream:
    """Turns the outputs of a layer into keys ``(n_samples, 2)``, one set of keys for each ruler.

    It keeps 16 bytes per sample and ruler, and no activations but the rows that the caller asks
    for, which are for estimators that need the activations themselves; those of small batches wait
    until there are enough of them, or until they are asked for. A row that is not finite has no
    symbol: it is left out, and its keys mean nothing.

    Args:
        reader: How the layer is read; it is ready.
        unmerged: Numbers of the rulers of which no keys with merged bins are wanted.
        enough: So many numbers are encoded at a time, as `Gathered` has it.
    """

    def __init__(
        self, reader: Reader, unmerged: Collection[int] = (), enough: int = GATHERED
    ) -> None:
        self.reader = reader
        self._gathered = Gathered(enough)
        self._merged: list[int | None] = []
        """For each of the reader's rulers, the number of the keys with its bins merged."""
        rulers = list(reader.rulers)
        for number in range(len(reader.rulers)):
            place = None if number in unmerged else _place_of(reader.merged[number], rulers)
            if place == len(rulers):
                rulers.append(reader.merged[number])
            self._merged.append(place)
        self.n_samples = 0
        self._n_units = 0
        self._max_state = 0.0
        self._keys: list[list[NDArray[np.int64]]] = [[] for _ in rulers]
        self._kept: list[Tensor] = []
        self._left_out = LeftOut()

    def add(self, output: Tensor, keep: Tensor | None = None) -> None:
        """Take in the outputs ``(n_rows, ...)`` of a batch.

        Args:
            output: What the layer returned; its numbers are encoded or copied at once.
            keep: Positions of the rows to keep (`kept`).
        """
        self.add_reduced(self._gathered.owned(self.reader.reduction(output)), keep)

    def add_owned(self, output: Tensor, keep: Tensor | None = None) -> None:
        """As `add`, of outputs that are held as they are: they must not change any more."""
        self.add_reduced(self.reader.reduction(output), keep)

    def add_reduced(self, rows: Tensor, keep: Tensor | None = None) -> None:
        """As `add_owned`, of what the reduction has given of a batch, ``(n_rows, n_units)``."""
        self.n_samples += rows.shape[0]
        if keep is not None:
            self._kept.append(rows[keep].detach().clone())
        for some in self._gathered.add(rows):
            self._encode(some)

    def _encode(self, rows: Tensor) -> None:
        if not rows.numel():
            self._left_out.add(len(rows))
            return
        # Bins of one width or number refuse what is not finite: no scan has to tell that before.
        if all(type(ruler) in (Uniform, Width) for ruler in self.reader.rulers):
            with suppress(ValueError):
                self._take_in(self._read(rows, _as_usual), rows)
                return
        finite = finite_rows(rows)
        some = rows if finite is None else rows[finite]
        none = Encoded(np.zeros((0, 2), dtype=np.int64), 0.0)
        # Of no rows a user's ruler need not be asked.
        found = self._read(some, _in_any_way) if len(some) else [none] * len(self._keys)
        self._take_in(found, rows, finite)

    def _read(self, rows: Tensor, read: _ReadRows) -> list[Encoded]:
        """Rows that are finite with all rulers, and then with those that merge bins."""
        found: list[Encoded] = []
        also_merged: dict[int, Encoded] = {}
        for number, ruler in enumerate(self.reader.rulers):
            place = self._merged[number]
            # Merged bins of one ruler may be those of another.
            is_new = place is not None and place >= len(self.reader.rulers)
            if place is not None and is_new and place not in also_merged:
                of_ruler, also_merged[place] = read(rows, ruler, [self.reader.merged[number]])
            else:
                (of_ruler,) = read(rows, ruler, [])
            found.append(of_ruler)
        return found + [also_merged[place] for place in sorted(also_merged)]

    def _take_in(
        self, found: Sequence[Encoded], rows: Tensor, finite: Tensor | None = None
    ) -> None:
        self._n_units = rows.shape[1]
        self._left_out.add(len(rows), finite)
        for of_rulers, read in zip(self._keys, found, strict=True):
            of_rulers.append(read.keys if finite is None else _at(finite, read.keys))
        self._max_state = max(self._max_state, found[0].reach)

    def take_in_held(self, found: Sequence[Encoded]) -> None:
        """Take in what somebody else has read of all that is held (`held`)."""
        for rows in self._gathered.rest():
            self._take_in(found, rows)

    def held(self) -> Held | None:
        """What waits to be encoded, if that can be read together with the like of it."""
        rows = self._gathered.held()
        if rows is None or len(self.reader.rulers) > 1:
            return None
        (ruler,) = self.reader.rulers
        kind = kind_of(rows, ruler)
        merged = [self.reader.merged[0]] if len(self._keys) > 1 else []
        return None if kind is None else Held((kind, len(merged)), rows, ruler, merged)

    def read(self) -> Encodings:
        """All that there is of the samples so far, in their order.

        Raises:
            ValueError: A ruler refuses what has waited.
        """
        for some in self._gathered.rest():
            self._encode(some)
        return Encodings(
            [self._joined(number) for number in range(len(self.reader.rulers))],
            [None if number is None else self._joined(number) for number in self._merged],
            self._n_units,
            self._max_state,
            self._left_out.of(self.n_samples),
        )

    def _joined(self, number: int) -> NDArray[np.int64]:
        parts = self._keys[number]
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros((0, 2), np.int64), *parts])

    def kept(self) -> Tensor:
        """The reduced rows ``(n_kept, n_units)`` that were to be kept, in order."""
        return torch.cat(self._kept) if self._kept else torch.zeros(0, self._n_units)


def encode_held(streams: Iterable[KeyStream]) -> None:
    """Encode what streams hold, of layers of one kind together.

    What cannot be read so is left to each: it is not finite, say.
    """
    alike: dict[Hashable, list[tuple[KeyStream, Held]]] = defaultdict(list)
    for stream in streams:
        if (held := stream.held()) is not None:
            alike[held.kind].append((stream, held))
    for of_kind in alike.values():
        some = [held for _, held in of_kind]
        try:
            found = encoded_at_once(
                [held.rows for held in some],
                [held.ruler for held in some],
                [ruler for held in some for ruler in held.merged],
            )
        except ValueError:
            continue
        for (stream, _), *of_stream in zip(of_kind, *found, strict=True):
            stream.take_in_held(of_stream)


def _as_usual(rows: Tensor, ruler: Ruler, merged: list[Ruler]) -> list[Encoded]:
    """With bins of one width or number, and without a word on why rows are refused."""
    return [of_one for (of_one,) in encoded_at_once([rows], [ruler], merged)]


def _in_any_way(rows: Tensor, ruler: Ruler, merged: list[Ruler]) -> Sequence[Encoded]:
    return encoded_twice(rows, ruler, *merged) if merged else [encoded(rows, ruler)]


def _place_of(merged: Ruler, rulers: Sequence[Ruler]) -> int:
    """The number of the ruler that reads as `merged`, as 15 bins do for 30; else the next number.

    A user's own is not asked whether it is equal to another: it may be no plain value.
    """
    usual = type(merged) if isinstance(merged, (Uniform, Width)) else ()
    for number, ruler in enumerate(rulers):
        if isinstance(ruler, usual) and type(ruler) is usual and ruler == merged:
            return number
    return len(rulers)


def _at(finite: Tensor, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The keys of all samples, given those of the samples that are finite."""
    of_all = np.zeros((len(finite), 2), dtype=np.int64)
    of_all[finite.cpu().numpy()] = keys
    return of_all


class LeftOut:
    """Which samples of a stream have rows that are not finite."""

    def __init__(self) -> None:
        self._n_seen = 0
        self._positions: list[NDArray[np.int64]] = []

    def add(self, n_rows: int, finite: Tensor | None = None) -> None:
        """Take in a batch of so many rows, of which these are finite; None for all of them."""
        if finite is not None:
            here = np.flatnonzero(~finite.cpu().numpy())
            self._positions.append(self._n_seen + here)
        self._n_seen += n_rows

    def of(self, n_samples: int) -> NDArray[np.bool_]:
        """A mask of all samples so far, ``(n_samples,)``."""
        mask = np.zeros(n_samples, dtype=bool)
        for positions in self._positions:
            mask[positions] = True
        return mask
