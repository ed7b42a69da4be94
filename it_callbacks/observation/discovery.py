"""The first batch: find out which layers there are, and keep of it what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from torch import Tensor

from it_callbacks.observation.calls import Call, Tensors, first_tensor
from it_callbacks.observation.choices import Choice
from it_callbacks.observation.effort import forward_operations
from it_callbacks.observation.layers import (
    MOST_LAYERS,
    Layer,
    Plan,
    layer_of,
    plan,
    refuse_steps,
    why_not_a_layer,
    why_unreadable,
)
from it_callbacks.observation.listening import ROOT, Firing
from it_callbacks.observation.modules import parents
from it_callbacks.observation.positions import Grid
from it_callbacks.observation.provenance import Provenance

C = TypeVar("C")

MOST_COPIES = 3 * MOST_LAYERS
"""Copies of leaves, and of what stands for them, that are held before it is known how many
layers there are."""


class Discovery(Generic[C]):
    """Listens to all calls of a batch and decides which are layers.

    No output is kept alive: tensors are known by identity while they live. A copy is made of what
    may become a layer, and dropped as soon as it is known that it will not.

    Args:
        choice: Which layers the user wants.
        grid: How the samples lie in the tensors of the batch.
        copied: Copies what is needed of the rows of a layer.
    """

    def __init__(self, choice: Choice, grid: Grid, copied: Callable[[Layer, Tensor], C]) -> None:
        self._choice = choice
        self._grid = grid
        self._copied = copied
        self._tensors = Tensors()
        self._known = Provenance(choice.time_major)
        self.calls: list[Call] = []
        """All so far, in order."""
        self._inside, self._outside = _Copies[C](), _Copies[C]()

    def add(self, firing: Firing) -> None:
        """Take in the next call.

        Raises:
            ValueError: A layer that the user named gives no ``(n_samples, ...)`` tensor.
        """
        call = self._tensors.call(firing, self._grid.n_steps)
        self.calls.append(call)
        self._known.add(call)
        if self._choice.chosen is not None:
            self._add_chosen(call, firing)
            return
        for before, after in self._known.read_later.items():
            if after is call:
                self._copies(before).drop(before)
        output = first_tensor(firing.output, self._grid.n_steps)
        if call.name == ROOT or output is None or call.output is None or why_not_a_layer(call):
            return
        if why_unreadable(call, self._grid, self._known) is None:
            layer = layer_of(call, call.output, self._choice, self._known, self._grid)
            self._copies(call).add(call, layer, self._copied(layer, output))

    def plan(self, why_silent: Mapping[str, str]) -> tuple[Plan, dict[str, C]]:
        """The layers, and the copies of their rows by name.

        Args:
            why_silent: Why some modules cannot be heard, by name.

        Raises:
            ValueError: None can be observed.
        """
        held = {**self._inside.held, **self._outside.held}
        candidates = [(call, held[call][0]) for call in self.calls if call in held]
        found = plan(self._choice, self.calls, self._known, candidates, self._grid, why_silent)
        copies = {layer.name: copy for layer, copy in held.values()}
        return found, {layer.name: copies[layer.name] for layer in found.layers}

    @property
    def forward(self) -> float:
        """About how many operations the model takes for one row, from all calls so far."""
        return forward_operations(self.calls, self._grid.n_rows)

    def _add_chosen(self, call: Call, firing: Firing) -> None:
        if call.name not in (self._choice.chosen or {}):
            return
        refuse_steps(call, self._choice, self._known)
        pick = (self._choice.chosen or {})[call.name]
        rows = Layer("", call.name, call.number, pick).rows(firing.output, self._grid)
        layer = layer_of(call, self._tensors.seen(rows), self._choice, self._known, self._grid)
        if (why := self._grid.misfit(tuple(rows.shape), layer.units_axis)) is not None:
            raise ValueError(f"layers: {call.name!r} {why}")
        self._outside.held[call] = layer, self._copied(layer, rows)

    def _copies(self, call: Call) -> _Copies[C]:
        """Those of leaves inside blocks; or of all others, which may stand for them."""
        return self._inside if set(self._choice.blocks) & set(parents(call.name)) else self._outside


class _Copies(Generic[C]):
    """Copies of a growing number of calls: of many, evenly spread ones, the latest always."""

    def __init__(self) -> None:
        self.held: dict[Call, tuple[Layer, C]] = {}
        self._numbers: dict[Call, int] = {}
        self._step = 1

    def add(self, call: Call, layer: Layer, copy: C) -> None:
        """Hold a copy; drops others where there are many."""
        latest = next(reversed(self.held), None)
        if latest is not None and self._numbers[latest] % self._step:
            self.held.pop(latest)
        self._numbers[call] = len(self._numbers)
        self.held[call] = layer, copy
        while len(self.held) > MOST_COPIES:
            self._step *= 2
            for one in list(self.held):
                if one is not call and self._numbers[one] % self._step:
                    self.held.pop(one)

    def drop(self, call: Call) -> None:
        """It is no layer after all, and does not count."""
        self.held.pop(call, None)
        if call in self._numbers and call is next(reversed(self._numbers)):
            self._numbers.pop(call)
