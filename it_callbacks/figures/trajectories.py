"""Find where each layer was in the information plane, point by point."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from it_callbacks.figures.axes import Panel
from it_callbacks.figures.labels import CAUTION, plain, status_word
from it_callbacks.figures.readings import Reading, View
from it_callbacks.records import Status
from it_callbacks.runs import Series
from it_callbacks.wide_settings import WideSettings


class Trajectory(NamedTuple):
    """The trajectory of one layer through the plane."""

    layer: str
    steps: list[int]
    """At which both values are finite."""
    x: Series
    y: Series
    status: Series
    chance: Series
    x_ends: tuple[Series, Series]
    """Ends of the bar around x; empty where there is none."""
    y_ends: tuple[Series, Series]
    bounds: Mapping[int, str]
    """By step, in words, what a value cannot exceed or fall below, as far as that is known."""
    caution: str
    """Why to read the layer with caution, if the settings say it."""
    classes: str
    """Among which classes y was read, if not among all."""
    samples: str
    """How many samples the layer was read on, if not on as many as the others."""
    n_dropped: int
    """Points that this view has no value of."""

    @property
    def has_saturated(self) -> bool:
        """Whether one of its points is hollow."""
        return any(self.status.get(step) == Status.SATURATED for step in self.steps)

    def symbols(self, symbol: str, steps: Sequence[int]) -> list[str]:
        """Its markers at `steps`; a saturated point is hollow."""
        status, hollow = self.status.get, f"{symbol}-open"
        return [hollow if status(step) == Status.SATURATED else symbol for step in steps]

    def remarks(self, steps: Sequence[int]) -> list[str]:
        """What hovering shows of its points besides their values, with markup."""
        known: dict[tuple[float, str], str] = {}
        found = []
        for step in steps:
            key = (self.status.get(step, -1), self.bounds.get(step, ""))
            if key not in known:
                word = status_word(key[0])
                if word == CAUTION and self.caution:
                    word = f"{word}: {plain(self.caution)}"
                known[key] = "<br>".join(filter(None, (self.classes, self.samples, key[1], word)))
            found.append(known[key])
        return found


def trajectories(panel: Panel, view: View, resolution: int) -> list[Trajectory]:
    """Return those of all layers that have both quantities, in order of depth.

    Args:
        panel: What to read.
        view: What its plane shows.
        resolution: Which of the panel's rulers.
    """
    if resolution >= len(panel.rulers):
        return []
    wide = panel.run.wide(panel.set) if view.status == "wide_status" else WideSettings()
    found = []
    for layer in panel.run.layers(view.x, panel.set):
        x, y = (panel.series(name, layer, resolution) for name in view.axes)
        both = x.keys() & y.keys()
        if not both:
            continue
        steps = sorted(s for s in both if math.isfinite(x[s]) and math.isfinite(y[s]))
        found.append(
            Trajectory(
                layer,
                steps,
                x,
                y,
                panel.series(view.status, layer, resolution),
                panel.series("I_TY_chance", layer, resolution),
                panel.ends(view.x, layer, resolution),
                panel.ends(view.y, layer, resolution),
                _bounds(panel, view, layer, resolution),
                wide.cautions.get(layer, ""),
                wide.classes,
                _samples(wide, layer),
                len(both) - len(steps),
            )
        )
    return found


def _samples(wide: WideSettings, layer: str) -> str:
    n_samples = wide.n_samples_of(layer)
    return "" if n_samples in (None, wide.n_samples) else f"{n_samples} samples"


def _bounds(panel: Panel, view: View, layer: str, resolution: int) -> dict[int, str]:
    found: dict[int, list[str]] = defaultdict(list)
    for step, most in panel.series(view.upper, layer).items():
        if math.isfinite(most):
            found[step].append(f"{_symbol(panel, view.x)} at most {most:.3f} bits")
    for name in view.bounded if resolution == 0 else ():
        low, high = (panel.series(end, layer) for end in panel.run.about(name).interval)
        for step, least in low.items():
            if least > 0 and not math.isfinite(high.get(step, math.nan)):
                found[step].append(f"{_symbol(panel, name)} at least {least:.3f} bits")
    return {step: "<br>".join(lines) for step, lines in found.items()}


def _symbol(panel: Panel, quantity: str) -> str:
    return panel.run.about(quantity).label.partition(", ")[0]


def why_empty(panel: Panel, reading: Reading, resolution: int) -> str:
    """Say why a panel has no plane."""
    counted = reading.views["linear"]
    x, y = (panel.run.about(name).label.partition(",")[0] for name in counted.axes)
    if not panel.has(counted.x) and not panel.has(counted.y):
        return reading.absent
    if not panel.has(counted.y):
        why = "too few samples of a class" if panel.has("I_TY") else "there is no Y"
        return f"{x} was logged, but no {y}:<br>{why}; see the curves of {x}"
    if not panel.has(counted.x):
        return f"{y} was logged, but no {x}"
    n_rulers = len(panel.rulers)
    if resolution >= n_rulers:
        return f"this plane was read at {n_rulers} resolution{'s' * (n_rulers > 1)} only"
    return "no layer has a value of both quantities"
