"""Gather what small batches give: a call on all of it costs little more than on one of them."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

GATHERED: Final = 2**18
"""Numbers from which on the fixed cost of a call is small beside what it does with them."""
GATHERED_IN_ALL: Final = 2**21
"""Numbers that all layers of a pass together hold at most: a few megabytes."""


class Gathered:
    """Rows of small batches, held until there are enough of them.

    Args:
        enough: Numbers from which on rows are given out; 0 gives out each batch as it comes.

    Example:
        >>> gathered = Gathered(enough=10)
        >>> gathered.add(torch.zeros(1, 2)), gathered.add(torch.ones(2, 2))
        ([], [])
        >>> [rows.tolist() for rows in gathered.rest()]
        [[[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]]
    """

    def __init__(self, enough: int = GATHERED) -> None:
        self._enough = enough
        self._held: list[Tensor] = []
        self._n_numbers = 0

    def owned(self, rows: Tensor) -> Tensor:
        """A copy of rows that may change later, if they would be held; else the rows themselves."""
        return rows if self._is_enough(rows) else rows.detach().clone()

    def add(self, rows: Tensor) -> list[Tensor]:
        """Take in rows ``(n, ...)``; gives out what is enough by now, in the order it came in.

        Args:
            rows: They are held as they are, and must not change; see `owned`.
        """
        if self._is_enough(rows):
            return [*self.rest(), rows]
        before = self.rest() if self._held and not _are_alike(self._held[-1], rows) else []
        self._held.append(rows)
        self._n_numbers += rows.numel()
        return before + (self.rest() if self._n_numbers >= self._enough else [])

    def _is_enough(self, rows: Tensor) -> bool:
        return 2 * rows.numel() >= self._enough  # to hold it would cost more than it saves

    def held(self) -> Tensor | None:
        """All that is held, and stays so; None if that is nothing."""
        if len(self._held) > 1:
            self._held = [torch.cat(self._held)]
        return self._held[0] if self._held else None

    def rest(self) -> list[Tensor]:
        """Give out all that is held; nothing if that is nothing."""
        held = self.held()
        self._held, self._n_numbers = [], 0
        return [] if held is None else [held]


def _are_alike(some: Tensor, others: Tensor) -> bool:
    """Whether rows can be joined without changing any."""
    return (
        some.shape[1:] == others.shape[1:]
        and some.dtype == others.dtype
        and some.device == others.device
    )


def enough_for(n_layers: int) -> int:
    """Numbers to gather of each of so many layers.

    Example:
        >>> enough_for(2), enough_for(64)
        (262144, 32768)
    """
    return min(GATHERED, GATHERED_IN_ALL // max(n_layers, 1))
