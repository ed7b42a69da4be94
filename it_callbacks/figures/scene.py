"""Find what the plots of a plane show: of which layers, in which colours, how large, until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from it_callbacks.figures.arranging import Arrangement, Plot, arranged
from it_callbacks.figures.axes import Panel
from it_callbacks.figures.depth_order import depths
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.limits import Limit, limits
from it_callbacks.figures.marks import Way
from it_callbacks.figures.readings import READINGS, Opening, View, opening
from it_callbacks.figures.subplots import NARROW, Box, Subplots
from it_callbacks.figures.theme import Colour, of_depth, of_run
from it_callbacks.figures.times import MOST_DRAWN
from it_callbacks.figures.trajectories import Trajectory, trajectories

MOST_WITHOUT_BAR = 12
"""Layers whose names tell their depth; of more, a bar of colours does."""
_MOST_POINTS = 2400
"""In a figure: a browser draws as many in half a second."""
_FEWEST_DRAWN = 12
"""Points of a layer, however many layers there are."""


class OfPlot(NamedTuple):
    """The trajectories of a plot."""

    equals: list[list[Trajectory]]
    """Of each panel."""
    training: list[list[Trajectory]]
    repeats: list[list[Trajectory]]

    @property
    def all(self) -> list[Trajectory]:
        """Those that are drawn as ways of their own."""
        return [each for of in (*self.equals, *self.training) for each in of]


class Scene(NamedTuple):
    """What all plots of a figure share."""

    request: Request
    opened: Opening
    view: View
    arrangement: Arrangement
    subplots: Subplots
    depths: Mapping[str, tuple[int, int]]
    """Of each layer, its number and of how many: in all panels that share layers, together."""

    @property
    def layers(self) -> list[str]:
        """All layers, in order of depth."""
        return list(self.depths)

    @property
    def n_layers(self) -> int:
        """How many the deepest of the networks has."""
        return max((n for _, n in self.depths.values()), default=0)

    @property
    def has_chance(self) -> bool:
        """Whether chance levels are drawn."""
        return self.request.chance and "chance" in self.view.options

    def colour(self, layer: str, run: int) -> Colour:
        """That of a layer; of its run where runs lie over each other."""
        if self.arrangement.is_by_run:
            return of_run(run)
        return of_depth(*self.depths[layer])


class Drawn(NamedTuple):
    """A plot, as far as it does not depend on the others."""

    plot: Plot
    box: Box
    of: OfPlot
    whole: list[Way]
    """Over all time: axes do not move with the moment."""
    ways: list[Way]
    """As they stood."""
    limits: list[Limit]


def scene_of(panels: Sequence[Panel], request: Request) -> tuple[Scene, list[Drawn]]:
    """Return what all plots of a request share, and each plot."""
    opened = opening(request, panels)
    view = READINGS[opened.reading].views[request.view]
    arrangement = arranged(request, panels, opened)
    every = _trajectories(arrangement, view, opened)
    across = READINGS[opened.reading].views["linear"].x  # in all views, colours are the same
    layers = depths(panel.run.layers(across, panel.set) for panel in panels)
    ordered = dict(sorted(layers.items(), key=lambda layer: layer[1][0]))
    subplots = _subplots(arrangement, request, max((n for _, n in layers.values()), default=0))
    scene = Scene(request, opened, view, arrangement, subplots, ordered)
    n_all = sum(each.layer not in request.hidden for of in every for each in of.all)
    most = min(MOST_DRAWN, max(_FEWEST_DRAWN, _MOST_POINTS // max(n_all, 1)))
    return scene, [_drawn(scene, number, of, most) for number, of in enumerate(every)]


def _trajectories(arrangement: Arrangement, view: View, opened: Opening) -> list[OfPlot]:
    def of(panels: Sequence[Panel]) -> list[list[Trajectory]]:
        return [trajectories(panel, view, opened.resolution) for panel in panels]

    return [OfPlot(of(p.panels), of(p.training), of(p.repeats)) for p in arrangement.plots]


def _subplots(arrangement: Arrangement, request: Request, n_layers: int) -> Subplots:
    above = 2 + bool(arrangement.refusal)
    has_bar = n_layers > MOST_WITHOUT_BAR and not arrangement.is_by_run
    is_narrow = request.width < NARROW
    return Subplots(
        len(arrangement.plots),
        request.width,
        request.height,
        above,
        right=74 if has_bar and not is_narrow else 0,
        below=40 if has_bar and is_narrow else 0,
    )


def _drawn(scene: Scene, number: int, of: OfPlot, most: int) -> Drawn:
    """A plot, with at most so many points of each way."""
    plot, box = scene.arrangement.plots[number], scene.subplots.boxes[number]
    hidden = scene.request.hidden
    n_ways = sum(each.layer not in hidden for several in of.equals for each in several)
    whole = [
        Way(each, panel, box, number, scene.colour(each.layer, run), n_ways, is_training)
        for is_training, panels, found in (
            (True, plot.training, of.training),
            (False, plot.panels, of.equals),
        )
        for run, (panel, several) in enumerate(zip(panels, found, strict=True))
        for each in several
        if each.layer not in hidden and each.steps
    ]
    seen = [
        replace(way, trajectory=way.trajectory.until(scene.request.until).thinned(most))
        for way in whole
    ]
    ways = [way for way in seen if way.trajectory.steps]
    return Drawn(plot, box, of, whole, ways, limits(plot.panels, scene.opened.reading))
