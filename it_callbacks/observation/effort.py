"""Find out before it begins whether a calibration takes more than the training that it is for.

Additions and multiplications are counted, from shapes alone: a clock could only say it afterwards,
and something else each time. The rule: all reductions that are to be fitted, on as many rows as
layers are calibrated on, against a training on `TRAINED_ON` rows of which each takes three forward
passes, one forward and two back. A weight counts twice, a multiplication and an addition, for each
position of the output that it is applied at; what has no weights, such as attention's products, is
not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from it_callbacks.observation.calls import Call
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.readers import Reader
from it_callbacks.rulers import CALIBRATION_ROWS

TRAINED_ON = 10_000
"""Rows of a small data set: an epoch takes no less on a larger one."""
UNNOTICED = 2e10
"""So many operations take about a second on one core, which nobody minds."""

_PASSES = 3
_LOOKED_UP = (nn.Embedding, nn.EmbeddingBag)


class Effort(NamedTuple):
    """Additions and multiplications, about.

    Args:
        calibration: That fitting all reductions takes.
        training: That an epoch on `TRAINED_ON` rows takes.
    """

    calibration: float
    training: float

    @property
    def is_notable(self) -> bool:
        """Whether the calibration takes more than the epoch, and long.

        Example:
            >>> [Effort(1e11, training).is_notable for training in (1e10, 1e12)]
            [True, False]
        """
        return self.calibration > max(self.training, UNNOTICED)


def effort_of(layers: Sequence[Layer], readers: Mapping[str, Reader], forward: float) -> Effort:
    """What calibrating `readers` takes.

    Args:
        layers: Which layers there are.
        readers: How each is read; what is calibrated already takes nothing.
        forward: Operations of the model on one row.
    """
    reductions = ((readers[layer.name].reduction, layer.n_units) for layer in layers)
    calibration = sum(
        reduction.operations(CALIBRATION_ROWS, n_units)
        for reduction, n_units in reductions
        if not reduction.frozen
    )
    return Effort(calibration, _PASSES * TRAINED_ON * forward)


def forward_operations(calls: Sequence[Call], n_rows: int) -> float:
    """About how many operations a model takes for one row.

    Args:
        calls: The calls of its modules in one batch.
        n_rows: Rows of that batch.
    """
    called = {call.module for call in calls}
    total = 0.0
    for call in calls:
        if call.output is None:
            continue
        n_numbers = math.prod(call.output.shape) / max(n_rows, 1)
        for weight in _weights(call.module, called):
            n_positions = max(1.0, n_numbers / max(len(weight), 1))
            total += 2.0 * weight.numel() * n_positions
    return total


def _weights(module: nn.Module, called: set[nn.Module]) -> Iterator[Tensor]:
    """Its own, and those of parts that it uses without calling them, as fused layers do."""
    for part in module.modules():
        if (part is module or part not in called) and not isinstance(part, _LOOKED_UP):
            yield from (weight for weight in part.parameters(recurse=False) if weight.ndim > 1)
