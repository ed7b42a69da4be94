"""Draw a quantity of layers over the looks as a heat map: a row for each layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from it_callbacks.figures.about import stops
from it_callbacks.figures.arranging import arranged
from it_callbacks.figures.asked import (
    DIFFERENCE,
    TRAIN_MINUS_VAL,
    axes_of,
    needs,
    opened,
    reads,
    status_of,
)
from it_callbacks.figures.axes import Figure, Panel, finite, how_read
from it_callbacks.figures.depth_order import merged
from it_callbacks.figures.grid import (
    LEAST_FOR_WORDS,
    MOST_PLOTS,
    Pads,
    Plot,
    axis,
    base,
    finished,
    headed,
    layers_of,
    nothing,
    of_plot,
    plots,
    said,
    traced,
    widest,
)
from it_callbacks.figures.hover import WORDS
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, short_names, shortened
from it_callbacks.figures.looks import (
    BAR,
    MOST_COLUMNS,
    Looks,
    cells,
    colour_axis,
    columns,
    cursor,
    looks,
    strided,
)
from it_callbacks.figures.over_time import exact, time_axis
from it_callbacks.figures.readings import Opening
from it_callbacks.figures.theme import BITS, GRID, Colour, of_depth
from it_callbacks.records import Status
from it_callbacks.runs import Series

_MOST_CELLS = 36_000
"""Of a figure; where there are more, columns are left out."""
_MOST_NAMED = 22
_ROW = 14
"""Pixels that a name needs."""
_FEWEST_COLUMNS = 12


class _Map(NamedTuple):
    """What a plot shows."""

    panel: Panel
    quantity: str
    layers: list[str]
    values: Mapping[str, Series]
    """By layer; without those that are saturated."""
    n_saturated: int
    why_empty: str

    @property
    def steps(self) -> list[int]:
        """At which any layer has a value or could have one."""
        return sorted({step for series in self.values.values() for step in series})

    @property
    def finite(self) -> list[float]:
        """All values that are seen."""
        each = (value for series in self.values.values() for value in series.values())
        return [value for value in each if math.isfinite(value)]


def _draw(panels: Sequence[Panel], request: Request) -> Figure:
    panels = panels if request.arrange == "mean" else panels[:MOST_PLOTS]
    found = opened(request, panels)
    maps = _maps(panels, request, found)
    layers = merged(each.layers for each in maps)
    short = dict(zip(layers, short_names(layers, 18 if request.width > 520 else 12), strict=True))
    left = widest(short.values()) + 14
    pads = Pads((left, 16), (BAR, 0), top=40)
    drawn, data = base(request, pads), []
    places = plots(len(maps), request, pads)
    if not panels:
        nothing(drawn, places[0])
    time = time_axis([(each.steps, exact(each.panel.run.epochs)) for each in maps])
    n_rows = sum(len(each.layers) for each in maps)
    most = max(_FEWEST_COLUMNS, min(MOST_COLUMNS, _MOST_CELLS // max(n_rows, 1)))
    drawn["meta"] |= {"reading": found.reading, "resolution": found.resolution}
    for number, (each, plot) in enumerate(zip(maps, places, strict=False)):
        panel = each.panel
        shown = looks(each.steps, exact(panel.run.epochs), time, most)
        of_plot(drawn, plot, panel)
        drawn[f"xaxis{plot.axis}"] = columns(plot, shown)
        drawn[f"yaxis{plot.axis}"] = _row_axis(plot, each.layers, short)
        _head(drawn, plot, each, found.resolution, len(maps))
        if not each.finite:
            said(drawn, plot, each.why_empty)
            continue
        data.append(traced(_heat_map(each, shown), plot, panel, "cell", number, None))
        drawn["shapes"] += cursor(plot, shown, request.until)
    drawn["meta"]["moments"] = stops([(each.steps, each.panel.run.epochs) for each in maps])
    drawn["coloraxis"] = _colours(maps, next(p for p in places if p.is_last), request)
    drawn["meta"]["layers"] = layers_of(
        layers, list(short.values()), [of_depth(n, len(layers)) for n in range(len(layers))]
    )
    return finished(drawn, data, request)


def _maps(panels: Sequence[Panel], request: Request, found: Opening) -> list[_Map]:
    if request.quantity != TRAIN_MINUS_VAL:
        name = request.quantity or axes_of(request, found, panels)[-1]
        how = "mean" if request.arrange == "mean" else "side"
        shown = arranged(replace(request, arrange=how), panels, found).plots
        return [_map(plot.panels[0], name, found.resolution, request) for plot in shown]
    y = axes_of(request, found, panels)[-1]
    over = arranged(replace(request, arrange="overlay"), panels, found)
    pairs = [(plot.panels[0], plot.training[0]) for plot in over.plots if plot.training]
    if not pairs:
        why = over.refusal or "training and validation of one run are both needed for this"
        return [_Map(panel, y, [], {}, 0, why) for panel in panels[:1]]
    return [_difference(*pair, y, found.resolution, request) for pair in pairs]


def _map(panel: Panel, quantity: str, resolution: int, request: Request) -> _Map:
    why = f"no {panel.about(quantity).label} has a value in this set"
    if resolution >= len(panel.rulers):
        why = f"read at {len(panel.rulers)} resolution{'s' * (len(panel.rulers) > 1)} only"
        return _Map(panel, quantity, [], {}, 0, f"this set was {why}")
    found, n_saturated = {}, 0
    for layer in panel.run.layers(quantity, panel.set):
        if layer in request.hidden:
            continue
        values = panel.series(quantity, layer, resolution)
        status = panel.series(status_of(quantity), layer, resolution)
        hidden = {step for step in values if status.get(step) == Status.SATURATED}
        if quantity != status_of(quantity):
            n_saturated += len(hidden)
            values = {step: math.nan if step in hidden else v for step, v in values.items()}
        found[layer] = values
    result = _Map(panel, quantity, list(found), found, n_saturated, why)
    if n_saturated and not result.finite:
        return result._replace(why_empty="every point is saturated: read layers at any width")
    return result


def _difference(val: Panel, train: Panel, quantity: str, resolution: int, request: Request) -> _Map:
    """Training minus validation, where both have a value."""
    one, other = (_map(panel, quantity, resolution, request) for panel in (train, val))
    values = {
        layer: {
            step: one.values[layer][step] - other.values[layer][step]
            for step in one.values[layer]
            if step in other.values[layer]
        }
        for layer in one.layers
        if layer in other.values
    }
    why = "training and validation have no look in common"
    return _Map(val, TRAIN_MINUS_VAL, list(values), values, one.n_saturated, why)


def _heat_map(each: _Map, shown: Looks) -> dict[str, Any]:
    return {
        **cells(shown, len(each.layers)),
        "y": [plain(layer) for layer in each.layers],
        "z": [
            [finite(each.values[layer].get(step), 3) for step in shown.steps]
            for layer in each.layers
        ],
        "meta": {"title": _words(each), "unit": _unit(each)},
        "hovertemplate": f"<b>%{{y}}</b><br>{shown.unit} %{{x}}<br>"
        "%{meta.title}  <b>%{z:.2f}</b> %{meta.unit}<extra></extra>",
    }


def _words(each: _Map) -> str:
    if each.quantity == TRAIN_MINUS_VAL:
        return DIFFERENCE.label
    return WORDS.get(each.quantity) or plain(each.panel.about(each.quantity).label)


def _unit(each: _Map) -> str:
    is_difference = each.quantity == TRAIN_MINUS_VAL
    return DIFFERENCE.unit if is_difference else plain(each.panel.about(each.quantity).unit)


def _row_axis(plot: Plot, layers: Sequence[str], short: dict[str, str]) -> dict[str, Any]:
    at = strided(len(layers), max(2, min(_MOST_NAMED, int(plot.height / _ROW))))
    return axis(
        plot,
        "y",
        type="category",
        showgrid=False,
        tickvals=[plain(layers[number]) for number in at],
        ticktext=[plain(short[layers[number]]) for number in at],
        showticklabels=plot.is_first,
        range=[max(len(layers), 1) - 0.5, -0.5],
    )


def _colours(maps: Sequence[_Map], plot: Plot, request: Request) -> dict[str, Any]:
    values = [value for each in maps for value in each.finite]
    unit = _unit(maps[0]) if maps else "bits"
    low, high, scale = min(values, default=0.0), max(values, default=1.0), BITS
    if any(each.quantity == TRAIN_MINUS_VAL for each in maps):
        high = max(abs(low), abs(high), 1e-3)
        ends = (Colour("areas", 0), GRID, Colour("areas", 1))
        low = -high
        stops = [colour.of(request.theme) for colour in ends]
        return colour_axis(low, high, plot, offset=10, unit=unit, scale=_evenly(stops))
    return colour_axis(low, high, plot, offset=10, unit=unit, scale=scale)


def _evenly(stops: Sequence[str]) -> list[list[Any]]:
    return [[number / (len(stops) - 1), stop] for number, stop in enumerate(stops)]


def _head(drawn: dict[str, Any], plot: Plot, each: _Map, resolution: int, n: int) -> None:
    panel, most = each.panel, max(int(plot.width / 7), 12)
    what, unit = _words(each), _unit(each)
    remarks = [] if plot.width < LEAST_FOR_WORDS else [how_read(panel, each.quantity, resolution)]
    if each.n_saturated:
        remarks.append("empty: saturated")
    if each.quantity == TRAIN_MINUS_VAL:
        remarks.append(plain(shortened(panel.run.name, most // 2)) if n > 1 else "")
    of = plain(shortened(f"{panel.run.name} · {panel.set}", most))
    remarks += [of] if n == 1 and panel.run.spread else []
    if n > 1 and each.quantity != TRAIN_MINUS_VAL:
        headed(drawn, plot, f"<b>{of}</b>", below=" · ".join(filter(None, [what, *remarks])))
    else:
        headed(drawn, plot, f"<b>{what}</b>, {unit}", below=" · ".join(filter(None, remarks)))


MAP = Kind(
    "map",
    "Heat map",
    "InformationPlaneMonitor",
    "quantities of layers",
    options=("reading", "view", "quantity", "resolution", "hidden", "until", "arrange"),
    needs=needs,
    reads=reads,
    draw=_draw,
)
