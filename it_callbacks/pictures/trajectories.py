"""Draw trajectories of layers for print: piece by piece, wider towards the end.

A layer has a symbol of its own where its trajectory ends, so that it is known without colours, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from it_callbacks.figures.times import ages
from it_callbacks.pictures.colours import Rgba, rgba
from it_callbacks.pictures.traces import Trace, dash

SYMBOLS = ("o", "s", "D", "^", "v", "P", "X", "h", "p", "*", "<", ">")
"""By depth; circles for all where there are more layers."""
_LOOKS_LARGE = {"D": 0.85, "*": 1.4}
"""What symbols are made larger or smaller by, that all look alike in size."""
ROLES = ("points", "line", "start", "end", "arrow")
"""Of the traces that make up a trajectory. Widths tell the direction here, in place of arrows."""
_START, _END, _ALONE, _RIM = 2.6, 4.6, 1.8, 0.6
"""Points: ring at the start, mark at the end, dot of a point without a line, rim."""
_BELOW = 0.75
"""What the training set has of widths, sizes and opacity where it lies below another set."""

Point = tuple[float, float]


class Trajectory(NamedTuple):
    """How a layer went through one panel."""

    axis: str
    """Name of the horizontal axis."""
    run: str
    layer: str
    points: list[Point]
    ages: list[float]
    """Of the points, from 0 to 1."""
    joined: set[tuple[Point, Point]]
    """Neighbours between which no point is missing."""
    has_left: bool
    """Whether it ends elsewhere than where it starts."""
    status: str
    """Of the last point: ``""``, ``"caution"`` or ``"saturated"``."""
    colour: Rgba
    is_below: bool
    """Whether it is of the training set, dotted below the others."""

    @property
    def pieces(self) -> list[tuple[Point, Point, float]]:
        """From where to where, and the age there."""
        pairs = zip(pairwise(self.points), self.ages[1:], strict=True)
        return [(a, b, age) for (a, b), age in pairs if (a, b) in self.joined]

    @property
    def alone(self) -> list[Point]:
        """Points between two that are missing."""
        touched = {point for pair in self.joined for point in pair}
        return [point for point in self.points[1:-1] if point not in touched]


def trajectories_of(data: Sequence[Trace], background: str) -> list[Trajectory]:
    """Those that the traces of a plane show, in their order; marks of its colour are hollow."""
    several: dict[tuple[Any, ...], dict[str, list[Trace]]] = {}
    for trace in data:
        about = trace["meta"]
        key = about["panel"], about["run"], about["set"], about["layer"]
        several.setdefault(key, {}).setdefault(about["role"], []).append(trace)
    return [_trajectory(traces, background) for traces in several.values() if "end" in traces]


def _trajectory(traces: Mapping[str, Sequence[Trace]], background: str) -> Trajectory:
    (points, *_), (end, *_), lines = traces["points"], traces["end"], traces.get("line", [])
    marker = end["marker"]
    is_hollow = marker["color"] == background
    steps = [int(row[1]) for row in points["customdata"]]
    epochs = {int(row[1]): int(row[0]) for row in points["customdata"] if row[0] != ""}
    return Trajectory(
        points.get("xaxis", "x"),
        points["meta"]["run"],
        points["meta"]["layer"],
        _places(points),
        ages(steps, epochs),
        {pair for line in lines for pair in pairwise(_places(line))},
        "start" in traces,
        ("caution" if marker["symbol"] == "circle-dot" else "saturated") if is_hollow else "",
        rgba(marker["line"]["color"] if is_hollow else marker["color"]),
        any(dash(line["line"]) != "-" for line in lines),
    )


def _places(trace: Trace) -> list[Point]:
    return list(zip(trace["x"], trace["y"], strict=True))


def draw_trajectory(axes: Any, trajectory: Trajectory, symbol: str, background: Any) -> None:
    """A trajectory with its ring and its mark."""
    from matplotlib.collections import LineCollection

    part = _BELOW if trajectory.is_below else 1.0
    colour = trajectory.colour[:3]
    lines = LineCollection(
        [[start, end] for start, end, _ in trajectory.pieces],
        linewidths=[part * (0.5 + 0.9 * age) for *_, age in trajectory.pieces],
        colors=[(*colour, round(part * (0.45 + 0.55 * age), 2)) for *_, age in trajectory.pieces],
        linestyles=(0, (0.1, 2)) if trajectory.is_below else "-",
        capstyle="round",
        zorder=1.95 if trajectory.is_below else 2,
    )
    axes.add_collection(lines)
    mark = {"linestyle": "", "color": (*colour, part), "markeredgewidth": _RIM * part}
    if trajectory.alone:
        axes.plot(*zip(*trajectory.alone, strict=True), "o", markersize=_ALONE, **mark)
    if trajectory.has_left:
        ring = {"markersize": _START * part, "markerfacecolor": background, "zorder": 3}
        axes.plot(*trajectory.points[0], marker="o", **{**mark, **ring})
    inside = (
        {"markerfacecolor": background} if trajectory.status else {"markeredgecolor": background}
    )
    size = _END * _LOOKS_LARGE.get(symbol, 1.0) * part
    end = {**mark, "markersize": size, "zorder": 3.5 if trajectory.is_below else 4, **inside}
    axes.plot(*trajectory.points[-1], marker=symbol, **end)
    if trajectory.status == "caution":
        axes.plot(*trajectory.points[-1], marker="o", markersize=1.4, zorder=4.1, color=colour)


def symbols(layers: Sequence[str]) -> dict[str, str]:
    """By layer, in order of depth, or by run the symbol at the end of its trajectory.

    Example:
        >>> symbols(["fc1", "fc2"])
        {'fc1': 'o', 'fc2': 's'}
    """
    has_own = len(layers) <= len(SYMBOLS)
    return {layer: SYMBOLS[number] if has_own else "o" for number, layer in enumerate(layers)}
