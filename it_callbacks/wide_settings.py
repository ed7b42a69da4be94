"""Read from the settings of a set how its layers were read at any width.

A log may be anybody's: what no monitor would write counts as missing. Standard library only, as all
that TensorBoard's tab is made of.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from it_callbacks.quantities import OF_LABELS


@dataclass(frozen=True)
class WideSettings:
    """How the layers of a set were read at any width; None where the settings do not hold it.

    Args:
        n_samples: Samples that were read.
        cap: What I(X;T+σZ) cannot exceed, in bits.
        label_entropy: H(Y) of the samples that V(T→Y) is of, in bits.
        n_classes: Classes of the labels.
        among: Among how many of these V(T→Y) was read, where not among all.
        cautions: By layer, why to read it with caution.
        reading: The `WideReading` as text.
        schedule: When it is read, as text.
        samples: By layer, how many samples had finite values.
        labels: By layer, how many samples the label was read off.
        slices: Why to read sliced I(T;Y) with caution; empty if there is no reason.
    """

    n_samples: int | None = None
    cap: float | None = None
    label_entropy: float | None = None
    n_classes: int | None = None
    among: int | None = None
    cautions: Mapping[str, str] = field(default_factory=dict)
    reading: str = ""
    schedule: str = ""
    samples: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    slices: str = ""

    @property
    def method(self) -> str:
        """What two readings have in common whose values can be averaged, whenever they are read."""
        return f"{self.reading}, {self.n_samples} samples {self.classes}"

    @property
    def log_n(self) -> float | None:
        """What I(X;T+σZ) cannot exceed with so few samples, in bits."""
        return math.log2(self.n_samples) if self.n_samples else None

    @property
    def ceiling(self) -> float | None:
        """What I(X;T+σZ) cannot exceed: the cap or log2 of the samples; None for neither.

        Example:
            >>> WideSettings(cap=8.015).ceiling, WideSettings(n_samples=64, cap=8.015).ceiling
            (8.015, 6.0)
        """
        return min((each for each in (self.cap, self.log_n) if each is not None), default=None)

    def n_samples_of(self, layer: str, quantity: str = "relative_I_XT") -> int | None:
        """How many samples a quantity of a layer was read on."""
        of_layer = self.samples.get(layer, self.n_samples)
        return self.labels.get(layer, of_layer) if quantity in OF_LABELS else of_layer

    @property
    def noise(self) -> float | None:
        """The share of a layer's spread that the noise has; None where that is not known.

        Example:
            >>> WideSettings(reading="WideReading(n_samples=512, noise=0.5)").noise
            0.5
        """
        found = re.search(r"\bnoise=(\d+(?:\.\d+)?)\b", self.reading)
        return float(found[1]) if found else None

    @property
    def classes(self) -> str:
        """Among which classes V(T→Y) was read, in words; empty where among all.

        Example:
            >>> WideSettings(n_classes=1000, among=50).classes
            'among 50 of 1000 classes'
        """
        if self.among is None:
            return ""
        return f"among {self.among} of {self.n_classes or 'all'} classes"


def wide_settings(settings: Mapping[str, Any]) -> WideSettings:
    """Return what the settings of a set hold under ``wide``.

    Example:
        >>> found = wide_settings({"wide": {"cap": 8.015, "n_classes": "ten"}})
        >>> found.cap, found.n_classes
        (8.015, None)
    """
    given = settings.get("wide")
    values: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    given_layers = values.get("layers")
    layers = {
        str(layer): about
        for layer, about in (given_layers if isinstance(given_layers, Mapping) else {}).items()
        if isinstance(about, Mapping)
    }
    return WideSettings(
        _count(values.get("n_samples")),
        number(values.get("cap")),
        number(values.get("H_Y")),
        _count(values.get("n_classes")),
        _count(values.get("among")),
        {
            layer: about["caution"]
            for layer, about in layers.items()
            if isinstance(about.get("caution"), str)
        },
        str(values.get("reading", "")),
        str(values.get("schedule", "")),
        {layer: n for layer, about in layers.items() if (n := _count(about.get("samples")))},
        {layer: n for layer, about in layers.items() if (n := _count(about.get("labels")))},
        str(values.get("sliced_I_TY", "")),
    )


def number(value: object) -> float | None:
    """Return a number of the settings; None if it is none, or beyond all floats.

    Example:
        >>> number(3), number(True), number(float("nan")), number(10**400)
        (3, None, None, None)
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if abs(value) < 1e300 else None


def _count(value: object) -> int | None:
    found = number(value)
    return found if isinstance(found, int) and found > 0 else None
