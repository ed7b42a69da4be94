"""Find the labels and the inputs in a batch, in whatever form a loader gives it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.input_keys import row_keys
from it_callbacks.observation.label_reading import read_labels, shifted
from it_callbacks.observation.labels import Labels
from it_callbacks.observation.positions import Grid, Samples
from it_callbacks.observation.selecting import (
    TARGET_KEYS,
    Selector,
    attributes,
    named_parts,
    select,
)

MOST_CLASSES = 1000
"""Above this many classes there are too few samples of each, and too large a table of pairs."""

MASK = "attention_mask"
"""What a mapping calls the part that tells tokens from padding."""
_BESIDE_TOKENS = (MASK, "token_type_ids", "position_ids", "special_tokens_mask")
"""Parts of the shape of the tokens that are none."""
INPUT_KEYS = ("input", "inputs", "x", "image", "images", "img", "features", "data")


@dataclass(frozen=True)
class Batch:
    """What is needed of a batch.

    Args:
        inputs: What the model takes; None where that is neither known nor needed.
        labels: Of each sample; None where the batch has none.
        indices: Which samples of the set they are, ``(n_samples,)``; negative ones do not count,
            since another process has them.
        grid: How the samples lie in the tensors of the batch.
        is_step_routed: Whether the model is called with the whole step, too: a strategy may wrap
            it, and route the step through its forward.
        mask: Which steps of each row are none of padding, ``(n_rows, n_steps)``; None if that is
            not known.
    """

    inputs: Any
    labels: Labels | None
    indices: NDArray[np.int64]
    grid: Grid
    is_step_routed: bool = False
    mask: Tensor | None = None

    @classmethod
    def of(
        cls,
        inputs: Any,
        labels: Labels | None,
        rows: NDArray[np.int64],
        *,
        is_step_routed: bool = False,
        mask: Tensor | None = None,
    ) -> Batch:
        """A batch with these rows of the set; samples are positions where labels are."""
        if labels is not None and mask is not None:
            labels = labels.within(mask)
        grid = Grid(len(rows), () if labels is None else labels.axes)
        return cls(inputs, labels, grid.indices(rows), grid, is_step_routed, mask)

    @classmethod
    def joined(cls, parts: Sequence[Batch]) -> Batch:
        """Several batches of plain rows as one, without its inputs.

        Args:
            parts: At least one; all or none of them have labels, of one kind of numbers.
        """
        labels = [part.labels for part in parts if part.labels is not None]
        return cls(
            None,
            Labels.joined(labels) if labels else None,
            np.concatenate([part.indices for part in parts]),
            Grid(sum(part.grid.n_rows for part in parts)),
            parts[0].is_step_routed,
        )

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def without_inputs(self) -> Batch:
        """The same, to be kept: inputs are large, and nobody asks for them when they have run."""
        return self if self.inputs is None else replace(self, inputs=None)

    def beside(self, inputs: Any) -> Batch:
        """The same samples beside these inputs; `without_inputs` of it is this batch."""
        batch = Batch(inputs, self.labels, self.indices, self.grid, self.is_step_routed, self.mask)
        object.__setattr__(batch, "without_inputs", self)  # as if it had been asked for
        return batch

    @cached_property
    def counted(self) -> NDArray[np.int64]:
        """Positions of the samples that count: no other process has them, and they are labelled."""
        here = self.indices >= 0
        return np.flatnonzero(here if self.labels is None else here & self.labels.is_labelled)

    @cached_property
    def row_keys(self) -> NDArray[np.int64] | None:
        """Keys ``(n_rows, 2)`` of the rows' inputs; None where they cannot be told apart.

        To be asked for before a model can write into them.
        """
        return row_keys(self.inputs, self.grid.n_rows)


def labels_of(
    batch: Any,
    target: Selector | None,
    ignore_index: int | None = None,
    samples: Samples = "auto",
    known: Labels | None = None,
) -> Labels | None:
    """The labels of a batch; None where it has none.

    Args:
        batch: What the loader gave.
        target: Which part holds the labels; None takes the first of `TARGET_KEYS` that a mapping
            or an object has, the second of two parts, and of more parts the only one after the
            first that holds an integer per sample, else the second.
        ignore_index: A number that marks samples without a label, beside negative class numbers.
        samples: Whether positions are samples, if a row has several labels. Where the labels are
            the inputs themselves, as for causal models, each position has that of the next one.
        known: What was read in this way before; given back where the labels are still the same.

    Raises:
        ValueError: There is no such part, or it holds no labels of samples.
        TypeError: The part is not a tensor.
    """
    labels = _default_target(batch) if target is None else select(batch, target, "target")
    if labels is None:
        return None
    if not isinstance(labels, Tensor) or labels.is_complex():
        what = f"{labels.dtype} numbers" if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(
            f"target: the labels are a {what}, need a tensor of class numbers; "
            "pass target=<key, index or function of the batch>"
        )
    if known is not None and known.are_of(labels):
        return known
    tokens = _tokens_beside(labels, batch)
    if tokens and not labels.is_floating_point() and samples == "auto":
        samples = "positions"  # tags of 0 and 1 alone look like columns
    read = read_labels(labels, ignore_index, samples)
    return shifted(read) if target is None and _are_inputs(read, tokens) else read


def mask_of(batch: Any, inputs: Any, padding: int | None) -> Tensor | None:
    """Which steps of each row are none of padding, ``(n_rows, n_steps)``; None if not known.

    Args:
        batch: What the loader gave; a part called `MASK` counts.
        inputs: What the model takes; token numbers that are `padding` count as padding.
        padding: The number that stands for padding, if the model says so.
    """
    mask = (named_parts(batch) or {}).get(MASK)
    if isinstance(mask, Tensor) and mask.ndim == 2:
        return (mask.detach() != 0).cpu()
    if padding is None or not isinstance(inputs, Tensor) or inputs.ndim != 2:
        return None
    return None if inputs.is_floating_point() else (inputs.detach() != padding).cpu()


_ENOUGH_EQUAL = 8
"""So many masked tokens are not all left as they are by chance, which befalls one of ten."""


def _are_inputs(read: Labels, tokens: Iterable[Tensor]) -> bool:
    """Whether the labels of a sequence are the tokens that go in, as far as they are labelled.

    Masked tokens that stand for themselves are no reason: a masked model labels few of them, and
    seldom neighbours.
    """
    if len(read.axes) != 1 or not read.is_labelled.any():
        return False
    is_labelled = torch.from_numpy(read.is_labelled).reshape(-1, *read.axes)
    n_labelled = int(is_labelled.sum())
    n_pairs = int((is_labelled[:, 1:] & is_labelled[:, :-1]).sum())
    if 2 * n_pairs < n_labelled < _ENOUGH_EQUAL:
        return False
    values = read.values.reshape(-1, *read.axes)
    return any(bool((one.cpu() == values)[is_labelled].all()) for one in tokens)


def _tokens_beside(labels: Tensor, batch: Any) -> list[Tensor]:
    """The inputs that are whole numbers, one for each label of a sequence."""
    if labels.ndim < 2 or labels.shape[1] == 1:
        return []
    same = [part for part in _inputs(batch, labels) if part.shape == labels.shape]
    return [part for part in same if not part.is_floating_point()]


def _inputs(batch: Any, labels: Tensor) -> Iterator[Tensor]:
    """Tensors that may be inputs; the labels too, if the batch is nothing else."""
    if isinstance(batch, Tensor):
        yield batch
        return
    named = named_parts(batch)
    if named is not None:
        parts = [part for name, part in named.items() if name not in _BESIDE_TOKENS]
    else:
        parts = list(batch) if isinstance(batch, (tuple, list)) else []
    others = [part for part in parts if part is not labels]
    if len(parts) > 1 and len(others) < len(parts) - 1:  # the same tensor twice
        others.insert(0, labels)
    for part in others if named is not None else others[:1]:
        yield from _inputs(part, labels)


def inputs_of(batch: Any, inputs: Selector | None, target: Selector | None) -> Any:
    """The part of a batch that the model takes.

    Args:
        batch: What the loader gave.
        inputs: Which part; None takes the first that is not the labels. Of a mapping that is the
            first of `INPUT_KEYS`, or the only tensor besides the labels, or the mapping without
            its labels; a batch that is an object with attributes is taken whole.
        target: Which part holds the labels, to leave it out.

    Raises:
        ValueError: The part cannot be found.
    """
    if inputs is not None:
        return select(batch, inputs, "inputs")
    parts = named_parts(batch)
    if parts is not None:
        return _named_inputs(parts, target)
    if isinstance(batch, Tensor):
        return batch
    if isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch) >= 1:
        first_is_target = len(batch) > 1 and target in (0, -len(batch))
        return batch[1 if first_is_target else 0]
    if attributes(batch, (*TARGET_KEYS, *INPUT_KEYS)):
        return batch
    raise ValueError(
        f"inputs: cannot find the input in a batch of type {type(batch).__name__}; "
        "pass inputs=<key, index or function of the batch>"
    )


def n_rows_of(batch: Any, labels: Labels | None) -> int:
    """How many rows a batch holds: as many as labels, graphs, or rows of its first tensor.

    Raises:
        ValueError: It has neither.
    """
    if labels is not None:
        return len(labels) // math.prod(labels.axes)
    n_graphs = getattr(batch, "num_graphs", None)
    if isinstance(n_graphs, int):
        return n_graphs
    n_rows = next(_rows_of_tensors(batch), None)
    if n_rows is None:
        raise ValueError(
            f"target: cannot count the samples in a {type(batch).__name__} without labels or "
            "tensors; pass target=<function of the batch that gives its labels>"
        )
    return n_rows


def _rows_of_tensors(batch: Any) -> Iterator[int]:
    if isinstance(batch, Tensor):
        if batch.ndim:
            yield len(batch)
        return
    parts = named_parts(batch) or attributes(batch, INPUT_KEYS)
    is_several = isinstance(batch, Sequence) and not isinstance(batch, str)
    several: Iterable[Any] = parts.values() if parts else batch if is_several else ()
    for part in several:
        yield from _rows_of_tensors(part)


def _named_inputs(parts: Mapping[Any, Any], target: Selector | None) -> Any:
    for key in INPUT_KEYS:
        if key in parts and key != target:
            return parts[key]
    labels = {target} if isinstance(target, str) else set(TARGET_KEYS)
    others = {key: value for key, value in parts.items() if key not in labels}
    tensors = [value for value in others.values() if isinstance(value, Tensor)]
    if not tensors:
        raise ValueError(
            f"inputs: cannot find the input among the batch's parts {list(parts)}; "
            "pass inputs=<key or function of the batch>"
        )
    return tensors[0] if len(tensors) == 1 else others


def _default_target(batch: Any) -> Any:
    if batch is None or isinstance(batch, (str, Iterator)):
        raise ValueError(
            f"target: cannot see the batches of this loop, it gives a {type(batch).__name__} (does "
            "the step take a dataloader_iter?); pass data='val' or a set of your own"
        )
    parts = named_parts(batch)
    if parts is None and not isinstance(batch, (Tensor, Sequence)):
        parts = attributes(batch, TARGET_KEYS)
    if parts is not None:
        return next((parts[key] for key in TARGET_KEYS if parts.get(key) is not None), None)
    if isinstance(batch, Tensor) or len(batch) < 2:
        return None
    return batch[1] if len(batch) == 2 else _of_several(batch)


def _of_several(parts: Sequence[Any]) -> Any:
    """Of three parts and more: masks, lengths, weights or indices may stand beside the labels.

    Raises:
        ValueError: Several may be the labels.
    """
    given = parts[0]
    rows = next(_rows_of_tensors(given), None)
    whole = [part for part in parts[1:] if _are_whole_numbers(part) and len(part) == rows]
    found = []
    for part in whole:
        is_last = part is whole[-1]
        is_mask = part.ndim > 1 and bool(((part == 0) | (part == 1)).all()) and not is_last
        if not is_mask and (len(whole) == 1 or not _are_lengths(part, given)):
            found.append(part)
    per_row = [part for part in found if part.ndim == 1]
    if len(per_row) == 1 and per_row[0] is parts[1]:
        return parts[1]  # as in (x, y, more)
    if len(found) > 1:
        raise ValueError(
            f"target: several parts of the batch may be the labels, of shapes "
            f"{', '.join(str(tuple(part.shape)) for part in found)}; pass target=<index of one>"
        )
    return found[0] if found else parts[1]


def _are_whole_numbers(part: Any) -> bool:
    if not isinstance(part, Tensor) or not part.ndim or part.dtype == torch.bool:
        return False
    return not (part.is_floating_point() or part.is_complex())


def _are_lengths(part: Tensor, inputs: Any) -> bool:
    """Whether these are lengths of sequences that are padded to the longest."""
    if part.ndim > 1 or not len(part) or not isinstance(inputs, Tensor) or inputs.ndim < 2:
        return False
    return int(part.min()) > 0 and int(part.max()) == inputs.shape[1]
