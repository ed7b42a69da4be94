"""Find what lies behind a BatchNorm that has tracked nothing yet.

Before training it passes its inputs on nearly as they are; the first steps change their scale. A
ruler that was calibrated before would not fit what it reads for the rest of the run.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from it_callbacks.observation.calls import Call
from it_callbacks.observation.layers import Layer


def is_untracked(module: nn.Module) -> bool:
    """Whether it is a norm whose running statistics are still those of a new module.

    Pretrained ones that were converted from elsewhere may have counted no batch, too.

    Example:
        >>> is_untracked(nn.BatchNorm1d(3)), is_untracked(nn.LayerNorm(3))
        (True, False)
    """
    if not isinstance(module, _NormBase) or module.num_batches_tracked is None:
        return False
    mean, variance = module.running_mean, module.running_var
    if mean is None or variance is None:
        return False
    is_new = not mean.any() and bool((variance == 1).all())
    return is_new and not module.num_batches_tracked.any()


def behind_untracked(calls: Sequence[Call], layers: Sequence[Layer]) -> frozenset[str]:
    """The names of the layers that came after the first untracked norm.

    Args:
        calls: All of one batch, in order.
        layers: Those that are observed.
    """
    is_behind = False
    places = set()
    for call in calls:
        is_behind = is_behind or is_untracked(call.module)
        if is_behind:
            places.add((call.name, call.number))
    return frozenset(layer.name for layer in layers if (layer.module_name, layer.call) in places)
