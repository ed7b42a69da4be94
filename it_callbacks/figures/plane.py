"""Draw information planes side by side: a trajectory for each layer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from it_callbacks.figures.axes import (
    Figure,
    Panel,
    Place,
    absence,
    axis_title,
    coloured,
    empty,
    how_read,
    layout,
    legend_entry,
    places,
    time_colours,
)
from it_callbacks.figures.frames import Moments, controls, joined, line_at, moments, played
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.limits import LABEL_BOUND, Limit, draw_limits, limits
from it_callbacks.figures.marks import bars, chance_trace, joined_trace, trajectory_trace
from it_callbacks.figures.readings import READINGS, Reading, View, candidates, check, opening
from it_callbacks.figures.theme import LIGHT, Theme
from it_callbacks.figures.times import MOST_DRAWN, Clock, clock, thinned
from it_callbacks.figures.trajectories import Trajectory, trajectories, why_empty
from it_callbacks.runs import Run

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
    reading: str | None = None,
    view: str = "linear",
    resolution: int = 0,
    chance: bool = False,
    intervals: bool = False,
    hidden: Collection[str] = (),
    theme: Theme = LIGHT,
) -> Figure:
    """The information of each layer about inputs (across) and labels (up), over the training.

    The colour is the epoch, the symbol the layer; a hollow point is saturated. At most 200 points
    of a layer are drawn, the early ones close; a frame for every measured step holds the line
    that joins the layers there, and a slider with a play button shows them.

    Args:
        panels: Runs and sets, drawn side by side on equal axes.
        reading: ``"code"``, binned, or ``"wide"``, at any width; None for that of them in which
            more layers can be read. `view`, `resolution` and `chance` are of the code only.
        view: One of `VIEWS`.
        resolution: Which of the rulers in ``bins=[...]``.
        chance: Mark the chance level of I(T;Y) below each point (linear view).
        intervals: Draw 95 % intervals (corrected view, or any width), or the spread of averaged
            runs.
        hidden: Layers that only the legend shows, named as it names them.
        theme: Colours.

    Raises:
        ValueError: There is no such reading or view, `resolution` is negative, or the reading
            does not have what is asked for.

    Example:
        figure = information_plane([Panel(run, "val")], view="corrected", intervals=True)
    """
    request = Request("plane", reading, view, resolution)
    request = replace(request, chance=chance, intervals=intervals, hidden=hidden, theme=theme)
    return played(_unplayed(panels, request))


def _unplayed(panels: Sequence[Panel], request: Request) -> Figure:
    """The figure with what it plays, but without its frames; see `Moments`."""
    check(request)
    if not panels:
        return empty("Information plane", request.theme)
    view, resolution, hidden = request.view, request.resolution, request.hidden
    opened = opening(request, panels)
    shown = READINGS[opened].views[view]
    planes = [
        _plane(panel, place, opened, trajectories(panel, shown, resolution), hidden)
        for panel, place in zip(panels, places(len(panels)), strict=True)
    ]
    measured = [(plane.steps, plane.panel.run.epochs) for plane in planes]
    time = clock(measured)
    symbols = _symbols(planes)
    found = moments(measured, time)
    of_panels = [
        joined(
            plane.shown,
            plane.steps,
            plane.panel.run.epochs,
            symbols,
            (moment.steps[number] for moment in found),
        )
        for number, plane in enumerate(planes)
    ]
    data = [
        {
            **trajectory_trace(plane.panel, each, plane.drawn, time, symbols[each.layer], shown),
            **(bars(each, plane.drawn) if request.intervals else {}),
            **plane.place.on,
            **_visibility(each.layer, hidden),
        }
        for plane in planes
        for each in plane.trajectories
    ]
    if request.chance and "chance" in shown.options:
        data += _once_in_legend(
            planes, [chance_trace(plane.shown, plane.drawn) for plane in planes]
        )
    data += _legend(planes, symbols, hidden)
    for number, panel in enumerate(of_panels):
        panel["trace"] = len(data) + number
    if found:
        lines = [
            joined_trace(plane.panel, line_at(panel, -1), plane.shown, time, shown)
            for panel, plane in zip(of_panels, planes, strict=True)
        ]
        data += _once_in_legend(planes, lines)
    drawn = _layout(planes, READINGS[opened], shown, resolution, time) | controls(found, time)
    drawn["meta"] = {"reading": opened}
    if len(found) > 1:
        drawn["margin"]["b"] = 140
    played_later: Moments = {
        "names": [moment.name for moment in found],
        "labels": [moment.label for moment in found],
        "panels": of_panels,
    }
    return {**coloured({"data": data, "layout": drawn}, request.theme), "moments": played_later}


class _Plane(NamedTuple):
    """What is drawn in one panel."""

    panel: Panel
    place: Place
    trajectories: list[Trajectory]
    shown: list[Trajectory]
    """Those that are not hidden."""
    steps: list[int]
    drawn: set[int]
    """The steps of those points that trajectories show."""
    limits: list[Limit]


def _plane(
    panel: Panel, place: Place, reading: str, found: list[Trajectory], hidden: Collection[str]
) -> _Plane:
    steps = sorted({step for each in found for step in each.steps})
    shown = [each for each in found if plain(each.layer) not in hidden]
    most = min(MOST_DRAWN, max(_FEWEST_DRAWN, _MOST_IN_PANEL // max(len(found), 1)))
    drawn = set(thinned(steps, most))
    return _Plane(panel, place, found, shown, steps, drawn, limits(panel, reading))


def _once_in_legend(
    planes: Sequence[_Plane], traces: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A trace for each panel; of these equal ones the first stands in the legend."""
    return [
        {**trace, **plane.place.on, "showlegend": plane is planes[0]}
        for plane, trace in zip(planes, traces, strict=True)
    ]


