"""Draw a line through all layers, from the input side to the output, at a few moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from it_callbacks.figures.about import about, stops
from it_callbacks.figures.arranging import refused
from it_callbacks.figures.axes import Figure, Panel, coloured, how_read
from it_callbacks.figures.depth_bar import depth_bar
from it_callbacks.figures.grid import MOST_PLOTS, layers_of
from it_callbacks.figures.hover import hover
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, short_names
from it_callbacks.figures.limits import Limit, draw_limits
from it_callbacks.figures.marks import Trace, Way
from it_callbacks.figures.names import Name, written
from it_callbacks.figures.over_time import TimeAxis, exact, time_axis
from it_callbacks.figures.plane import PLANE
from it_callbacks.figures.ranges import fitted, from_zero
from it_callbacks.figures.readings import READINGS, Opening, check
from it_callbacks.figures.scene import Drawn, Scene, scene_of
from it_callbacks.figures.sheet import NARROW, Box, absence, axis_name, heading, line_above
from it_callbacks.figures.theme import BACKGROUND, Colour
from it_callbacks.figures.times import spaced
from it_callbacks.figures.trajectories import Trajectory, why_empty
from it_callbacks.figures.words import key_line, not_yet, summary, title_of, unreadable

_MOMENTS, _MOMENTS_NARROW = 6, 4
_THIN, _THICK = 1.4, 2.8
_SMALL, _LARGE = 5, 9
"""Diameters of dots, of the first moment and of the last."""


class _Plot(NamedTuple):
    """What a plot shows."""

    panel: Panel
    box: Box
    number: int
    limits: list[Limit]
    layers: list[Trajectory]
    """In order of depth, without those that are hidden."""
    shown: list[int]
    """The steps of the moments."""
    whole: list[int]
    """Those of the whole training, which the axes are for."""

    @property
    def steps(self) -> list[int]:
        """All looks."""
        return sorted({step for each in self.layers for step in each.steps})

    def age(self, step: int) -> float:
        """From 0 at the first moment to 1 at the last."""
        return self.shown.index(step) / (len(self.shown) - 1) if len(self.shown) > 1 else 1.0

    def colour(self, step: int) -> Colour:
        """That of a moment."""
        return Colour("time", self.age(step))

    def at(self, step: int) -> list[Trajectory]:
        """The layers that have a value then."""
        return [each for each in self.layers if step in set(each.steps)]

    def way(self, trajectory: Trajectory, colour: Colour) -> Way:
        """Points of this plot."""
        return Way(trajectory, self.panel, self.box, self.number, colour, 1)

    def word(self, step: int, time: TimeAxis) -> str:
        """When a moment was."""
        return f"{time.unit} {time.word(step, exact(self.panel.run.epochs))}"


def _draw(panels: Sequence[Panel], request: Request) -> Figure:
    check(request)
    how = "mean" if request.arrange == "mean" else "side"
    panels = panels if how == "mean" else panels[:MOST_PLOTS]
    scene, drawn = scene_of(panels, replace(request, arrange=how))
    plots = [_plot(number, each, request) for number, each in enumerate(drawn)]
    both = _ranges(plots, request.scale)
    layout = _layout(scene, plots, both)
    time = time_axis([(plot.shown, exact(plot.panel.run.epochs)) for plot in plots])
    names: dict[str, str] = {}
    data: list[Trace] = []
    for plot in plots:
        if not plot.shown:
            layout["annotations"].append(absence(plot.box, _why_empty(scene, plot)))
            continue
        data += [_line(plot, step) for step in plot.shown]
        data += [_points(scene, plot, each) for each in plot.layers]
        words = draw_limits(layout, plot.box, plot.limits, both)
        moments, layers = _moments(plot, time), _layers(scene, plot)
        fronts = [_front(plot, step) for step in plot.shown]
        every = range(len(moments) + len(layers))
        notes = written([*moments, *layers], every, fronts, words, both).annotations
        first = len(layout["annotations"]) + len(moments)
        names |= {str(first + k): name.way.trajectory.layer for k, name in enumerate(layers)}
        layout["annotations"] += notes
    data += depth_bar(scene)
    for number, trace in enumerate(data):
        trace["uid"] = f"t{number}"
    words_above = summary(panels, scene.opened)
    _write_above(scene, plots, layout, time, words_above)
    shorts = _shorts(scene)
    layout["meta"] = about(
        request,
        {
            "reading": scene.opened.reading,
            "resolution": scene.opened.resolution,
            "arrange": scene.arrangement.name,
            "summary": words_above,
            "layers": layers_of(
                scene.layers,
                [shorts[layer] for layer in scene.layers],
                [scene.colour(layer, 0) for layer in scene.layers],
            ),
            "moments": stops([(plot.steps, plot.panel.run.epochs) for plot in plots]),
            "names": names,
            "panels": [
                {"run": plot.panel.run.name, "set": plot.panel.set, "axis": plot.box.place.axis}
                for plot in plots
            ],
            "empty": unreadable(panels) | _refused(request, panels, scene.opened),
            "companion": "map",
        },
    )
    return coloured({"data": data, "layout": layout, "frames": []}, request.theme)


def _refused(request: Request, panels: Sequence[Panel], opened: Opening) -> dict[str, str]:
    """A line holds the layers of one run and set."""
    why = "each run and set has lines of its own here"
    return refused(request, panels, opened) | {"overlay": why}


def _plot(number: int, each: Drawn, request: Request) -> _Plot:
    layers = [t for t in each.of.all if t.layer not in request.hidden]
    most = _MOMENTS_NARROW if request.width < NARROW else _MOMENTS
    n_layers = Counter(step for t in layers for step in t.steps)
    # A line through a few of the layers only would be taken for one through all.
    full = sorted(s for s, n in n_layers.items() if 2 * n >= max(n_layers.values()))
    before = [step for step in full if request.until is None or step <= request.until]
    panel = each.plot.panels[0]
    shown, whole = (spaced(steps, panel.run.epochs, most) for steps in (before, full))
    return _Plot(panel, each.box, number, each.limits, layers, shown, whole)


def _layout(
    scene: Scene, plots: Sequence[_Plot], both: tuple[list[float], list[float]]
) -> dict[str, Any]:
    """Axes, and a heading above each of several plots."""
    panels, first = [plot.panel for plot in plots], scene.sheet.boxes[0]
    titles = [
        title_of(panels, name, length) if panels else ""
        for name, length in zip(scene.view.axes, (first.width, first.height), strict=True)
    ]
    layout = scene.sheet.layout(
        *({"title": axis_name(t), "range": r} for t, r in zip(titles, both, strict=True))
    )
    if not panels:
        layout["annotations"].append(absence(first, ["no run is chosen"]))
        for letter in "xy":
            layout[f"{letter}axis"]["visible"] = False
    for plot in plots if len(plots) > 1 else ():
        below = how_read(plot.panel, scene.view.x, scene.opened.resolution)
        title = f"{plot.panel.run.name} · {plot.panel.set}"
        layout["annotations"].append(heading(plot.box, title, below))
    return layout


def _why_empty(scene: Scene, plot: _Plot) -> list[str]:
    if plot.whole:
        return [not_yet(scene.request, plot.panel)]
    reading = READINGS[scene.opened.reading]
    return why_empty(plot.panel, reading, scene.view, scene.opened.resolution)


def _ranges(plots: Sequence[_Plot], scale: str) -> tuple[list[float], list[float]]:
    found = []
    for axis in "xy":
        values = [
            (each.x if axis == "x" else each.y)[step]
            for plot in plots
            for step in {*plot.whole, *plot.shown}
            for each in plot.at(step)
        ]
        marks = [limit.at for plot in plots for limit in plot.limits if limit.axis == axis]
        is_from_zero = scale == "zero"
        found.append(
            from_zero(values, max(marks, default=None)) if is_from_zero else fitted(values, marks)
        )
    return found[0], found[1]


def _front(plot: _Plot, step: int) -> Way:
    """The line of a moment as a way from layer to layer, which names keep off."""
    there = plot.at(step)
    through = there[-1]._replace(
        steps=list(range(len(there))),
        gaps=[],
        x={number: each.x[step] for number, each in enumerate(there)},
        y={number: each.y[step] for number, each in enumerate(there)},
    )
    return plot.way(through, plot.colour(step))


def _line(plot: _Plot, step: int) -> Trace:
    """The line of a moment; it does not pass over a layer that has no value then."""
    there = {each.layer for each in plot.at(step)}
    x, y = (
        [
            round(values[step], 4) if each.layer in there else None
            for each in plot.layers
            for values in [each.x if axis == "x" else each.y]
        ]
        for axis in "xy"
    )
    return {
        "type": "scatter",
        **plot.box.place.on,
        "mode": "lines",
        "x": x,
        "y": y,
        "hoverinfo": "skip",
        "line": {
            "color": plot.colour(step),
            "width": round(_THIN + (_THICK - _THIN) * plot.age(step), 2),
        },
        "meta": _meta(plot, None, "line"),
    }


def _points(scene: Scene, plot: _Plot, each: Trajectory) -> Trace:
    """The dots of a layer at all moments; the last one in the layer's colour."""
    there, last = set(each.steps), plot.shown[-1]
    seen = each._replace(steps=[step for step in plot.shown if step in there])
    of_layer = scene.colour(each.layer, 0)
    x, y = plot.way(seen, of_layer).at
    card = hover(plot.panel, seen, scene.view, scene.opened.resolution)
    sizes = [round(_SMALL + (_LARGE - _SMALL) * plot.age(step), 1) for step in seen.steps]
    colours = [of_layer if step == last else plot.colour(step) for step in seen.steps]
    return {
        "type": "scatter",
        **plot.box.place.on,
        "mode": "markers",
        "x": x,
        "y": y,
        "marker": {
            "size": sizes,
            "color": colours,
            "opacity": 1,
            "line": {"color": BACKGROUND, "width": 1},
        },
        **card,
        "meta": {**card["meta"], **_meta(plot, each.layer, "points")},
    }


