"""Draw a line through all layers, from the input side to the output, at a few moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from it_callbacks.figures import captions
from it_callbacks.figures.about import finished, stops
from it_callbacks.figures.axes import Figure, Panel, how_read
from it_callbacks.figures.depth_bar import depth_bar
from it_callbacks.figures.grid import MOST_PLOTS
from it_callbacks.figures.hover import hover
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.limits import Limit, draw_limits
from it_callbacks.figures.marks import Trace, Way
from it_callbacks.figures.names import Name, written
from it_callbacks.figures.over_time import TimeAxis, exact, time_axis
from it_callbacks.figures.plane import PLANE
from it_callbacks.figures.ranges import span_of
from it_callbacks.figures.readings import READINGS, check
from it_callbacks.figures.scene import Drawn, Scene, scene_of
from it_callbacks.figures.subplots import NARROW, Box, absence, heading
from it_callbacks.figures.theme import BACKGROUND, Colour
from it_callbacks.figures.times import spaced
from it_callbacks.figures.trajectories import Trajectory, why_empty
from it_callbacks.figures.words import not_yet

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
        """All at which something was measured."""
        return sorted({step for each in self.layers for step in each.steps})

    def age(self, step: int) -> float:
        """From 0 at the first moment to 1 at the last."""
        return self.shown.index(step) / (len(self.shown) - 1) if len(self.shown) > 1 else 1.0

    def colour(self, step: int) -> Colour:
        """That of a moment."""
        return Colour("time", self.age(step))

    def at(self, step: int) -> list[Trajectory]:
        """The layers that have a value then."""
        return [each for each in self.layers if each.has(step)]

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
    layout = captions.layout_of(scene, [plot.panel for plot in plots], both)
    for plot in plots if len(plots) > 1 else ():
        below = how_read(plot.panel, scene.view.x, scene.opened.resolution)
        name = f"{plot.panel.run.name} · {plot.panel.set}"
        layout["annotations"].append(heading(plot.box, name, below))
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
        notes = written([*moments, *layers], every, [], fronts, words, both).seen
        first = len(layout["annotations"]) + len(moments)
        names |= {str(first + k): name.way.trajectory.layer for k, name in enumerate(layers)}
        layout["annotations"] += notes
    known = captions.about_plots(scene, panels, drawn)
    captions.write_above(scene, layout, known["summary"], _marks(plots, time))
    return finished(
        [*data, *depth_bar(scene)],
        layout,
        request,
        {
            **known,
            "moments": stops([(plot.steps, plot.panel.run.epochs) for plot in plots]),
            "names": names,
            # A line holds the layers of one run and set.
            "empty": known["empty"] | {"overlay": "each run and set has lines of its own here"},
            "companion": "map",
        },
    )


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
        found.append(span_of(values, marks, scale))
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
        "meta": plot.panel.meta("line", plot.number, None),
    }


def _points(scene: Scene, plot: _Plot, each: Trajectory) -> Trace:
    """The dots of a layer at all moments; the last one in the layer's colour."""
    last = plot.shown[-1]
    seen = each._replace(steps=[step for step in plot.shown if each.has(step)])
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
        "meta": {**card["meta"], **plot.panel.meta("points", plot.number, each.layer)},
    }


def _moments(plot: _Plot, time: TimeAxis) -> list[Name]:
    """When each line was, at its deepest layer."""
    return [
        Name(_front(plot, step), plot.word(step, time), plot.colour(step).ink())
        for step in plot.shown
    ]


def _layers(scene: Scene, plot: _Plot) -> list[Name]:
    """The first layer, the middle one and the last, on the last line."""
    last = plot.shown[-1]
    there, short = plot.at(last), captions.labels(scene)
    found = []
    for number in dict.fromkeys((0, len(there) // 2, len(there) - 1)):
        layer = there[number].layer
        colour = scene.colour(layer, 0)
        way = plot.way(there[number]._replace(steps=[last]), colour)
        found.append(Name(way, short[layer], colour.ink()))
    return found


def _marks(plots: Sequence[_Plot], time: TimeAxis) -> list[tuple[str, int]] | None:
    """What the line above a single plot explains."""
    if len(plots) != 1 or not plots[0].shown:
        return None
    (plot,) = plots
    return [
        ("one line per moment through all layers, from input to output", 1),
        (f"thick: {plot.word(plot.shown[-1], time)}", 0),
        ("colours of its dots: depth", 2),
    ]


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
