"""Put values, peaks and the size of a set into words for a reader of the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from it_callbacks.tables import Course, Interval, Number
from it_callbacks.wide_settings import WideSettings

LIMITS = {
    "code": (
        "An empty ring is saturated: nearly every sample had a code of its own, so I(T;Y) would "
        "be as high for random labels, and the point holds no information about the network.",
        "I(X;T) of a deterministic network is the entropy of its binned layer: how finely the "
        "layer distinguishes inputs at the resolution of its bins. Compare a layer with itself "
        "over time; layers with different bins or numbers of units are not on one scale, and a "
        "compression is no proof of generalisation.",
    ),
    "wide": (
        "I(X;T+σZ) is how many inputs stay apart, in bits, once noise of a fixed share of the "
        "layer's present spread is added. It is not I(X;T), and a fall is no compression of bins: "
        "a layer that stretches in one direction falls, too. A value near log2 K means that "
        "samples cluster by class, which is no proof of generalisation.",
        "V(T→Y) is what a linear reader can predict of the label from the layer, on samples it was "
        "not fitted to: a lower bound on the information. A low value does not mean that the "
        "information is gone, it may rise with depth, and below 0 it says no more than at 0.",
    ),
}
"""How far a plane can be read, by its reading."""


def number(value: Number, digits: int = 2) -> str:
    """Write a value with its standard deviation over runs, if it has one; a dash for no value.

    Example:
        >>> number(Number(2.0)), number(Number(2.0, 0.1)), number(Number(float("nan")))
        ('2.00', '2.00 (sd 0.10)', '–')
    """
    if not math.isfinite(value.value):
        return "–"
    text = f"{value.value:.{digits}f}"
    return f"{text} (sd {value.spread:.{digits}f})" if math.isfinite(value.spread) else text


def interval(ends: Interval) -> str:
    """Write an interval, or its lower end where it stands alone; a dash where there is neither.

    Example:
        >>> nan = float("nan")
        >>> interval(Interval(5.31, 5.6)), interval(Interval(5.31, nan)), interval(Interval(0, nan))
        ('5.31 to 5.60', 'at least 5.31', '–')
    """
    if math.isfinite(ends.low) and math.isfinite(ends.high):
        return f"{ends.low:.2f} to {ends.high:.2f}"
    return f"at least {ends.low:.2f}" if ends.low > 0 else "–"


def when(values: Course) -> str:
    """Write when the highest value was: its step where the epoch alone does not tell.

    Example:
        >>> when(Course(Number(1.0), Number(3.0), 4, Number(2.0)))
        'epoch 4'
        >>> when(Course(Number(1.0), Number(3.0), 0, Number(2.0), peak_step=26))
        'epoch 0, step 26'
    """
    known = {"epoch": values.peak_epoch, "step": values.peak_step}
    return ", ".join(f"{name} {at}" for name, at in known.items() if at is not None)


def wide_facts(wide: WideSettings) -> str:
    """Say how layers of any width were read.

    Example:
        >>> wide_facts(WideSettings(n_samples=1024, cap=8.015, label_entropy=1.0))
        'Read at any width from 1024 samples; I(X;T+σZ) is at most 8.02 bits; H(Y) = 1.00 bits'
    """
    of = f" from {wide.n_samples} samples" if wide.n_samples else ""
    known = [f"Read at any width{of}"]
    if wide.ceiling is not None:
        known.append(f"I(X;T+σZ) is at most {wide.ceiling:.2f} bits")
    if wide.label_entropy is not None:
        known.append(f"H(Y) = {wide.label_entropy:.2f} bits {wide.classes}".rstrip())
    return "; ".join(known)


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
