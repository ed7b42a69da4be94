"""Which samples of the whole set a loader gives, and in which order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DistributedSampler, IterableDataset, SequentialSampler

from it_callbacks.observation.processes import n_processes, rank


def is_unshuffled(loader: Any) -> bool:
    """Whether the loader gives the same samples in the same order each time."""
    sampler = _sampler_of(loader)
    if isinstance(sampler, DistributedSampler):
        return not sampler.shuffle
    return isinstance(sampler, SequentialSampler)


def is_surely_filled(loader: Any) -> bool:
    """Whether the loader certainly gives a batch: the length of a stream is unknown or a guess.

    Example:
        >>> is_surely_filled(["a batch"]), is_surely_filled([]), is_surely_filled(iter([]))
        (True, False, False)
    """
    if isinstance(getattr(loader, "dataset", None), IterableDataset):
        return False
    try:
        return len(loader) > 0
    except Exception:  # it has no length, or a sampler of the user's cannot give one
        return False


def repeats_whole_set(loader: Any) -> bool:
    """Whether every process is taken to go through all samples of the set, in order."""
    return n_processes() > 1 and isinstance(_sampler_of(loader), SequentialSampler)


def sample_indices(loader: Any, start: int, n: int) -> NDArray[np.int64]:
    """Numbers in the whole set of the samples `start` to `start` + `n` that this process got.

    -1 marks those that another process has too: the padding of a distributed sampler, which
    repeats samples so that all processes get equally many.

    Raises:
        ValueError: With several processes, a sampler that does not say which samples are whose.
    """
    positions = np.arange(start, start + n)
    if n_processes() == 1:
        return positions
    sampler = _sampler_of(loader)
    if isinstance(sampler, DistributedSampler):
        numbers = sampler.rank + positions * sampler.num_replicas
        return np.where(numbers < len(sampler.dataset), numbers, -1)  # type: ignore[arg-type] # map-style sets have a length
    if isinstance(sampler, SequentialSampler):  # then every process goes through the whole set
        return positions if rank() == 0 else np.full(n, -1)
    raise ValueError(
        f"data: cannot determine which samples a {type(sampler).__name__} assigns to which "
        "process; pass data='val' or a set of your own"
    )


def _sampler_of(loader: Any) -> Any:
    """What decides about the order of the samples.

    Next to a user's batch sampler, torch puts a `SequentialSampler` that has no effect.
    """
    batches = getattr(loader, "batch_sampler", None)
    if batches is None:
        return getattr(loader, "sampler", None)
    return batches.sampler if type(batches) is BatchSampler else batches