def _meta(plot: _Plot, layer: str | None, role: str) -> dict[str, Any]:
    run, set_ = plot.panel.run.name, plot.panel.set
    return {"layer": layer, "role": role, "panel": plot.number, "run": run, "set": set_}


def _shorts(scene: Scene) -> dict[str, str]:
    names = short_names(scene.layers, 12 if scene.sheet.is_narrow else 18)
    return dict(zip(scene.layers, names, strict=True))


def _moments(plot: _Plot, time: TimeAxis) -> list[Name]:
    """When each line was, at its deepest layer."""
    return [
        Name(_front(plot, step), plot.word(step, time), plot.colour(step).ink())
        for step in plot.shown
    ]


def _layers(scene: Scene, plot: _Plot) -> list[Name]:
    """The first layer, the middle one and the last, on the last line."""
    last = plot.shown[-1]
    there, shorts = plot.at(last), _shorts(scene)
    found = []
    for number in dict.fromkeys((0, len(there) // 2, len(there) - 1)):
        layer = there[number].layer
        colour = scene.colour(layer, 0)
        way = plot.way(there[number]._replace(steps=[last]), colour)
        found.append(Name(way, shorts[layer], colour.ink()))
    return found


def _write_above(
    scene: Scene, plots: Sequence[_Plot], layout: dict[str, Any], time: TimeAxis, words: str
) -> None:
    """Add the lines above all plots."""
    notes, sheet = layout["annotations"], scene.sheet
    if len(plots) == 1 and plots[0].shown:
        (plot,) = plots
        marks = [
            ("one line per moment through all layers, from input to output", 1),
            (f"thick: {plot.word(plot.shown[-1], time)}", 0),
            ("colours of its dots: depth", 2),
        ]
        width = sheet.width - sheet.margin["l"] - sheet.margin["r"]
        notes.append(line_above(0, key_line(marks, width, 11)))
    if words:
        notes.append(line_above(1, words, has_headings=len(plots) > 1))
    if scene.arrangement.refusal:
        notes.append(line_above(2, plain(scene.arrangement.refusal), has_headings=len(plots) > 1))


THROUGH = Kind(
    "through",
    "Through the layers",
    "One line per moment through all layers, from the input to the output",
    "InformationPlaneMonitor",
    "an information plane",
    options=("reading", "view", "resolution", "hidden", "scale", "until", "arrange"),
    needs=PLANE.needs,
    reads=PLANE.reads,
    draw=_draw,
)
