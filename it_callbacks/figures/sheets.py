"""Lay out plots side by side, in pixels, and say of a figure what a page needs to know of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from it_callbacks.figures.axes import Figure, Panel, Place
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.theme import BACKGROUND, GRID, MARK, MUTED, TEXT, Colour, painted

FONT = "Inter, Roboto, 'Helvetica Neue', Arial, sans-serif"
NARROW = 380
"""Pixels of a plot below which words are short."""
_LETTER = 0.56
"""Width of a letter, in its size."""
_LEAST = 170
"""Pixels of a plot below which fewer stand in a row."""


def width_of(texts: Iterable[str], size: int = 12) -> int:
    """Pixels that the longest line of some texts takes, about.

    Example:
        >>> width_of(["hidden1<br>2.81", "out"])
        47
    """
    lines = [line for text in texts for line in text.split("<br>")]
    return round(_LETTER * size * max(map(len, lines), default=0))


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
    """What the layouts of all figures have."""
    return {
        "paper_bgcolor": BACKGROUND,
        "plot_bgcolor": BACKGROUND,
        "font": {"family": FONT, "color": TEXT, "size": 13},
        "hovermode": "closest",
        "hoverdistance": 24,
        "hoverlabel": {
            "bgcolor": BACKGROUND, "bordercolor": MARK, "align": "left", "namelength": 0,
            "font": {"family": FONT, "color": TEXT, "size": 12},
        },
        "modebar": {"color": MUTED, "activecolor": TEXT, "bgcolor": "rgba(0,0,0,0)"},
        "margin": {"l": pads.left[0], "r": pads.right[0], "t": pads.top, "b": pads.bottom},
        "showlegend": False,
        "dragmode": "pan",
        "uirevision": "kept",  # zoom outlives a reload
        "annotations": [],
        "shapes": [],
        "meta": {
            "kind": request.name, "reading": "", "resolution": 0, "view": request.view,
            "arrange": request.arrange, "summary": "", "layers": [], "moments": [], "names": {},
            "spare": [], "panels": [], "empty": {}, "companion": "", "opens": "plane",
        },
    }  # fmt: skip


def axis(plot: Plot, letter: str, **more: Any) -> dict[str, Any]:
    """A horizontal (``x``) or vertical (``y``) axis of a plot."""
    other = "y" if letter == "x" else "x"
    return {
        "gridcolor": GRID,
        "linecolor": MARK,
        "showline": True,
        "zeroline": False,
        "nticks": 7,
        "tickfont": {"size": 12, "color": MUTED},
        "domain": list(plot.place.across if letter == "x" else plot.place.up),
        "anchor": f"{other}{plot.axis}",
        **more,
    }


def axis_name(text: str) -> dict[str, Any]:
    """The title of an axis; `text` is markup already."""
    return {"text": text, "standoff": 8, "font": {"size": 13, "color": TEXT}}


def fitting(parts: Iterable[str], room: float, size: int = 11) -> str:
    """Return as many of `parts` as there is room for, the first ones, in one line.

    Example:
        >>> fitting(["bits", "logarithmic colours"], room=100)
        'bits'
    """
    line = ""
    for part in filter(None, parts):
        longer = f"{line} · {part}" if line else part
        if width_of([longer], size) <= room:
            line = longer
    return line


def add(drawn: dict[str, Any], note: dict[str, Any], layer: str | None = None) -> None:
    """Add an annotation to a layout; with the full name of the layer that it names."""
    if layer is not None:
        drawn["meta"]["names"][str(len(drawn["annotations"]))] = layer
    drawn["annotations"].append(note)


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


def said(drawn: dict[str, Any], plot: Plot, text: str) -> None:
    """Write in the middle of a plot why it is empty, in lines that fit."""
    most = max(int(plot.width / (_LETTER * 13)), 8)
    add(
        drawn,
        {
            "text": wrapped(text, most),
            "xref": f"x{plot.axis} domain", "yref": f"y{plot.axis} domain", "x": 0.5, "y": 0.5,
            "xanchor": "center", "yanchor": "middle", "showarrow": False,
            "font": {"size": 13, "color": MUTED},
        },
    )  # fmt: skip


def wrapped(text: str, most: int) -> str:
    """Return `text` with its spaces made new lines where a line would exceed `most` characters.

    Example:
        >>> wrapped("no layer has a value", most=9)
        'no layer<br>has a<br>value'
    """
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if len(longer) > most and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return "<br>".join(lines)


def traced(
    trace: Mapping[str, Any], plot: Plot, panel: Panel, role: str, number: int, layer: str | None
) -> dict[str, Any]:
    """A trace on the axes of a plot, with what it shows as `meta`.

    Args:
        trace: What Plotly draws.
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
        "meta": {**about, "run": panel.run.name, "set": panel.set},
    }


def finished(drawn: dict[str, Any], data: Sequence[dict[str, Any]], request: Request) -> Figure:
    """The figure in the colours that were asked for; each trace has an identifier of its own."""
    traces = [{**trace, "uid": f"{request.name}{number}"} for number, trace in enumerate(data)]
    figure: Figure = painted({"data": traces, "layout": drawn, "frames": []}, request.theme)
    return figure


def fitted(values: Sequence[float], marks: Sequence[float], scale: str) -> tuple[float, float]:
    """Return the ends of an axis around values, with the marks and the 0 that are near to them.

    Args:
        values: What is drawn.
        marks: What it is read against.
        scale: ``"fit"``, or ``"zero"`` for an axis from 0 to the last mark.

    Example:
        >>> fitted([1.0, 3.0], marks=[3.5, 9.0], scale="zero")
        (-0.63, 9.63)
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = (high - low) or max(abs(high), 1.0) * 0.2
    near = [mark for mark in marks if low - 0.35 * span <= mark <= high + 0.35 * span]
    if scale == "zero":
        low, near = min(low, 0.0), list(marks)
    elif 0 <= low < 0.35 * span:
        low = 0.0
    low, high = min([low, *near]), max([high, *near])
    room = 0.07 * ((high - low) or span)
    return round(low - room, 4), round(high + room, 4)


def layers_of(names: Sequence[str], shorts: Sequence[str], colours: Sequence[Colour]) -> Any:
    """What chips are made of: a layer each, in order of depth."""
    return [
        {"name": name, "label": short, "colour": colour, "ink": colour.ink()}
        for name, short, colour in zip(names, shorts, colours, strict=True)
    ]
