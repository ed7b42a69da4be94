"""How one layer is read, as a value that stores and restores itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from it_callbacks.plain import plain
from it_callbacks.reductions import Reduction
from it_callbacks.rulers import (
    CALIBRATION_ROWS,
    Ruler,
    Unstorable,
    calibration_rows,
    pair_merged,
)


@dataclass(frozen=True)
class Reader:
    """A reduction, and the rulers that its result is read with.

    A reader is ready, or it still has to be calibrated on the first rows of its layer. Calibrated
    once, it stays as it is for the whole run.

    Args:
        reduction: From the layer's output to a matrix ``(n_samples, n_units)``.
        rulers: From that matrix to states, once each; the first has the plain tags.
    """

    reduction: Reduction
    rulers: tuple[Ruler, ...]

    @cached_property
    def merged(self) -> tuple[Ruler, ...]:
        """Of a reader that is ready, the rulers with bins merged in pairs: made once for a run."""
        return tuple(map(pair_merged, self.rulers))

    @property
    def is_ready(self) -> bool:
        """Whether nothing is left to calibrate."""
        return self.reduction.frozen and all(ruler.frozen for ruler in self.rulers)

    def n_calibration_rows(self, rows: Tensor) -> int:
        """On how many rows like these it is calibrated; a reduction on as many of any layer."""
        if not self.reduction.frozen:
            return CALIBRATION_ROWS
        return calibration_rows(math.prod(rows.shape[1:]))

    def calibrated(self, rows: Tensor) -> Reader:
        """The reader that is ready, given the first rows of the layer.

        Args:
            rows: What the reduction gives, if it is ready; else what the layer gives.
        """
        reduction = self.reduction
        if not reduction.frozen:
            reduction = reduction.freeze(rows)
            rows = reduction(rows)
        return Reader(reduction, tuple(ruler.freeze(rows) for ruler in self.rulers))

    def state(self, calibrated: Reader) -> dict[str, Any]:
        """What a checkpoint needs to turn this reader into `calibrated` again.

        Plain Python and tensors; None for a part that was ready from the start, and for one that
        cannot be stored (`unstorable`).
        """
        parts = zip(self._parts, calibrated._parts, strict=True)
        return {"parts": [None if spec.frozen else _state_of(part) for spec, part in parts]}

    def restored(self, state: Mapping[str, Any]) -> Reader:
        """The calibrated reader that `state` holds.

        Raises:
            Unstorable: A part could not be stored.
            ValueError: The state is not one of this reader's.
        """
        stored = state.get("parts")
        if not isinstance(stored, list) or len(stored) != len(self._parts):
            raise ValueError(f"readers: need the states of {len(self._parts)} parts, got {stored}")
        reduction, *rulers = (
            part if part.frozen else _restored(part, of_part)
            for part, of_part in zip(self._parts, stored, strict=True)
        )
        return Reader(reduction, tuple(rulers))

    @property
    def earliest(self) -> int:
        """Finished epochs before which it is not calibrated: all of it at once."""
        return max((ruler.earliest for ruler in self.rulers if not ruler.frozen), default=0)

    @property
    def unstorable(self) -> tuple[Reduction | Ruler, ...]:
        """The parts that a checkpoint cannot keep, known before anything is calibrated."""
        return tuple(part for part in self.uncalibrated if not part.storable)

    @property
    def uncalibrated(self) -> tuple[Reduction | Ruler, ...]:
        """The parts that are not ready as they were given."""
        return tuple(part for part in self._parts if not part.frozen)

    @property
    def _parts(self) -> tuple[Any, ...]:
        return (self.reduction, *self.rulers)


def _state_of(calibrated: Any) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = plain(calibrated.state())
    except Exception:  # a user's ruler must not cost the history
        return None
    return state


def _restored(spec: Any, state: Any) -> Any:
    if state is None:
        raise Unstorable(f"{spec!r} was not stored in the checkpoint")
    return spec.restored(state)
