"""The history of a long run of many layers in a checkpoint: its size, and how long it takes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from it_callbacks.columns import Columns
from it_callbacks.history import History
from it_callbacks.records import Value

from .ratios import Ratio, seconds

MOST_BYTES = 24
"""A number in a checkpoint, its place and name included."""

N_QUANTITIES = 13
"""Of a layer in the plane with one ruler, at defaults."""


def history_of(epochs: int, layers: int) -> History:
    """A run whose layers have all their quantities at each epoch."""
    history = History()
    for epoch in range(epochs):
        values = [
            Value(f"quantity{number}", f"layer{layer}", number / 7)
            for layer in range(layers)
            for number in range(N_QUANTITIES)
        ]
        history.add(Columns.of(values, "val", step=10 * epoch, epoch=epoch, n_samples=500))
    return history


def saved(state: Any) -> bytes:
    """What a file would hold of a state."""
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def there_and_back(history: History) -> History:
    """A history as a checkpoint gives it back."""
    content = saved(history.to_state())
    return History.from_state(torch.load(io.BytesIO(content), weights_only=True))


def numbers_there_and_back(numbers: torch.Tensor) -> torch.Tensor:
    """Nothing but numbers, by the same way."""
    back: torch.Tensor = torch.load(io.BytesIO(saved(numbers)), weights_only=True)
    return back


def in_checkpoints(epochs: int = 1000, layers: int = 60, rounds: int = 7) -> Iterator[Ratio]:
    """P26: bytes of a number over those allowed; save and load over that of the numbers alone."""
    history = history_of(epochs, layers)
    size = f"{epochs} epochs × {layers} layers × {N_QUANTITIES}"
    bytes_each = len(saved(history.to_state())) / len(history)
    what = f"bytes a number over {MOST_BYTES}, {size}"
    yield Ratio("P26", what, bytes_each / MOST_BYTES, 1, 0.75)
    numbers = torch.rand(len(history), dtype=torch.float64)
    ours, theirs = seconds(
        rounds, partial(there_and_back, history), partial(numbers_there_and_back, numbers)
    )
    what = f"history saved and loaded over its numbers alone as one tensor, {size}"
    yield Ratio("P26", what, ours / theirs, 20, 8)


BENCHMARKS = (in_checkpoints,)
