"""Read the labels of one batch: as classes, columns or numbers, of rows or of positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from it_callbacks.observation.labels import (
    KINDS,
    Binned,
    Classes,
    LabelKind,
    Labels,
    OtherColumns,
    SeveralLabels,
    SoftLabels,
)
from it_callbacks.observation.positions import Samples

_SUM_TOLERANCE = 2.0**-7
"""How far a row of soft labels may miss 1: as far as half precision may take it."""


def read_labels(raw: Tensor, ignore_index: int | None = None, samples: Samples = "auto") -> Labels:
    """The labels of a batch, and the kinds that they fit.

    Args:
        raw: What the batch holds, one row per sample.
        ignore_index: A number that marks samples without a label, beside negative class numbers.
        samples: Whether positions are samples, if a row has several labels.

    Raises:
        ValueError: They are no labels of samples.

    Example:
        >>> sorted(read_labels(torch.tensor([[0.0], [1.0]])).fits)
        ['classes', 'regression']
        >>> sorted(read_labels(torch.tensor([[1, 1, 0], [0, 0, 1]])).fits)
        ['columns', 'multi-label']
    """
    if raw.ndim == 0:
        raw = raw.reshape(1)  # of a batch of one sample that was squeezed
    is_float = raw.is_floating_point()
    if raw.ndim > 2 and is_float and not _are_0_or_1(raw):
        # Images to be restored, say: there is no class in them, and no need to keep them.
        n, fits = len(raw), frozenset({OtherColumns.name})
        return Labels(torch.zeros(n, 2, dtype=torch.float64), np.ones(n, np.bool_), fits)
    values = raw.detach().to("cpu", torch.float64 if is_float else torch.int64, copy=True)
    if values.ndim > 1 and values.shape[1] == 1:
        values = values[:, 0]
    axes: tuple[int, ...] = ()
    if values.ndim > 1 and _by_position(values, samples, is_float=is_float):
        if values.ndim > 2 and _are_0_or_1(values):
            values, is_float = _without_classes(values, is_float=is_float)
        axes, values = tuple(values.shape[1:]), values.reshape(-1)
    if values.ndim == 1 and not is_float:
        return _classes(values, ignore_index, axes)
    is_masked = values.isnan() if is_float else torch.zeros_like(values, dtype=torch.bool)
    if ignore_index is not None:
        is_masked |= values == ignore_index
    is_labelled = ~(is_masked if values.ndim == 1 else is_masked.any(1))
    shown = values[is_labelled]
    return Labels(values, is_labelled.numpy(), _fits(shown, is_float=is_float), axes)


def _classes(values: Tensor, ignore_index: int | None, axes: tuple[int, ...]) -> Labels:
    """Class numbers: by NumPy, whose calls on few of them cost a third of torch's."""
    numbers = values.numpy()
    is_labelled = numbers >= 0
    if ignore_index is not None:
        is_labelled &= numbers != ignore_index
    fits = {Classes.name} if is_labelled.any() else KINDS
    return Labels(values, is_labelled, frozenset(fits), axes)


def shifted(labels: Labels) -> Labels:
    """The same where each position has the label of the next one, and the last has none.

    A causal model predicts at each token the one that follows.

    Example:
        >>> shifted(read_labels(torch.tensor([[3, 1, 4]]))).values.tolist()
        [1, 4, -1]
    """
    if len(labels.axes) != 1:
        raise ValueError("target: only labels of a sequence (n_rows, n_steps) can be shifted")
    values = labels.values.reshape(-1, *labels.axes).roll(-1, 1)
    is_labelled = np.roll(labels.is_labelled.reshape(-1, *labels.axes), -1, 1)
    values[:, -1], is_labelled[:, -1] = -1, False
    return replace(
        labels, values=values.reshape(-1), is_labelled=is_labelled.reshape(-1), is_shifted=True
    )


def _without_classes(values: Tensor, *, is_float: bool) -> tuple[Tensor, bool]:
    """Class numbers of positions, of labels that are one-hot along an axis of classes.

    Raises:
        ValueError: Several labels hold at one position.
    """
    for axis in (1, -1):
        if (values.sum(axis) == 1).all():
            return values.argmax(axis), False
    if is_float and values.ndim > 3:  # a volume of whole numbers has as many axes
        raise ValueError(
            f"target: labels of shape {tuple(values.shape)} hold several labels at one position; "
            "pass target=<function that gives one class number per position>"
        )
    return values, is_float


def _by_position(values: Tensor, samples: Samples, *, is_float: bool) -> bool:
    """Whether each position of a row is a sample.

    Raises:
        ValueError: They have to be, and the user wants rows; or they hold no classes.
    """
    is_plain = values.ndim == 2 and (is_float or _are_0_or_1(values))
    if samples == "positions":
        if is_float and not _are_0_or_1(values):
            raise ValueError(
                f"target: labels of shape {tuple(values.shape)} are floats, need class numbers for "
                "samples='positions'"
            )
        return True
    if samples == "rows" and not is_plain:
        raise ValueError(
            f"target: labels of shape {tuple(values.shape)} hold many class numbers for one row; "
            "pass samples='positions', or target=<function that picks one class number per row>"
        )
    return not is_plain


def _fits(values: Tensor, *, is_float: bool) -> frozenset[str]:
    if not len(values):
        return frozenset(KINDS)  # nothing contradicts any
    if values.ndim == 1:
        kinds: list[type[LabelKind]] = [Binned] if is_float else [Classes]
        return frozenset(kind.name for kind in kinds) | (
            {Classes.name} if _are_0_or_1(values) else set()
        )
    fits = {OtherColumns.name}
    if _are_0_or_1(values):
        fits.add(SeveralLabels.name)
        if (values.sum(1) == 1).all():
            fits |= {Classes.name, SoftLabels.name}
    elif (values >= 0).all() and ((values.sum(1) - 1).abs() <= _SUM_TOLERANCE).all():
        fits.add(SoftLabels.name)
    return frozenset(fits)


def _are_0_or_1(values: Tensor) -> bool:
    return bool(((values == 0) | (values == 1)).all())
