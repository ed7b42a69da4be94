"""Draw the way of a layer through the plane, as Plotly's traces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from it_callbacks.figures.axes import Panel
from it_callbacks.figures.hover import MANY
from it_callbacks.figures.splines import SMOOTHING, on_spline
from it_callbacks.figures.subplots import Box
from it_callbacks.figures.theme import BACKGROUND, MARK, Colour
from it_callbacks.figures.trajectories import Trajectory
from it_callbacks.records import Status
from it_callbacks.runs import Series

_BANDS = ((0.0, 0.5, 1.4), (0.45, 0.75, 2.0), (0.8, 1.0, 2.8))
"""From which age on, which opacity and width of the line."""
_BANDS_OF_MANY = ((0.0, 0.6, 1.7), (0.7, 1.0, 2.8))
MOST_WITH_DOTS = 8
MOST_WITH_ARROWS = 12
_DOTTED = "2px,3px"
_TIP = 0.58
"""How far along its piece an arrow head is."""
_ARROWS = {"from": 60, "two": 220, "piece": 26}
"""Pixels: of a way with an arrow, of one with two, and of a piece that can carry one."""

Trace = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """The trajectory of one layer, and how it is drawn."""

    trajectory: Trajectory
    panel: Panel
    box: Box
    number: int
    """Of the plot."""
    colour: Colour
    n_ways: int
    """How many are drawn as equals in this plot."""
    is_training: bool = False
    """Below the others: thinner, dotted, fainter."""

    @property
    def has_dots(self) -> bool:
        """Whether points between the first and the last are seen."""
        return self.n_ways <= MOST_WITH_DOTS and not self.is_training

    @property
    def thin(self) -> float:
        """What the widths of lines and marks are multiplied by."""
        return 0.7 if self.is_training else 1.0 if self.n_ways <= MOST_WITH_DOTS else 0.75

    @property
    def opacity(self) -> float:
        """That of its strongest part."""
        return 0.75 if self.is_training else 1.0

    @property
    def bands(self) -> Sequence[tuple[float, float, float]]:
        """From which age on, which opacity and width its line has."""
        return _BANDS if self.n_ways <= MANY else _BANDS_OF_MANY

    @cached_property
    def at(self) -> tuple[list[float], list[float]]:
        """Where its points are, to a ten-thousandth of a bit."""
        each = self.trajectory
        x, y = ([round(of[step], 4) for step in each.steps] for of in (each.x, each.y))
        return x, y

    def pixels(self, ranges: tuple[Sequence[float], Sequence[float]]) -> list[tuple[float, float]]:
        """Where its points are in the plot, in pixels from its upper left corner."""
        (left, right), (low, high) = ranges
        across, down = self.box.width / (right - left), self.box.height / (high - low)
        return [((x - left) * across, (high - y) * down) for x, y in zip(*self.at, strict=True)]

    def trace(self, role: str, **more: Any) -> Trace:
        """A trace of it, which says what it is of."""
        return {
            "type": "scatter",
            **self.box.place.on,
            "meta": self.panel.meta(role, self.number, self.trajectory.layer),
            **({} if role == "points" else {"hoverinfo": "skip"}),
            **more,
        }


def lines(way: Way) -> list[Trace]:
    """The line in three bands by age, the newest the strongest; none over a missing point."""
    x, y = way.at
    parts = _parts(way)
    found = []
    for band, (_, opacity, width) in enumerate(way.bands):
        pieces = [part for of, part in parts if of == band]
        if pieces:
            style = {
                "color": way.colour.faint(opacity * way.opacity),
                "width": round(width * way.thin, 2),
                "shape": "spline",
                "smoothing": SMOOTHING,
                **({"dash": _DOTTED} if way.is_training else {}),
            }
            lines_x, lines_y = (joined([of[n] for n in part] for part in pieces) for of in (x, y))
            found.append(way.trace("line", mode="lines", x=lines_x, y=lines_y, line=style))
    return found


def joined(pieces: Iterable[Sequence[float]]) -> list[float | None]:
    """Coordinates of several lines as those of one trace, with a gap between two.

    Example:
        >>> joined([[1.0, 2.0], [3.0]])
        [1.0, 2.0, None, 3.0]
    """
    found: list[float | None] = []
    for piece in pieces:
        found += [*([None] if found else []), *piece]
    return found


def _parts(way: Way) -> list[tuple[int, range]]:
    """The numbers of points that one curve is drawn through, with its band; they share borders."""
    bands = [sum(age >= low for low, *_ in way.bands) - 1 for age in way.trajectory.ages]
    found = []
    for piece in way.trajectory.pieces:
        start = piece.start
        for number in piece[1:]:
            if number + 1 == piece.stop or bands[number + 1] != bands[number]:
                found.append((bands[number], range(start, number + 1)))
                start = number
    return found


def points(way: Way, hover: dict[str, Any]) -> Trace:
    """All points, for hovering; to be seen as dots where there are few layers.

    A point between two missing ones has no line, and is seen in any case.
    """
    x, y = way.at
    steps, aged = way.trajectory.steps, way.trajectory.ages
    alone = {piece.start for piece in way.trajectory.pieces if len(piece) == 1}
    seen = [way.has_dots or number in alone for number in range(len(x))]
    marker: dict[str, Any] = {"opacity": 0, "size": 6, "color": way.colour}
    if any(seen):
        hollow = [_is_hollow(way, step) for step in steps]
        marker = {
            "symbol": [_symbol(way, step) for step in steps],
            "size": [round(3 + 2.2 * age, 1) for age in aged],
            "opacity": [
                round((0.55 + 0.4 * age) * way.opacity, 2) if is_seen else 0
                for age, is_seen in zip(aged, seen, strict=True)
            ],
            "color": [BACKGROUND if empty else way.colour for empty in hollow],
            "line": {"color": way.colour, "width": [1.2 if empty else 0 for empty in hollow]},
        }
    shown = {name: of for name, of in hover.items() if name != "meta"}
    trace = way.trace("points", mode="markers", x=x, y=y, marker=marker, **shown)
    return {**trace, "meta": {**trace["meta"], **hover["meta"]}}


def _is_hollow(way: Way, step: int) -> bool:
    return way.trajectory.status_at(step) in (Status.CAUTION, Status.SATURATED)


def _symbol(way: Way, step: int) -> str:
    is_caution = way.trajectory.status_at(step) == Status.CAUTION
    return "circle-dot" if is_caution else "circle"


def ends(way: Way) -> list[Trace]:
    """A ring where the way starts, unless there are many, and a dot where it is now.

    One of both if it never left.
    """
    x, y = way.at
    last = len(x) - 1
    if last < 0:
        return []
    step = way.trajectory.steps[last]
    is_hollow = _is_hollow(way, step)
    end = {
        "symbol": _symbol(way, step),
        "size": 12 if way.has_dots else 9.6 if not way.is_training else 8,
        "opacity": way.opacity,
        "color": BACKGROUND if is_hollow else way.colour,
        "line": {
            "color": way.colour if is_hollow else BACKGROUND,
            "width": 2.2 if is_hollow else 1.5,
        },
    }
    start = {
        "symbol": "circle",
        "size": 7 if way.has_dots else 5,
        "opacity": way.opacity,
        "color": BACKGROUND,
        "line": {"color": way.colour, "width": 1.2},
    }
    has_left = (x[0], y[0]) != (x[last], y[last])
    found = [(0, "start", start)] if has_left and way.n_ways <= MANY else []
    return [
        way.trace(role, mode="markers", x=[x[number]], y=[y[number]], marker=marker)
        for number, role, marker in (*found, (last, "end", end))
    ]


def bars(way: Way, steps: Sequence[int]) -> list[Trace]:
    """Intervals with both ends, of the points at some steps."""
    each, found = way.trajectory, {}
    for name, values, (low, high) in (
        ("error_x", each.x, each.x_ends),
        ("error_y", each.y, each.y_ends),
    ):
        lengths = [lengths_of(low, values[step], high, step) for step in steps]
        if any(below is not None for below, _ in lengths):
            is_even = all(below == above for below, above in lengths)
            found[name] = {
                "type": "data",
                "symmetric": is_even,
                "array": [above for _, above in lengths],
                **({} if is_even else {"arrayminus": [below for below, _ in lengths]}),
                "thickness": 1.2,
                "width": 0,
                "color": way.colour.faint(0.45),
            }
    if not found:
        return []
    x, y = ([round(of[step], 4) for step in steps] for of in (each.x, each.y))
    return [way.trace("bar", mode="markers", x=x, y=y, marker={"opacity": 0, "size": 1}, **found)]


def spare(traces: Sequence[Trace]) -> list[Trace]:
    """The same, not to be seen until the layer is highlighted."""
    return [{**trace, "opacity": 0} for trace in traces]


def lengths_of(
    low: Series, value: float, high: Series, step: int
) -> tuple[float | None, float | None]:
    """How far a bar reaches down and up; no bar unless it has both ends.

    A value beyond an end of its interval is where the bar starts.
    """
    below, above = value - low.get(step, math.nan), high.get(step, math.nan) - value
    if not (math.isfinite(below) and math.isfinite(above)):
        return None, None
    return round(max(0.0, below), 4), round(max(0.0, above), 4)


def arrows(way: Way, ranges: tuple[Sequence[float], Sequence[float]]) -> list[Trace]:
    """At most two arrow heads, on pieces of the line that are long enough to carry one."""
    pixels = way.pixels(ranges)
    pieces = [
        ([pixels[n] for n in part], number)
        for _, part in _parts(way)
        for number in range(len(part) - 1)
    ]
    long = [math.dist(points[number], points[number + 1]) for points, number in pieces]
    total = sum(long)
    shares = () if total < _ARROWS["from"] else (0.5,) if total < _ARROWS["two"] else (0.28, 0.68)
    used: list[int] = []
    for share in shares:
        able = [n for n, size in enumerate(long) if size >= _ARROWS["piece"] and n not in used]
        if able:
            middle = _at(long, share * total)
            used.append(min(able, key=lambda n: abs(n - middle)))
    (left, right), (low, high) = ranges
    xs: list[float | None] = []
    ys: list[float | None] = []
    for points, number in (pieces[n] for n in used):
        for share in (_TIP - 0.05, _TIP):
            across, down = on_spline(points, number, share)
            xs.append(round(left + across / way.box.width * (right - left), 4))
            ys.append(round(high - down / way.box.height * (high - low), 4))
        xs.append(None)
        ys.append(None)
    if not xs:
        return []
    marker = {
        "symbol": "arrow",
        "angleref": "previous",
        "color": way.colour,
        "size": [0, 9, 0] * len(used),
        "line": {"width": 0},
    }
    return [way.trace("arrow", mode="markers", x=xs, y=ys, marker=marker)]


def _at(sizes: Sequence[float], place: float) -> int:
    """Which piece is that far along."""
    total = 0.0
    for number, size in enumerate(sizes):
        total += size
        if total >= place:
            return number
    return len(sizes) - 1


def chance(way: Way) -> list[Trace]:
    """A dash where the last point would be with labels dealt at random, and a stem up to it."""
    each = way.trajectory
    level = each.chance.get(each.steps[-1], math.nan) if each.steps else math.nan
    if not math.isfinite(level):
        return []
    x, y = (round(of[each.steps[-1]], 4) for of in (each.x, each.y))
    return [
        way.trace(
            "chance",
            mode="lines+markers",
            x=[x, x],
            y=[y, round(level, 4)],
            line={"color": MARK, "width": 1, "dash": "dot"},
            marker={
                "symbol": "line-ew",
                "size": [0, 12],
                "color": way.colour,
                "line": {"color": way.colour, "width": 2},
            },
        )
    ]
