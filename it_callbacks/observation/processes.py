"""Exchange what each process computed: all get the results of all, in order of rank.

Every process makes the same calls in the same order, whatever went wrong on it: an error on one
travels with the others' results, so that all learn of it and none waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed as dist

T = TypeVar("T")


def n_processes() -> int:
    """How many processes train together; 1 outside of `torch.distributed`."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number among them, from 0."""
    return dist.get_rank() if n_processes() > 1 else 0


def together(compute: Callable[[], T]) -> list[T]:
    """The results of `compute` on all processes, in order of rank.

    Raises:
        RuntimeError: On all processes, if it raised on one; says on which, and what.
        Exception: With one process, what `compute` raises.
    """
    if n_processes() == 1:
        return [compute()]
    fault: Exception | None = None
    mine: tuple[str | None, T | None] = (None, None)
    try:
        mine = (None, compute())
    except Exception as error:  # the others must not wait for a call that never comes
        fault = error
        mine = (f"{type(error).__name__}: {error}", None)
    gathered: list[Any] = [None] * n_processes()
    dist.all_gather_object(gathered, mine)
    faults = [f"process {number}: {text}" for number, (text, _) in enumerate(gathered) if text]
    if faults:
        raise RuntimeError("; ".join(faults)) from fault
    return [result for _, result in gathered]
