"""A panel in; where each of its layers was in the information plane, point by point, out."""

from __future__ import annotations

import math
from typing import NamedTuple

from it_callbacks.figures.axes import Panel
from it_callbacks.runs import Series

VIEWS = ("linear", "adjusted", "corrected")
"""As counted; with the chance level of I(T;Y) taken out; both by Chao, Wang & Jost."""


class Axis(NamedTuple):
    """What a view draws along one axis."""

    quantity: str
    """First part of its tags."""
    name: str
    remark: str = ""

    @property
    def title(self) -> str:
        """With the unit."""
        return ", ".join(filter(None, (self.name, "bits", self.remark)))


AXES = {
    "linear": (Axis("I_XT", "I(X;T)"), Axis("I_TY", "I(T;Y)")),
    "adjusted": (Axis("I_XT", "I(X;T)"), Axis("I_TY_adjusted", "I(T;Y)", "adjusted for chance")),
    "corrected": (
        Axis("I_XT_corrected", "I(X;T)", "corrected"),
        Axis("I_TY_corrected", "I(T;Y)", "corrected"),
    ),
}
"""For each view, what is drawn across and up."""


class Trajectory(NamedTuple):
    """The way of one layer through the plane."""

    layer: str
    steps: list[int]
    """At which both values are finite."""
    x: Series
    y: Series
    status: Series
    chance: Series
    x_bar: tuple[Series, Series]
    """How far the interval reaches below and above x; empty where there is none."""
    y_bar: tuple[Series, Series]
    n_dropped: int
    """Points that this view has no value of."""


def trajectories(panel: Panel, view: str, number: int) -> list[Trajectory]:
    """Of every layer that has both quantities at the resolution, in order of depth.

    Args:
        panel: What to read.
        view: One of `VIEWS`.
        number: Of the resolution.
    """
    if number >= len(panel.rulers):
        return []
    across, up = (axis.quantity for axis in AXES[view])
    found = []
    for layer in panel.run.layers("I_XT", panel.set):
        x, y = panel.series(across, layer, number), panel.series(up, layer, number)
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
                panel.series("status", layer, number),
                panel.series("I_TY_chance", layer, number),
                _bar(panel, across, layer, number),
                _bar(panel, up, layer, number),
                len(both) - len(steps),
            )
        )
    return found


def _bar(panel: Panel, quantity: str, layer: str, number: int) -> tuple[Series, Series]:
    """How far the bar reaches below and above: the spread over repeats, else the interval."""
    spread = panel.spread(quantity, layer, number)
    if spread:
        return spread, spread
    centre = panel.series(quantity, layer, number)
    names = panel.run.about(quantity).interval
    ends = [panel.series(name, layer, number) for name in names] or [{}, {}]
    below = {step: centre[step] - end for step, end in ends[0].items() if step in centre}
    above = {step: end - centre[step] for step, end in ends[1].items() if step in centre}
    return below, above


def why_empty(panel: Panel, number: int) -> str:
    """Why a panel has no plane, in words."""
    has = {name: panel.run.sets(name) for name in ("I_XT", "I_TY")}
    if panel.set not in has["I_XT"] + has["I_TY"]:
        return "no information plane was logged of this set"
    if panel.set not in has["I_TY"]:
        return "I(X;T) was logged, but no I(T;Y):<br>were there labels?"
    if panel.set not in has["I_XT"]:
        return "I(T;Y) was logged, but no I(X;T)"
    n_rulers = len(panel.rulers)
    if number >= n_rulers:
        return f"this plane was read at {n_rulers} resolution{'s' * (n_rulers > 1)} only"
    return "no layer has a value of both quantities"
