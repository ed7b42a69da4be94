"""Draw one quantity over the training, a line for each layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from it_callbacks.figures.axes import (
    Figure,
    Panel,
    Place,
    axis_title,
    coloured,
    empty,
    finite_all,
    how_read,
    over_time,
)
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.theme import LIGHT, Colour, Theme, of_depth
from it_callbacks.figures.times import TimeAxis, evenly
from it_callbacks.records import Quantity
from it_callbacks.runs import Series

MOST_OVER_TIME = 1000
"""Points of a line: about as many as a plot has pixels across."""

_MOST_MARKED = 100
"""Points of a line that are marked: more of them are a line anyway."""


def curves(
    panels: Sequence[Panel], quantity: str, *, resolution: int = 0, theme: Theme = LIGHT
) -> Figure:
    """A quantity over epochs, one line for each layer; a band where there is an interval.

    Time is epochs; steps where epochs are not known, or where one of them has several points.

    Args:
        panels: Runs and sets, drawn side by side on equal axes.
        quantity: Its name in the table, without a ruler: ``"I_TY_adjusted"``.
        resolution: Which of the rulers in ``bins=[...]``.
        theme: Colours.
    """
    about = next((panel.about(quantity) for panel in panels), Quantity(quantity))
    title = plain(f"{about.meaning or about.label} over the training")
    if not panels:
        return empty(title, theme)
    lines = [_lines(panel, quantity, resolution) for panel in panels]
    layers = list(dict.fromkeys(layer for by_layer in lines for layer in by_layer))
    colours = {layer: of_depth(number, len(layers)) for number, layer in enumerate(layers)}

    def draw(number: int, place: Place, axis: TimeAxis) -> list[dict[str, Any]]:
        panel, data = panels[number], []
        for layer, line in lines[number].items():
            group = {"legendgroup": plain(layer)}
            data += [group | band for band in _bands(panel, line, colours[layer], axis)]
            data.append(group | _trace(panel, line.values, layer, colours[layer], axis))
        return data

    figure = over_time(
        panels,
        [[list(line.values) for line in by_layer.values()] for by_layer in lines],
        draw,
        title=title,
        y={"title": {"text": axis_title(panels, quantity), "standoff": 8}},
        absent=plain(f"no {about.label} has a value in this set"),
        subtitles=[how_read(panel, quantity, resolution) for panel in panels],
    )
    return coloured(figure, theme)


class _Line(NamedTuple):
    """The values of a layer, and the lower and upper ends of its band."""

    values: Series
    low: Series
    high: Series


def _lines(panel: Panel, quantity: str, resolution: int) -> dict[str, _Line]:
    if resolution >= len(panel.rulers):
        return {}
    lines = {
        layer: _Line(
            panel.series(quantity, layer, resolution), *panel.ends(quantity, layer, resolution)
        )
        for layer in panel.run.layers(quantity, panel.set)
    }
    return {
        layer: line
        for layer, line in lines.items()
        if any(map(math.isfinite, line.values.values()))
    }


def _trace(
    panel: Panel, line: Series, layer: str, colour: Colour, axis: TimeAxis
) -> dict[str, Any]:
    steps = evenly(list(line), MOST_OVER_TIME)
    return {
        "type": "scatter",
        # A value between two gaps is a point: a line alone would not show it.
        "mode": "lines+markers" if len(steps) <= _MOST_MARKED else "lines",
        "name": plain(shortened(layer)),
        "meta": plain(layer),
        "x": [axis.place(step, panel.run.epochs) for step in steps],
        "y": finite_all(line, steps),
        "customdata": [axis.read(step, panel.run.epochs) for step in steps],
        "hovertemplate": f"<b>%{{meta}}</b><br>{axis.clock.unit} %{{customdata}}: %{{y:.3f}}"
        "<extra></extra>",
        "line": {"color": colour, "width": 2},
        "marker": {"size": 4},
    }


def _bands(panel: Panel, line: _Line, colour: Colour, axis: TimeAxis) -> list[dict[str, Any]]:
    """The area between the ends, in pieces: a gap in them is not bridged."""
    steps = evenly([step for step in line.low if step in line.high], MOST_OVER_TIME)
    pieces: list[list[tuple[float, float, float]]] = [[]]
    for step, below, above in zip(
        steps, finite_all(line.low, steps), finite_all(line.high, steps), strict=True
    ):
        if below is not None and above is not None:
            pieces[-1].append((axis.place(step, panel.run.epochs), below, above))
        elif pieces[-1]:
            pieces.append([])
    return [
        {
            "type": "scatter",
            "mode": "lines",
            # There along the lower edge, and back along the upper one.
            "x": [x for x, *_ in piece] + [x for x, *_ in reversed(piece)],
            "y": [below for _, below, _ in piece] + [above for *_, above in reversed(piece)],
            "fill": "toself",
            "fillcolor": colour.faint(),
            "line": {"width": 0, "color": colour},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        for piece in pieces
        if len(piece) > 1
    ]


def _of(request: Request) -> str:
    return request.quantity or "I_XT"


CURVES = Kind(
    "curves",
    "Curves",
    "InformationPlaneMonitor",
    "quantities of layers",
    options=("quantity", "resolution"),
    needs=lambda request: [(_of(request),)],
    reads=lambda request, run: (_of(request), *run.around(_of(request))),
    draw=lambda panels, request: curves(
        panels, _of(request), resolution=request.resolution or 0, theme=request.theme
    ),
)
