"""One layer's outputs, batch by batch, become the keys of its samples."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import encoded
from it_callbacks.observation.readers import Reader
from it_callbacks.rulers import CALIBRATION_ROWS


class KeyStream:
    """Turns the outputs of a layer into keys ``(n_samples, 2)``, one set of keys for each ruler.

    It keeps 16 bytes per sample and ruler, and no activations but the rows that the caller asks
    for, which are for estimators that need the activations themselves.

    Args:
        reader: How the layer is read; it is ready.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.n_samples = 0
        self.n_units = 0
        self.max_state = 0.0
        """The largest state of the first ruler so far, in absolute value."""
        self._keys: list[list[NDArray[np.int64]]] = [[] for _ in reader.rulers]
        self._kept: list[Tensor] = []

    def add(self, output: Tensor, keep: Tensor | None = None) -> None:
        """Take in the outputs ``(n_rows, ...)`` of a batch.

        Args:
            output: What the layer returned; it is encoded at once and never held.
            keep: Positions of the rows to keep (`kept`).
        """
        self._add_reduced(self.reader.reduction(output), keep)

    def _add_reduced(self, rows: Tensor, keep: Tensor | None) -> None:
        self.n_samples += len(rows)
        if keep is not None:
            self._kept.append(rows[keep].detach().clone())
        if not rows.numel():
            return
        self.n_units = rows.shape[1]
        for number, ruler in enumerate(self.reader.rulers):
            read = encoded(rows, ruler)
            self._keys[number].append(read.keys)
            if number == 0:
                self.max_state = max(self.max_state, read.reach)

    def keys(self) -> list[NDArray[np.int64]]:
        """All keys so far, ``(n_samples, 2)`` per ruler, in the order of the samples."""
        none = np.zeros((0, 2), dtype=np.int64)
        return [np.concatenate([none, *parts]) for parts in self._keys]

    def kept(self) -> Tensor:
        """The reduced rows ``(n_kept, n_units)`` that were to be kept, in order."""
        return torch.cat(self._kept) if self._kept else torch.zeros(0, self.n_units)


class Waiting:
    """The first outputs of a layer whose reader is not calibrated yet.

    Args:
        reader: How the layer is to be read.
        most_rows: From how many rows on `is_full`. Several processes calibrate together, on rows
            of all of them, and wait for the end of the pass: infinity.
    """

    def __init__(self, reader: Reader, most_rows: float = CALIBRATION_ROWS) -> None:
        self.reader = reader
        self.n_samples = 0
        self._most_rows = most_rows
        self._batches: list[tuple[Tensor, Tensor | None]] = []

    def add(self, output: Tensor, keep: Tensor | None = None) -> None:
        """Take in the outputs ``(n_rows, ...)`` of a batch; as `KeyStream.add`."""
        reduction = self.reader.reduction
        rows = reduction(output) if reduction.frozen else output
        self.n_samples += len(rows)
        self._batches.append((rows.detach().clone(), keep))

    @property
    def is_full(self) -> bool:
        """Whether there are enough rows to calibrate on."""
        return self.n_samples >= self._most_rows

    def rows(self) -> Tensor | None:
        """All rows so far, in order, reduced if the reduction is ready; None without any."""
        return torch.cat([rows for rows, _ in self._batches]) if self.n_samples else None

    def freeze(self, rows: Tensor | None = None) -> KeyStream:
        """Calibrate the reader, and encode what has waited.

        Args:
            rows: What to calibrate on, of the kind that `rows` gives; None for the first of them.

        Raises:
            ValueError: There are no rows, or they cannot be calibrated on.
        """
        if rows is None:
            rows = self.rows()
        if rows is None:
            raise ValueError("rows: there are none to calibrate on")
        return self.read_by(self.reader.calibrated(rows[:CALIBRATION_ROWS]))

    def read_by(self, reader: Reader) -> KeyStream:
        """Encode what has waited with a reader that was calibrated elsewhere."""
        stream = KeyStream(reader)
        while self._batches:  # one after the other, so that no more is held than needed
            rows, keep = self._batches.pop(0)
            if self.reader.reduction.frozen:
                stream._add_reduced(rows, keep)
            else:
                stream.add(rows, keep)
        return stream


Stream = Waiting | KeyStream


def stream_of(reader: Reader, *, alone: bool) -> Stream:
    """The stream for a layer: its outputs are encoded at once if its reader is ready.

    Args:
        reader: How the layer is read.
        alone: Whether this process calibrates on its own, as soon as it has enough rows.
    """
    if reader.is_ready:
        return KeyStream(reader)
    return Waiting(reader, CALIBRATION_ROWS if alone else math.inf)
