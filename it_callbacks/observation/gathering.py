"""Gather what small batches give: a call on all of it costs little more than on one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

GATHERED: Final = 2**18
"""Numbers from which on the fixed cost of a call is small beside what it does with them."""
GATHERED_IN_ALL: Final = 2**21
"""Numbers that all layers of a pass together hold at most: a few megabytes."""


class Gathered:
    """What small batches give, copied and held until there is enough of it.

    Args:
        enough: Numbers from which on it is given out; 0 gives out each batch as it comes.

    Example:
        >>> gathered = Gathered(enough=8)
        >>> gathered.add(torch.zeros(1, 2)), gathered.add(torch.ones(2, 2))
        ([], [])
        >>> [rows.tolist() for (rows,) in gathered.rest()]
        [[[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]]
    """

    def __init__(self, enough: int = GATHERED) -> None:
        self._enough = enough
        self._held: list[tuple[Tensor, ...]] = []
        self._n_numbers = 0

    def add(self, rows: Tensor, *beside: Tensor) -> list[tuple[Tensor, ...]]:
        """Take in a batch; gives out what is enough by now, in the order it came in.

        Args:
            rows: ``(n, ...)``; its numbers count.
            beside: What else belongs to these rows, ``(n, ...)`` each.
        """
        parts = (rows, *beside)
        if 2 * rows.numel() >= self._enough:  # to copy it would cost more than it saves
            return [*self.rest(), parts]
        before = self.rest() if self._held and not _are_alike(self._held[-1], parts) else []
        self._held.append(tuple(part.detach().clone() for part in parts))
        self._n_numbers += rows.numel()
        return before + (self.rest() if self._n_numbers >= self._enough else [])

    def rest(self) -> list[tuple[Tensor, ...]]:
        """Give out all that is held; nothing if that is nothing."""
        held, self._held, self._n_numbers = self._held, [], 0
        if len(held) <= 1:
            return held
        return [tuple(torch.cat(parts) for parts in zip(*held, strict=True))]


def _are_alike(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Whether they can be joined without changing any."""
    return [*map(_kind_of, some)] == [*map(_kind_of, others)]


def _kind_of(part: Tensor) -> tuple[object, ...]:
    return part.shape[1:], part.dtype, part.device


def enough_for(n_layers: int) -> int:
    """Numbers to gather of each of so many layers.

    Example:
        >>> enough_for(2), enough_for(64)
        (262144, 32768)
    """
    return min(GATHERED, GATHERED_IN_ALL // max(n_layers, 1))
