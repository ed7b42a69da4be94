"""Find where each layer was in the information plane, point by point."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from it_callbacks.figures.axes import Panel
from it_callbacks.figures.readings import Reading, View
from it_callbacks.figures.times import ages, thinned
from it_callbacks.records import Status
from it_callbacks.runs import Series
from it_callbacks.wide_settings import WideSettings

_STATUSES: Mapping[float, Status] = {float(status): status for status in Status}


class Trajectory(NamedTuple):
    """The trajectory of one layer through the plane."""

    layer: str
    depth: int
    """Its number among the layers of the set, from 0."""
    n_layers: int
    steps: list[int]
    """At which both values are finite."""
    gaps: list[int]
    """At which it was measured, but has no value in this view."""
    x: Series
    y: Series
    status: Series
    chance: Series
    coverage: Series
    x_ends: tuple[Series, Series]
    """Ends of the bar around x; empty where there is none."""
    y_ends: tuple[Series, Series]
    upper: Series
    """What x cannot exceed."""
    lowers: tuple[Series, Series]
    """What x and y cannot fall below, where no upper end is known."""
    caution: str
    """Why to read the layer with caution, if the settings say it."""
    samples: int | None
    """How many samples the layer was read on, if that is known."""
    epochs: Mapping[int, int]
    """By step, as far as they are known."""

    def until(self, step: int | None) -> Trajectory:
        """What of it there was at a step; all of it for None."""
        if step is None:
            return self
        return self._replace(
            steps=self.steps[: bisect_right(self.steps, step)],
            gaps=self.gaps[: bisect_right(self.gaps, step)],
        )

    def has(self, step: int) -> bool:
        """Whether both values are finite at a step."""
        place = bisect_right(self.steps, step)
        return place > 0 and self.steps[place - 1] == step

    def thinned(self, most: int) -> Trajectory:
        """At most `most` of its points, the early ones close."""
        return self._replace(steps=thinned(self.steps, most))

    @property
    def ages(self) -> list[float]:
        """How far along each point is, from 0 to 1."""
        return ages(self.steps, self.epochs)

    @property
    def pieces(self) -> list[range]:
        """Numbers of the points between which none is missing.

        Example:
            A layer without a value at the third of five steps has ``[range(0, 2), range(2, 4)]``.
        """
        found, start = [], 0
        for number in range(1, len(self.steps)):
            before, at = self.steps[number - 1 : number + 1]
            if bisect_right(self.gaps, before) != bisect_right(self.gaps, at):
                found.append(range(start, number))
                start = number
        return [*found, range(start, len(self.steps))] if self.steps else []

    def status_at(self, step: int) -> Status | None:
        """How far to trust a point; None where that was not logged."""
        return _STATUSES.get(self.status.get(step, math.nan))


def trajectories(panel: Panel, view: View, resolution: int) -> list[Trajectory]:
    """Return those of all layers that have both quantities, in order of depth.

    Args:
        panel: What to read.
        view: What its plane shows.
        resolution: Which of the panel's rulers.
    """
    key = trajectories, view, resolution
    return panel.once(key, lambda: _read(panel, view, resolution))


def _read(panel: Panel, view: View, resolution: int) -> list[Trajectory]:
    if resolution >= len(panel.rulers):
        return []
    is_wide = view.status == "wide_status"
    wide = panel.run.wide(panel.set) if is_wide else WideSettings()
    n_samples = panel.run.setting("information_plane", panel.set, "n_samples")
    counted = "relative_I_XT" if is_wide else "I_XT"  # which all layers of a reading have
    layers = panel.run.layers(counted, panel.set)
    found = []
    for depth, layer in enumerate(layers):
        x, y = (panel.series(name, layer, resolution) for name in view.axes)
        if not x.keys() & y.keys():
            continue
        there = finite_steps(x) & finite_steps(y)
        found.append(
            Trajectory(
                layer,
                depth,
                len(layers),
                sorted(there),
                sorted((x.keys() | y.keys()) - there),
                x,
                y,
                panel.series(view.status, layer, resolution),
                panel.series("I_TY_chance", layer, resolution) if "chance" in view.options else {},
                {} if is_wide else panel.series("coverage", layer, resolution),
                panel.ends(view.x, layer, resolution),
                panel.ends(view.y, layer, resolution),
                panel.series(view.upper, layer) if view.upper else {},
                _lowers(panel, view, layer, resolution),
                wide.cautions.get(layer, ""),
                wide.n_samples_of(layer) if is_wide else int(n_samples) if n_samples else None,
                panel.run.epochs,
            )
        )
    return found


def finite_steps(series: Series) -> set[int]:
    """Return the steps at which a series has a finite value."""
    if all(map(math.isfinite, series.values())):  # the usual case, at a third of the time
        return set(series)
    return {step for step, value in series.items() if math.isfinite(value)}


def _lowers(panel: Panel, view: View, layer: str, resolution: int) -> tuple[Series, Series]:
    """For x and y, the lower ends that stand alone; of the first ruler. At least 0 is no news."""
    found: list[Series] = []
    for name in view.bounded if resolution == 0 else ():
        low, high = (panel.series(end, layer) for end in panel.run.about(name).interval)
        bounded = finite_steps(high)
        found.append(
            {step: least for step, least in low.items() if least > 0 and step not in bounded}
        )
    x, y = found or ({}, {})
    return x, y


def why_empty(panel: Panel, reading: Reading, view: View, resolution: int) -> list[str]:
    """Say why a panel has no plane, and what can be seen instead; a text in each line."""
    x, y = (panel.run.about(name).label.partition(",")[0] for name in view.axes)
    counted = reading.views["linear"]
    if not panel.has(counted.x) and not panel.has(counted.y):
        return [reading.absent]
    if not panel.has(counted.y):
        why = "too few samples of a class" if panel.has("I_TY") else "there is no Y"
        return [f"{x} was logged, but no {y}:", f"{why}; see the curves of {x}"]
    if not panel.has(counted.x):
        return [f"{y} was logged, but no {x}"]
    n_rulers = len(panel.rulers)
    if resolution >= n_rulers:
        return [f"this plane was read at {n_rulers} resolution{'s' * (n_rulers > 1)} only"]
    if view is not counted and (why := why_not([panel], view)):
        return [why, "choose the linear view"]
    return ["no layer has a value of both quantities"]


_WHY_MISSING = {
    "I_XT_corrected": "corrected value, since nearly every code was seen once",
    "I_TY_adjusted": "adjusted value, since chance alone gives nearly all of H(Y)",
}


def why_not(panels: Sequence[Panel], view: View, least: int = 2) -> str:
    """Say why a view cannot be drawn, as no layer of any panel has points; empty if one has.

    Of values that were not read nothing is said.

    Args:
        panels: All that would be drawn.
        view: Which view.
        least: So many points make something to see; one does of a layer that has no other.
    """
    if not all(p.was_read(name) for p in panels for name in view.axes if p.has(name)):
        return ""
    missing = dict.fromkeys(view.axes, 0)
    n_points = 0
    for panel in panels:
        for layer in panel.run.layers(view.x, panel.set):
            of_layer = {name: panel.series(name, layer) for name in view.axes}
            steps = {step for series in of_layer.values() for step in series}
            finite = {name: finite_steps(series) for name, series in of_layer.items()}
            if steps and len(set.intersection(*finite.values())) >= min(least, len(steps)):
                return ""
            n_points += len(steps)
            for name, there in finite.items():
                missing[name] += len(steps) - len(there)
    if not panels:
        return ""
    name = max(missing, key=missing.__getitem__)
    label = panels[0].run.about(name).label
    if not any(panel.has(name) for panel in panels):
        return f"{label} was not logged"
    if not n_points:
        return ""
    what = _WHY_MISSING.get(name, f"value of {label}")
    return f"{missing[name]} of {n_points} points have no {what}"


def n_dropped(found: Sequence[Trajectory]) -> tuple[int, int]:
    """Return how many points have no value in their view, and of how many."""
    missing = sum(len(each.gaps) for each in found)
    return missing, missing + sum(len(each.steps) for each in found)
