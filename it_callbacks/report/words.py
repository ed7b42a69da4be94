"""Numbers, statuses and settings in, what a reader is told of them out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from it_callbacks.tables import Course, Number

LIMITS = (
    "A hollow point is saturated: nearly every sample had a code of its own, so I(T;Y) would be as "
    "high for labels drawn by lot, and the point says nothing about the network.",
    "I(X;T) of a deterministic network is the entropy of its binned layer: how finely the layer "
    "tells inputs apart at the resolution of its bins. Compare a layer with itself over time; "
    "layers with different bins or numbers of units are not on one scale, and a compression is no "
    "proof of generalisation.",
)
"""How far any plane can be read."""

_READABLE = {
    "measured_on": "measured on",
    "n_samples": "samples",
    "n_unlabelled": "samples without a label",
    "H_Y": "H(Y), bits",
    "n_classes": "number of classes",
    "classes": "classes",
    "class_names": "names of classes",
    "share_of_repeated_inputs": "share of repeated inputs",
    "population": "the samples stand for",
    "predictions": "predictions are",
    "max_samples": "at most so many samples",
    "extra": "further estimators",
    "seed": "seed",
    "version": "version of it_callbacks",
}
"""Settings in the order in which they are told, and in words."""


def number(value: Number, digits: int = 2) -> str:
    """The value with its spread, if it has one; a dash where there is none.

    Example:
        >>> number(Number(2.0)), number(Number(2.0, 0.1)), number(Number(float("nan")))
        ('2.00', '2.00 ± 0.10', '–')
    """
    if not math.isfinite(value.value):
        return "–"
    text = f"{value.value:.{digits}f}"
    return f"{text} ± {value.spread:.{digits}f}" if math.isfinite(value.spread) else text


def peak(values: Course) -> str:
    """The highest value and its epoch.

    Example:
        >>> peak(Course(Number(1.0), Number(3.0), 4, Number(2.0)))
        '3.00 (epoch 4)'
    """
    known = values.peak_epoch is not None
    return number(values.peak) + (f" (epoch {values.peak_epoch})" if known else "")


def setting(value: Any) -> str:
    """A setting's value in words.

    Example:
        >>> setting(None), setting([]), setting([1, 2]), setting({"a": 1})
        ('not limited', 'none', '1, 2', 'a: 1')
    """
    if value is None:
        return "not limited"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {setting(of_key)}" for key, of_key in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(setting(item) for item in value) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def settings(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of the settings that have words, in order; see `layers` for the rest."""
    return [
        (words, "none given" if key == "class_names" and told[key] is None else setting(told[key]))
        for key, words in _READABLE.items()
        if key in told
    ]


def layers(told: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Of each layer of a plane: tag, module, what is read of it, rulers, and H(T|X)."""
    listed = told.get("layers")
    return [
        (
            setting(layer.get("tag", "")),
            setting(layer.get("module", "")),
            setting(layer.get("estimand", "")),
            setting(layer.get("rulers", [])),
            setting(list(dict.fromkeys(map(setting, _listed(layer.get("H_T_given_X")))))),
        )
        for layer in (listed if isinstance(listed, list) else [])
        if isinstance(layer, Mapping)
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_BEYOND_ALL = 1e18
"""No set has as many samples or bits; a whole number in JSON may be too large for a float."""


def facts(told: Mapping[str, Any]) -> str:
    """How many samples a set has, and how much there is to know of their labels.

    Example:
        >>> facts({"n_samples": 100, "H_Y": 3.3219})
        'N = 100 samples, log2 N = 6.64 bits; H(Y) = 3.32 bits'
    """
    n_samples, h_y = told.get("n_samples"), told.get("H_Y")
    said = []
    if isinstance(n_samples, int) and 0 < n_samples < _BEYOND_ALL:
        said.append(f"N = {n_samples} samples, log2 N = {math.log2(n_samples):.2f} bits")
    if isinstance(h_y, int | float) and abs(h_y) < _BEYOND_ALL:
        said.append(f"H(Y) = {h_y:.2f} bits")
    return "; ".join(said)
