"""Put values, peaks and the size of a set into words for a reader of the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from it_callbacks.tables import Course, Number

LIMITS = (
    "A hollow point is saturated: nearly every sample had a code of its own, so I(T;Y) would be as "
    "high for random labels, and the point holds no information about the network.",
    "I(X;T) of a deterministic network is the entropy of its binned layer: how finely the layer "
    "distinguishes inputs at the resolution of its bins. Compare a layer with itself over time; "
    "layers with different bins or numbers of units are not on one scale, and a compression is no "
    "proof of generalisation.",
)
"""How far any plane can be read."""


def number(value: Number, digits: int = 2) -> str:
    """Write a value with its spread, if it has one; a dash where there is none.

    Example:
        >>> number(Number(2.0)), number(Number(2.0, 0.1)), number(Number(float("nan")))
        ('2.00', '2.00 ± 0.10', '–')
    """
    if not math.isfinite(value.value):
        return "–"
    text = f"{value.value:.{digits}f}"
    return f"{text} ± {value.spread:.{digits}f}" if math.isfinite(value.spread) else text


def peak(values: Course) -> str:
    """Write the highest value and its epoch.

    Example:
        >>> peak(Course(Number(1.0), Number(3.0), 4, Number(2.0)))
        '3.00 (epoch 4)'
    """
    known = values.peak_epoch is not None
    return number(values.peak) + (f" (epoch {values.peak_epoch})" if known else "")


_BEYOND_ALL = 1e18
"""No set has as many samples or bits; a whole number in JSON may be too large for a float."""


def facts(settings: Mapping[str, Any]) -> str:
    """Say how many samples a set has, and how much there is to know of their labels.

    Example:
        >>> facts({"n_samples": 100, "H_Y": 3.3219})
        'N = 100 samples, log2 N = 6.64 bits; H(Y) = 3.32 bits'
    """
    n_samples, h_y = settings.get("n_samples"), settings.get("H_Y")
    known = []
    if isinstance(n_samples, int) and 0 < n_samples < _BEYOND_ALL:
        known.append(f"N = {n_samples} samples, log2 N = {math.log2(n_samples):.2f} bits")
    if isinstance(h_y, int | float) and abs(h_y) < _BEYOND_ALL:
        symbol = "bin Y" if settings.get("Y") == "bin Y" else "Y"
        known.append(f"H({symbol}) = {h_y:.2f} bits")
    return "; ".join(known)
