"""Hold a layer's first outputs until its reader is calibrated on them."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.gathering import GATHERED
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.streams import KeyStream, LeftOut
from it_callbacks.rulers import CALIBRATION_ROWS, finite_rows, refuse_mostly_nonfinite


class Waiting:
    """The first outputs of a layer whose reader is not calibrated yet.

    Args:
        reader: How the layer is to be read.
        alone: Whether this process calibrates by itself, as soon as `is_full`. Several calibrate
            together, on rows of all of them, and wait for the end of the pass.
        unmerged: As of `KeyStream`.
        enough: As of `KeyStream`.
    """

    def __init__(
        self,
        reader: Reader,
        alone: bool = True,
        unmerged: Collection[int] = (),
        enough: int = GATHERED,
    ) -> None:
        self.reader = reader
        self._unmerged = unmerged
        self._enough = enough
        self.n_samples = 0
        self._alone = alone
        self._left_out = LeftOut()
        self._batches: list[tuple[Tensor, Tensor | None]] = []

    def take(self, output: Tensor, keep: Tensor | None = None) -> Stream:
        """Take in the outputs ``(n_rows, ...)`` of a batch; returns the stream that goes on.

        That is a calibrated one as soon as there are rows enough: then the batch is not copied.

        Raises:
            ValueError: The reader cannot be calibrated on these rows.
        """
        self.add_owned(output.detach(), keep)
        if not self.is_full:
            rows, _ = self._batches[-1]
            self._batches[-1] = rows.clone(), keep
            return self
        reader = self._calibrated(None)
        self._batches.pop()
        stream = self.read_by(reader)
        stream.add(output, keep)
        return stream

    def add_owned(self, output: Tensor, keep: Tensor | None = None) -> None:
        """As `KeyStream.add_owned`."""
        reduction = self.reader.reduction
        self.add_reduced(reduction(output) if reduction.frozen else output, keep)

    def add_reduced(self, rows: Tensor, keep: Tensor | None = None) -> None:
        """As `add_owned`, of what is reduced if the reduction is ready.

        Args:
            rows: What the reduction gives, if it is ready; else what the layer gives.
            keep: As of `KeyStream.add`.
        """
        self._left_out.add(len(rows), finite_rows(rows))
        self.n_samples += len(rows)
        self._batches.append((rows, keep))

    @property
    def is_full(self) -> bool:
        """Whether there are enough rows to calibrate on."""
        return self._alone and int(self.finite.sum()) >= self.n_wanted

    @property
    def n_wanted(self) -> int:
        """On how many rows the reader is calibrated, as far as that is known."""
        of = self._batches[:1]
        return self.reader.n_calibration_rows(of[0][0]) if of else CALIBRATION_ROWS

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which of the samples so far have finite rows, ``(n_samples,)``."""
        return ~self._left_out.of(self.n_samples)

    def rows(self, most: float = math.inf) -> Tensor | None:
        """The first finite rows, in order, reduced if the reduction is ready; None without any.

        Args:
            most: So many at most.
        """
        finite, found, n_seen, n_found = torch.from_numpy(self.finite), list[Tensor](), 0, 0
        for rows, _ in self._batches:
            here = finite[n_seen : n_seen + len(rows)].to(rows.device)
            some = (rows if here.all() else rows[here])[: int(min(most - n_found, len(rows)))]
            found.append(some)
            n_seen, n_found = n_seen + len(rows), n_found + len(some)
        return torch.cat(found) if n_found else None

    def freeze(self, rows: Tensor | None = None) -> KeyStream:
        """Calibrate the reader, and encode what has waited.

        Args:
            rows: What to calibrate on, of the kind that `rows` gives; None for the first of them.

        Raises:
            ValueError: There are no rows, more than half of them are not finite, or they cannot
                be calibrated on.
        """
        return self.read_by(self._calibrated(rows))

    def _calibrated(self, rows: Tensor | None) -> Reader:
        if rows is None:
            refuse_mostly_nonfinite(int((~self.finite).sum()), self.n_samples)
            rows = self.rows(self.n_wanted)
        if rows is None:
            raise ValueError("rows: there are none to calibrate on")
        return self.reader.calibrated(rows[: self.reader.n_calibration_rows(rows)])

    def read_by(self, reader: Reader) -> KeyStream:
        """Encode what has waited with a reader that was calibrated elsewhere."""
        stream = KeyStream(reader, self._unmerged, self._enough)
        while self._batches:  # one after the other, so that no more is held than needed
            rows, keep = self._batches.pop(0)
            if self.reader.reduction.frozen:
                stream.add_reduced(rows, keep)
            else:
                stream.add_owned(rows, keep)
        return stream


Stream = Waiting | KeyStream


def stream_of(
    reader: Reader, *, alone: bool, unmerged: Collection[int] = (), enough: int = GATHERED
) -> Stream:
    """The stream for a layer: its outputs are encoded at once if its reader is ready.

    Args:
        reader: How the layer is read.
        alone: Whether this process calibrates on its own, as soon as it has enough rows.
        unmerged: Numbers of the rulers of which no keys with merged bins are wanted.
        enough: So many numbers are encoded at a time.
    """
    if reader.is_ready:
        return KeyStream(reader, unmerged, enough)
    return Waiting(reader, alone, unmerged, enough)
