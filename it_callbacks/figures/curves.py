"""Runs in; one quantity over the training, a line for each layer, out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from it_callbacks.figures.axes import (
    Figure,
    Panel,
    absence,
    colour_scale,
    empty,
    finite_all,
    layout,
    places,
    resolution_label,
)
from it_callbacks.figures.theme import LIGHT, Theme
from it_callbacks.figures.times import TimeAxis, evenly, time_axis
from it_callbacks.figures.words import plain, shortened
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
        quantity: First part of the tags, without a ruler: ``"I_TY_adjusted"``.
        resolution: Which of the rulers in ``bins=[...]``.
        theme: Colours.
    """
    about = next((panel.run.about(quantity) for panel in panels), Quantity(quantity))
    title = plain(f"{about.meaning or about.label} over the training")
    if not panels:
        return empty(title, "no run is chosen", theme)
    lines = [_lines(panel, quantity, resolution) for panel in panels]
    measured = [
        (list(line), panel.run.epochs)
        for panel, of_panel in zip(panels, lines, strict=True)
        for line, *_ in of_panel.values()
    ]
    axis = time_axis(measured)
    drawn = layout(
        panels,
        title=title,
        x=axis.options,
        y={"title": {"text": plain(f"{about.label}, {about.unit}"), "standoff": 8}},
        theme=theme,
        subtitles=[resolution_label(panel, resolution) for panel in panels],
    )
    layers = list(dict.fromkeys(layer for of_panel in lines for layer in of_panel))
    colours = dict(zip(layers, spread_colours(len(layers), theme), strict=True))
    data: list[dict[str, Any]] = []
    listed: set[str] = set()
    for panel, place, of_panel in zip(panels, places(len(panels)), lines, strict=True):
        if not of_panel:
            text = plain(f"no {about.label} has a value in this set")
            drawn["annotations"].append(absence(place, text, theme))
        for layer, (line, low, high) in of_panel.items():
            shared = {**place.on, "legendgroup": plain(layer)}
            data += [{**shared, **band} for band in _band(panel, low, high, colours[layer], axis)]
            trace = _line(panel, line, layer, colours[layer], axis)
            data.append({**shared, **trace, "showlegend": layer not in listed})
            listed.add(layer)
    return {"data": data, "layout": drawn, "frames": []}


_Line = tuple[Series, Series, Series]


def _lines(panel: Panel, quantity: str, resolution: int) -> dict[str, _Line]:
    """For each layer the values, and the lower and upper ends of their bands."""
    if resolution >= len(panel.rulers):
        return {}
    found = {}
    for layer in panel.run.layers(quantity, panel.set):
        line = panel.series(quantity, layer, resolution)
        low, high = _interval(panel, quantity, layer, resolution)
        spread = panel.spread(quantity, layer, resolution)
        if spread:
            low = {step: value - spread[step] for step, value in line.items() if step in spread}
            high = {step: value + spread[step] for step, value in line.items() if step in spread}
        if any(math.isfinite(value) for value in line.values()):
            found[layer] = (line, low, high)
    return found


def _interval(panel: Panel, quantity: str, layer: str, resolution: int) -> tuple[Series, Series]:
    """The ends of the interval around a quantity; empty where it has none."""
    ends = panel.run.about(quantity).interval
    low, high = (panel.series(end, layer, resolution) for end in ends) if ends else ({}, {})
    return low, high


def _line(panel: Panel, line: Series, layer: str, colour: str, axis: TimeAxis) -> dict[str, Any]:
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
        "hovertemplate": f"<b>%{{meta}}</b><br>{axis.clock.word} %{{customdata}}: %{{y:.3f}}"
        "<extra></extra>",
        "line": {"color": colour, "width": 2},
        "marker": {"size": 4},
    }


def _band(
    panel: Panel, low: Series, high: Series, colour: str, axis: TimeAxis
) -> list[dict[str, Any]]:
    """The area between two series, in pieces: a gap in them is not bridged."""
    steps = evenly([step for step in low if step in high], MOST_OVER_TIME)
    pieces: list[list[tuple[float, float, float]]] = [[]]
    for step, below, above in zip(
        steps, finite_all(low, steps), finite_all(high, steps), strict=True
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
            "fillcolor": translucent(colour),
            "line": {"width": 0, "color": colour},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        for piece in pieces
        if len(piece) > 1
    ]


def spread_colours(n: int, theme: Theme) -> list[str]:
    """`n` colours along the theme's scale: the first layer has its first colour."""
    stops = [(place, _rgb(str(colour))) for place, colour in colour_scale(theme)]
    colours = []
    for number in range(n):
        at = number / (n - 1) * (len(stops) - 1) if n > 1 else 0.0
        left = min(int(at), len(stops) - 2)
        mixed = [
            round(a + (b - a) * (at - left))
            for a, b in zip(stops[left][1], stops[left + 1][1], strict=True)
        ]
        colours.append("#" + "".join(f"{part:02x}" for part in mixed))
    return colours


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def translucent(colour: str, opacity: float = 0.18) -> str:
    """A colour as CSS writes one that lets what is below it through.

    Example:
        >>> translucent("#ff8000", 0.5)
        'rgba(255, 128, 0, 0.5)'
    """
    red, green, blue = _rgb(colour)
    return f"rgba({red}, {green}, {blue}, {opacity})"
