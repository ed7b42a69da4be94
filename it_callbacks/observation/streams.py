"""Collect a layer's outputs batch by batch, as one pair of keys per sample and ruler."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes import encoded
from it_callbacks.reductions import Reduction
from it_callbacks.rulers import CALIBRATION_ROWS, Ruler


class KeyStream:
    """One layer's outputs in, batch by batch; its keys ``(n_samples, 2)`` out, per ruler.

    Keeps 16 bytes per sample and ruler, and no activations but two small sets of rows: at most
    the first `CALIBRATION_ROWS` while a ruler or the reduction still waits to be frozen (they
    are frozen on exactly those), and the rows that the caller asks to keep for estimators which
    need the activations themselves.

    Args:
        reduction: From the layer's output to the reading ``(n_samples, n_units)``.
        rulers: How to read it, once each.
        patience: Rows after which it freezes on its own what waits. Several processes freeze
            together, on rows of all, and so none on its own.
    """

    def __init__(
        self,
        reduction: Reduction,
        rulers: tuple[Ruler, ...],
        patience: float = CALIBRATION_ROWS,
    ) -> None:
        self._patience = patience
        self.reduction = reduction
        self.rulers = rulers
        self.n_samples = 0
        self.n_units = 0
        self.reach = 0.0
        """No state of the first ruler was larger so far, in absolute value."""
        self._waiting: list[Tensor] = []
        self._keys: list[list[NDArray[np.int64]]] = [[] for _ in rulers]
        self._kept: list[Tensor] = []

    @property
    def frozen(self) -> bool:
        """Whether nothing waits to be calibrated any more."""
        return self.reduction.frozen and all(ruler.frozen for ruler in self.rulers)

    def add(self, output: Tensor, keep: Tensor | None = None) -> None:
        """Take in the outputs ``(n_rows, ...)`` of a batch.

        Args:
            output: What the layer returned; it is read at once, never held.
            keep: Positions of the rows whose reading is to be kept (`kept`).
        """
        self.n_samples += len(output)
        reading = self.reduction(output) if self.reduction.frozen else output
        if keep is not None:
            self._kept.append(reading[keep].detach().clone())
        if self.frozen:
            self._encode(reading)
            return
        self._waiting.append(reading.detach().clone())
        if sum(map(len, self._waiting)) >= self._patience:
            self.freeze()

    def waiting(self) -> Tensor | None:
        """The rows that wait for something to be frozen, in order; None if there are none."""
        return torch.cat(self._waiting) if self._waiting and not self.frozen else None

    def freeze(self, rows: Tensor | None = None) -> None:
        """Calibrate, and encode what waits.

        Args:
            rows: What to calibrate on, of the kind that waits; None takes the first rows that
                wait, and does nothing if there are none.
        """
        if self.frozen:
            return
        if rows is None:
            waiting = self.waiting()
            if waiting is None or not len(waiting):
                return
            rows = waiting[:CALIBRATION_ROWS]
        reduction = self.reduction
        if not reduction.frozen:
            reduction = reduction.freeze(rows)
            rows = reduction(rows)
        self.adopt(
            reduction,
            tuple(ruler.freeze(rows) for ruler in self.rulers),
        )

    def adopt(self, reduction: Reduction, rulers: tuple[Ruler, ...]) -> None:
        """From now on read with these, frozen elsewhere, and encode what waits."""
        was_read = self.reduction.frozen
        self.reduction, self.rulers = reduction, rulers
        if not was_read:
            self._kept = [reduction(kept) for kept in self._kept]
        while self._waiting:
            rows = self._waiting.pop(0)
            self._encode(rows if was_read else reduction(rows))

    def all_keys(self) -> list[NDArray[np.int64]]:
        """All keys so far, ``(n_samples, 2)`` per ruler, in the order of the samples."""
        self.freeze()
        none = np.zeros((0, 2), dtype=np.int64)
        return [np.concatenate([none, *parts]) for parts in self._keys]

    def kept(self) -> Tensor:
        """The readings ``(n_kept, n_units)`` of the rows that were to be kept, in order."""
        self.freeze()
        return torch.cat(self._kept) if self._kept else torch.zeros(0, self.n_units)

    def _encode(self, reading: Tensor) -> None:
        if reading.numel():
            self.n_units = reading.shape[1]
        for number, ruler in enumerate(self.rulers):
            read = encoded(reading, ruler)
            self._keys[number].append(read.keys)
            self.reach = self.reach if number else max(self.reach, read.reach)
