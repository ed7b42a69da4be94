"""Keep the figures of a page, each for wide and narrow windows and for light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from it_callbacks.figures import DARK, LIGHT, Figure, Panel, Request, draw, play
from it_callbacks.figures.theme import painted, recoloured
from it_callbacks.report.markup import Html, folded, tag

_HEIGHTS = {940: 460, 350: 400}
"""Widths that figures are drawn for, in pixels, of a page and of a phone; and how high a row of
panels is there."""
_LEAST_ROW = 380
"""Of several rows each may be lower."""
_SEEN = {"points", "cell"}
"""Roles of traces that hold values."""


@dataclass
class Drawings:
    """The figures of a page, each under an id, and the places that are kept for them."""

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id ``wide`` and ``narrow``, figures that can be played; ``still``, what the layout of the
    wide one is without slider and buttons; and ``dark``, from each colour to that on a dark page.

    Of the narrow one, traces and frames that are those of the wide one are their numbers there.
    """

    def place(
        self, request: Request, shown: Sequence[Panel], caption: str, title: str = ""
    ) -> Html:
        """Where a figure is drawn, as high as its rows of panels need.

        Of one that would be empty, a line says why.

        Args:
            request: What it shows.
            shown: Its panels.
            caption: Stands below it; ``{axis}`` is what goes across: epoch or step.
            title: Under which the figure is folded; it is open without.
        """
        named = replace(request, theme=None)
        wide, narrow = (_sized(named, shown, width) for width in _HEIGHTS)
        if why := _why_empty(wide):
            return tag("p", f"{title}: {why}." if title else f"{why}.", class_="faint")
        played, layout = _played(wide, request.name), wide["layout"]
        id_ = f"figure-{len(self.figures)}"
        self.figures[id_] = {
            "wide": _light(played),
            "narrow": _light(_apart(_played(narrow, request.name), played)),
            "still": {name: layout[name] for name in ("height", "margin")},
            "dark": recoloured(wide, LIGHT, DARK),
        }
        axis = layout.get("xaxis", {}).get("title", {}).get("text", "").split(" ")[0] or "epoch"
        figure = tag(
            "figure",
            tag("div", class_="drawing", data_figure=id_),
            tag("figcaption", caption.replace("{axis}", axis)),
        )
        return folded(title, figure) if title else figure


def _why_empty(figure: Figure) -> str:
    """Why there is nothing to be seen in any plot of a figure; empty if there is something."""
    if _SEEN.intersection(trace["meta"]["role"] for trace in figure["data"]):
        return ""
    about = figure["layout"]["meta"]
    reasons = map(about["empty"].get, (about["view"], about["reading"]))
    return next(filter(None, reasons), "no layer has a value of what would be drawn")


def _sized(request: Request, shown: Sequence[Panel], width: int) -> Figure:
    """The figure at a width, as high as its rows of panels need, with its size in the layout."""
    request = replace(request, width=width, height=_HEIGHTS[width])
    figure = draw(request, shown)
    axes = [of for name, of in figure["layout"].items() if name.startswith("yaxis")]
    n_rows = len({tuple(axis.get("domain", ())) for axis in axes})
    if n_rows > 1:
        request = replace(request, height=n_rows * _LEAST_ROW)
        figure = draw(request, shown)
    figure["layout"] |= {"width": width, "height": request.height}
    return figure


def _light(figure: Figure) -> Figure:
    """The figure in the colours of a light page; of frames few have any, in their layouts."""
    frames = [
        {**frame, "layout": painted(frame["layout"], LIGHT)}
        if isinstance(frame, dict) and "layout" in frame
        else frame
        for frame in figure["frames"]
    ]
    data = [painted(trace, LIGHT) for trace in figure["data"]]
    return {"data": data, "layout": painted(figure["layout"], LIGHT), "frames": frames}


def _apart(figure: Figure, other: Figure) -> Figure:
    """A figure with the numbers of what it has in common with another one."""
    parts = {
        part: [
            number if number < len(other[part]) and each == other[part][number] else each
            for number, each in enumerate(figure[part])
        ]
        for part in ("data", "frames")
    }
    return {**figure, **parts}


def _played(figure: Figure, name: str) -> Figure:
    """A plane that can be played, higher by its slider; any other figure as it is."""
    if name != "plane":
        return figure
    played, layout = play(figure), figure["layout"]
    added = played["layout"]["margin"].get("b", 0) - layout["margin"].get("b", 0)
    return {**played, "layout": {**played["layout"], "height": layout["height"] + added}}
