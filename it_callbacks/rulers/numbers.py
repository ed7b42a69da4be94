"""What rulers compute with: floats that are wide enough, and finite."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def real(activations: Tensor) -> Tensor:
    """`activations` outside of gradients, of which a ruler makes sense: dense, not complex.

    What is observed is never trained on.
    """
    if not isinstance(activations, Tensor):
        raise TypeError(f"activations: need a torch.Tensor, got {type(activations).__name__}")
    if activations.layout != torch.strided or activations.is_nested:
        kind = "a nested tensor" if activations.is_nested else f"layout {activations.layout}"
        raise TypeError(f"activations: need a dense tensor, got {kind}")
    if activations.is_complex():
        raise TypeError("activations: complex values have no order; pass torch.view_as_real(t)")
    return activations.detach()


def wide_type(dtype: torch.dtype) -> torch.dtype:
    """The type that rulers compute in: float32, or float64 for that and for integers.

    Half precision is widened, integers become float64 (exact up to 2**53).
    """
    is_narrow = dtype.is_floating_point and dtype != torch.float64
    return torch.float32 if is_narrow else torch.float64


def floating(activations: Tensor) -> Tensor:
    """`activations` in float32 or float64, where the arithmetic of the rulers is defined."""
    activations = real(activations)
    return activations.to(wide_type(activations.dtype))


def as_states(levels: Tensor) -> Tensor:
    """Whole numbers as int64; raises ValueError on NaN, infinity and what 64 bits cannot hold."""
    if levels.is_floating_point() and levels.numel():
        low, high = (end.item() for end in torch.aminmax(levels))
        farthest = max(-low, high)
        if not math.isfinite(low + high):
            refuse_nonfinite(levels)
        if farthest >= 2.0**63:
            raise ValueError(
                f"activations: {farthest:.3g} bins away from 0 does not fit a 64-bit state; pass a "
                "coarser ruler"
            )
    return levels.to(torch.int64)


def finite_rows(rows: Tensor) -> Tensor | None:
    """Which rows ``(n_rows, ...)`` hold finite numbers only, ``(n_rows,)``; None where all do."""
    if not rows.is_floating_point() or not rows.numel():
        return None
    # NaN and infinity survive a sum, which takes one pass and no memory; torch adds up no floats of
    # 8 bits. A sum of float16 may be infinite by itself: a slower one then tells.
    if rows.dtype.itemsize > 1 and math.isfinite(rows.sum().item()):
        return None
    if rows.dtype == torch.float16 and math.isfinite(rows.sum(dtype=torch.float32).item()):
        return None
    finite = torch.cat([_finite(floating(part)) for part in few_rows(rows)])
    return None if finite.all() else finite


def _finite(rows: Tensor) -> Tensor:
    finite = torch.isfinite(rows)
    return finite.flatten(1).all(1) if rows.ndim > 1 else finite


_AT_ONCE = 2**19


def few_rows(rows: Tensor) -> Sequence[Tensor]:
    """Parts of few rows each, of which copies may be made: nothing is as large as the layer.

    A row is never divided; without rows there is one part without any.
    """
    n_units = math.prod(rows.shape[1:])
    parts: Sequence[Tensor] = torch.split(rows, max(1, _AT_ONCE // max(n_units, 1)))
    return parts


def refuse_mostly_nonfinite(n_left_out: int, n_rows: int) -> None:
    """Raise ValueError if more than half of a layer's rows were left out as not finite."""
    if 2 * n_left_out > n_rows:
        raise ValueError(f"activations: {n_left_out} of {n_rows} rows are NaN or infinite")


def refuse_nonfinite(values: Tensor) -> None:
    """Raise ValueError if any value is NaN or infinite: neither has a place on a ruler."""
    finite = torch.isfinite(values)
    if not finite.all():
        raise ValueError(
            f"activations: {int((~finite).sum())} of {values.numel()} values are NaN or infinite"
        )
