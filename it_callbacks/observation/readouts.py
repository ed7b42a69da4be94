"""The modules of one batch whose outputs may be predictions, since nothing comes after them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from it_callbacks.log_probabilities import Kind
from it_callbacks.observation.calls import Seen, Tensors
from it_callbacks.observation.listening import Firing
from it_callbacks.observation.positions import Grid
from it_callbacks.observation.prediction_source import (
    Source,
    fits,
    in_modules,
    is_linear,
    is_readout,
    kind_made_by,
    n_columns,
)

_PASSED_ON = (nn.Flatten, nn.Identity, nn.modules.dropout._DropoutNd)
"""What they give are the numbers that they took."""


@dataclass(frozen=True)
class _Readout:
    """An output that nothing has taken yet.

    Args:
        name: The module's dotted name.
        shape: Of the output.
        kind: What it holds, where the module that made it shows it.
        copied: A copy, which no later layer writes over; None if it can be no predictions.
        is_candidate: Whether predictions may come from this call of this module.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind | None
    copied: Tensor | None
    is_candidate: bool


class Readouts:
    """Follows the calls of a batch, and copies what may be predictions.

    No output is kept alive: tensors are known by identity while they live, and a copy is dropped
    once a later module takes what it is of.

    Args:
        grid: How the samples of the batch lie in an output.
        n_classes: That its labels have at least.
    """

    def __init__(self, grid: Grid, n_classes: int) -> None:
        self.is_forward_taken_on = False
        """Whether a linear layer has taken what the model's forward had returned."""
        self._grid = grid
        self._n_classes = n_classes
        self._tensors = Tensors()
        self._last: dict[Seen, _Readout] = {}
        self._in_forward: frozenset[Seen] = frozenset()
        self._of_forward: set[Seen] = set()
        """What the model's forward has returned, and what was made of it."""

    def add(self, firing: Firing) -> None:
        """A module was called."""
        inputs = [self._tensors.seen(given) for given in firing.inputs]
        before = [self._last.pop(given) for given in inputs if given in self._last]
        comes_after = not self._of_forward.isdisjoint(inputs)
        self.is_forward_taken_on |= comes_after and is_linear(firing.module)
        if not isinstance(firing.output, Tensor):
            return
        output = self._tensors.seen(firing.output)
        if comes_after:
            self._of_forward.add(output)
        passes_on = isinstance(firing.module, _PASSED_ON) and len(before) == 1
        if is_readout(firing.module) or passes_on:
            kind = before[0].kind if passes_on else kind_made_by(firing.module)
            copied = firing.output.detach().clone() if self._may_fit(firing.output) else None
            is_candidate = firing.call == 1 and is_readout(firing.module)
            self._last[output] = _Readout(firing.name, output.shape, kind, copied, is_candidate)

    def forward_returned(self, parts: Iterable[Tensor]) -> None:
        """The model's own forward has returned these tensors."""
        self._in_forward = frozenset(self._last)
        self._of_forward.update(map(self._tensors.seen, parts))

    def source(self, *, after_forward: bool) -> tuple[Source, Tensor]:
        """Where predictions come from, and a copy of them.

        Args:
            after_forward: Whether only what was called after the model's forward counts.

        Raises:
            Implausible: No module, or several, may have given them.
        """
        found = [
            readout
            for seen, readout in self._last.items()
            if readout.is_candidate and not (after_forward and seen in self._in_forward)
        ]
        shapes = {readout.name: readout.shape for readout in found}
        copies = {one.name: one.copied for one in found if one.copied is not None}
        source = in_modules(shapes, copies, self._grid, self._n_classes)
        return source, copies[source.name]

    def kind_of(self, predictions: Tensor) -> Kind | None:
        """What predictions are, if they are what one of these modules gave, number by number."""
        for readout in self._last.values():
            copied = readout.copied
            if readout.kind is None or copied is None or copied.numel() != predictions.numel():
                continue
            if torch.equal(copied.flatten(), predictions.flatten()):
                return readout.kind
        return None

    def exact_behind_forward(self) -> str | None:
        """A module called behind the model's forward that has a column for each class."""
        for seen, readout in self._last.items():
            if readout.copied is None or not readout.is_candidate or seen in self._in_forward:
                continue
            rows = self._grid.predictions(readout.copied)
            if rows is not None and n_columns(rows) == self._n_classes:
                return readout.name
        return None

    def _may_fit(self, output: Tensor) -> bool:
        try:
            return fits(output, self._grid, self._n_classes)
        except ValueError:  # of a hidden layer, which is no reason to refuse what comes last
            return False
