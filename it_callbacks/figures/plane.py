"""Draw information planes: the way of each layer, from where it started to where it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from it_callbacks.figures.about import about, stops
from it_callbacks.figures.axes import Figure, Panel, coloured
from it_callbacks.figures.captions import chips, write, write_above
from it_callbacks.figures.depth_bar import depth_bar
from it_callbacks.figures.hover import hover
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.limits import LABEL_BOUND, Range
from it_callbacks.figures.marks import (
    MOST_WITH_ARROWS,
    Trace,
    arrows,
    bars,
    chance,
    ends,
    lines,
    points,
)
from it_callbacks.figures.ranges import ranges
from it_callbacks.figures.readings import READINGS, candidates, check
from it_callbacks.figures.scene import MOST_WITHOUT_BAR, Drawn, Scene, scene_of
from it_callbacks.figures.sheet import absence, axis_name
from it_callbacks.figures.spread import ellipses, single
from it_callbacks.figures.words import summary, title_of, unreadable
from it_callbacks.runs import Run

_MOST_IN_A_PLANE = 60
"""Layers of a plane that opens before the heat map."""


def information_plane(panels: Sequence[Panel], **asked: Any) -> Figure:
    """Draw the plane of some panels; see `plane`.

    Args:
        panels: Runs and sets.
        asked: Fields of a `Request`.

    Raises:
        ValueError: The request names what there cannot be.

    Example:
        figure = information_plane([Panel(run, "val")], view="corrected")
        plotly.graph_objects.Figure(figure).write_html("plane.html")
    """
    return plane(panels, Request(**asked))


def plane(panels: Sequence[Panel], request: Request) -> Figure:
    """Draw the information of each layer about inputs (across) and labels (up), over the training.

    Colour is depth; the newest part of each way is the strongest. A ring is where a layer started,
    a dot where it is now; a ring filled with the page's colour is a saturated point.

    Args:
        panels: Runs and sets.
        request: What is to be shown of them, and how.

    Raises:
        ValueError: There is no such reading or view, `resolution` is negative, or the reading
            does not have what is asked for.
    """
    check(request)
    scene, drawn = scene_of(panels, request)
    return coloured(_figure(scene, panels, drawn), request.theme)


def _figure(scene: Scene, panels: Sequence[Panel], drawn: Sequence[Drawn]) -> Figure:
    request, sheet = scene.request, scene.sheet
    found = [limit for each in drawn for limit in each.limits]
    both = ranges(
        [way for each in drawn for way in each.whole],
        found if panels else [],
        request.scale,
        has_bars=request.intervals,
        has_chance=scene.has_chance,
    )
    first = sheet.boxes[0]
    titles = [
        title_of(panels, name, length) if panels else ""
        for name, length in zip(scene.view.axes, (first.width, first.height), strict=True)
    ]
    layout = sheet.layout(
        *({"title": axis_name(t), "range": r} for t, r in zip(titles, both, strict=True))
    )
    names: dict[str, str] = {}
    spare: list[str] = []
    for each in drawn:
        write(scene, each, layout, both, names, spare)
    if not panels:
        layout["annotations"].append(absence(first, ["no run is chosen"]))
        for letter in "xy":
            layout[f"{letter}axis"]["visible"] = False
    words = summary(panels, scene.opened)
    write_above(scene, drawn, layout, words)
    data = [trace for each in drawn for trace in _traces(scene, each, both)]
    data += depth_bar(scene)
    for number, trace in enumerate(data):
        trace["uid"] = f"t{number}"
    steps = [
        (sorted({s for t in of.of.all for s in (*t.steps, *t.gaps)}), panel.run.epochs)
        for of in drawn
        for panel in of.plot.panels
    ]
    layout["meta"] = about(
        request,
        {
            "reading": scene.opened.reading,
            "resolution": scene.opened.resolution,
            "arrange": scene.arrangement.name,
            "summary": words,
            "layers": chips(scene, drawn),
            "moments": stops(steps),
            "names": names,
            "spare": spare,
            "panels": [
                {"run": panel.run.name, "set": panel.set, "axis": of.box.place.axis}
                for of in drawn
                for panel in (*of.plot.panels, *of.plot.training)
            ],
            "empty": unreadable(panels),
            "companion": _companion(scene.n_layers),
            "opens": "plane" if scene.n_layers <= _MOST_IN_A_PLANE else "map",
        },
    )
    return {"data": data, "layout": layout, "frames": []}


def _companion(n_layers: int) -> str:
    if n_layers > _MOST_IN_A_PLANE:
        return "through"
    return "map" if n_layers > MOST_WITHOUT_BAR else "curves"


def _traces(scene: Scene, each: Drawn, both: tuple[Range, Range]) -> list[Trace]:
    """All traces of a plot, the faint ones first."""
    below, above = [], []
    for way in each.ways:
        trajectory, resolution = way.trajectory, scene.opened.resolution
        repeats = [
            one.until(scene.request.until)
            for several in each.of.repeats
            for one in several
            if one.layer == trajectory.layer
        ]
        if repeats:
            below += [*ellipses(way, repeats), *single(way, repeats)]
        below += lines(way)
        if not way.is_training and (scene.request.intervals or (way.has_dots and not repeats)):
            below += bars(way, is_all=scene.request.intervals)
        if scene.has_chance and not way.is_training:
            below += chance(way)
        above.append(points(way, hover(way.panel, trajectory, scene.view, resolution, way.n_ways)))
        if way.n_ways <= MOST_WITH_ARROWS and not way.is_training:
            above += arrows(way, both)
    return [*below, *above, *(trace for way in each.ways for trace in ends(way))]


def _reads(request: Request, run: Run) -> list[str]:
    names = [LABEL_BOUND, "I_TY_chance", "coverage"]
    for name, reading in READINGS.items():
        views = [reading.views["linear"]]
        shown = [reading.views[request.view]] if name in candidates(request) else []
        views += shown
        if request.arrange not in ("overlay", "mean"):
            views += reading.views.values()
        for view in views:
            names += [*view.axes, view.status, *filter(None, [view.upper])]
        names += [
            end for view in shown for name in view.bounded for end in run.about(name).interval
        ]
        names += [end for view in shown for name in view.axes for end in run.around(name)]
    return names


PLANE = Kind(
    "plane",
    "Plane",
    "InformationPlaneMonitor",
    "an information plane",
    options=(
        *("reading", "view", "resolution", "chance", "intervals", "hidden"),
        *("scale", "until", "arrange"),
    ),
    needs=lambda request: [READINGS[name].views[request.view].axes for name in candidates(request)],
    reads=_reads,
    draw=plane,
)
