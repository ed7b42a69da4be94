"""Draw trajectories in a plane, as Plotly's traces."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from it_callbacks.figures.axes import Panel, finite, finite_all
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.readings import View
from it_callbacks.figures.theme import MUTED, TEXT
from it_callbacks.figures.times import Clock, log_time
from it_callbacks.figures.trajectories import Trajectory


def _hover(panel: Panel, view: View, clock: Clock, *, names: Sequence[str]) -> str:
    """What hovering shows of a point; names come in as data, never as part of the template.

    Args:
        panel: Where the point is.
        view: What its plane shows.
        clock: What time is counted in.
        names: What the template calls layer, epoch, step and remarks.
    """
    layer, epoch, step, remarks = names
    when = f"epoch %{{{epoch}}}, " if clock.unit == "epoch" else ""
    values = []
    for letter, name in zip("xy", view.axes, strict=True):
        symbol, comma, remark = panel.about(name).label.partition(", ")
        values.append(f"{symbol} %{{{letter}:.3f}} bits{comma}{remark}")
    lines = [f"<b>%{{{layer}}}</b>", f"{when}step %{{{step}}}", *values, f"%{{{remarks}}}"]
    return "<br>".join(lines) + "<extra></extra>"


def trajectory_trace(
    panel: Panel,
    trajectory: Trajectory,
    kept: Collection[int],
    clock: Clock,
    symbol: str,
    view: View,
) -> dict[str, Any]:
    """The drawn points of one layer, and a faint line from each to the next."""
    steps = [step for step in trajectory.steps if step in kept]
    epochs = [panel.run.epochs.get(step, -1) for step in steps]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plain(shortened(trajectory.layer)),
        "showlegend": False,
        "legendgroup": plain(trajectory.layer),
        "meta": plain(trajectory.layer),
        "x": finite_all(trajectory.x, steps),
        "y": finite_all(trajectory.y, steps),
        "customdata": [
            list(row) for row in zip(trajectory.remarks(steps), epochs, steps, strict=True)
        ],
        "hovertemplate": _hover(
            panel, view, clock, names=("meta", "customdata[1]", "customdata[2]", "customdata[0]")
        ),
        # Of one colour: Plotly gives a line no scale, and each piece a trace would be too many.
        "line": {"color": MUTED.faint(0.45), "width": 1},
        "marker": {
            "symbol": trajectory.symbols(symbol, steps),
            "color": [log_time(clock.read(step, panel.run.epochs)) for step in steps],
            "coloraxis": "coloraxis",
            "size": 7,
        },
    }


def bars(trajectory: Trajectory, kept: Collection[int]) -> dict[str, Any]:
    """Error bars where there is an interval with both ends, or a spread.

    A value beyond an end of its interval is where the bar starts.
    """
    steps = [step for step in trajectory.steps if step in kept]
    found = {}
    for name, values, (low, high) in (
        ("error_x", trajectory.x, trajectory.x_ends),
        ("error_y", trajectory.y, trajectory.y_ends),
    ):
        if low and high:
            lengths = [_lengths(low.get(s), values[s], high.get(s)) for s in steps]
            found[name] = {
                "type": "data",
                "symmetric": False,
                "array": [above for _, above in lengths],
                "arrayminus": [below for below, _ in lengths],
                "thickness": 1,
                "width": 0,
                "color": MUTED,
            }
    return found


def _lengths(
    low: float | None, value: float, high: float | None
) -> tuple[float | None, float | None]:
    """How far a bar reaches down and up; no bar unless it has both ends."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None, None
    return max(0.0, value - low), max(0.0, high - value)


def chance_trace(shown: Sequence[Trajectory], kept: Collection[int]) -> dict[str, Any]:
    """The chance level of I(T;Y) at every drawn point, as a dash below it."""
    points = [
        (finite(each.x[step]), finite(each.chance.get(step)))
        for each in shown
        for step in each.steps
        if step in kept and math.isfinite(each.chance.get(step, math.nan))
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
        "marker": {"symbol": "line-ew-open", "color": MUTED, "size": 7},
    }


def joined_trace(
    panel: Panel, line: dict[str, Any], shown: Sequence[Trajectory], clock: Clock, view: View
) -> dict[str, Any]:
    """The line that joins the layers at one moment."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "layers joined",
        "legendgroup": "joined",
        "legendrank": 1003,
        **line,
        "hovertext": [plain(each.layer) for each in shown],
        "hovertemplate": _hover(
            panel, view, clock, names=("hovertext", "meta[0]", "meta[1]", "customdata")
        ),
        "connectgaps": True,
        "line": {"color": TEXT, "width": 1.5},
        "marker": {**line["marker"], "color": TEXT, "size": 9},
    }
