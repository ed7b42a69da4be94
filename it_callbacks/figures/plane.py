"""Draw information planes: the way of each layer, from where it started to where it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from it_callbacks.figures import captions
from it_callbacks.figures.about import finished, stops
from it_callbacks.figures.axes import Figure, Panel
from it_callbacks.figures.depth_bar import depth_bar
from it_callbacks.figures.hover import hover
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.limits import LABEL_BOUND, Range
from it_callbacks.figures.marks import (
    MOST_WITH_ARROWS,
    Trace,
    Way,
    arrows,
    bars,
    chance,
    ends,
    lines,
    points,
    spare,
)
from it_callbacks.figures.names import MOST_SPARE
from it_callbacks.figures.ranges import ranges
from it_callbacks.figures.readings import READINGS, candidates, check
from it_callbacks.figures.scene import MOST_WITHOUT_BAR, Drawn, Scene, scene_of
from it_callbacks.figures.spread import ellipses, single
from it_callbacks.figures.subplots import heading
from it_callbacks.figures.times import thinned
from it_callbacks.runs import Run

_MOST_IN_A_PLANE = 60
"""Layers of a plane that opens before the heat map."""
_MOST_SPARE_BARS, _SPARE_BARS_OF_MANY = 24, 150
"""For a highlight: of a layer, and of all where there are many; more would be long to load."""


def information_plane(panels: Sequence[Panel], **fields: Any) -> Figure:
    """Draw the plane of some panels; see `plane`.

    Args:
        panels: Runs and sets.
        fields: Those of a `Request`.

    Raises:
        ValueError: The request names what there cannot be.

    Example:
        figure = information_plane([Panel(run, "val")], view="corrected")
        plotly.graph_objects.Figure(figure).write_html("plane.html")
    """
    return plane(panels, Request(**fields))


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
    found = [limit for each in drawn for limit in each.limits]
    both = ranges(
        [way for each in drawn for way in each.whole],
        found if panels else [],
        request.scale,
        has_bars=request.intervals,
        has_chance=scene.has_chance,
    )
    layout = captions.layout_of(scene, panels, both)
    names: dict[str, str] = {}
    spare: list[str] = []
    for each in drawn:
        captions.write(scene, each, layout, both, names, spare)
    known = captions.about_plots(scene, panels, drawn)
    for each in drawn if len(drawn) > 1 else ():
        layout["annotations"].append(
            heading(each.box, captions.title(each.plot), captions.read_with(scene, each))
        )
    marks = captions.marks(scene, drawn[0]) if len(drawn) == 1 else None
    captions.write_above(scene, layout, known["summary"], marks)
    data = [trace for each in drawn for trace in _traces(scene, each, both)]
    steps = [
        (sorted({s for t in of.of.all for s in (*t.steps, *t.gaps)}), panel.run.epochs)
        for of in drawn
        for panel in of.plot.panels
    ]
    return finished(
        [*data, *depth_bar(scene)],
        layout,
        request,
        {
            **known,
            "moments": stops(steps),
            "names": names,
            "spare": spare,
            "companion": _companion(scene.n_layers),
            "opens": "plane" if scene.n_layers <= _MOST_IN_A_PLANE else "map",
        },
    )


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
        has_spare = scene.request.highlights and len(each.ways) <= MOST_SPARE
        if not way.is_training:
            n_all = way.n_ways * len(scene.arrangement.plots)
            is_few = n_all <= MOST_WITH_ARROWS
            most = _MOST_SPARE_BARS if is_few else max(_SPARE_BARS_OF_MANY // n_all, 1)
            n_spare = most if has_spare else 0
            below += _bars(way, n_spare, is_all=scene.request.intervals, is_mean=bool(repeats))
            below += chance(way) if scene.has_chance else spare(chance(way)) if has_spare else []
        above.append(points(way, hover(way.panel, trajectory, scene.view, resolution, way.n_ways)))
        if not way.is_training:
            if way.n_ways <= MOST_WITH_ARROWS:
                above += arrows(way, both)
            elif has_spare:
                above += spare(arrows(way, both))
    return [*below, *above, *(trace for way in each.ways for trace in ends(way))]


def _bars(way: Way, n_spare: int, *, is_all: bool, is_mean: bool) -> list[Trace]:
    """Those that are seen: of all points, or of the ends of few ways; the others for a highlight.

    A mean of repeats has ellipses instead.
    """
    steps = way.trajectory.steps
    if is_all or is_mean:
        return bars(way, steps if is_all else [])
    seen = dict.fromkeys([*steps[:1], *steps[-1:]] if way.has_dots else [])
    rest = thinned([step for step in steps if step not in seen], n_spare) if n_spare else []
    return [*bars(way, list(seen)), *spare(bars(way, rest))]


def _reads(request: Request, run: Run) -> list[str]:
    names = [LABEL_BOUND, "I_TY_chance", "coverage"]
    for name, reading in READINGS.items():
        shown = [reading.views[request.view]] if name in candidates(request) else []
        for view in reading.views.values():  # of those that are not shown: whether they could be
            names += [*view.axes, view.status, *filter(None, [view.upper])]
        names += [
            end for view in shown for name in view.bounded for end in run.about(name).interval
        ]
        names += [end for view in shown for name in view.axes for end in run.around(name)]
    return names


PLANE = Kind(
    "plane",
    "Plane",
    "The way of each layer over the training: how many inputs it keeps apart, and "
    "how much of the label is found in it",
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
