"""Find where each layer was in the information plane, point by point."""

from __future__ import annotations

import math
from typing import NamedTuple

from it_callbacks.figures.axes import Panel
from it_callbacks.runs import Series


class View(NamedTuple):
    """Which estimates a plane shows."""

    title: str
    about: str
    x: str
    """Name of the quantity across."""
    y: str
    """Name of the quantity up."""
    options: tuple[str, ...]
    """What can be drawn besides: ``chance`` or ``intervals``."""


VIEWS = {
    "linear": View("Linear", "I(X;T) against I(T;Y), as counted", "I_XT", "I_TY", ("chance",)),
    "adjusted": View(
        "Adjusted", "I(T;Y) on a scale on which chance is 0", "I_XT", "I_TY_adjusted", ()
    ),
    "corrected": View(
        "Corrected",
        "both corrected for the size of the sample",
        "I_XT_corrected",
        "I_TY_corrected",
        ("intervals",),
    ),
}


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
    n_dropped: int
    """Points that this view has no value of."""


def trajectories(panel: Panel, view: str, resolution: int) -> list[Trajectory]:
    """Return those of all layers that have both quantities, in order of depth.

    Args:
        panel: What to read.
        view: One of `VIEWS`.
        resolution: Which of the panel's rulers.
    """
    if resolution >= len(panel.rulers):
        return []
    across, up = VIEWS[view].x, VIEWS[view].y
    found = []
    for layer in panel.run.layers("I_XT", panel.set):
        x, y = panel.series(across, layer, resolution), panel.series(up, layer, resolution)
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
                panel.series("status", layer, resolution),
                panel.series("I_TY_chance", layer, resolution),
                panel.ends(across, layer, resolution),
                panel.ends(up, layer, resolution),
                len(both) - len(steps),
            )
        )
    return found


def why_empty(panel: Panel, resolution: int) -> str:
    """Say why a panel has no plane."""
    has = {name: panel.set in panel.run.sets(name) for name in ("I_XT", "I_TY")}
    if not any(has.values()):
        return "no information plane was logged of this set"
    if not has["I_TY"]:
        return "I(X;T) was logged, but no I(T;Y):<br>there is no Y; see the curves of I(X;T)"
    if not has["I_XT"]:
        return "I(T;Y) was logged, but no I(X;T)"
    n_rulers = len(panel.rulers)
    if resolution >= n_rulers:
        return f"this plane was read at {n_rulers} resolution{'s' * (n_rulers > 1)} only"
    return "no layer has a value of both quantities"
