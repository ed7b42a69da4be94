"""Lay out plots that have words beside them, and say of each part of a figure what it is of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from it_callbacks.figures.about import about
from it_callbacks.figures.axes import Figure, Panel, Place, coloured, finite
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.sheet import AXIS, Box, absence, width_of
from it_callbacks.figures.sheet import base as base_of
from it_callbacks.figures.theme import MUTED, TEXT, Colour

LEAST_FOR_WORDS = 380
"""Pixels of a plot below which words are short."""
MOST_PLOTS = 6
"""Of a figure whose runs and sets stand side by side: the first ones."""
_LEAST = 170
"""Pixels of a plot below which fewer stand in a row."""


def widest(texts: Iterable[str], size: int = 12) -> int:
    """Pixels that the longest line of some texts takes, about.

    Example:
        >>> widest(["hidden1<br>2.81", "out"])
        47
    """
    lines = (re.sub("<[^>]*>", "", line) for text in texts for line in text.split("<br>"))
    return round(max((width_of(line, size) for line in lines), default=0))


@dataclass(frozen=True)
class Pads:
    """Pixels around each plot.

    Args:
        left: Of the first in a row, and of the others.
        right: Of the last in a row, and of the others.
        top: Above each.
        bottom: Below each.
    """

    left: tuple[int, int]
    right: tuple[int, int]
    top: int = 34
    bottom: int = 52


class Plot(NamedTuple):
    """Where a plot lies, and how large it is."""

    place: Place
    width: float
    """In pixels, as its height."""
    height: float
    is_first: bool
    """Whether it is the first in its row."""
    is_last: bool

    @property
    def box(self) -> Box:
        """The same for what does not ask where in its row it is."""
        return Box(self.place, self.width, self.height)

    @property
    def axis(self) -> str:
        """What Plotly adds to ``x`` and ``y``."""
        return self.place.axis


def plots(n: int, request: Request, pads: Pads) -> list[Plot]:
    """Return places for plots of equal size, at most three in a row.

    Args:
        n: How many.
        request: Which says how large the figure is.
        pads: What each has around it.
    """
    n = max(n, 1)
    columns = min(n, 3, max(1, request.width // (_LEAST + pads.left[1] + pads.right[1])))
    rows = -(-n // columns)
    columns = -(-n // rows)
    ends = pads.left[0] + pads.right[0]
    between = pads.left[1] + pads.right[1]
    width = max((request.width - ends - (columns - 1) * between) / columns, 20.0)
    height = max((request.height - rows * (pads.top + pads.bottom)) / rows, 20.0)
    across = columns * width + (columns - 1) * between
    up = rows * height + (rows - 1) * (pads.top + pads.bottom)
    found = []
    for number in range(n):
        row, column = divmod(number, columns)
        left = column * (width + between) / across
        bottom = (rows - 1 - row) * (height + pads.top + pads.bottom) / up
        place = Place(
            str(number + 1) if number else "",
            (round(left, 4), round(min(left + width / across, 1), 4)),
            (round(bottom, 4), round(min(bottom + height / up, 1), 4)),
        )
        is_last = column + 1 == columns or number + 1 == n
        found.append(Plot(place, width, height, column == 0, is_last))
    return found


def base(request: Request, pads: Pads) -> dict[str, Any]:
    """What layouts have besides axes; what is known of the figure comes below `meta`."""
    drawn = base_of({"l": pads.left[0], "r": pads.right[0], "t": pads.top, "b": pads.bottom})
    found: dict[str, Any] = {"names": {}, "panels": [], "arrange": request.arrange}
    return {**drawn, "meta": found}


def axis(plot: Plot, letter: str, **more: Any) -> dict[str, Any]:
    """A horizontal (``x``) or vertical (``y``) axis of a plot."""
    domain = plot.place.across if letter == "x" else plot.place.up
    other = "y" if letter == "x" else "x"
    return {**AXIS, "domain": list(domain), "anchor": f"{other}{plot.axis}", **more}


def fitting(parts: Iterable[str], room: float, size: int = 11) -> str:
    """Return as many of `parts` as there is room for, the first ones, in one line.

    Example:
        >>> fitting(["bits", "logarithmic colours"], room=100)
        'bits'
    """
    line = ""
    for part in filter(None, parts):
        longer = f"{line} · {part}" if line else part
        if width_of(longer, size) <= room:
            line = longer
    return line


def add(drawn: dict[str, Any], note: dict[str, Any], layer: str | None = None) -> None:
    """Add an annotation to a layout; with the full name of the layer that it names."""
    if layer is not None:
        drawn["meta"]["names"][str(len(drawn["annotations"]))] = layer
    drawn["annotations"].append(note)


def of_plot(drawn: dict[str, Any], plot: Plot, panel: Panel) -> None:
    """Note of which run and set a plot is."""
    drawn["meta"]["panels"].append({"run": panel.run.name, "set": panel.set, "axis": plot.axis})


def said(drawn: dict[str, Any], plot: Plot, text: str) -> None:
    """Write in the middle of a plot why it is empty: any text."""
    add(drawn, absence(plot.box, [text]))


def nothing(drawn: dict[str, Any], plot: Plot) -> None:
    """Say that there is no plot, as no run is chosen."""
    said(drawn, plot, "no run is chosen")
    drawn["xaxis"], drawn["yaxis"] = (axis(plot, letter, visible=False) for letter in "xy")


def headed(drawn: dict[str, Any], plot: Plot, text: str, *, below: str = "", left: int = 0) -> None:
    """Write a title above a plot, and beside or below it in small what it is of.

    Args:
        drawn: The layout.
        plot: The plot.
        text: The title, with markup.
        below: What stands under it.
        left: Pixels that it begins left of the plot.
    """
    corner = {
        "xref": f"x{plot.axis} domain", "yref": f"y{plot.axis} domain", "x": 0, "y": 1,
        "xanchor": "left", "yanchor": "bottom", "showarrow": False, "xshift": -left,
    }  # fmt: skip
    if text:
        shift = {"yshift": 16 if below else 4}
        add(drawn, {**corner, **shift, "text": text, "font": {"size": 12, "color": TEXT}})
    if below:
        add(drawn, {**corner, "yshift": 2, "text": below, "font": {"size": 11, "color": MUTED}})


def table(
    of: str, what: str, rows: Iterable[tuple[str, float | None]]
) -> dict[str, str | list[list[str | float | None]]]:
    """What a trace shows in numbers, for pages: they are part of its `meta`, and no markup.

    Args:
        of: What each row is: a layer, a class.
        what: What the values are, with their unit.
        rows: Names in full, with the last value each.

    Example:
        >>> table("Class", "bits", [("cat", 0.5)])
        {'of': 'Class', 'what': 'bits', 'rows': [['cat', 0.5]]}
    """
    return {"of": of, "what": what, "rows": [[name, finite(value)] for name, value in rows]}


def traced(
    trace: Mapping[str, Any], plot: Plot, panel: Panel, role: str, number: int, layer: str | None
) -> dict[str, Any]:
    """A trace on the axes of a plot, with what it shows as `meta`.

    Args:
        trace: What Plotly draws, with what its template takes from `meta`.
        plot: On which plot.
        panel: Of which run and set.
        role: ``points``, ``line``, ``cell``, ``area``, ...
        number: Of the panel.
        layer: The full name, or None.
    """
    about = {"layer": layer, "role": role, "panel": number}
    return {
        **trace,
        **plot.place.on,
        "meta": {**trace.get("meta", {}), **about, "run": panel.run.name, "set": panel.set},
    }


def finished(drawn: dict[str, Any], data: Sequence[dict[str, Any]], request: Request) -> Figure:
    """The figure in the colours that were asked for; each trace has an identifier of its own."""
    traces = [{**trace, "uid": f"t{number}"} for number, trace in enumerate(data)]
    layout = {**drawn, "meta": about(request, drawn["meta"])}
    return coloured({"data": traces, "layout": layout, "frames": []}, request.theme)


def layers_of(names: Sequence[str], shorts: Sequence[str], colours: Sequence[Colour]) -> Any:
    """What chips are made of: a layer each, in order of depth."""
    return [
        {"name": name, "label": short, "colour": colour, "ink": colour.ink()}
        for name, short, colour in zip(names, shorts, colours, strict=True)
    ]
