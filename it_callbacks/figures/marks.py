"""Trajectories in; what is drawn of them in a plane, as Plotly's traces, out."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from it_callbacks.figures.axes import Panel, finite, finite_all
from it_callbacks.figures.curves import translucent
from it_callbacks.figures.theme import Theme
from it_callbacks.figures.times import Clock, warmth
from it_callbacks.figures.trajectories import AXES, Trajectory
from it_callbacks.figures.words import SATURATED, plain, shortened, told


def _hover(layer: str, epoch: str, step: str, status: str, hands: Clock, view: str) -> str:
    """What hovering tells of a point; names come in as data, never as part of the template."""
    when = f"epoch %{{{epoch}}}, " if hands.word == "epoch" else ""
    values = [
        f"{axis.name} %{{{letter}:.3f}} bits{axis.remark and ', '}{axis.remark}"
        for letter, axis in zip("xy", AXES[view], strict=True)
    ]
    lines = [f"<b>%{{{layer}}}</b>", f"{when}step %{{{step}}}", *values, f"%{{{status}}}"]
    return "<br>".join(lines) + "<extra></extra>"


def trajectory_trace(
    panel: Panel,
    way: Trajectory,
    kept: Collection[int],
    hands: Clock,
    symbol: str,
    view: str,
    theme: Theme,
) -> dict[str, Any]:
    """The drawn points of one layer, and a faint line from each to the next."""
    steps = [step for step in way.steps if step in kept]
    words = [told(way.status.get(step, -1)) for step in steps]
    epochs = [panel.run.epochs.get(step, -1) for step in steps]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plain(shortened(way.layer)),
        "showlegend": False,
        "legendgroup": plain(way.layer),
        "meta": plain(way.layer),
        "x": finite_all(way.x, steps),
        "y": finite_all(way.y, steps),
        "customdata": [list(row) for row in zip(words, epochs, steps, strict=True)],
        "hovertemplate": _hover(
            "meta", "customdata[1]", "customdata[2]", "customdata[0]", hands, view
        ),
        # Of one colour: Plotly gives a line no scale, and each piece a trace would be too many.
        "line": {"color": translucent(theme.muted, 0.45), "width": 1},
        "marker": {
            "symbol": [symbol + "-open" * (word == SATURATED) for word in words],
            "color": [warmth(hands.read(step, panel.run.epochs)) for step in steps],
            "coloraxis": "coloraxis",
            "size": 7,
        },
    }


def bars_of(way: Trajectory, kept: Collection[int], theme: Theme) -> dict[str, Any]:
    """Error bars where there is an interval or a spread."""
    steps = [step for step in way.steps if step in kept]
    bars = {}
    for axis, (below, above) in (("error_x", way.x_bar), ("error_y", way.y_bar)):
        if below and above:
            bars[axis] = {
                "type": "data",
                "symmetric": False,
                "array": finite_all(above, steps),
                "arrayminus": finite_all(below, steps),
                "thickness": 1,
                "width": 0,
                "color": theme.muted,
            }
    return bars


def chance_trace(ways: Sequence[Trajectory], kept: Collection[int], theme: Theme) -> dict[str, Any]:
    """The chance level of I(T;Y) at every drawn point, as a dash below it."""
    points = [
        (finite(way.x[step]), finite(way.chance.get(step)))
        for way in ways
        for step in way.steps
        if step in kept and math.isfinite(way.chance.get(step, math.nan))
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "chance level of I(T;Y)",
        "legendgroup": "chance",
        "legendrank": 1001,
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "hovertemplate": "chance level of I(T;Y) %{y:.3f} bits<extra></extra>",
        "marker": {"symbol": "line-ew-open", "color": theme.muted, "size": 7},
    }


def joined_trace(
    line: dict[str, Any], ways: Sequence[Trajectory], hands: Clock, theme: Theme, view: str
) -> dict[str, Any]:
    """The line that joins the layers at one moment."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "layers joined",
        "legendgroup": "joined",
        "legendrank": 1003,
        **line,
        "hovertext": [plain(way.layer) for way in ways],
        "hovertemplate": _hover("hovertext", "meta[0]", "meta[1]", "customdata", hands, view),
        "connectgaps": True,
        "line": {"color": theme.text, "width": 1.5},
        "marker": {**line["marker"], "color": theme.text, "size": 9},
    }
