"""Find what curves are of: which quantities of which layers, in which plots, by which marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from it_callbacks.figures.arranging import Arrangement, Plot, arranged
from it_callbacks.figures.axes import Panel
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.limits import Limit, limits
from it_callbacks.figures.over_time import Epochs, exact
from it_callbacks.figures.quantity_shown import axes_of
from it_callbacks.figures.ranges import span_of
from it_callbacks.figures.readings import READINGS, Opening
from it_callbacks.figures.subplots import NARROW
from it_callbacks.quantities import Quantity
from it_callbacks.runs import Series

_LEAST_FOR_TWO_ROWS = 420
"""Pixels of height."""
_MOST_WITH_BOTH = 3
"""Runs of which both quantities of a plane are drawn."""


class Line(NamedTuple):
    """A layer of a panel."""

    layer: str
    group: str
    """What its colour and its name are of: the layer, or its run."""
    panel: Panel
    epochs: Epochs
    values: Series
    low: Series
    """The lower end of its band, and the upper one."""
    high: Series
    is_dotted: bool = False

    def until(self, step: int | None) -> Line:
        """As it stood at a step; all of it for None."""
        if step is None:
            return self
        values = {at: value for at, value in self.values.items() if at <= step}
        return self._replace(values=values, low={s: v for s, v in self.low.items() if s <= step})

    @property
    def last(self) -> float | None:
        """Its last finite value."""
        values = (self.values[step] for step in sorted(self.values, reverse=True))
        return next(filter(math.isfinite, values), None)


class Cell(NamedTuple):
    """A plot: a quantity of what shares one."""

    quantity: str
    resolution: int
    plot: Plot
    lines: list[Line]

    @property
    def panels(self) -> list[Panel]:
        """Those that are drawn as equals."""
        return self.plot.panels

    @property
    def is_by_run(self) -> bool:
        """Whether a line is a run, and not a layer."""
        return len(self.panels) > 1

    def until(self, step: int | None) -> Cell:
        """As it stood at a step; all of it for None."""
        return self._replace(lines=[line.until(step) for line in self.lines])

    @property
    def about(self) -> Quantity:
        """The row of the table."""
        return self.panels[0].about(self.quantity)


def cells_of(panels: Sequence[Panel], request: Request, opened: Opening) -> list[Cell]:
    """Return what is drawn, plot by plot: a quantity that is asked for, or those of the plane.

    A quantity that is asked for has a plot for each run and set, unless runs share one. Where runs
    lie over each other, only the deepest layer of each is drawn.
    """
    plots = arrangement_of(panels, request, opened).plots
    if request.quantity:
        return [_cell(request.quantity, opened, plot, request) for plot in plots]
    axes = axes_of(request, opened, panels)
    is_tall = len(plots) <= _MOST_WITH_BOTH and request.height >= _LEAST_FOR_TWO_ROWS
    has_room = request.width >= NARROW and (len(plots) == 1 or is_tall)
    names = axes if has_room else axes[-1:]
    return [_cell(name, opened, plot, request) for plot in plots for name in names]


def arrangement_of(panels: Sequence[Panel], request: Request, opened: Opening) -> Arrangement:
    """Return the plots; a quantity that is asked for has one for each panel unless told else."""
    is_apart = request.quantity and request.arrange == "auto"
    return arranged(replace(request, arrange="side") if is_apart else request, panels, opened)


def _cell(quantity: str, opened: Opening, plot: Plot, request: Request) -> Cell:
    is_by_run = len(plot.panels) > 1
    lines = []
    for panel in plot.panels:
        of_panel = _lines(panel, quantity, opened.resolution, request)
        if is_by_run:
            of_panel = [line._replace(group=panel.run.name) for line in of_panel[-1:]]
        lines += of_panel
    for panel in () if is_by_run else plot.training:
        below = _lines(panel, quantity, opened.resolution, request)
        lines += [line._replace(is_dotted=True) for line in below]
    return Cell(quantity, opened.resolution, plot, lines)


def _lines(panel: Panel, quantity: str, resolution: int, request: Request) -> list[Line]:
    if resolution >= len(panel.rulers):
        return []
    found, epochs = [], exact(panel.run.epochs)
    for layer in panel.run.layers(quantity, panel.set):
        values = panel.series(quantity, layer, resolution)
        if layer not in request.hidden and any(map(math.isfinite, values.values())):
            ends = panel.ends(quantity, layer, resolution)
            found.append(Line(layer, layer, panel, epochs, values, *ends))
    return found


def marks_of(cell: Cell) -> list[Limit]:
    """The lines that the values are read against."""
    for name, reading in READINGS.items():
        for view in reading.views.values():
            for letter, quantity in zip("xy", view.axes, strict=True):
                if quantity == cell.quantity:
                    found = limits(cell.panels[:1], name)
                    return [mark for mark in found if mark.axis == letter]
    return []


def spans_of(
    cells: Sequence[Cell], marks: list[list[Limit]], scale: str
) -> dict[str, tuple[float, float]]:
    """For each quantity the ends of its axes; marks that are far from the data are taken out."""
    found = {}
    for quantity in dict.fromkeys(cell.quantity for cell in cells):
        of = [number for number, cell in enumerate(cells) if cell.quantity == quantity]
        unit = cells[of[0]].about.unit
        values = [
            value
            for number in of
            for line in cells[number].lines
            for series in (line.values, line.low, line.high)
            for value in filter(math.isfinite, series.values())
        ]
        if unit == "code":
            span = (-0.15, 2.15)
        elif unit == "share":
            span = (min([0.0, *values]) - 0.03, max([1.0, *values]) + 0.03)
        else:
            at = [mark.at for number in of for mark in marks[number]]
            low, high = span_of(values, at, scale)
            span = (low, high)
        for number in of:
            marks[number] = [mark for mark in marks[number] if span[0] <= mark.at <= span[1]]
        found[quantity] = span
    return found
