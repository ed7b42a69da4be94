"""Sketch the outputs of layers, of the few samples that layers of any width are read on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.positions import Grid
from it_callbacks.observation.wide_sampling import (
    Chosen,
    WideChoice,
    WideSamples,
    WideSampling,
    chosen,
    joined,
)
from it_callbacks.rulers import floating
from it_callbacks.sketches import Sketch


@dataclass(frozen=True)
class Sketched:
    """What a pass has kept for layers of any width.

    Args:
        samples: Those that were taken in.
        rows: For each layer that ran on all of them, their sketches ``(n, n_numbers)``.
    """

    samples: WideSamples
    rows: Mapping[str, NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class WideSet:
    """What is read of a set: samples in an order that tells nothing about them.

    Args:
        samples: All of them, of all processes.
        rows: For each layer, their sketches.
        choice: Which samples are read for what.
    """

    samples: WideSamples
    rows: Mapping[str, NDArray[np.floating[Any]]]
    choice: Chosen


def merged(parts: Sequence[Sketched], choice: WideChoice) -> WideSet:
    """What all processes have kept, as one process would have.

    Args:
        parts: Of each process.
        choice: How samples were chosen.
    """
    samples = joined([part.samples for part in parts], choice)
    rows = pooled([part.rows for part in parts if len(part.samples.indices)])
    return WideSet(samples, rows, chosen(samples, choice))


def pooled(
    parts: Sequence[Mapping[str, NDArray[np.floating[Any]]]],
) -> dict[str, NDArray[np.floating[Any]]]:
    """The sketches of all processes, of the layers that all of them have in one width.

    Args:
        parts: Of each process with samples, by layer.
    """
    found = {}
    for name in parts[0] if parts else ():
        of_parts = [part[name] for part in parts if name in part]
        if len(of_parts) == len(parts) and len({each.shape[1] for each in of_parts}) == 1:
            found[name] = np.concatenate(of_parts)
    return found


class WidePass:
    """Takes in what layers of any width are read on, in one pass over a set.

    Args:
        choice: How samples are chosen and sketched.
        sampling: Chooses them in this pass.
        keeps_all: Whether all samples that a pass admits are sketched, too.
    """

    def __init__(self, choice: WideChoice, sampling: WideSampling, *, keeps_all: bool) -> None:
        self._sketch = choice.sketch
        self._sampling = sampling
        self._keeps_all = keeps_all
        self._grid = Grid(0)
        self._mask: Tensor | None = None
        self._wanted = torch.zeros(0, dtype=torch.int64)
        """Positions of the samples that are sketched of this batch."""
        self._of_wide = [np.zeros(0, np.int64)]
        self._of_all = [np.zeros(0, np.int64)]
        self._n = 0
        self._rows: dict[str, list[NDArray[np.floating[Any]]]] = {}

    def begin(
        self, batch: Batch, admitted: NDArray[np.int64], row_keys: NDArray[np.int64] | None
    ) -> None:
        """A batch begins.

        Args:
            batch: The batch.
            admitted: Positions of the samples that the pass takes in.
            row_keys: Keys of the inputs of its rows; None if they are not told apart.
        """
        wanted = self._sampling.admit(batch, row_keys)
        union = np.union1d(wanted, admitted) if self._keeps_all else wanted
        self._of_wide.append(self._n + np.searchsorted(union, wanted))
        if self._keeps_all:
            self._of_all.append(self._n + np.searchsorted(union, admitted))
        self._grid, self._mask, self._wanted = batch.grid, batch.mask, torch.from_numpy(union)
        self._n += len(union)

    def sketch(
        self, output: Tensor, layer: Layer, *, is_owned: bool = False
    ) -> NDArray[np.floating[Any]] | None:
        """The wanted samples' numbers of a layer's output ``(n_rows, ...)``; None without any.

        Samples are selected before anything is computed: most batches have few or none.

        Args:
            output: What the layer gave.
            layer: Which layer.
            is_owned: Whether nobody else can change the output.
        """
        wanted, n_wanted = self._wanted, self._wanted.shape[0]
        if not n_wanted:
            return None
        if self._grid.axes:
            return sketched(self._grid.rows_at(output, layer.units_axis, wanted), self._sketch)
        is_whole = n_wanted == output.shape[0]
        # Which copies row by row, several times faster than output[wanted].
        rows = output if is_whole else output.index_select(0, wanted.to(output.device))
        mask = None if self._mask is None else self._mask[wanted]
        axis, is_owned = layer.units_axis, is_owned or rows is not output
        return sketched(rows, self._sketch, units_axis=axis, mask=mask, is_owned=is_owned)

    def add(self, layer: str, sketches: NDArray[np.floating[Any]] | None) -> None:
        """Take in what `sketch` gave of a layer."""
        if sketches is not None:
            self._rows.setdefault(layer, []).append(sketches)

    def sketched(self) -> Sketched:
        """What this process has kept."""
        return Sketched(self._sampling.samples(), self._of(np.concatenate(self._of_wide)))

    def of_all(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Sketches of all samples that the pass admitted; empty unless they were to be kept."""
        return self._of(np.concatenate(self._of_all)) if self._keeps_all else {}

    def _of(self, which: NDArray[np.int64]) -> dict[str, NDArray[np.floating[Any]]]:
        are_all = len(which) == self._n  # in their order
        return {
            name: rows if are_all else rows[which]
            for name, parts in self._rows.items()
            if (rows := _as_one(parts)) is not None and len(rows) == self._n
        }


