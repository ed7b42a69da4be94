"""Fetch a fixed set of batches once, from whatever holds the samples."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SubsetRandomSampler,
    TensorDataset,
)

from it_callbacks.checks import ArgumentTypeError, ArgumentValueError
from it_callbacks.observation.guard import attributes_restored, random_states_restored, undo_draws
from it_callbacks.observation.sampling import Subset

FixedSet: TypeAlias = Dataset[Any] | DataLoader[Any] | Sequence[Tensor] | Mapping[str, Tensor]
"""What can be measured on: a data set, a loader, or tensors with one row per sample."""

_BATCH_SIZE = 256
# Short vectors go in larger batches, since for small networks a call takes more time than its rows.
_LARGEST_BATCH = 4096
_VALUES_OF_VECTORS = 2**20


def fetch(source: FixedSet, max_samples: int | None, seed: int) -> list[Any]:
    """The batches of a fixed set: all of `source`, or a seeded random subset of it.

    Samples keep their order. A data set is read through a loader of its own, and every random
    state is put back, so that fetching does not change what training draws.

    Args:
        source: A map-style data set, a loader (iterated once, with its own collation), a
            sequence of tensors such as ``(inputs, labels)``, or a mapping of tensors.
        max_samples: Most samples to take; None takes all.
        seed: Seed of the subset.

    Raises:
        ArgumentError: Tensors of unequal length, or something that is none of these.
        ValueError: No samples.
    """
    with _drawing_from(seed), attributes_restored(_parts_of_set(source), undo_draws):
        if isinstance(source, DataLoader):
            with _generators_restored(source):
                batches = list(_from_loader(source, max_samples, seed))
        elif isinstance(source, IterableDataset):
            raise ArgumentTypeError(
                "data: an iterable data set has no fixed samples; pass a loader that ends, "
                "a map-style data set or tensors"
            )
        elif isinstance(source, Mapping):
            batches = _from_tensors(dict(source), max_samples, seed)
        elif isinstance(source, Sequence) and not isinstance(source, (str, Dataset)):
            batches = _from_tensors(dict(enumerate(source)), max_samples, seed)
        elif (
            hasattr(source, "__getitem__")
            and hasattr(source, "__len__")
            and not isinstance(source, str)
        ):
            chosen = _chosen(len(source), max_samples, seed)
            batches = list(_loader(source, chosen))
        else:
            raise ArgumentTypeError(
                "data: need 'train', 'val', a data set, a loader or tensors, got "
                f"{type(source).__name__}"
            )
    return _at_least_one(batches)


def fetch_behind(loader: Any, max_samples: int | None, seed: int) -> list[Any]:
    """The batches of a fixed set from the data set behind the user's own `loader`.

    The loader itself is never iterated: that would draw from the user's generators and upset
    workers that are at it. Of a `SubsetRandomSampler` the indices are heeded; any other sampler
    is taken to draw from the whole set. A loader that is no torch `DataLoader` is refused.

    Raises:
        ValueError: No samples.
        TypeError: There is no map-style data set behind `loader`.
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        raise TypeError(
            f"data: behind a {type(loader).__name__} there is no map-style data set; "
            "pass the set itself as data=<data set, loader or tensors>"
        )
    samples: Sequence[int] = range(len(loader.dataset))  # type: ignore[arg-type] # a map-style set
    if isinstance(loader.sampler, SubsetRandomSampler):
        samples = sorted(loader.sampler.indices)
    with _drawing_from(seed), attributes_restored(_parts_of_set(loader.dataset), undo_draws):
        if _gives_whole_batches(loader):
            batches = _from_loader(_items(loader, samples), max_samples, seed)
        else:
            chosen = [samples[i] for i in _chosen(len(samples), max_samples, seed)]
            batches = _loader(loader.dataset, chosen, like=loader)
        return _at_least_one(list(batches))


def _parts_of_set(source: Any) -> list[Any]:
    """A data set, the sets that it is made of, and their transforms: they may draw, and count."""
    found: dict[int, Any] = {}
    waiting = [source.dataset if isinstance(source, DataLoader) else source]
    while waiting:
        part = waiting.pop()
        if id(part) in found or not hasattr(part, "__dict__"):
            continue
        found[id(part)] = part
        for name in ("dataset", "datasets", "transform", "target_transform", "transforms"):
            below = vars(part).get(name)
            waiting += below if isinstance(below, (list, tuple)) else [below]
    return list(found.values())


def _at_least_one(batches: list[Any]) -> list[Any]:
    if not batches:
        raise ValueError("data: it holds no samples")
    return batches


