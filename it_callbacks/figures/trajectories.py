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
    ways = panel.run.resolutions(panel.set)
    if number >= len(ways):
        return []
    across, up = (axis.quantity for axis in AXES[view])
    found = []
    for layer in panel.run.layers("I_XT", panel.set):

        def named(name: str, layer: str = layer) -> str:
            return ways[number].quantity(name, layer)

        x, y = panel.series(named(across), layer), panel.series(named(up), layer)
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
                panel.series(named("status"), layer),
                panel.series(named("I_TY_chance"), layer),
                _bar(panel, named(across), named(f"{across}_low"), named(f"{across}_high"), layer),
                _bar(panel, named(up), named(f"{up}_low"), named(f"{up}_high"), layer),
                len(both) - len(steps),
            )
        )
    return found


def _bar(panel: Panel, middle: str, low: str, high: str, layer: str) -> tuple[Series, Series]:
    """Reaches below and above: of the spread over repeats, else of the interval."""
    spread = {key: s for key, s in panel.run.spread.items() if key == (middle, panel.set, layer)}
    for over_repeats in spread.values():
        return over_repeats, over_repeats
    centre = panel.series(middle, layer)
    ends = panel.series(low, layer), panel.series(high, layer)
    below = {step: centre[step] - end for step, end in ends[0].items() if step in centre}
    above = {step: end - centre[step] for step, end in ends[1].items() if step in centre}
    return below, above


def why_empty(panel: Panel, number: int) -> str:
    """Why a panel has no plane, in words."""
    ways = panel.run.resolutions(panel.set)
    has = {name: panel.run.sets(name) for name in ("I_XT", "I_TY")}
    if panel.set not in has["I_XT"] + has["I_TY"]:
        return "no information plane was logged of this set"
    if panel.set not in has["I_TY"]:
        return "I(X;T) was logged, but no I(T;Y):<br>were there labels?"
    if panel.set not in has["I_XT"]:
        return "I(T;Y) was logged, but no I(X;T)"
    if number >= len(ways):
        return f"this plane was read at {len(ways)} resolution{'s' * (len(ways) > 1)} only"
    return "no layer has a value of both quantities"