def _as_one(parts: Sequence[NDArray[np.floating[Any]]]) -> NDArray[np.floating[Any]] | None:
    """Sketches of all batches; None of a layer whose width varies."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if len({part.shape[1] for part in parts}) == 1 else None


def sketched(
    rows: Tensor,
    sketch: Sketch,
    *,
    units_axis: int = -1,
    mask: Tensor | None = None,
    is_owned: bool = False,
) -> NDArray[np.floating[Any]]:
    """Sketch a layer's outputs ``(n, ...)``: ``(n, n_numbers)``, float32 or float64.

    Of sequences channels come last and steps of padding after all others, so that a longer one
    only adds numbers at its end; padding is replaced by 0 (not multiplied: it may hold NaN).

    Args:
        rows: Of the samples to sketch.
        sketch: How.
        units_axis: Which axis counts units.
        mask: Which steps are none of padding, ``(n, n_steps)``.
        is_owned: Whether nobody else can change the outputs.
    """
    rows = floating(rows)
    if rows.ndim == 3 and units_axis == 1:
        rows = rows.movedim(1, -1)
    if mask is not None and rows.ndim == 3 and rows.shape[:2] == mask.shape:
        rows = _padding_last(rows, mask.to(rows.device))
    if not rows.is_cpu:
        return _on_device(rows, sketch)
    numbers = sketch(rows.resolve_neg().numpy())
    # What is kept as it is must not change with the output.
    return numbers if is_owned or numbers.base is None else numbers.copy()


def _padding_last(rows: Tensor, mask: Tensor) -> Tensor:
    """The steps that are no padding first, in their order, and then zeros."""
    if (mask[:, 1:] & ~mask[:, :-1]).any():  # padded on the left, or in between
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        rows, mask = rows.gather(1, order[..., None].expand_as(rows)), mask.gather(1, order)
    return torch.where(mask[..., None], rows, 0)


_LARGEST_PRODUCT = 2**24
"""Numbers of a copy that is made at a time."""


def _on_device(rows: Tensor, sketch: Sketch) -> NDArray[np.floating[Any]]:
    """The same where the rows are: only sums travel to the processor."""
    shape, flat = tuple(rows.shape[1:]), rows.flatten(1)
    if not sketch.keeps(shape):
        n_units, n_sums = flat.shape[1], sketch.n_sums(shape)
        n_whole = n_units // n_sums
        signs = _signs_on(rows.device, sketch.seed, n_sums, n_whole + 1)
        per_block = max(1, _LARGEST_PRODUCT // max(1, n_units))
        sums = []
        for start in range(0, len(flat), per_block):
            block = flat[start : start + per_block]
            whole = block[:, : n_whole * n_sums].reshape(len(block), n_whole, n_sums)
            of_block = (whole * signs[:n_whole].to(block)).sum(1)
            rest = n_units - n_whole * n_sums
            of_block[:, :rest] += block[:, n_units - rest :] * signs[n_whole, :rest].to(block)
            sums.append(of_block)
        flat = torch.cat(sums)
    numbers: NDArray[np.floating[Any]] = flat.cpu().numpy()
    return numbers


_SIGNS: dict[tuple[torch.device, int, int], Tensor] = {}


def _signs_on(device: torch.device, seed: int, n_sums: int, n_blocks: int) -> Tensor:
    """At least so many blocks of signs on a device, which has one table of each kind."""
    key = device, seed, n_sums
    if key not in _SIGNS or len(_SIGNS[key]) < n_blocks:
        signs = Sketch(seed=seed).signs(n_blocks * n_sums, n_sums)
        _SIGNS[key] = torch.from_numpy(signs.copy()).to(device)
    return _SIGNS[key]
