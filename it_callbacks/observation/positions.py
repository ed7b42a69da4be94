"""Positions as samples: each token of a sentence, or pixel of an image, has a label of its own.

A sample is then a pair (row, position). Its predictions and the outputs of each layer are those at
its position; a layer with another grid of positions is read at the nearest one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Samples = Literal["auto", "rows", "positions"]
"""What the samples are: rows of a batch, or their positions; or whatever has the labels."""

ONE_EACH = "if rows are the samples, pass target=<function that picks one class number per row>"
"""What to do about labels of positions where the model has none."""

MOST_POSITIONS = 2**24
"""Positions of one row, at most; so that a pair (row, position) is one number."""


class AmbiguousAxis(ValueError):  # noqa: N818 # said of an output
    """Either of two axes may count classes, in this batch."""


@dataclass(frozen=True)
class Grid:
    """How the samples of a batch lie in its tensors.

    Args:
        n_rows: Rows of the batch.
        axes: How many positions each row has, along each axis; none where a row is one sample.
        class_axis: Which axis of predictions counts classes, where shapes alone do not show it.

    Example:
        >>> Grid(2, (3,)).n_samples, Grid(2).n_samples
        (6, 2)
    """

    n_rows: int
    axes: tuple[int, ...] = ()
    class_axis: Literal[1, -1] | None = None

    @property
    def n_samples(self) -> int:
        """Samples of the batch: rows, or pairs (row, position)."""
        return self.n_rows * self._n_positions

    @property
    def n_steps(self) -> int:
        """Positions of a sequence; 0 where samples are none."""
        return self.axes[0] if len(self.axes) == 1 else 0

    @property
    def _n_positions(self) -> int:
        return int(np.prod(self.axes, dtype=np.int64))

    def indices(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the samples, given those of the rows; negative for rows of other processes.

        Example:
            >>> (Grid(2, (2,)).indices(np.array([5, -1])) - 5 * MOST_POSITIONS).tolist()[:2]
            [0, 1]
        """
        if not self.axes:
            return rows
        if self._n_positions > MOST_POSITIONS:
            raise ValueError(
                f"target: labels of {self._n_positions} positions in a row, at most "
                f"{MOST_POSITIONS} are supported; pass target= and logits= of a coarser grid"
            )
        numbers = rows[:, None] * MOST_POSITIONS + np.arange(self._n_positions)
        return np.where(rows[:, None] < 0, -1, numbers).reshape(-1)

    def predictions(self, output: Tensor) -> Tensor | None:
        """The output with one row per sample; None where its shape does not fit.

        The class axis is the last one if all others are those of the samples, else axis 1.

        Raises:
            AmbiguousAxis: It may be either, and `class_axis` is not known.

        Example:
            >>> tuple(Grid(2, (5, 4)).predictions(torch.zeros(2, 3, 5, 4)).shape)
            (40, 3)
        """
        shape = tuple(output.shape)
        if not self.axes:
            if self.n_rows == 1 and len(shape) < 2 and shape != (1,):
                return output.reshape(1, -1)  # a batch of one sample that was squeezed
            return output if shape[:1] == (self.n_rows,) else None
        is_squeezed = self.axes in (shape, shape[1:], shape[:-1]) and shape[:1] != (1,)
        if self.n_rows == 1 and is_squeezed:  # a batch of one sample
            output, shape = output[None], (1, *shape)
        if shape == (self.n_rows, *self.axes):
            return output.reshape(-1)
        axes = self.class_axes(shape)
        if len(axes) > 1 and self.class_axis is None:
            raise AmbiguousAxis(
                f"logits: of predictions {shape} either axis 1 or the last one may count classes; "
                "pass logits=<function that puts classes last and gives (n_samples, n_classes)>"
            )
        if not axes:
            return None
        axis = axes[0] if len(axes) == 1 or self.class_axis is None else self.class_axis
        return output.movedim(axis, -1).reshape(-1, shape[axis])

    def class_axes(self, shape: tuple[int, ...]) -> tuple[Literal[1, -1], ...]:
        """Which axes of an output may count classes: those beside which all samples are left.

        Example:
            >>> Grid(2, (5,)).class_axes((2, 3, 5)), Grid(2, (3,)).class_axes((2, 3, 3))
            ((1,), (1, -1))
        """
        samples = (self.n_rows, *self.axes)
        found: list[Literal[1, -1]] = []
        if len(shape) > 2 and (shape[0], *shape[2:]) == samples:
            found.append(1)
        return (*found, -1) if self.axes and shape[:-1] == samples else tuple(found)

    def misfit(self, shape: tuple[int, ...], units_axis: int) -> str | None:
        """Why an output of this shape cannot be read at the positions; None if it can."""
        if not self.axes:
            return None
        if len(shape) < 3:
            return f"returns shape {shape}, which has no positions"
        of_layer = _positions(shape, units_axis)
        if len(of_layer) != len(self.axes) and np.prod(of_layer) != self._n_positions:
            return f"returns shape {shape}, whose positions are not those of labels {self.axes}"
        return None

    def rows_at(self, output: Tensor, units_axis: int, samples: Tensor) -> Tensor:
        """The units ``(n, n_units)`` of an output at some samples: at the nearest position.

        Args:
            output: ``(n_rows, ...)``; `misfit` has found nothing.
            units_axis: Which axis counts units.
            samples: Which of the samples of the batch, ``(n,)``: each once, in their order.
        """
        units_last = output.movedim(units_axis, -1)
        of_layer = tuple(units_last.shape[1:-1])
        flat = units_last.reshape(-1, units_last.shape[-1])
        if len(of_layer) == len(self.axes) and of_layer != self.axes:
            row, position = self.row_and_position(samples)
            samples = row * math.prod(of_layer) + self._nearest(position, of_layer)
        elif len(samples) == len(flat):  # all of them
            return flat
        # Which copies row by row, several times faster than flat[samples].
        return flat.index_select(0, samples.to(flat.device))

    def row_and_position(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Of some samples ``(n,)`` of the batch, the rows and the positions in them."""
        return samples // self._n_positions, samples % self._n_positions

    def _nearest(self, position: Tensor, of_layer: tuple[int, ...]) -> Tensor:
        """The positions of a layer, numbered through, that lie nearest to those of the labels."""
        found, below = torch.zeros_like(position), self._n_positions
        for n_here, n_there in zip(self.axes, of_layer, strict=True):
            below //= n_here
            place = (position // below) % n_here
            # The middle of a cell, in the other grid.
            found = found * n_there + ((2 * place + 1) * n_there) // (2 * n_here)
        return found


def samples_in_words(*, by_position: bool, is_shifted: bool) -> str:
    """What the samples are, for the settings."""
    if not by_position:
        return "rows"
    label = "the label of the next one" if is_shifted else "its own label"
    return (
        f"pairs (row, position), each position with {label}; positions of one row depend on each "
        "other, so there are no intervals"
    )


def _positions(shape: tuple[int, ...], units_axis: int) -> tuple[int, ...]:
    inner = list(shape[1:])
    inner.pop(-1 if units_axis == -1 else units_axis - 1)
    return tuple(inner)
