"""What layers gave in one batch, to compare with a second run of it: is the model stochastic?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from typing_extensions import override

from it_callbacks.observation.calls import first_tensor
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.passes import DryRun

MOST_COMPARED = 2**16
"""Numbers of a layer's output that are kept, spread over all of it."""

ROUNDED = 1e-4
"""By how much of its largest number an output may change by rounding alone.

Some kernels add in another order each time. What is sampled changes by far more.
"""


class Outputs(DryRun):
    """A pass of which some numbers of each layer's output are kept, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[tuple[str, int], Tensor] = {}
        """By module and call."""

    @override
    def take(self, module_name: str, call: int, output: Any, *, is_copy: bool = False) -> None:
        """Keep some of the numbers."""
        tensor = output.data if isinstance(output, PackedSequence) else first_tensor(output)
        if tensor is not None:
            flat = tensor.detach().reshape(-1)
            step = max(1, len(flat) // MOST_COMPARED) | 1  # odd, so as to meet all units
            self.of[module_name, call] = flat[::step].clone()


def differing(once: Outputs, again: Outputs, layers: Iterable[Layer]) -> frozenset[str] | None:
    """The layers whose outputs differ; None if not all of them ran in both passes.

    Args:
        once: Of one pass of a batch.
        again: Of another one.
        layers: All that are observed.
    """
    found = set[str]()
    for layer in layers:
        place = (layer.module_name, layer.call)
        if place not in once.of or place not in again.of:
            return None
        if _differ(once.of[place], again.of[place]):
            found.add(layer.name)
    return frozenset(found)


def _differ(left: Tensor, right: Tensor) -> bool:
    if left.shape != right.shape or left.dtype != right.dtype:
        return True
    same = (left == right) | ((left != left) & (right != right))  # NaN is not itself
    if bool(same.all()):
        return False
    if not left.dtype.is_floating_point:
        return True
    # Not in place of NaN and infinity, where only one of both has them.
    apart = (left.float() - right.float())[~same].abs()
    share = max(ROUNDED, 8 * torch.finfo(left.dtype).eps)
    finite = left.float()[left.isfinite()].abs()
    largest = float(finite.max()) if len(finite) else 0.0
    return not bool((apart <= share * largest).all())
