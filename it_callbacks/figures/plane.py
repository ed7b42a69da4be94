"""Runs in, their information planes side by side out: a trajectory for each layer."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

from it_callbacks.checks import nearest, whole
from it_callbacks.figures.axes import (
    Figure,
    Panel,
    Place,
    absence,
    empty,
    finite,
    layout,
    legend_entry,
    note,
    places,
    resolution_label,
    time_colours,
)
from it_callbacks.figures.frames import controls, moments, polyline
from it_callbacks.figures.marks import bars_of, chance_trace, joined_trace, trajectory_trace
from it_callbacks.figures.theme import LIGHT, Theme
from it_callbacks.figures.times import MOST_DRAWN, Clock, clock, thinned
from it_callbacks.figures.trajectories import AXES, VIEWS, Trajectory, trajectories, why_empty
from it_callbacks.figures.words import SATURATED, plain, shortened, told

SYMBOLS = (
    "circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon",
    "hexagon2", "star", "triangle-left", "triangle-right", "hexagram", "star-square",
)  # fmt: skip
"""Of layers in order of depth; all of them have an inside, so that hollow ones are seen."""
_MOST_IN_PANEL = 5000
"""Points: a browser draws as many in about half a second, and takes as long for each as many."""
_FEWEST_DRAWN = 50
"""Points of a layer, however many layers there are."""


def information_plane(
    panels: Sequence[Panel],
    *,
    view: str = "linear",
    resolution: int = 0,
    chance: bool = False,
    intervals: bool = False,
    hidden: Collection[str] = (),
    theme: Theme = LIGHT,
) -> Figure:
    """What each layer tells of the inputs (across) and of the labels (up), over the training.

    The colour is the epoch, the symbol the layer; a hollow point is saturated. At most 200 points
    of a layer are drawn, the early ones close; a frame for every measured step holds the line
    that joins the layers there, and a slider with a play button shows them.

    Args:
        panels: Runs and sets, drawn side by side on equal axes.
        view: One of `VIEWS`.
        resolution: Which of the rulers in ``bins=[...]``.
        chance: Mark the chance level of I(T;Y) below each point (linear view).
        intervals: Draw 95 % intervals (corrected view), or the spread of averaged runs.
        hidden: Layers that only the legend shows.
        theme: Colours.

    Raises:
        ValueError: There is no such view, or `resolution` is negative.

    Example:
        figure = information_plane([Panel(run, "val")], view="corrected", intervals=True)
    """
    if view not in VIEWS:
        raise ValueError(
            f"view: need one of {', '.join(VIEWS)}, got {view!r}{nearest(view, VIEWS)}"
        )
    resolution = whole("resolution", resolution, at_least=0)
    if not panels:
        return empty("Information plane", "no run is chosen", theme)
    planes = [
        _plane(panel, place, trajectories(panel, view, resolution), hidden)
        for panel, place in zip(panels, places(len(panels)), strict=True)
    ]
    measured = [(plane.steps, plane.panel.run.epochs) for plane in planes]
    hands = clock(measured)
    symbols = _symbols(planes)
    found = moments(measured, hands)
    lines = [
        [
            polyline(plane.shown, step, plane.panel.run.epochs, symbols)
            for plane, step in zip(planes, moment.steps, strict=True)
        ]
        for moment in found
    ]
    data = [
        {
            **trajectory_trace(
                plane.panel, way, plane.drawn, hands, symbols[way.layer], view, theme
            ),
            **(bars_of(way, plane.drawn, theme) if intervals else {}),
            **plane.place.on,
            **_visibility(way.layer, hidden),
        }
        for plane in planes
        for way in plane.ways
    ]
    if chance and view == "linear":
        data += [
            {**chance_trace(plane.shown, plane.drawn, theme), **plane.place.on, "showlegend": first}
            for plane, first in zip(planes, _only_first(), strict=False)
        ]
    data += _legend(planes, symbols, hidden, theme)
    n_before = len(data)
    if lines:
        data += [
            {
                **joined_trace(line, plane.shown, hands, theme, view),
                **plane.place.on,
                "showlegend": first,
            }
            for line, plane, first in zip(lines[-1], planes, _only_first(), strict=False)
        ]
    frames = [
        {"name": moment.name, "data": line, "traces": list(range(n_before, len(data)))}
        for moment, line in zip(found, lines, strict=True)
    ]
    drawn = _layout(planes, view, resolution, hands, theme) | controls(found, hands, theme)
    if len(found) > 1:
        drawn["margin"]["b"] = 140
    return {"data": data, "layout": drawn, "frames": frames}


class _Plane(NamedTuple):
    """What is drawn in one panel."""

    panel: Panel
    place: Place
    ways: list[Trajectory]
    shown: list[Trajectory]
    """Those that are not hidden."""
    steps: list[int]
    drawn: set[int]
    """The steps of those points that trajectories show."""


def _plane(panel: Panel, place: Place, ways: list[Trajectory], hidden: Collection[str]) -> _Plane:
    steps = sorted({step for way in ways for step in way.steps})
    shown = [way for way in ways if way.layer not in hidden]
    most = min(MOST_DRAWN, max(_FEWEST_DRAWN, _MOST_IN_PANEL // max(len(ways), 1)))
    return _Plane(panel, place, ways, shown, steps, set(thinned(steps, most)))


def _only_first() -> Iterator[bool]:
    """Of several equal traces one stands in the legend."""
    return chain((True,), repeat(False))


def _legend(
    planes: Sequence[_Plane], symbols: dict[str, str], hidden: Collection[str], theme: Theme
) -> list[dict[str, Any]]:
    """An entry for each layer, and one that says what hollow points are if there is one."""
    entries = [
        {
            **legend_entry(plain(shortened(layer)), plain(layer), symbol, theme),
            **_visibility(layer, hidden),
            "meta": plain(layer),
        }
        for layer, symbol in symbols.items()
    ]
    ways = (way for plane in planes for way in plane.ways)
    if any(told(way.status.get(step, -1)) == SATURATED for way in ways for step in way.steps):
        entry = legend_entry("hollow: saturated", "saturated", "circle-open", theme)
        entries.append({**entry, "legendrank": 1002})
    return entries


def _layout(
    planes: Sequence[_Plane], view: str, resolution: int, hands: Clock, theme: Theme
) -> dict[str, Any]:
    across, up = AXES[view]
    drawn = layout(
        [plane.panel for plane in planes],
        title="Information plane",
        x={"title": {"text": across.title, "standoff": 8}, "range": _range(planes, "x")},
        y={"title": {"text": up.title, "standoff": 8}, "range": _range(planes, "y")},
        theme=theme,
        subtitles=[_subtitle(plane, resolution) for plane in planes],
    )
    times = [hands.read(step, p.panel.run.epochs) for p in planes for step in p.steps]
    drawn["coloraxis"] = time_colours(hands, max(times, default=0), theme)
    drawn["legend"]["x"] = 1.1  # beside the colour bar
    for plane in planes:
        if plane.steps:
            _draw_limits(drawn, plane, theme)
        else:
            text = why_empty(plane.panel, resolution)
            drawn["annotations"].append(absence(plane.place, text, theme))
    return drawn


def _visibility(layer: str, hidden: Collection[str]) -> dict[str, str]:
    return {"visible": "legendonly"} if layer in hidden else {}


def _subtitle(plane: _Plane, number: int) -> str:
    """With which of several rulers a panel was read, and how many of its points are not shown."""
    said = [resolution_label(plane.panel, number)]
    n_dropped = sum(way.n_dropped for way in plane.ways)
    if n_dropped:
        n_points = n_dropped + sum(len(way.steps) for way in plane.ways)
        said.append(f"{n_dropped} of {n_points} points have no value in this view")
    return "; ".join(filter(None, said))


def _symbols(planes: Sequence[_Plane]) -> dict[str, str]:
    """A symbol for each layer, the same in all panels."""
    layers = dict.fromkeys(way.layer for plane in planes for way in plane.ways)
    return {layer: SYMBOLS[number % len(SYMBOLS)] for number, layer in enumerate(layers)}


def _range(planes: Sequence[_Plane], axis: str) -> list[float]:
    """From 0, or from below it where a value is, to above all values and reference lines."""
    values = [
        value
        for plane in planes
        for way in plane.ways
        for value in map((way.x if axis == "x" else way.y).__getitem__, way.steps)
    ]
    limits = ((_log_n if axis == "x" else _h_y)(plane.panel) for plane in planes)
    values += [limit for limit in limits if limit is not None]
    low, high = min([0.0, *values]), max([0.0, *values]) or 1.0
    pad = 0.06 * (high - low)
    return [round(low - pad / 2, 4), round(high + pad, 4)]


def _h_y(panel: Panel) -> float | None:
    return finite(panel.run.label_entropy(panel.set))


def _log_n(panel: Panel) -> float | None:
    n = panel.run.setting("information_plane", panel.set, "n_samples")
    return finite(math.log2(n)) if n is not None and n >= 1 else None


def _draw_limits(drawn: dict[str, Any], plane: _Plane, theme: Theme) -> None:
    """The two lines that no point should lie beyond, as far as the settings tell them."""
    line = {"type": "line", "line": {"color": theme.muted, "width": 1, "dash": "dash"}}
    font = {"color": theme.muted, "size": 12}
    x, y = f"x{plane.place.axis}", f"y{plane.place.axis}"
    if (h_y := _h_y(plane.panel)) is not None:
        ends = {"xref": f"{x} domain", "x0": 0, "x1": 1, "yref": y, "y0": h_y, "y1": h_y}
        drawn["shapes"].append({**line, **ends, "name": "H(Y)"})
        where = {"x": 0.01, "y": h_y, "yref": y, "xanchor": "left", "yanchor": "bottom"}
        drawn["annotations"].append(note(plane.place, f"H(Y) = {h_y:.2f}", font=font, **where))
    if (log_n := _log_n(plane.panel)) is not None:
        ends = {"xref": x, "x0": log_n, "x1": log_n, "yref": f"{y} domain", "y0": 0, "y1": 1}
        drawn["shapes"].append({**line, **ends, "name": "log2 N"})
        where = {"x": log_n, "xref": x, "y": 0.01, "xanchor": "right", "yanchor": "bottom"}
        drawn["annotations"].append(note(plane.place, f"log₂ N = {log_n:.2f}", font=font, **where))