@contextmanager
def _generators_restored(loader: DataLoader[Any]) -> Iterator[None]:
    """Inside, a loader may draw from generators of its own; afterwards they stand as before."""
    samplers = (loader.sampler, loader.batch_sampler)
    owners = (loader, *samplers, *(getattr(sampler, "sampler", None) for sampler in samplers))
    generators = [getattr(owner, "generator", None) for owner in owners]
    states = [(g, g.get_state()) for g in generators if isinstance(g, torch.Generator)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


def _items(like: DataLoader[Any], indices: Sequence[int]) -> Iterable[Any]:
    return DataLoader(
        like.dataset,
        batch_size=None,
        sampler=indices,
        collate_fn=like.collate_fn,
        generator=torch.Generator().manual_seed(0),
    )


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Inside, whatever is drawn depends on the seed only: all processes fetch the same set."""
    with random_states_restored():
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        yield


def _gives_whole_batches(loader: DataLoader[Any]) -> bool:
    # Without automatic batching and without a BatchSampler each item is a batch already.
    return loader.batch_sampler is None and not isinstance(loader.sampler, BatchSampler)


def _chosen(n_samples: int, max_samples: int | None, seed: int) -> list[int]:
    subset = Subset(max_samples, seed)
    indices = subset.admit(np.arange(n_samples))
    if max_samples is not None:
        indices = indices[subset.final()]
    return [int(index) for index in indices]


def _batch_size(inputs: Tensor) -> int:
    """How many rows to pass at once: more of short vectors, whose networks are small, too."""
    if inputs.ndim != 2 or not inputs.is_floating_point():
        return _BATCH_SIZE
    fit = _VALUES_OF_VECTORS // max(inputs.shape[1], 1)
    return min(max(fit, _BATCH_SIZE), _LARGEST_BATCH)


def _in_parts(indices: Sequence[int], size: int) -> list[list[int]]:
    return [list(indices[start : start + size]) for start in range(0, len(indices), size)]


def _loader(
    dataset: Dataset[Any],
    indices: Sequence[int],
    size: int = _BATCH_SIZE,
    like: DataLoader[Any] | None = None,
) -> Iterable[Any]:
    batches = _in_parts(indices, size)
    generator = torch.Generator().manual_seed(0)
    if like is not None and like.batch_sampler is None:
        # The data set takes a list of indices and gives a batch.
        return DataLoader(
            dataset,
            batch_size=None,
            sampler=batches,
            collate_fn=like.collate_fn,
            generator=generator,
        )
    return DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=None if like is None else like.collate_fn,
        generator=generator,
    )


def _from_loader(loader: Iterable[Any], max_samples: int | None, seed: int) -> Iterable[Any]:
    """All batches of a loader, cut down to a random subset of its rows if it has more."""
    if max_samples is None:
        return list(loader)
    subset = Subset(max_samples, seed)
    admitted: list[tuple[Any, int]] = []
    n_seen = 0
    for batch in loader:
        n_rows = _n_rows(batch)
        positions = subset.admit(np.arange(n_seen, n_seen + n_rows))
        n_seen += n_rows
        if len(positions):
            admitted.append((_take(batch, positions, n_rows), len(positions)))
    final, start, batches = subset.final(), 0, []
    for batch, n_rows in admitted:
        inside = final[(final >= start) & (final < start + n_rows)] - start
        start += n_rows
        if len(inside):
            batches.append(_take(batch, inside, n_rows))
    return batches


def _from_tensors(tensors: dict[Any, Any], max_samples: int | None, seed: int) -> list[Any]:
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.ndim == 0:
            what = tensor if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ArgumentTypeError(
                f"data[{name!r}]: need a tensor with one row per sample, got {what}"
            )
    lengths = {name: len(tensor) for name, tensor in tensors.items()}
    if len(set(lengths.values())) > 1:
        raise ArgumentValueError(
            f"data: tensors of unequal length, {lengths}; need one row per sample"
        )
    if not lengths or not next(iter(lengths.values())):
        return []
    chosen = _chosen(next(iter(lengths.values())), max_samples, seed)
    size = _batch_size(next(iter(tensors.values())))
    if all(isinstance(name, int) for name in tensors):
        return list(_loader(TensorDataset(*tensors.values()), chosen, size))
    rows = [torch.tensor(part) for part in _in_parts(chosen, size)]
    return [{name: tensor[part] for name, tensor in tensors.items()} for part in rows]


def _n_rows(batch: Any) -> int:
    tensors = [part for part in _flat(batch) if isinstance(part, Tensor) and part.ndim]
    if not tensors:
        raise TypeError(f"data: a batch of type {type(batch).__name__} holds no tensors")
    return len(tensors[0])


def _holds_tensors(batch: Any) -> bool:
    return any(isinstance(leaf, Tensor) for leaf in _flat(batch))


def _flat(batch: Any) -> list[Any]:
    if isinstance(batch, Mapping):
        return [leaf for part in batch.values() for leaf in _flat(part)]
    if isinstance(batch, (list, tuple)):
        return [leaf for part in batch for leaf in _flat(part)]
    if is_dataclass(batch) and not isinstance(batch, type):
        return [leaf for field in fields(batch) for leaf in _flat(getattr(batch, field.name))]
    return [batch]


def _take(batch: Any, rows: Any, n_rows: int) -> Any:
    """The given rows of every tensor in a batch that has one row per sample."""
    if len(rows) == n_rows:
        return batch
    if isinstance(batch, Tensor):
        return batch[torch.as_tensor(rows)] if batch.ndim and len(batch) == n_rows else batch
    if isinstance(batch, Mapping):
        return {name: _take(part, rows, n_rows) for name, part in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_take(part, rows, n_rows) for part in batch))
    if isinstance(batch, (list, tuple)) and len(batch) == n_rows and not _holds_tensors(batch):
        return type(batch)(batch[row] for row in rows)  # names of the samples, say
    if isinstance(batch, (list, tuple)):
        return type(batch)(_take(part, rows, n_rows) for part in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        parts = {field.name: getattr(batch, field.name) for field in fields(batch)}
        return replace(batch, **{name: _take(p, rows, n_rows) for name, p in parts.items()})
    if batch is None or isinstance(batch, (bool, int, float, str)):
        return batch
    raise TypeError(
        f"data: cannot take rows of a {type(batch).__name__}; pass max_samples=None or tensors"
    )
