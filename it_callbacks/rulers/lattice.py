"""Find the step of activations that are discrete already, so that no bin merges two of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_VALUES = 1024
"""Distinct values beyond which a layer is taken for a continuous one."""
LEAST_EVIDENCE = 16
"""Values that could lie between two steps, and do not, from which on that is no coincidence."""
LEAST_OCCUPIED = 0.25
"""Of the places of a lattice other than that of whole numbers, the share that has values."""

_HALF = (8, 11)
"""Significant bits of the two types of 16 bits: bfloat16 and float16."""


def step_of(values: Floats, eps: float) -> tuple[float, float] | None:
    """The step of discrete activations and one of their values; None of continuous ones.

    Whole numbers have the step 1, whichever of them occur. Other values must be evenly spaced. Real
    numbers that were rounded to 16 bits are evenly spaced, too, where they have no finer places to
    be: only values that do have some count as evidence.

    Args:
        values: First activations, any shape; those that are NaN do not count.
        eps: The relative step of their type of number.

    Example:
        >>> step_of(np.arange(50.0), 1e-7), step_of(np.linspace(0, 1, 50) ** 2, 1e-7)
        ((1.0, 0.0), None)
    """
    flat = values.reshape(-1)
    flat = flat[np.isfinite(flat)]
    if not len(flat):
        return None
    if (flat == np.rint(flat)).all():
        return (1.0, 0.0) if _is_evident(flat, 1.0, eps) else None
    if len(np.unique(flat[:: max(1, len(flat) // 4096)])) > MOST_VALUES:
        return None
    places = np.unique(flat)
    if not 2 < len(places) <= min(MOST_VALUES, len(flat) // 4):
        return None
    step = float(np.diff(places).min())
    n_steps = (places - places[0]) / step
    # A value is off by rounding; the step by that of two values, times the number of steps.
    slack = 4 * eps * float(np.abs(places).max()) / step * (1 + n_steps)
    if (np.abs(n_steps - np.rint(n_steps)) > slack).any() or slack.max() > 1 / 16:
        return None
    if len(places) < LEAST_OCCUPIED * n_steps[-1]:
        return None
    return (step, float(places[0])) if _is_evident(flat, step, eps) else None


def _is_evident(values: Floats, step: float, eps: float) -> bool:
    """Whether enough values could have lain between two steps."""
    values = values[values != 0]
    for n_bits in _HALF:
        mantissa = np.frexp(values)[0] * 2.0**n_bits
        if (mantissa == np.rint(mantissa)).all():
            eps = max(eps, 2.0 ** (1 - n_bits))
            break
    resolution = eps * 2.0 ** (np.frexp(values)[1] - 1)
    return int((8 * resolution <= step).sum()) >= LEAST_EVIDENCE
