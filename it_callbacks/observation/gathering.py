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
    """Rows of small batches, copied and held until there are enough of them.

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

    def add(self, rows: Tensor) -> list[Tensor]:
        """Take in rows ``(n, ...)``; gives out what is enough by now, in the order it came in."""
        if 2 * rows.numel() >= self._enough:  # to copy it would cost more than it saves
            return [*self.rest(), rows]
        before = self.rest() if self._held and not _are_alike(self._held[-1], rows) else []
        self._held.append(rows.detach().clone())
        self._n_numbers += rows.numel()
        return before + (self.rest() if self._n_numbers >= self._enough else [])

    def rest(self) -> list[Tensor]:
        """Give out all that is held; nothing if that is nothing."""
        held, self._held, self._n_numbers = self._held, [], 0
        return [torch.cat(held)] if len(held) > 1 else held


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
