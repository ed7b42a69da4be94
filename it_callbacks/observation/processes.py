"""Exchange what each process computed: all get the results of all, in order of rank.

Every process makes the same calls in the same order, whatever went wrong on it: an error on one
travels with the others' results, so that all learn of it and none waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed as dist

from it_callbacks.checks import ArgumentError

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
        ArgumentError: On all processes, if one of them raised that.
        RuntimeError: On all processes, if one raised anything else; says on which, and what.
        Exception: With one process, what `compute` raises.
    """
    if n_processes() == 1:
        return [compute()]
    fault: Exception | None = None
    mine: tuple[type[Exception] | None, str, T | None]
    try:
        mine = (None, "", compute())
    except Exception as error:  # the others must not wait for a call that never comes
        fault = error
        kind = ArgumentError if isinstance(error, ArgumentError) else RuntimeError
        mine = (kind, f"{type(error).__name__}: {error}", None)
    gathered: list[Any] = [None] * n_processes()
    dist.all_gather_object(gathered, mine)
    kinds = {kind for kind, _, _ in gathered if kind is not None}
    if kinds:
        texts = [
            f"process {number}: {text}" for number, (_, text, _) in enumerate(gathered) if text
        ]
        kind = ArgumentError if ArgumentError in kinds else RuntimeError
        raise kind("; ".join(texts)) from fault
    return [result for _, _, result in gathered]
