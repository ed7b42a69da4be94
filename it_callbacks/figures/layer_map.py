"""Draw a quantity of layers over the training as a heat map: a row for each layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from it_callbacks.figures import grid
from it_callbacks.figures.about import chip, finished, of_plot, stops
from it_callbacks.figures.arranging import Arrangement, arranged, no_difference, refused
from it_callbacks.figures.axes import Figure, Panel, finite, how_read
from it_callbacks.figures.depth_order import merged
from it_callbacks.figures.grid import Pads, Plot
from it_callbacks.figures.heat_maps import (
    BAR,
    MOST_COLUMNS,
    Columns,
    cells,
    colour_axis,
    column_axis,
    columns_of,
    cursor,
    strided,
)
from it_callbacks.figures.hover import WORDS
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, short_names, shortened
from it_callbacks.figures.over_time import exact, time_axis
from it_callbacks.figures.quantity_shown import (
    DIFFERENCE,
    TRAIN_MINUS_VAL,
    axes_of,
    needs,
    opened,
    reads,
    status_of,
)
from it_callbacks.figures.readings import Opening
from it_callbacks.figures.theme import BITS, DIFFERENCES, of_depth
from it_callbacks.figures.words import before_first
from it_callbacks.records import Status
from it_callbacks.runs import Series

_MOST_CELLS = 36_000
"""Of a figure; where there are more, columns are left out."""
_MOST_NAMED = 22
_ROW = 14
"""Pixels that a name needs."""
_FEWEST_COLUMNS = 12


@dataclass(frozen=True)
class _Map:
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

    @cached_property
    def finite(self) -> list[float]:
        """All values that are seen."""
        each = (value for series in self.values.values() for value in series.values())
        return [value for value in each if math.isfinite(value)]

    def last(self, until: int | None) -> list[tuple[str, float | None]]:
        """The last value of each layer, up to a moment."""
        found = []
        for layer in self.layers:
            values = self.values[layer]
            before = [values[s] for s in sorted(values) if until is None or s <= until]
            found.append((layer, next(filter(math.isfinite, reversed(before)), None)))
        return found


def _draw(panels: Sequence[Panel], request: Request) -> Figure:
    panels = panels if request.arrange == "mean" else panels[: grid.MOST_PLOTS]
    found = opened(request, panels)
    maps, how = _maps(panels, request, found)
    layers = merged(each.layers for each in maps)
    short = dict(zip(layers, short_names(layers, 18 if request.width > 520 else 12), strict=True))
    left = grid.widest(short.values()) + 14
    pads = Pads((left, 16), (BAR, 0), top=40)
    drawn, data = grid.base(pads), []
    places = grid.plots(len(maps), request, pads)
    if not panels:
        grid.nothing(drawn, places[0])
    time = time_axis([(each.steps, exact(each.panel.run.epochs)) for each in maps])
    n_rows = sum(len(each.layers) for each in maps)
    most = max(_FEWEST_COLUMNS, min(MOST_COLUMNS, _MOST_CELLS // max(n_rows, 1)))
    drawn["meta"] |= {
        "reading": found.reading,
        "resolution": found.resolution,
        "arrange": how.name,
        "empty": _empty(panels, request, found),
    }
    for number, (each, plot) in enumerate(zip(maps, places, strict=False)):
        panel = each.panel
        shown = columns_of(each.steps, exact(panel.run.epochs), time, most)
        drawn["meta"]["panels"].append(of_plot(panel, plot.axis))
        drawn[f"xaxis{plot.axis}"] = column_axis(plot, shown)
        drawn[f"yaxis{plot.axis}"] = _row_axis(plot, each.layers, short)
        _head(drawn, plot, each, found.resolution, len(maps), request)
        if not each.finite:
            grid.said(drawn, plot, each.why_empty)
            continue
        trace = _heat_map(each, shown, request.until)
        data.append(grid.traced(trace, plot, panel, "cell", number, None))
        drawn["shapes"] += cursor(plot, shown, request.until)
    drawn["meta"]["moments"] = stops([(each.steps, each.panel.run.epochs) for each in maps])
    drawn["coloraxis"] = _colours(maps, next(p for p in places if p.is_last))
    drawn["meta"]["layers"] = [
        chip(layer, short[layer], of_depth(n, len(layers))) for n, layer in enumerate(layers)
    ]
    return finished(data, drawn, request, drawn["meta"])


def _maps(
    panels: Sequence[Panel], request: Request, found: Opening
) -> tuple[list[_Map], Arrangement]:
    if request.quantity != TRAIN_MINUS_VAL:
        name = request.quantity or axes_of(request, found, panels)[-1]
        how = "mean" if request.arrange == "mean" else "side"
        shown = arranged(replace(request, arrange=how), panels, found)
        maps = [_map(plot.panels[0], name, found.resolution, request) for plot in shown.plots]
        return maps, shown
    y = axes_of(request, found, panels)[-1]
    over = arranged(replace(request, arrange="overlay"), panels, found)
    pairs = [(plot.panels[0], plot.training[0]) for plot in over.plots if plot.training]
    if not pairs:
        why = "training and validation of one run are both needed for this"
        if over.refusal:
            why = f"the sets are not subtracted: {no_difference(panels[0].run, found)}"
        return [_Map(panel, TRAIN_MINUS_VAL, [], {}, 0, why) for panel in panels[:1]], over
    return [_difference(*pair, y, found.resolution, request) for pair in pairs], over


def _empty(panels: Sequence[Panel], request: Request, found: Opening) -> dict[str, str]:
    """What of the choices cannot be drawn, and why."""
    empty = refused(request, panels, found) | {"overlay": "each heat map is of one run and set"}
    runs = {panel.run.name: panel.run for panel in panels}.values()
    reasons = [no_difference(run, found) for run in runs]
    return empty | ({TRAIN_MINUS_VAL: reasons[0]} if reasons and all(reasons) else {})


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
        return replace(result, why_empty="every point is saturated: read layers at any width")
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
    why = "training and validation were not measured at the same step"
    return _Map(val, TRAIN_MINUS_VAL, list(values), values, one.n_saturated, why)


def _heat_map(each: _Map, shown: Columns, until: int | None) -> dict[str, Any]:
    what = f"{_words(each)}, {_unit(each)}"
    return {
        **cells(shown, len(each.layers)),
        "y": [plain(layer) for layer in each.layers],
        "z": [
            [finite(each.values[layer].get(step), 3) for step in shown.steps]
            for layer in each.layers
        ],
        "meta": {
            "title": _words(each),
            "unit": _unit(each),
            "table": grid.table("Layer", what, each.last(until)),
        },
        "customdata": [shown.steps] * len(each.layers),
        "hovertemplate": f"<b>%{{y}}</b><br>{shown.card('customdata')}<br>"
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
    return grid.axis(
        plot,
        "y",
        type="category",
        showgrid=False,
        tickvals=[plain(layers[number]) for number in at],
        ticktext=[plain(short[layers[number]]) for number in at],
        showticklabels=plot.is_first,
        range=[max(len(layers), 1) - 0.5, -0.5],
    )


def _colours(maps: Sequence[_Map], plot: Plot) -> dict[str, Any]:
    values = [value for each in maps for value in each.finite]
    unit = _unit(maps[0]) if maps else "bits"
    low, high, scale = min(values, default=0.0), max(values, default=1.0), BITS
    if any(each.quantity == TRAIN_MINUS_VAL for each in maps):
        high = max(abs(low), abs(high), 1e-3)
        low, scale = -high, DIFFERENCES
    return colour_axis(low, high, plot, offset=10, unit=unit, scale=scale)


def _head(
    drawn: dict[str, Any], plot: Plot, each: _Map, resolution: int, n: int, request: Request
) -> None:
    panel, most = each.panel, max(int(plot.width / 7), 12)
    what, unit = _words(each), _unit(each)
    remarks = (
        [] if plot.width < grid.LEAST_FOR_WORDS else [how_read(panel, each.quantity, resolution)]
    )
    if each.n_saturated:
        remarks.append("empty: saturated")
    remarks.insert(0, before_first(request, panel, each.steps))
    if each.quantity == TRAIN_MINUS_VAL:
        remarks.append(plain(shortened(panel.run.name, most // 2)) if n > 1 else "")
    of = plain(shortened(f"{panel.run.name} · {panel.set}", most))
    remarks += [of] if n == 1 and panel.run.spread else []
    if n > 1 and each.quantity != TRAIN_MINUS_VAL:
        grid.headed(drawn, plot, f"<b>{of}</b>", below=" · ".join(filter(None, [what, *remarks])))
    else:
        grid.headed(drawn, plot, f"<b>{what}</b>, {unit}", below=" · ".join(filter(None, remarks)))


MAP = Kind(
    "map",
    "Heat map",
    "A quantity of every layer, a row each, over the training, a column each time",
    "InformationPlaneMonitor",
    "quantities of layers",
    options=("reading", "view", "quantity", "resolution", "hidden", "until", "arrange"),
    needs=needs,
    reads=reads,
    draw=_draw,
)