def _legend(
    planes: Sequence[_Plane], symbols: dict[str, str], hidden: Collection[str]
) -> list[dict[str, Any]]:
    """An entry for each layer, and one for hollow points if there is one."""
    entries = [
        {
            **legend_entry(plain(shortened(layer)), plain(layer), symbol),
            **_visibility(layer, hidden),
            "meta": plain(layer),
        }
        for layer, symbol in symbols.items()
    ]
    if any(each.has_saturated for plane in planes for each in plane.trajectories):
        entry = legend_entry("hollow: saturated", "saturated", "circle-open")
        entries.append({**entry, "legendrank": 1002})
    return entries


def _layout(
    planes: Sequence[_Plane], reading: Reading, view: View, resolution: int, time: Clock
) -> dict[str, Any]:
    panels = [plane.panel for plane in planes]
    across, up = (_axis_title(panels, name) for name in view.axes)
    drawn = layout(
        panels,
        title="Information plane" + (", any width" if reading is READINGS["wide"] else ""),
        x={"title": {"text": across, "standoff": 8}, "range": _range(planes, "x")},
        y={"title": {"text": up, "standoff": 8}, "range": _range(planes, "y")},
        subtitles=[_subtitle(plane, view, resolution) for plane in planes],
    )
    times = [time.read(step, p.panel.run.epochs) for p in planes for step in p.steps]
    drawn["coloraxis"] = time_colours(time, max(times, default=0))
    drawn["legend"]["x"] = 1.1  # beside the colour bar
    for plane in planes:
        if plane.steps:
            draw_limits(drawn, plane.place, plane.limits)
        else:
            text = why_empty(plane.panel, reading, resolution)
            drawn["annotations"].append(absence(plane.place, text))
    return drawn


def _axis_title(panels: Sequence[Panel], quantity: str) -> str:
    """The title of an axis; of V(T→Y) with its classes if these are the same in all panels."""
    first, *others = (panel.run.wide(panel.set).classes for panel in panels)
    is_said = quantity == "V_TY" and first and all(each == first for each in others)
    return axis_title(panels, quantity) + (f", {first}" if is_said else "")


def _visibility(layer: str, hidden: Collection[str]) -> dict[str, str]:
    return {"visible": "legendonly"} if plain(layer) in hidden else {}


def _subtitle(plane: _Plane, view: View, resolution: int) -> str:
    """How a panel was read, and how many of its points are not shown."""
    remarks = [how_read(plane.panel, view.x, resolution)]
    if view.y == "V_TY" and (classes := plane.panel.run.wide(plane.panel.set).classes):
        remarks.append(f"y {classes}")
    n_dropped = sum(each.n_dropped for each in plane.trajectories)
    if n_dropped:
        n_points = n_dropped + sum(len(each.steps) for each in plane.trajectories)
        remarks.append(f"{n_dropped} of {n_points} points have no value in this view")
    return "; ".join(filter(None, remarks))


def _symbols(planes: Sequence[_Plane]) -> dict[str, str]:
    """A symbol for each layer, the same in all panels."""
    layers = dict.fromkeys(each.layer for plane in planes for each in plane.trajectories)
    return {layer: SYMBOLS[number % len(SYMBOLS)] for number, layer in enumerate(layers)}


def _range(planes: Sequence[_Plane], axis: str) -> list[float]:
    """From 0, or from below it where a value is, to above all values and reference lines."""
    values = [
        value
        for plane in planes
        for each in plane.trajectories
        for value in map((each.x if axis == "x" else each.y).__getitem__, each.steps)
    ]
    values += [limit.at for plane in planes for limit in plane.limits if limit.axis == axis]
    low, high = min([0.0, *values]), max([0.0, *values]) or 1.0
    pad = 0.06 * (high - low)
    return [round(low - pad / 2, 4), round(high + pad, 4)]


def _reads(request: Request, run: Run) -> list[str]:
    names = [LABEL_BOUND] if "wide" in candidates(request) else []
    for view in (READINGS[name].views[request.view] for name in candidates(request)):
        names += [*view.axes, view.status, *filter(None, [view.upper])]
        if request.chance:
            names.append("I_TY_chance")
        if request.resolution == 0:
            names += [end for name in view.bounded for end in run.about(name).interval]
        if request.intervals:
            names += [end for name in view.axes for end in run.around(name)]
    return names


PLANE = Kind(
    "plane",
    "Information plane",
    "InformationPlaneMonitor",
    "an information plane",
    options=("reading", "view", "resolution", "chance", "intervals", "hidden"),
    needs=lambda request: [READINGS[name].views[request.view].axes for name in candidates(request)],
    reads=_reads,
    draw=_unplayed,
)
