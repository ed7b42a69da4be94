"""Draw a figure as a page shows it: the same places, sizes and colours, in points for pixels."""

from __future__ import annotations

from typing import Any

from it_callbacks.figures import Figure
from it_callbacks.pictures.colours import rgba
from it_callbacks.pictures.notes import shown, write
from it_callbacks.pictures.panels import (
    across,
    bars_of,
    draw_trace,
    drawn_traces,
    finish,
    finish_bar,
    numbered,
    pen_of,
    title_of,
)
from it_callbacks.pictures.style import Sizes, Wishes

WIDTH = 7.2
"""Inches of a page, as most journals have them."""
_LETTER = 0.9
"""Of the size on a page: the letters of the pictures are as much wider than those of a browser."""
_PAGE = (900, 560)
"""Pixels of a figure that has no size of its own."""


def sizes(figure: Figure, wishes: Wishes) -> Sizes:
    """Points for the pixels of the figure, at the width that is wished for."""
    px = 72 * (wishes.width or WIDTH) / _page(figure)[0]
    letter = _LETTER * px
    return Sizes(px=px, text=13 * letter, small=12 * letter, tiny=11 * letter)


def _page(figure: Figure) -> tuple[float, float]:
    layout = figure["layout"]
    return layout.get("width", _PAGE[0]), layout.get("height", _PAGE[1])


def drawn(figure: Figure, wishes: Wishes) -> Any:
    """The figure as matplotlib's; to be called inside `styled`."""
    from matplotlib.figure import Figure as Picture
    from matplotlib.transforms import Affine2D

    layout, data = figure["layout"], drawn_traces(figure["data"])
    px = sizes(figure, wishes).px
    width = wishes.width or WIDTH
    height = wishes.height or width * _page(figure)[1] / _page(figure)[0]
    picture = Picture((width, height), facecolor=rgba(layout.get("paper_bgcolor", "white")))
    wide, high = 72 * width / px, 72 * height / px
    margin = {"l": 80, "r": 80, "t": 100, "b": 80} | layout.get("margin", {})
    if wishes.title:
        margin["t"] += 24
        above: dict[str, Any] = {"va": "top", "fontsize": 15 * _LETTER * px, "fontweight": "bold"}
        picture.text(margin["l"] / wide, 1 - 8 / high, wishes.title, **above)
    plots = (1 - (margin["l"] + margin["r"]) / wide, 1 - (margin["t"] + margin["b"]) / high)
    corner = (margin["l"] / wide, margin["b"] / high)
    panels = {}
    for name in numbered(layout):
        (x0, x1), (y0, y1) = (layout[f"{c}axis{name}"].get("domain", (0, 1)) for c in "xy")
        rectangle = (
            corner[0] + x0 * plots[0], corner[1] + y0 * plots[1],
            (x1 - x0) * plots[0], (y1 - y0) * plots[1],
        )  # fmt: skip
        panels[f"x{name}"] = picture.add_axes(
            rectangle, label=name, facecolor=rgba(layout.get("plot_bgcolor", "white"))
        )
    pen = pen_of(layout, px)
    for trace in data:
        draw_trace(panels, trace, pen)
    across(panels, layout.get("shapes", []), px)
    finish(panels, layout, data, px, has_grid=True)
    for name, axes in panels.items():
        for spine in axes.spines.values():
            spine.set_zorder(6)  # words of reference marks have a ground, which would cut it
        axes.set_xlabel(title_of(layout, "x", name), labelpad=4 * px)
        axes.set_ylabel(title_of(layout, "y", name), labelpad=4 * px)
    page = Affine2D().scale(*plots).translate(*corner) + picture.transFigure
    for note in shown(layout, names=wishes.names):
        size = _LETTER * px * note.get("font", {}).get("size", 13)
        write(panels, note, px, page, size=size)
    _bars(picture, figure, pen, corner, plots, (wide, high))
    picture.draw_without_rendering()  # ticks are made late; here they are made in our style
    return picture


def _bars(picture: Any, figure: Figure, pen: Any, corner: Any, plots: Any, page: Any) -> None:
    """Colour bars right of the plots."""
    from matplotlib.cm import ScalarMappable

    for about, scale in bars_of(figure["layout"], drawn_traces(figure["data"]), pen):
        long = about.get("len", 1)
        high = long / page[1] if about.get("lenmode") == "pixels" else long * plots[1]
        anchor, at = about.get("yanchor", "middle"), about.get("y", 0.5)
        below = {"top": high, "middle": high / 2, "bottom": 0.0}[anchor]
        bottom = corner[1] + at * plots[1] - below
        left = corner[0] + about.get("x", 1.02) * plots[0] + about.get("xpad", 10) / page[0]
        axes = picture.add_axes((left, bottom, about.get("thickness", 30) / page[0], high))
        finish_bar(picture.colorbar(ScalarMappable(*scale), cax=axes), about, 11 * _LETTER * pen.px)
