"""The same ruler with bins twice as wide: each bin merged with its neighbour."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from it_callbacks.rulers.ruler import Ruler, Uniform, Width


@dataclass(frozen=True)
class PairMerged(Ruler):
    """Reads with `ruler` and merges its bins in pairs: ``floor(state / 2)``.

    How much of H(bin T) is lost so tells how much a layer of half the size would lose: the bits
    per octave of scale.

    Args:
        ruler: One that is ready to use.

    Example:
        >>> PairMerged(Width(0.5))(torch.tensor([-0.1, 0.2, 0.7, 3.0])).tolist()  # -1 0 1 6
        [-1, 0, 0, 3]
    """

    ruler: Ruler

    @property
    @override
    def slug(self) -> str:
        return f"{self.ruler.slug}_merged"

    @override
    def levels(self, activations: Tensor) -> Tensor:
        # As whole numbers: a float may not tell neighbouring states far from 0 apart.
        return torch.div(self.ruler(activations), 2, rounding_mode="floor")


def pair_merged(ruler: Ruler) -> Ruler:
    """The ruler that reads as `ruler` does with its bins merged in pairs.

    Where that is a usual ruler with one width it is one, and equal to one that a user gives.
    (To double a width, or halve a scale, only changes a float's exponent: edges stay where they
    are.)

    Args:
        ruler: One that is ready to use.

    Example:
        >>> pair_merged(Uniform(30, -1, 1))
        Uniform(bins=15, low=-1.0, high=1.0)
    """
    if type(ruler) is Uniform and ruler.bins % 2 == 0:
        return Uniform(ruler.bins // 2, ruler.low, ruler.high)
    if type(ruler) is not Width or not isinstance(ruler.width, float):
        return PairMerged(ruler)  # without a second array of widths
    float32 = torch.finfo(torch.float32)
    if float32.tiny <= ruler.width <= float32.max / 2:
        return Width(2 * ruler.width, ruler.origin)
    return PairMerged(ruler)
