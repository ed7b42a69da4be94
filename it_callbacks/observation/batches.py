"""Find the labels and the inputs in a batch, in whatever shape the user's loader makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.checks import ArgumentValueError, nearest

Selector = Callable[[Any], Any] | str | int
"""Picks one part out of a batch or an output: a key, an index, or a function of the whole."""

MOST_CLASSES = 1000
"""Above this many classes there are too few samples of each, and too large a table of pairs."""

TARGET_KEYS = ("label", "labels", "target", "targets", "y")
INPUT_KEYS = ("input", "inputs", "x", "image", "images", "img", "features", "data")


@dataclass(frozen=True)
class Batch:
    """What is needed of a batch.

    Args:
        inputs: What the model takes; None where that is neither known nor needed.
        labels: Class numbers ``(n_samples,)`` int64; negative ones (an ignore index) do not count.
        indices: Which samples of the set they are, ``(n_samples,)``; negative ones do not count,
            since another process has them.
        is_step_routed: Whether the model is called with the whole step, too: a strategy may wrap
            it, and route the step through its forward.
    """

    inputs: Any
    labels: Tensor
    indices: NDArray[np.int64]
    is_step_routed: bool = False

    def __len__(self) -> int:
        return len(self.labels)


def labels_of(batch: Any, target: Selector | None) -> Tensor:
    """The class numbers ``(n_samples,)`` int64 of a batch, as a copy of their own.

    A copy, because a step may edit its batch in place. Columns ``(n_samples, 1)`` are squeezed,
    booleans become 0 and 1, and rows that are exactly one-hot become their class.

    Args:
        batch: What the loader gave.
        target: Which part holds the labels; None takes the second of two, or the first of
            `TARGET_KEYS` that a mapping has.

    Raises:
        ValueError: There is no such part, or it holds no class numbers.
        TypeError: The part is not a tensor.
    """
    labels = _default_target(batch) if target is None else select(batch, target, "target")
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"target: the labels are a {type(labels).__name__}, need a tensor of class numbers; "
            "pass target=<key, index or function of the batch>"
        )
    return _class_numbers(labels.detach())


def inputs_of(batch: Any, inputs: Selector | None, target: Selector | None) -> Any:
    """The part of a batch that the model takes.

    Args:
        batch: What the loader gave.
        inputs: Which part; None takes the first that is not the labels, or of a mapping the
            first of `INPUT_KEYS`, or its only tensor besides the labels.
        target: Which part holds the labels, to leave it out.

    Raises:
        ValueError: The part cannot be told.
    """
    if inputs is not None:
        return select(batch, inputs, "inputs")
    parts = _named_parts(batch)
    if parts is None:
        if isinstance(batch, Tensor):
            return batch
        if isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch) >= 1:
            first_is_target = len(batch) > 1 and target in (0, -len(batch))
            return batch[1 if first_is_target else 0]
        raise ValueError(
            f"inputs: cannot find the input in a batch of type {type(batch).__name__}; "
            "pass inputs=<key, index or function of the batch>"
        )
    for key in INPUT_KEYS:
        if key in parts and key != target:
            return parts[key]
    labels = {target} if isinstance(target, str) else set(TARGET_KEYS)
    others = [
        key for key, value in parts.items() if isinstance(value, Tensor) and key not in labels
    ]
    if len(others) == 1:
        return parts[others[0]]
    raise ValueError(
        f"inputs: cannot find the input among the batch's parts {list(parts)}; "
        "pass inputs=<key or function of the batch>"
    )


def select(source: Any, selector: Selector, argument: str) -> Any:
    """``source[selector]``, an attribute, or ``selector(source)``; errors name `argument`."""
    if callable(selector):
        return selector(source)
    parts = _named_parts(source)
    if isinstance(selector, str):
        if parts is not None and selector in parts:
            return parts[selector]
        if parts is None and hasattr(source, selector):
            return getattr(source, selector)
        if parts is None and selector.lstrip("-").isdecimal():
            return select(source, int(selector), argument)  # a command line gives texts only
        available = list(parts) if parts is not None else []
        raise ArgumentValueError(
            f"{argument}={selector!r}: no such key in a {type(source).__name__} "
            f"with keys {available}{nearest(selector, available)}"
        )
    try:
        return source[selector]
    except (IndexError, KeyError, TypeError) as error:
        size = f" of length {len(source)}" if hasattr(source, "__len__") else ""
        raise ArgumentValueError(
            f"{argument}={selector!r}: no such index in a {type(source).__name__}{size}"
        ) from error


def _named_parts(batch: Any) -> Mapping[Any, Any] | None:
    if isinstance(batch, Mapping):
        return batch
    if is_dataclass(batch) and not isinstance(batch, type):
        return {field.name: getattr(batch, field.name) for field in fields(batch)}
    names = getattr(batch, "_fields", None)  # a namedtuple
    if isinstance(batch, tuple) and names and set(names) & set(TARGET_KEYS):
        return dict(zip(names, batch, strict=True))
    return None


def _default_target(batch: Any) -> Any:
    parts = _named_parts(batch)
    if parts is not None:
        for key in TARGET_KEYS:
            if key in parts:
                return parts[key]
        raise ValueError(
            f"target: none of {list(TARGET_KEYS)} is in the batch, whose keys are {list(parts)}; "
            "pass target=<key or function of the batch>"
        )
    if isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch) == 2:
        return batch[1]
    what = (
        f"a {type(batch).__name__} of {len(batch)} parts"
        if isinstance(batch, Sequence)
        else f"a {type(batch).__name__}"
    )
    raise ValueError(
        f"target: cannot find the labels in {what}; need (input, label), or "
        "pass target=<index, key or function of the batch>"
    )


def _class_numbers(labels: Tensor) -> Tensor:
    shape = tuple(labels.shape)
    if labels.ndim == 0:
        raise ValueError("target: the labels are a single number, need one per sample (n_samples,)")
    if labels.ndim == 2 and shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        return _from_one_hot(labels)
    if labels.ndim > 2:
        raise ValueError(
            f"target: labels of shape {shape} give many labels to one sample (segmentation?); "
            "pass target=<function that picks one class number per sample>"
        )
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(
            f"target: the labels are {labels.dtype} of shape {shape}, need integer class numbers; "
            "information about labels is that of classes: bin a regression target, or cast it "
            "with target=lambda batch: batch[1].long()"
        )
    return labels.to(torch.int64, copy=True)


def _from_one_hot(labels: Tensor) -> Tensor:
    is_one_hot = ((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all()
    if not is_one_hot:
        raise ValueError(
            f"target: labels of shape {tuple(labels.shape)} are neither class numbers "
            "(n_samples,) nor one-hot; for soft or several labels per sample pass "
            "target=<function that picks one class number per sample>"
        )
    return labels.long().argmax(1)  # booleans have no argmax
